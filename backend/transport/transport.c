/*
 * The calls of transport.h, on top of the vtable: whole writes, shutdown,
 * waits.
 *
 * A shutdown sets the flag, makes the wake descriptor permanently readable and
 * then interrupts the medium. Each call checks the flag first and waits only in
 * poll() on both its own and the wake descriptor, so no order of events loses a
 * wake-up.
 */
#include "backend/transport/transport-private.h"

#include <errno.h>
#include <limits.h>
#include <linux/sockios.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "backend/base/error.h"

bool transport_init(Transport *t, const TransportOps *ops, int fd, char *name, GError **error)
{
    t->wake_fd = wake_fd_new(error);
    if (t->wake_fd < 0) {
        return false;
    }
    t->ops = ops;
    t->fd = fd;
    t->name = name;
    return true;
}

void transport_clear(Transport *t)
{
    if (t->fd >= 0) {
        close(t->fd);
    }
    close(t->wake_fd);
    g_free(t->zero_copy);
    g_free(t->cause);
    g_free(t->name);
}

void transport_destroy(Transport *t)
{
    transport_clear(t);
    g_free(t);
}

void transport_free(Transport *t)
{
    if (t != NULL) {
        t->ops->free(t);
    }
}

const char *transport_name(const Transport *t)
{
    return t->name;
}

bool transport_is_two_way(const Transport *t)
{
    return t->two_way;
}

bool transport_is_shut_down(const Transport *t)
{
    return atomic_load(&t->shut_down);
}

bool transport_was_reset(const Transport *t)
{
    return atomic_load(&t->reset);
}

void transport_shutdown(Transport *t)
{
    if (atomic_exchange(&t->shut_down, true)) {
        return;
    }
    wake_fd_signal(t->wake_fd);
    if (t->ops->interrupt != NULL) {
        t->ops->interrupt(t);
    }
}

void transport_keep_cause(Transport *t, const char *cause)
{
    char *none = NULL, *copy = g_strdup(cause);

    if (!atomic_compare_exchange_strong(&t->cause, &none, copy)) {
        g_free(copy);
    }
}

void transport_shutdown_because(Transport *t, const char *cause)
{
    transport_keep_cause(t, cause);
    transport_shutdown(t);
}

bool transport_set_cancelled(const Transport *t, GError **error)
{
    const char *cause = atomic_load(&t->cause);

    if (cause != NULL) {
        return mig_fail(error, MIG_ERROR_IO, "%s", cause);
    }
    return mig_fail(error, MIG_ERROR_CANCELLED, "%s was closed on this side", t->name);
}

bool transport_waited(const Transport *t, WaitResult result, int errnum, GError **error)
{
    if (result == WAIT_WOKEN) {
        return transport_set_cancelled(t, error);
    }
    if (result == WAIT_FAILED) {
        mig_error_set_errno(error, errnum, "Unable to wait for %s", t->name);
        return false;
    }
    return true;
}

WaitResult wait_fd(int fd, short events, int wake_fd, int timeout_ms)
{
    struct pollfd polled[] = {
        { .fd = wake_fd, .events = POLLIN },
        { .fd = fd, .events = events },
    };
    int n;

    do {
        n = poll(polled, G_N_ELEMENTS(polled), timeout_ms);
    } while (n < 0 && (errno == EINTR || errno == EAGAIN));
    if (n < 0) {
        return WAIT_FAILED;
    }
    if (n == 0) {
        return WAIT_TIMEOUT;
    }
    return polled[0].revents != 0 ? WAIT_WOKEN : WAIT_READY;
}

bool transport_wait(Transport *t, short events, GError **error)
{
    bool writes = (events & POLLOUT) != 0, reachable = true;
    int look_ms = t->ops->is_reachable != NULL ? TRANSPORT_LOOK_MS : -1;
    WaitResult result;
    int errnum;

    if (writes) {
        wait_clock_begin(&t->blocked);
    }
    do {
        result = wait_fd(t->fd, events, t->wake_fd, look_ms);
        errnum = errno;
        reachable = result != WAIT_TIMEOUT || t->ops->is_reachable(t, error);
    } while (result == WAIT_TIMEOUT && reachable);
    if (writes) {
        wait_clock_end(&t->blocked);
    }
    return reachable && transport_waited(t, result, errnum, error);
}

void transport_get_waits(const Transport *t, TransportWaits *ret)
{
    uint64_t blocked = wait_clock_read_us(&t->blocked);
    uint64_t receiver = t->ops->receiver_limited_us != NULL
                            ? MIN(blocked, t->ops->receiver_limited_us(t))
                            : blocked;

    *ret = (TransportWaits){ .link_us = blocked - receiver, .receiver_us = receiver };
}

static bool is_kind(const Transport *t, const char *kind)
{
    return strcmp(t->ops->kind, kind) == 0;
}

static bool has_no_reader(const Transport *t)
{
    struct pollfd polled = { .fd = t->fd };

    return poll(&polled, 1, 0) == 1 && (polled.revents & (POLLERR | POLLHUP)) != 0;
}

