/*
 * See monitor-socket.h. Main thread.
 *
 * Input of a client stays in the kernel while its command runs or it does not
 * read its output. Scripts read until "(migmon) ", so a prompt is written once
 * for each line and nothing follows it: notices wait for the next line.
 *
 * Output is collected and written at once: with the prompt, or from the main
 * loop while a command runs.
 */
#include "monitor/server/monitor-socket.h"

#include <errno.h>
#include <glib-unix.h>
#include <string.h>
#include <unistd.h>

#include "backend/base/shown.h"
#include "commands/hmp/hmp.h"
#include "monitor/server/line-discipline.h"
#include "monitor/sink.h"

#define PROMPT       "(migmon) "
#define OUTPUT_LIMIT (1u << 20)
/* No new line starts while more output than this is pending. */
#define OUTPUT_BEHIND (128u << 10)
#define MAX_NOTICES   64

typedef struct {
    SocketServer *server;
    int fd;
    Sink *sink;
    Hmp *hmp;
    LineDiscipline line;
    GByteArray *input; /* read and not yet processed */
    size_t head;
    GQueue notices;  /* char *, printed at the end of the next line */
    GString *output; /* printed and not yet in the sink */
    guint flush;
    guint watch;
    guint turn;
    bool busy;
    bool eof;
    bool dead;
} Client;

static void schedule(Client *client);

static void client_free(void *data)
{
    Client *client = data;

    if (client->watch != 0) {
        g_source_remove(client->watch);
    }
    if (client->turn != 0) {
        g_source_remove(client->turn);
    }
    if (client->flush != 0) {
        g_source_remove(client->flush);
    }
    hmp_free(client->hmp);
    sink_free(client->sink);
    close(client->fd);
    line_discipline_clear(&client->line);
    g_byte_array_unref(client->input);
    g_queue_clear_full(&client->notices, g_free);
    g_string_free(client->output, TRUE);
    g_free(client);
}

static void flush(Client *client)
{
    if (client->flush != 0) {
        g_source_remove(client->flush);
        client->flush = 0;
    }
    sink_write(client->sink, client->output->str, client->output->len);
    g_string_truncate(client->output, 0);
}

static gboolean on_flush(void *data)
{
    Client *client = data;

    client->flush = 0;
    flush(client);
    return G_SOURCE_REMOVE;
}

static void flush_soon(Client *client)
{
    if (client->flush == 0) {
        client->flush = g_idle_add_full(G_PRIORITY_DEFAULT, on_flush, client, NULL);
    }
}

/* Prints with \r\n at line ends, as a terminal needs it. */
static void client_print(Client *client, const char *lines)
{
    g_autofree char *shown = shown_lines(lines);
    const char *text = shown;

    while (*text != '\0') {
        size_t length = strcspn(text, "\n");

        g_string_append_len(client->output, text, (ssize_t)length);
        text += length;
        if (*text == '\n') {
            g_string_append(client->output, "\r\n");
            text++;
        }
    }
    flush_soon(client);
}

static void client_end_line(Client *client)
{
    char *notice;

    while ((notice = g_queue_pop_head(&client->notices)) != NULL) {
        client_print(client, notice);
        client_print(client, "\n");
        g_free(notice);
    }
    g_string_append(client->output, PROMPT);
    flush(client);
}

static void on_line_done(HmpResult result, void *data)
{
    Client *client = data;

    (void)result; /* its text is printed already */
    client->busy = false;
    client_end_line(client);
    schedule(client);
}

static void run_line(Client *client)
{
    g_autofree char *text = g_strdup(client->line.line->str);
    bool too_long = client->line.too_long;

    line_discipline_next(&client->line);
    if (too_long) {
        client_print(client, "Error: line is longer than 4095 bytes, nothing was done\n");
        client_end_line(client);
    } else if (text[strspn(text, " \t")] == '\0') {
        client_end_line(client);
    } else {
        client->busy = true;
        hmp_execute(client->hmp, text, on_line_done, client);
    }
}

/* Processes input up to the end of a line. */
static void take_input(Client *client)
{
    bool complete = false;

    while (client->head < client->input->len && !complete) {
        complete = line_discipline_feed(&client->line, client->input->data[client->head++],
                                        client->output);
    }
    if (client->head == client->input->len) {
        g_byte_array_set_size(client->input, 0);
        client->head = 0;
    }
    flush_soon(client); /* the echo, together with output that comes at once */
    if (complete) {
        run_line(client);
    }
}

