/*
 * See link.h. Sources of the main loop read and write the socket. The framer
 * checks the input, so that a monitor that sends garbage only causes a lost
 * connection.
 */
#include "backend/qmp/link-internal.h"

#include <errno.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/socket.h>

#include "backend/base/clock.h"
#include "backend/base/error.h"
#include "backend/base/fd.h"
#include "backend/base/json.h"

#define READ_CHUNK     (64u << 10)
#define FIRST_RETRY_MS 250
#define LAST_RETRY_MS  5000

static void dial_again(QmpLink *link);
static void lose(QmpLink *link, GError *error);

/* ---- input ---- */

static void handle_event(QmpLink *link, json_object *object, const char *name)
{
    json_object *time = json_member(object, "timestamp");
    int64_t seconds = json_integer(time, "seconds");
    int64_t us = json_integer(time, "microseconds");

    link->callbacks->event(name, json_member(object, "data"),
                           seconds > 0 ? seconds * 1000000 + us : g_get_real_time(), link->data);
}

static void negotiate(QmpLink *link, json_object *greeting)
{
    json_object *list = json_member(greeting, "capabilities");
    const char *text;

    link->has_oob = false;
    for (JsonEach name = json_each(list); json_next(&name);) {
        link->has_oob |= strcmp(json_string(name.value), "oob") == 0;
    }
    json_object_put(link->greeting);
    link->greeting = json_object_get(greeting);
    link->stage = STAGE_NEGOTIATING;
    text = link->has_oob
               ? "{\"execute\":\"qmp_capabilities\",\"arguments\":{\"enable\":[\"oob\"]}}\n"
               : "{\"execute\":\"qmp_capabilities\"}\n";
    g_byte_array_append(link->output, (const guint8 *)text, (guint)strlen(text));
    link_flush(link);
}

static void go_up(QmpLink *link)
{
    g_clear_handle_id(&link->limit, g_source_remove);
    link->stage = STAGE_UP;
    link->was_up = true;
    link->up_us = mig_clock_now_us();
    link->callbacks->up(link->greeting, link->data);
}

static void handle(QmpLink *link, json_object *object)
{
    json_object *value = NULL, *problem = NULL, *name = NULL, *greeting = NULL;

    if (!json_object_is_type(object, json_type_object)) {
        lose(link, g_error_new(MIG_ERROR, MIG_ERROR_FORMAT, "it does not speak QMP: %.100s",
                               json_object_to_json_string(object)));
    } else if (json_object_object_get_ex(object, "QMP", &greeting)) {
        if (link->stage == STAGE_GREETING) { /* a monitor that is starting may greet twice */
            negotiate(link, greeting);
        }
    } else if (json_object_object_get_ex(object, "event", &name)) {
        if (link->stage == STAGE_UP && json_object_is_type(name, json_type_string)) {
            handle_event(link, object, json_object_get_string(name));
        }
    } else if (json_object_object_get_ex(object, "return", &value) ||
               json_object_object_get_ex(object, "error", &problem)) {
        if (link->stage == STAGE_UP) {
            GError *error = link_handle_reply(link, object, value, problem);

            if (error != NULL) {
                lose(link, error);
            }
        } else if (link->stage == STAGE_NEGOTIATING && value != NULL) {
            go_up(link);
        } else if (problem != NULL) {
            lose(link, link_error_from(problem));
        }
    } else {
        lose(link, g_error_new(MIG_ERROR, MIG_ERROR_FORMAT, "it does not speak QMP: %.100s",
                               json_object_to_json_string(object)));
    }
}

static void handle_all(QmpLink *link)
{
    while (!link->freed && link->framer != NULL) {
        g_autoptr(GError) error = NULL;
        json_object *object = NULL;

        switch (json_framer_next(link->framer, &object, &error)) {
        case JSON_FRAME_NONE:
            return;
        case JSON_FRAME_ERROR:
            lose(link, g_error_new(MIG_ERROR, MIG_ERROR_FORMAT, "it does not speak QMP: %s",
                                   error->message));
            return;
        case JSON_FRAME_VALUE:
            handle(link, object);
            json_object_put(object);
            break;
        }
    }
}

static gboolean on_readable(gint fd, GIOCondition condition, void *data)
{
    QmpLink *link = data;
    g_autofree char *chunk = g_malloc(READ_CHUNK);
    ssize_t n = recv(fd, chunk, READ_CHUNK, MSG_DONTWAIT);

    (void)condition;
    link->refs++;
    if (n > 0) {
        json_framer_feed(link->framer, chunk, (size_t)n);
        handle_all(link);
    } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
        lose(link, n == 0
                       ? g_error_new(MIG_ERROR, MIG_ERROR_IO, "the monitor closed the connection")
                       : g_error_new(MIG_ERROR, MIG_ERROR_IO, "%s", g_strerror(errno)));
    }
    bool goes_on = link->fd == fd && !link->freed;
    link_unref(link);
    return goes_on ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

/* ---- the connection ---- */

