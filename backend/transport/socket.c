/*
 * A connected stream socket: tcp, unix, vsock, or a passed one.
 *
 * Each call uses the flag MSG_DONTWAIT and waits in poll(), so it does not
 * change the descriptor's mode, which a passed socket shares with other
 * processes.
 */
#include "backend/transport/transport-private.h"

#include <errno.h>
#include <linux/tcp.h> /* the tcp_info of <netinet/tcp.h> lacks the fields used below */
#include <netinet/in.h>
#include <poll.h>
#include <string.h>

#include "backend/base/error.h"

/* A host that must acknowledge something and does not for so long is gone. A peer that is stopped,
 * or reads nothing, still has its kernel acknowledge, and is waited for. */
#define GONE_MS          50000
#define GONE_RETRANSMITS 3

bool tcp_host_is_gone(unsigned unacked, unsigned retransmits, unsigned probes, unsigned silent_ms)
{
    return silent_ms >= GONE_MS &&
           ((unacked > 0 && retransmits >= GONE_RETRANSMITS) || probes >= GONE_RETRANSMITS);
}

bool socket_is_reachable(const Transport *t, GError **error)
{
    struct tcp_info info = { 0 };
    socklen_t length = sizeof info;

    if (getsockopt(t->fd, IPPROTO_TCP, TCP_INFO, &info, &length) < 0 ||
        !tcp_host_is_gone(info.tcpi_unacked, info.tcpi_retransmits, info.tcpi_probes,
                          info.tcpi_last_ack_recv)) {
        return true;
    }
    return mig_fail(error, MIG_ERROR_IO, "the peer's host has not answered for %u s",
                    info.tcpi_last_ack_recv / 1000);
}

/* Sets the error of a failed call, and keeps it for the other thread of the connection. That the
 * peer has closed is no cause: what it said before is better. */
static void set_io_error(Transport *t, const char *what, GError **error)
{
    int reason = errno;
    g_autofree char *cause = g_strdup_printf("Unable to %s socket: %s", what, g_strerror(reason));

    if (reason != EPIPE && reason != ECONNRESET) {
        transport_keep_cause(t, cause);
    } else {
        atomic_store(&t->reset, true);
    }
    mig_error_set_errno(error, reason, "Unable to %s socket", what);
}

static bool would_block(void)
{
    return errno == EAGAIN || errno == EWOULDBLOCK;
}

ssize_t socket_readv(Transport *t, const struct iovec *iov, int n, GError **error)
{
    struct msghdr message = { .msg_iov = (struct iovec *)iov, .msg_iovlen = (size_t)n };

    for (;;) {
        ssize_t got = recvmsg(t->fd, &message, MSG_DONTWAIT);

        if (got >= 0) {
            return got;
        }
        if (would_block()) {
            if (!transport_wait(t, POLLIN, error)) {
                return -1;
            }
        } else if (errno != EINTR) {
            set_io_error(t, "read from", error);
            return -1;
        }
    }
}

ssize_t socket_writev(Transport *t, const struct iovec *iov, int n, GError **error)
{
    struct msghdr message = { .msg_iov = (struct iovec *)iov, .msg_iovlen = (size_t)n };

    for (;;) {
        ssize_t put = sendmsg(t->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL | zero_copy_flag(t));

        if (put >= 0) {
            zero_copy_sent(t);
            return put;
        }
        if (would_block()) {
            if (!transport_wait(t, POLLOUT, error) || !zero_copy_reap(t, error)) {
                return -1;
            }
        } else if (errno == ENOBUFS && zero_copy_flag(t) != 0) {
            if (!zero_copy_make_room(t, error)) {
                return -1;
            }
        } else if (errno != EINTR) {
            set_io_error(t, "write to", error);
            return -1;
        }
    }
}

void socket_interrupt(Transport *t)
{
    shutdown(t->fd, SHUT_RDWR);
}

/* Returns 0 when the socket is not tcp (a passed one can be either) or the kernel does not count
 * (before Linux 4.9): all waits then count as the link's. */
uint64_t socket_receiver_limited_us(const Transport *t)
{
    struct tcp_info info = { 0 };
    socklen_t length = sizeof info;

    if (getsockopt(t->fd, IPPROTO_TCP, TCP_INFO, &info, &length) < 0 ||
        length < offsetof(struct tcp_info, tcpi_rwnd_limited) + sizeof info.tcpi_rwnd_limited) {
        return 0;
    }
    return info.tcpi_rwnd_limited;
}

#define SOCKET_OPS(name, receiver, reachable)                                                      \
    {                                                                                              \
        .kind = name, .readv = socket_readv, .writev = socket_writev, .free = transport_destroy,   \
        .interrupt = socket_interrupt, .receiver_limited_us = receiver, .is_reachable = reachable, \
    }

static const TransportOps socket_ops[] = {
    SOCKET_OPS("tcp", socket_receiver_limited_us, socket_is_reachable),
    SOCKET_OPS("unix", NULL, NULL),
    SOCKET_OPS("vsock", NULL, NULL),
    SOCKET_OPS("fd", NULL, NULL),
};

static const TransportOps *find_ops(const char *kind)
{
    for (size_t i = 0; i < G_N_ELEMENTS(socket_ops); i++) {
        if (strcmp(socket_ops[i].kind, kind) == 0) {
            return &socket_ops[i];
        }
    }
    g_assert_not_reached();
}

/* The stream's small messages (PING, SHUT) must not wait for more data. A peer whose host has
 * vanished without a reset must be noticed within a minute: by keepalive while nothing is on the
 * way, else by socket_is_reachable(). TCP_USER_TIMEOUT would also end a connection to a peer that
 * lives and reads nothing. */
static void tune_tcp(int fd)
{
    static const struct {
        int level, name, value;
    } options[] = {
        { IPPROTO_TCP, TCP_NODELAY, 1 },   { SOL_SOCKET, SO_KEEPALIVE, 1 },
        { IPPROTO_TCP, TCP_KEEPIDLE, 20 }, { IPPROTO_TCP, TCP_KEEPINTVL, 5 },
        { IPPROTO_TCP, TCP_KEEPCNT, 6 },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(options); i++) {
        setsockopt(fd, options[i].level, options[i].name, &options[i].value, sizeof(int));
    }
}

void socket_obey_keep_alive(int fd, const Address *address)
{
    int off = 0;

    if (address->keep_alive == FLAG_OFF) {
        setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &off, sizeof off);
    }
}

bool socket_transport_init(Transport *t, const TransportOps *ops, int fd, const char *name,
                           GError **error)
{
    struct sockaddr_storage peer = { 0 };
    socklen_t length = sizeof peer;

    if (getpeername(fd, (struct sockaddr *)&peer, &length) < 0) {
        mig_error_set_errno(error, errno, "%s", name);
        return false;
    }
    if (peer.ss_family == AF_INET || peer.ss_family == AF_INET6) {
        tune_tcp(fd);
    }
    g_autofree char *copy = g_strdup(name);
    if (!transport_init(t, ops, fd, copy, error)) {
        return false;
    }
    copy = NULL;
    t->two_way = true;
    return true;
}

Transport *socket_transport_new(int fd, const char *kind, const char *name, GError **error)
{
    Transport *t = g_new0(Transport, 1);

    if (!socket_transport_init(t, find_ops(kind), fd, name, error)) {
        g_free(t);
        return NULL;
    }
    return t;
}