TransportProgress transport_progress(const Transport *t)
{
    int unread = 0;

    /* SIOCOUTQ works for a socket, FIONREAD for a pipe; a file has no reader. What lies in the pipe
     * of a reader that has left is not taken any more: the next write fails. */
    if (t->fd < 0 || has_no_reader(t) ||
        (ioctl(t->fd, SIOCOUTQ, &unread) < 0 &&
         (is_kind(t, "file") || ioctl(t->fd, FIONREAD, &unread) < 0))) {
        unread = 0;
    }
    return (TransportProgress){
        .written = atomic_load_explicit(&t->written, memory_order_relaxed),
        .unread = (uint64_t)MAX(unread, 0),
        .blocked = wait_clock_is_running(&t->blocked),
    };
}

/* Skips empty entries at the front; an empty entry must not look like the end of a stream. */
static void skip_empty(const struct iovec **iov, int *n)
{
    while (*n > 0 && (*iov)->iov_len == 0) {
        (*iov)++;
        (*n)--;
    }
}

/* The end of the stream, after a thread that writes has found why. */
static bool ended_by_failure(const Transport *t)
{
    return atomic_load(&t->cause) != NULL;
}

/* Reports a failure after a shutdown as a shutdown. */
static void blame_shutdown(const Transport *t, GError **error)
{
    if (transport_is_shut_down(t) && error != NULL &&
        !g_error_matches(*error, MIG_ERROR, MIG_ERROR_CANCELLED)) {
        g_clear_error(error);
        transport_set_cancelled(t, error);
    }
}

ssize_t transport_readv(Transport *t, const struct iovec *iov, int n, GError **error)
{
    skip_empty(&iov, &n);
    g_assert(n > 0);
    if (transport_is_shut_down(t)) {
        transport_set_cancelled(t, error);
        return -1;
    }

    ssize_t got = t->ops->readv(t, iov, MIN(n, IOV_MAX), error);
    if ((got <= 0 && transport_is_shut_down(t)) || (got == 0 && ended_by_failure(t))) {
        /* After our own shutdown, the end of the stream was not caused by the peer. */
        if (got == 0) {
            transport_set_cancelled(t, error);
        } else {
            blame_shutdown(t, error);
        }
        return -1;
    }
    return got;
}

ssize_t transport_read(Transport *t, void *buffer, size_t size, GError **error)
{
    struct iovec iov = { .iov_base = buffer, .iov_len = size };

    return transport_readv(t, &iov, 1, error);
}

/* Moves past @count bytes of the entries. */
static void advance(struct iovec **iov, int *n, size_t count)
{
    while (count > 0) {
        size_t step = MIN(count, (*iov)->iov_len);

        (*iov)->iov_base = (char *)(*iov)->iov_base + step;
        (*iov)->iov_len -= step;
        count -= step;
        if ((*iov)->iov_len == 0) {
            (*iov)++;
            (*n)--;
        }
    }
}

bool transport_write_all(Transport *t, struct iovec *iov, int n, size_t *ret_accepted,
                         GError **error)
{
    size_t accepted = 0;
    bool ok = true;

    for (;;) {
        skip_empty((const struct iovec **)&iov, &n);
        if (n <= 0) {
            break;
        }
        if (transport_is_shut_down(t)) {
            ok = transport_set_cancelled(t, error);
            break;
        }
        ssize_t put = t->ops->writev(t, iov, MIN(n, IOV_MAX), error);
        if (put < 0) {
            blame_shutdown(t, error);
            ok = false;
            break;
        }
        accepted += (size_t)put;
        atomic_fetch_add_explicit(&t->written, (uint64_t)put, memory_order_relaxed);
        advance(&iov, &n, (size_t)put);
    }
    if (ret_accepted != NULL) {
        *ret_accepted = accepted;
    }
    return ok;
}

/* Where it is known without asking the kernel that a read would not block. */
static bool has_input(const Transport *t)
{
    return t->fd < 0 || (t->ops->has_input != NULL && t->ops->has_input(t));
}

bool transport_is_readable(const Transport *t)
{
    WaitResult result = has_input(t) ? WAIT_READY : wait_fd(t->fd, POLLIN, t->wake_fd, 0);

    return result == WAIT_READY || result == WAIT_WOKEN;
}

bool transport_may_be_readable(const Transport *t)
{
    return has_input(t) || wait_fd(t->fd, POLLIN, t->wake_fd, 0) != WAIT_TIMEOUT;
}

bool transport_peer_has_left(const Transport *t)
{
    struct pollfd polled = { .fd = t->fd, .events = POLLRDHUP };

    return t->two_way && poll(&polled, 1, 0) == 1;
}

bool transport_wait_writable(Transport *t, GError **error)
{
    return t->fd < 0 || transport_wait(t, POLLOUT, error);
}

bool transport_end_matters(const Transport *t)
{
    return is_kind(t, "exec");
}

void transport_set_finish_timeout(Transport *t, uint32_t ms)
{
    t->finish_timeout_ms = ms;
}

size_t transport_undelivered(const Transport *t)
{
    return t->undelivered;
}

bool transport_finish(Transport *t, GError **error)
{
    if (transport_is_shut_down(t)) {
        return transport_set_cancelled(t, error);
    }
    if (t->ops->finish == NULL) {
        return true;
    }
    wait_clock_begin(&t->blocked);
    bool ok = t->ops->finish(t, error);
    wait_clock_end(&t->blocked);
    if (ok) {
        return true;
    }
    blame_shutdown(t, error);
    return false;
}
