/*
 * The outgoing side. connector_new() runs on the main thread and opens files, children and passed
 * descriptors; connector_open() runs on a worker and connects sockets.
 *
 * Every wait of connector_open() also polls the cancel descriptor. A cancelled name look-up ends
 * later in its own thread, and its result is dropped.
 */
#include "backend/transport/transport-private.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "backend/base/error.h"
#include "backend/base/lock.h"

/* poll() does not report room in the queue of a Unix socket: connect() is repeated after this
 * time. */
#define UNIX_RETRY_MS 20

struct Connector {
    /* Constant. */
    Address *address;
    char *name;
    int cancel_fd;
    TlsSetup *tls; /* NULL = without TLS */

    pthread_mutex_t lock;
    bool cancelled;   /* under @lock */
    Transport *ready; /* under @lock; of kinds opened by connector_new(); NULL once taken */
};

/* ---- making one ---- */

Connector *connector_new(const Address *address, int fd, GError **error)
{
    g_autoptr(Transport) ready = NULL;

    if (!maker_exists(address)) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_UNSUPPORTED,
                    "Parameter 'uri' expects a valid migration protocol: RDMA is not built into "
                    "migmon");
        return NULL;
    }
    g_auto(MigFd) cancel = wake_fd_new(error);
    if (cancel < 0) {
        return NULL;
    }
    if (address_has(address, TRAIT_MANY)) {
        if (!maker_check(address, error)) {
            return NULL;
        }
    } else {
        ready = maker_of(address)->open(address, fd, STREAM_OUT, error);
        if (ready == NULL) {
            return NULL;
        }
    }

    Connector *connector = g_new0(Connector, 1);
    connector->address = address_copy(address);
    connector->name = socket_address_name(address);
    connector->cancel_fd = mig_fd_steal(&cancel);
    connector->ready = g_steal_pointer(&ready);
    pthread_mutex_init(&connector->lock, NULL);
    return connector;
}

void connector_use_tls(Connector *connector, TlsSetup *setup)
{
    connector->tls = setup;
}

void connector_free(Connector *connector)
{
    if (connector == NULL) {
        return;
    }
    tls_setup_free(connector->tls);
    transport_free(connector->ready);
    close(connector->cancel_fd);
    address_free(connector->address);
    pthread_mutex_destroy(&connector->lock);
    g_free(connector->name);
    g_free(connector);
}

void connector_cancel(Connector *connector)
{
    pthread_mutex_lock(&connector->lock);
    connector->cancelled = true;
    pthread_mutex_unlock(&connector->lock);
    wake_fd_signal(connector->cancel_fd);
}

/* ---- connecting ---- */

bool connector_is_cancelled(Connector *connector)
{
    MIG_LOCK(&connector->lock);
    return connector->cancelled;
}

static bool set_cancelled(const Connector *connector, GError **error)
{
    return mig_fail(error, MIG_ERROR_CANCELLED, "connecting to %s was cancelled", connector->name);
}

/* As wait_fd(): 0, an errno, or -1 for cancelled. */
static int await_fd(const Connector *connector, int fd, short events, int timeout_ms)
{
    switch (wait_fd(fd, events, connector->cancel_fd, timeout_ms)) {
    case WAIT_WOKEN:
        return -1;
    case WAIT_FAILED:
        return errno;
    default:
        return 0;
    }
}

/* The outcome of a connect that was begun on @fd: 0, an errno, or -1 for cancelled. */
static int await_connect(const Connector *connector, int fd)
{
    int reason = await_fd(connector, fd, POLLOUT, -1);
    socklen_t length = sizeof reason;

    if (reason == 0 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &reason, &length) < 0) {
        return errno;
    }
    return reason;
}

/* Connects @fd, which does not block: 0, an errno, or -1 for cancelled. */
static int connect_fd(const Connector *connector, int fd, const struct sockaddr *addr,
                      socklen_t length)
{
    for (;;) {
        if (connect(fd, addr, length) == 0) {
            return 0;
        }
        if (errno == EINPROGRESS || errno == EINTR) {
            return await_connect(connector, fd);
        }
        if (errno != EAGAIN || addr->sa_family != AF_UNIX) {
            return errno;
        }
        /* The queue of the Unix socket is full. */
        int reason = await_fd(connector, -1, 0, UNIX_RETRY_MS);
        if (reason != 0) {
            return reason;
        }
    }
}