static gboolean on_readable(int fd, GIOCondition condition, void *data)
{
    Client *client = data;
    uint8_t bytes[4096];
    ssize_t n = read(fd, bytes, sizeof(bytes));

    (void)condition;
    client->watch = 0;
    if (n > 0) {
        g_byte_array_append(client->input, bytes, (unsigned)n);
    } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
        client->eof = true;
    }
    schedule(client);
    return G_SOURCE_REMOVE;
}

static void on_calm(void *data)
{
    schedule(data);
}

/* Starts at most one line of this client, so that others get their turn. */
static gboolean take_turn(void *data)
{
    Client *client = data;

    client->turn = 0;
    if (client->dead || (client->eof && !client->busy && client->input->len == 0 &&
                         sink_pending(client->sink) == 0)) {
        socket_server_drop(client->server, client);
        return G_SOURCE_REMOVE;
    }
    if (client->busy) {
        return G_SOURCE_REMOVE;
    }
    if (client->eof && client->input->len == 0) {
        sink_when_below(client->sink, 0, on_calm, client);
    } else if (sink_pending(client->sink) > OUTPUT_BEHIND) {
        sink_when_below(client->sink, OUTPUT_BEHIND / 2, on_calm, client);
    } else if (client->input->len > 0) {
        take_input(client);
        schedule(client);
    } else if (client->watch == 0) {
        client->watch =
            g_unix_fd_add(client->fd, G_IO_IN | G_IO_HUP | G_IO_ERR, on_readable, client);
    }
    return G_SOURCE_REMOVE;
}

static void schedule(Client *client)
{
    if (client->turn == 0) {
        client->turn = g_idle_add_full(G_PRIORITY_DEFAULT, take_turn, client, NULL);
    }
}

static void on_gone(const char *why, void *data)
{
    Client *client = data;

    (void)why;
    client->dead = true;
    schedule(client);
}

static void on_print(const char *text, void *data)
{
    client_print(data, text);
}

static void *accept_client(SocketServer *server, int fd, const void *data)
{
    static const HmpCallbacks callbacks = { .print = on_print };
    Client *client = g_new0(Client, 1);

    (void)data;
    client->server = server;
    client->fd = fd;
    client->sink = sink_new(fd, OUTPUT_LIMIT, on_gone, client);
    client->input = g_byte_array_new();
    client->output = g_string_new(NULL);
    g_queue_init(&client->notices);
    line_discipline_init(&client->line);
    client->hmp = hmp_new(command_table, socket_server_backend(server), &callbacks, client, 0);
    client_print(client, hmp_banner());
    client_print(client, "\n" PROMPT);
    schedule(client);
    return client;
}

static void tell_notice(Client *client, const char *notice)
{
    g_autofree char *text = shown_message(notice);

    if (client->busy) {
        client_print(client, text);
        client_print(client, "\n");
        return;
    }
    g_queue_push_tail(&client->notices, g_steal_pointer(&text));
    if (client->notices.length > MAX_NOTICES) {
        g_free(g_queue_pop_head(&client->notices));
    }
}

/* Shows a notice: at once while a command runs, otherwise at the end of the next line. */
static void tell_event(GPtrArray *clients, const BackendEvent *event)
{
    json_object *text;

    if (strcmp(event->name, "X_NOTICE") != 0 || event->data == NULL ||
        !json_object_object_get_ex(event->data, "text", &text)) {
        return;
    }
    for (unsigned i = 0; i < clients->len; i++) {
        tell_notice(g_ptr_array_index(clients, i), json_object_get_string(text));
    }
}

static void flush_client(void *data, unsigned timeout_ms)
{
    Client *client = data;

    flush(client);
    sink_flush(client->sink, timeout_ms);
}

SocketServer *monitor_socket_new(Backend *backend, const char *address, GError **error)
{
    static const SocketProtocol protocol = {
        .accept = accept_client,
        .event = tell_event,
        .flush = flush_client,
        .free = client_free,
    };

    return socket_server_new(backend, address, &protocol, NULL, error);
}