static void hang_up(QmpLink *link)
{
    /* When the reader detected the loss, its return value removes its own source. */
    GSource *source = g_main_current_source();
    guint running = source != NULL ? g_source_get_id(source) : 0;

    if (link->reader != 0 && link->reader != running) {
        g_source_remove(link->reader);
    }
    link->reader = 0;
    g_clear_handle_id(&link->writer, g_source_remove);
    g_clear_handle_id(&link->overdue, g_source_remove);
    g_clear_handle_id(&link->limit, g_source_remove);
    g_clear_pointer(&link->dial, qmp_dial_free);
    mig_fd_clear(&link->fd);
    g_clear_pointer(&link->framer, json_framer_free);
    g_byte_array_set_size(link->output, 0);
    link->stage = STAGE_DOWN;
    link->silent = false;
}

static gboolean on_retry(void *data)
{
    QmpLink *link = data;

    link->retry = 0;
    dial_again(link);
    return G_SOURCE_REMOVE;
}

/* Ends the connection; takes ownership of @error. */
static void lose(QmpLink *link, GError *error)
{
    bool was_up = link->stage == STAGE_UP;

    hang_up(link);
    link_refuse_all(link, error);
    /* A connection that is soon lost again keeps its longer retry delay. */
    if (was_up && mig_clock_now_us() - link->up_us > LAST_RETRY_MS * INT64_C(1000)) {
        link->retry_ms = FIRST_RETRY_MS;
    }
    if (link->was_up) {
        link->retry = g_timeout_add(link->retry_ms, on_retry, link);
        link->retry_ms = MIN(link->retry_ms * 2, LAST_RETRY_MS);
    }
    if (was_up || !link->was_up) {
        link->callbacks->down(error, link->data);
    }
    g_error_free(error);
}

static gboolean on_limit(void *data)
{
    QmpLink *link = data;
    GError *error =
        g_error_new(MIG_ERROR, MIG_ERROR_IO, "%s: connected, but no %s for %.1f s", link->uri,
                    link->stage == STAGE_GREETING ? "greeting" : "end of negotiation",
                    link->times.connect_ms / 1e3);

    link->limit = 0;
    mig_error_hint(&error, "a QMP monitor serves one client at a time: another one may hold it; "
                           "or QEMU stands still");
    lose(link, error);
    return G_SOURCE_REMOVE;
}

static void note_pid(QmpLink *link)
{
    struct ucred creds = { 0 };
    socklen_t size = sizeof(creds);

    link->pid = 0;
    if (link->address->kind == ADDRESS_UNIX &&
        getsockopt(link->fd, SOL_SOCKET, SO_PEERCRED, &creds, &size) == 0) {
        link->pid = creds.pid;
    }
}

static void on_dialled(int fd, const GError *error, void *data)
{
    QmpLink *link = data;

    link->dial = NULL;
    if (error != NULL) {
        lose(link, g_error_copy(error));
        return;
    }
    link->fd = fd;
    note_pid(link);
    link->stage = STAGE_GREETING;
    link->framer = json_framer_new();
    link->reader = g_unix_fd_add(fd, G_IO_IN | G_IO_HUP | G_IO_ERR, on_readable, link);
    link->limit = g_timeout_add(link->times.connect_ms, on_limit, link);
}

static void dial_again(QmpLink *link)
{
    link->dial = qmp_dial_new(link->address, link->times.connect_ms, on_dialled, link);
}

/* ---- life ---- */

QmpLink *qmp_link_new(const char *address, const QmpLinkTimes *times,
                      const QmpLinkCallbacks *callbacks, void *data, GError **error)
{
    g_autoptr(Address) parsed = qmp_address_parse(address, error);

    if (parsed == NULL) {
        return NULL;
    }
    QmpLink *link = g_new0(QmpLink, 1);
    link->refs = 1;
    link->address = g_steal_pointer(&parsed);
    link->uri = address_to_uri(link->address);
    link->name = g_strdup(link->uri);
    link->times = *times;
    link->callbacks = callbacks;
    link->data = data;
    link->fd = -1;
    link->retry_ms = FIRST_RETRY_MS;
    link->output = g_byte_array_new();
    g_queue_init(&link->waiting);
    g_queue_init(&link->out_of_band);
    g_queue_init(&link->refused);
    dial_again(link);
    return link;
}

void qmp_link_free(QmpLink *link)
{
    g_autoptr(GError) error = NULL;

    if (link == NULL) {
        return;
    }
    g_set_error(&error, MIG_ERROR, MIG_ERROR_CANCELLED, "disconnected");
    link->freed = true;
    hang_up(link);
    g_clear_handle_id(&link->retry, g_source_remove);
    link_refuse_all(link, error);
    g_clear_handle_id(&link->soon, g_source_remove);
    link_answer_refused(link);
    json_object_put(link->greeting);
    g_byte_array_unref(link->output);
    address_free(link->address);
    g_free(link->uri);
    g_free(link->name);
    link_unref(link);
}

void qmp_link_set_name(QmpLink *link, const char *name)
{
    g_free(link->name);
    link->name = g_strdup(name);
}

const char *qmp_link_address(const QmpLink *link)
{
    return link->uri;
}

bool qmp_link_is_up(const QmpLink *link)
{
    return link->stage == STAGE_UP;
}

bool qmp_link_has_oob(const QmpLink *link)
{
    return link->has_oob;
}

pid_t qmp_link_pid(const QmpLink *link)
{
    return link->pid;
}

bool qmp_link_is_local(const QmpLink *link)
{
    return link->address->kind == ADDRESS_UNIX;
}

uint64_t qmp_link_sent(const QmpLink *link)
{
    return link->sent;
}
