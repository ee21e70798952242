/*
 * Where accepted connections wait until their first bytes are seen. A port
 * scanner, a health check or a person with telnet must not count as the
 * migration: only "QEVM" is admitted, everything else is dropped with a word on
 * what it was. Main thread.
 *
 * The bytes are looked at with MSG_PEEK, so the one who reads the stream finds
 * all of it.
 */
#include "backend/transport/transport-private.h"

#include <errno.h>
#include <glib-unix.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#define WAITING_MAX 16
/* Some of the four bytes are there, and poll() goes on saying so: the rest is asked for this often.
 */
#define REST_MS 20

struct Lobby {
    LobbyCallbacks callbacks;
    void *data;
    GQueue waiting; /* of Waiting, the oldest first */
};

typedef struct {
    Lobby *lobby;
    int fd;
    char *peer;
    guint source;
} Waiting;

static const struct {
    const char *bytes;
    size_t length;
    const char *what;
} strangers[] = {
    { "\x11\x22\x33\x44", 4, "a multifd channel; multifd is not supported by this build" },
    { "\x16\x03", 2, "TLS; TLS is not supported by this build" },
    { "GET ", 4, "an HTTP request" },
    { "SSH-", 4, "an SSH client" },
};

/* "began with ..." for people. */
static char *describe_bytes(const uint8_t *bytes, size_t length)
{
    for (size_t i = 0; i < G_N_ELEMENTS(strangers); i++) {
        if (length >= strangers[i].length &&
            memcmp(bytes, strangers[i].bytes, strangers[i].length) == 0) {
            return g_strdup_printf("it is %s", strangers[i].what);
        }
    }

    g_autoptr(GString) text = g_string_new("it began with");
    for (size_t i = 0; i < length; i++) {
        g_string_append_printf(text, " %02x", bytes[i]);
    }
    g_string_append(text, " (\"");
    for (size_t i = 0; i < length; i++) {
        g_string_append_c(text, g_ascii_isprint(bytes[i]) ? (char)bytes[i] : '.');
    }
    g_string_append(text, "\"), not with \"QEVM\"");
    return g_string_free(g_steal_pointer(&text), FALSE);
}

/* Takes @w out of its lobby, whose callbacks can then do as they please. */
static void leave(Waiting *w)
{
    if (w->source != 0) {
        g_source_remove(w->source);
        w->source = 0;
    }
    g_queue_remove(&w->lobby->waiting, w);
}

static void waiting_free(Waiting *w)
{
    if (w->fd >= 0) {
        close(w->fd);
    }
    g_free(w->peer);
    g_free(w);
}

static void drop(Waiting *w, const char *why)
{
    LobbyCallbacks callbacks = w->lobby->callbacks;
    void *data = w->lobby->data;
    g_autofree char *text = g_strdup_printf("dropped a connection from %s: %s", w->peer, why);

    leave(w);
    waiting_free(w);
    callbacks.dropped(text, data);
}

static void admit(Waiting *w)
{
    LobbyCallbacks callbacks = w->lobby->callbacks;
    void *data = w->lobby->data;
    g_autofree char *peer = g_steal_pointer(&w->peer);
    int fd = mig_fd_steal(&w->fd);

    leave(w);
    waiting_free(w);
    callbacks.admit(fd, peer, data);
}

static gboolean on_readable(int fd, GIOCondition condition, gpointer data);

static gboolean on_rest(gpointer data);

static bool has_hung_up(int fd)
{
    struct pollfd polled = { .fd = fd, .events = POLLRDHUP };

    return poll(&polled, 1, 0) == 1;
}

/* Looks at what has come; may free @w. @polled: called because the descriptor is readable. */
static void look(Waiting *w, bool polled)
{
    uint8_t bytes[4];
    ssize_t got = recv(w->fd, bytes, sizeof bytes, MSG_PEEK | MSG_DONTWAIT);

    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (got <= 0) {
        drop(w, got == 0 ? "it left without a word" : g_strerror(errno));
        return;
    }
    if (memcmp(bytes, "QEVM", (size_t)got) != 0) {
        g_autofree char *why = describe_bytes(bytes, (size_t)got);
        drop(w, why);
        return;
    }
    if (got == sizeof bytes) {
        admit(w);
        return;
    }
    if (has_hung_up(w->fd)) {
        drop(w, "it left in the middle of its first word");
        return;
    }
    if (polled) {
        /* The descriptor stays readable without anything new to see. */
        g_source_remove(w->source);
        w->source = g_timeout_add(REST_MS, on_rest, w);
    }
}

static gboolean on_readable(int fd, GIOCondition condition, gpointer data)
{
    (void)fd;
    (void)condition;
    look(data, true);
    return G_SOURCE_CONTINUE; /* where it ended, look() has removed the source */
}

static gboolean on_rest(gpointer data)
{
    look(data, false);
    return G_SOURCE_CONTINUE;
}

Lobby *lobby_new(const LobbyCallbacks *callbacks, void *data)
{
    Lobby *lobby = g_new0(Lobby, 1);

    lobby->callbacks = *callbacks;
    lobby->data = data;
    g_queue_init(&lobby->waiting);
    return lobby;
}

void lobby_free(Lobby *lobby)
{
    Waiting *w;

    if (lobby == NULL) {
        return;
    }
    while ((w = g_queue_peek_head(&lobby->waiting)) != NULL) {
        leave(w);
        waiting_free(w);
    }
    g_free(lobby);
}

void lobby_add(Lobby *lobby, int fd, const char *peer)
{
    Waiting *w = g_new0(Waiting, 1);

    w->lobby = lobby;
    w->fd = fd;
    w->peer = g_strdup(peer);
    w->source = g_unix_fd_add(fd, G_IO_IN | G_IO_HUP | G_IO_ERR, on_readable, w);
    g_queue_push_tail(&lobby->waiting, w);
    if (lobby->waiting.length > WAITING_MAX) {
        drop(g_queue_peek_head(&lobby->waiting), "too many connections wait, and it said nothing");
    }
}
