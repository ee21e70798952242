/*
 * See sink.h. Main thread.
 *
 * How a write avoids blocking depends on the descriptor: our own ones are
 * non-blocking; a shared socket is written with MSG_DONTWAIT; a shared pipe or
 * terminal is opened again through /proc to get our own file description; where
 * that is not allowed, small pieces are written when poll() reports room. A
 * regular file is written directly.
 */
#include "monitor/sink.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend/base/fd.h"

/* A pipe that poll() reports as writable takes this much without blocking. */
#define CAREFUL_PIECE 512

typedef enum {
    WRITE_PLAIN,   /* non-blocking description, or a regular file */
    WRITE_SOCKET,  /* shared socket */
    WRITE_CAREFUL, /* shared, blocking: poll() before each write */
} WriteMode;

struct Sink {
    int fd;
    MigFd reopened; /* shared: our own file description */
    WriteMode mode;
    bool shared;
    bool broken;
    bool failed; /* broken for another reason than a reader that has left */
    size_t limit;
    GByteArray *queue;
    size_t head; /* bytes of the queue already written */
    size_t lost; /* shared: bytes dropped and not yet reported */
    guint watch;
    guint notify;
    SinkGone gone;
    void *gone_data;
    const char *why;
    size_t level;
    void (*below)(void *data);
    void *below_data;
};

static Sink *make_sink(int fd, size_t limit)
{
    Sink *sink = g_new0(Sink, 1);

    sink->fd = fd;
    sink->reopened = -1;
    sink->limit = limit;
    sink->queue = g_byte_array_new();
    return sink;
}

Sink *sink_new(int fd, size_t limit, SinkGone gone, void *data)
{
    Sink *sink = make_sink(fd, limit);
    struct stat st;

    sink->gone = gone;
    sink->gone_data = data;
    if (fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode)) {
        sink->mode = WRITE_SOCKET;
    }
    return sink;
}

Sink *sink_new_shared(int fd, size_t limit)
{
    Sink *sink = make_sink(fd, limit);
    char path[32];
    struct stat st;

    sink->shared = true;
    if (fstat(fd, &st) < 0) {
        sink->broken = true; /* the descriptor is closed */
    } else if (S_ISSOCK(st.st_mode)) {
        sink->mode = WRITE_SOCKET;
    } else if (!S_ISREG(st.st_mode)) {
        g_snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        sink->reopened = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        if (sink->reopened >= 0) {
            sink->fd = sink->reopened;
        } else {
            sink->mode = WRITE_CAREFUL;
        }
    }
    return sink;
}

void sink_free(Sink *sink)
{
    if (sink == NULL) {
        return;
    }
    if (sink->watch != 0) {
        g_source_remove(sink->watch);
    }
    if (sink->notify != 0) {
        g_source_remove(sink->notify);
    }
    mig_fd_clear(&sink->reopened);
    g_byte_array_unref(sink->queue);
    g_free(sink);
}

size_t sink_pending(const Sink *sink)
{
    return sink->broken ? 0 : sink->queue->len - sink->head;
}

bool sink_has_failed(const Sink *sink)
{
    return sink->failed;
}

/* Calls the owner from the main loop, never from inside a call of the owner. */
static gboolean on_notify(void *data)
{
    Sink *sink = data;

    sink->notify = 0;
    if (sink->below != NULL && (sink->broken || sink_pending(sink) <= sink->level)) {
        void (*below)(void *) = sink->below;

        sink->below = NULL;
        if (sink->broken && sink->gone != NULL) {
            sink->notify = g_idle_add_full(G_PRIORITY_DEFAULT, on_notify, sink, NULL);
        }
        below(sink->below_data); /* may free the sink */
        return G_SOURCE_REMOVE;
    }
    if (sink->broken && sink->gone != NULL) {
        SinkGone gone = sink->gone;

        sink->gone = NULL;
        gone(sink->why, sink->gone_data); /* may free the sink */
    }
    return G_SOURCE_REMOVE;
}

static void notify_soon(Sink *sink)
{
    if (sink->notify == 0 && ((sink->broken && sink->gone != NULL) || sink->below != NULL)) {
        sink->notify = g_idle_add_full(G_PRIORITY_DEFAULT, on_notify, sink, NULL);
    }
}

static void break_off(Sink *sink, const char *why)
{
    sink->broken = true;
    sink->why = why;
    g_byte_array_set_size(sink->queue, 0);
    sink->head = 0;
    if (sink->watch != 0) {
        g_source_remove(sink->watch);
        sink->watch = 0;
    }
    notify_soon(sink);
}