/* One attempt: a connected socket, or -1 and *@ret_reason as from connect_fd(). */
static int try_address(const Connector *connector, const struct sockaddr *addr, socklen_t length,
                       int *ret_reason)
{
    bool inet = addr->sa_family == AF_INET || addr->sa_family == AF_INET6;
    int protocol = inet && connector->address->mptcp == FLAG_ON ? IPPROTO_MPTCP : 0;
    int one = 1;

    /* No other process shares this description: it can stay non-blocking. */
    g_auto(MigFd) fd =
        socket(addr->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
    if (fd < 0) {
        *ret_reason = errno;
        return -1;
    }
    if (inet && connector->address->keep_alive == FLAG_ON) {
        setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
    }
    *ret_reason = connect_fd(connector, fd, addr, length);
    return *ret_reason == 0 ? mig_fd_steal(&fd) : -1;
}

static bool set_connect_error(const Connector *connector, int reason, GError **error)
{
    g_autofree char *label = socket_address_label(connector->address);

    if (reason < 0) {
        return set_cancelled(connector, error);
    }
    mig_error_set_errno(error, reason, "Failed to connect to '%s'", label);
    return false;
}

/* True for reasons that only mean that this host has no route for that family of addresses. */
static bool is_vague(int reason)
{
    return reason == 0 || reason == ENETUNREACH || reason == EAFNOSUPPORT ||
           reason == EADDRNOTAVAIL;
}

static int connect_inet(Connector *connector, GError **error)
{
    g_autoptr(ResolveJob) job = resolve_start(connector->address, false, error);
    int fd = -1, reason = 0, told = 0;

    if (job == NULL) {
        return -1;
    }
    reason = await_fd(connector, resolve_fd(job), POLLIN, -1);
    if (reason != 0) {
        set_connect_error(connector, reason, error);
        return -1;
    }
    struct addrinfo *found = resolve_take(job, error);
    if (found == NULL) {
        return -1;
    }
    for (const struct addrinfo *ai = found; ai != NULL && fd < 0 && reason >= 0; ai = ai->ai_next) {
        fd = try_address(connector, ai->ai_addr, ai->ai_addrlen, &reason);
        /* Of several failures, the most precise one is reported. */
        if (reason < 0 || is_vague(told) || !is_vague(reason)) {
            told = reason;
        }
    }
    freeaddrinfo(found);
    if (fd < 0) {
        set_connect_error(connector, told, error);
    }
    return fd;
}

static int connect_simple(Connector *connector, GError **error)
{
    SocketAddr addr;
    int reason;

    if (!maker_of(connector->address)->to_socket(connector->address, &addr, error)) {
        return -1;
    }
    int fd = try_address(connector, (struct sockaddr *)&addr.addr, addr.length, &reason);
    if (fd < 0) {
        set_connect_error(connector, reason, error);
    }
    return fd;
}

/* ---- TLS ---- */

/* Waits for what the handshake needs; false when it is cancelled or takes too long. */
static bool await_step(const Connector *connector, int fd, TlsStep step, int64_t deadline,
                       GError **error)
{
    int64_t left_ms = (deadline - g_get_monotonic_time()) / 1000;

    switch (wait_fd(fd, step == TLS_WANTS_WRITE ? POLLOUT : POLLIN, connector->cancel_fd,
                    (int)CLAMP(left_ms, 0, G_MAXINT))) {
    case WAIT_READY:
        return true;
    case WAIT_WOKEN:
        return set_cancelled(connector, error);
    case WAIT_FAILED:
        mig_error_set_errno(error, errno, "Unable to wait for %s", connector->name);
        return false;
    case WAIT_TIMEOUT:
        break;
    }
    g_set_error(error, MIG_ERROR, MIG_ERROR_IO,
                "TLS handshake failed: the destination did not answer within %d s",
                TLS_HANDSHAKE_MS / 1000);
    return false;
}

/* Makes a TLS session over the socket @fd, which it takes on success. */
static Transport *secure(const Connector *connector, int fd, GError **error)
{
    int64_t deadline = g_get_monotonic_time() + TLS_HANDSHAKE_MS * 1000;
    g_autoptr(TlsSession) session = tls_session_new(fd, connector->tls, error);
    TlsStep step;

    if (session == NULL) {
        return NULL;
    }
    while ((step = tls_session_handshake(session, error)) != TLS_DONE) {
        if (step == TLS_FAILED || !await_step(connector, fd, step, deadline, error)) {
            return NULL;
        }
    }
    Transport *t = tls_transport_new(session, connector->name, error);
    if (t != NULL) {
        session = NULL;
    }
    return t;
}

/* A passed descriptor, when TLS is on: only a socket can carry it. */
static Transport *secure_ready(const Connector *connector, Transport *ready, GError **error)
{
    g_autoptr(Transport) plain = ready;

    if (ready == NULL || connector->tls == NULL) {
        return g_steal_pointer(&plain);
    }
    if (!plain->two_way) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_UNSUPPORTED, "%s cannot carry TLS",
                    connector->name);
        mig_error_hint(error, "TLS needs a socket; migrate_set_parameter tls-creds \"\" migrates "
                              "without it");
        return NULL;
    }
    g_auto(MigFd) fd = fcntl(plain->fd, F_DUPFD_CLOEXEC, 0);
    if (fd < 0) {
        mig_error_set_errno(error, errno, "%s", connector->name);
        return NULL;
    }
    Transport *t = secure(connector, fd, error);
    if (t != NULL) {
        mig_fd_steal(&fd);
    }
    return t;
}

static Transport *take_ready(Connector *connector, GError **error)
{
    if (connector->ready == NULL) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC, "%s can be opened only once",
                    connector->name);
    }
    return g_steal_pointer(&connector->ready);
}

Transport *connector_open(Connector *connector, GError **error)
{
    const Address *address = connector->address;
    bool connects = address_has(address, TRAIT_MANY);

    pthread_mutex_lock(&connector->lock);
    bool cancelled = connector->cancelled;
    Transport *t = NULL;
    if (!cancelled && !connects) {
        t = take_ready(connector, error);
    }
    pthread_mutex_unlock(&connector->lock);

    if (cancelled) {
        set_cancelled(connector, error);
        return NULL;
    }
    if (!connects) {
        return secure_ready(connector, t, error);
    }

    g_auto(MigFd) fd = maker_of(address)->to_socket == NULL ? connect_inet(connector, error)
                                                            : connect_simple(connector, error);
    if (fd < 0) {
        return NULL;
    }
    t = connector->tls != NULL
            ? secure(connector, fd, error)
            : socket_transport_new(fd, address_traits[address->kind].name, connector->name, error);
    if (t != NULL) {
        socket_obey_keep_alive(fd, address);
        mig_fd_steal(&fd);
    }
    return t;
}