/* Like write(2): -1 with EAGAIN when there is no room. */
static ssize_t write_some(Sink *sink, const void *bytes, size_t size)
{
    if (sink->mode == WRITE_SOCKET) {
        return send(sink->fd, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    }
    if (sink->mode == WRITE_CAREFUL) {
        struct pollfd room = { sink->fd, POLLOUT, 0 };

        if (poll(&room, 1, 0) == 0) {
            errno = EAGAIN;
            return -1;
        }
        size = MIN(size, CAREFUL_PIECE);
    }
    return write(sink->fd, bytes, size);
}

/* Writes as much of @bytes as the descriptor takes now. */
static size_t write_now(Sink *sink, const uint8_t *bytes, size_t size)
{
    size_t done = 0;

    while (done < size && !sink->broken) {
        ssize_t n = write_some(sink, bytes + done, size - done);

        if (n > 0) {
            done += (size_t)n;
        } else if (n < 0 && errno == EINTR) {
            continue;
        } else if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            break;
        } else {
            sink->failed = n < 0 && errno != EPIPE && errno != ECONNRESET && errno != EIO;
            break_off(sink, "the peer is gone");
        }
    }
    return done;
}

static void drain(Sink *sink)
{
    size_t done = write_now(sink, sink->queue->data + sink->head, sink_pending(sink));

    if (sink->broken) {
        return; /* break_off() emptied the queue */
    }
    sink->head += done;
    if (sink->head == sink->queue->len) {
        g_byte_array_set_size(sink->queue, 0);
        sink->head = 0;
    } else if (sink->head > sink->queue->len / 2) {
        g_byte_array_remove_range(sink->queue, 0, (unsigned)sink->head);
        sink->head = 0;
    }
    if (sink->lost > 0 && sink_pending(sink) <= sink->limit / 2) {
        g_autofree char *note =
            g_strdup_printf("\n[%zu bytes of output lost: nobody read them]\n", sink->lost);

        sink->lost = 0;
        g_byte_array_append(sink->queue, (const uint8_t *)note, (unsigned)strlen(note));
    }
}

static gboolean on_writable(int fd, GIOCondition condition, void *data)
{
    Sink *sink = data;

    (void)fd;
    (void)condition;
    drain(sink);
    if (sink->broken) {
        return G_SOURCE_REMOVE; /* break_off() has removed it */
    }
    if (sink->below != NULL && sink_pending(sink) <= sink->level) {
        notify_soon(sink);
    }
    if (sink_pending(sink) > 0) {
        return G_SOURCE_CONTINUE;
    }
    sink->watch = 0;
    return G_SOURCE_REMOVE;
}

void sink_write(Sink *sink, const void *bytes, size_t size)
{
    size_t done = 0;
    size_t room;

    if (sink->broken) {
        return;
    }
    if (sink_pending(sink) == 0) {
        done = write_now(sink, bytes, size);
    }
    if (sink->broken || done == size) {
        return;
    }
    room = sink->limit - MIN(sink->limit, sink_pending(sink));
    if (size - done > room) {
        if (!sink->shared) {
            break_off(sink, "the peer does not read");
            return;
        }
        sink->lost += size - done - room;
        size = done + room;
    }
    g_byte_array_append(sink->queue, (const uint8_t *)bytes + done, (unsigned)(size - done));
    if (sink->watch == 0) {
        sink->watch = g_unix_fd_add(sink->fd, G_IO_OUT | G_IO_ERR | G_IO_HUP, on_writable, sink);
    }
}

void sink_puts(Sink *sink, const char *text)
{
    sink_write(sink, text, strlen(text));
}

void sink_when_below(Sink *sink, size_t level, void (*below)(void *data), void *data)
{
    sink->level = level;
    sink->below = below;
    sink->below_data = data;
    if (below != NULL && (sink->broken || sink_pending(sink) <= level)) {
        notify_soon(sink);
    }
}

bool sink_flush(Sink *sink, unsigned timeout_ms)
{
    int64_t deadline = g_get_monotonic_time() + (int64_t)timeout_ms * 1000;

    while (!sink->broken && sink_pending(sink) > 0) {
        int64_t left = deadline - g_get_monotonic_time();
        struct pollfd room = { sink->fd, POLLOUT, 0 };

        if (left <= 0) {
            return false;
        }
        if (poll(&room, 1, (int)(left / 1000 + 1)) < 0 && errno != EINTR) {
            return false;
        }
        drain(sink);
    }
    return sink_pending(sink) == 0;
}
