/*
 * Listening sockets: ports and ranges of ports, both families at one port,
 * Unix paths. Runs on the main thread; nothing here blocks.
 */
#include "backend/transport/transport-private.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend/base/error.h"

/* The most connections that a source makes at once (main, requested pages, 255 multifd channels),
 * and as many strangers. */
#define BACKLOG 512
/* With port 0 the kernel's choice for one family may be in use in the other family; then the kernel
 * has to choose again. */
#define CHOICES 20

static void bound_socket_free(gpointer data)
{
    BoundSocket *bound = data;

    close(bound->fd);
    address_free(bound->address);
    g_free(bound);
}

static GPtrArray *bound_list_new(void)
{
    return g_ptr_array_new_with_free_func(bound_socket_free);
}

static void add_bound(GPtrArray *list, int fd, const Address *like)
{
    BoundSocket *bound = g_new0(BoundSocket, 1);

    bound->fd = fd;
    bound->address = socket_address_local(fd, like);
    g_ptr_array_add(list, bound);
}

/* ---- inet ---- */

static void set_port(struct sockaddr *addr, uint16_t port)
{
    if (addr->sa_family == AF_INET6) {
        ((struct sockaddr_in6 *)addr)->sin6_port = htons(port);
    } else {
        ((struct sockaddr_in *)addr)->sin_port = htons(port);
    }
}

static uint16_t get_port(const struct sockaddr *addr)
{
    return ntohs(addr->sa_family == AF_INET6 ? ((const struct sockaddr_in6 *)addr)->sin6_port
                                             : ((const struct sockaddr_in *)addr)->sin_port);
}

/* An explicit "::" also listens for IPv4; an empty host gets a socket for each family. */
static bool takes_both(const Address *address)
{
    bool both_unset = address->ipv4 == FLAG_UNSET && address->ipv6 == FLAG_UNSET;

    return strcmp(address->host, "::") == 0 && (both_unset || address->ipv4 == FLAG_ON);
}

/* A socket that listens at @ai with @port; -1 with errno. */
static int listen_one(const Address *address, const struct addrinfo *ai, uint16_t port)
{
    int protocol = address->mptcp == FLAG_ON ? IPPROTO_MPTCP : 0;
    struct sockaddr_storage addr = { 0 };
    int one = 1, only_v6 = !takes_both(address);

    g_auto(MigFd) fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
    if (fd < 0) {
        return -1;
    }
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (ai->ai_family == AF_INET6) {
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only_v6, sizeof only_v6);
    }
    if (address->keep_alive == FLAG_ON) {
        setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one); /* inherited by accept() */
    }
    memcpy(&addr, ai->ai_addr, ai->ai_addrlen);
    set_port((struct sockaddr *)&addr, port);
    if (bind(fd, (struct sockaddr *)&addr, ai->ai_addrlen) < 0 || listen(fd, BACKLOG) < 0) {
        int reason = errno;

        mig_fd_clear(&fd);
        errno = reason;
        return -1;
    }
    return mig_fd_steal(&fd);
}

/* True when this host does not support the family of an address at all. */
static bool is_absent(int reason)
{
    return reason == EAFNOSUPPORT || reason == EADDRNOTAVAIL;
}

/* A resolver returns an address twice when the hosts file contains it twice. */
static bool seen_before(const struct addrinfo *found, const struct addrinfo *ai)
{
    for (; found != ai; found = found->ai_next) {
        if (found->ai_addrlen == ai->ai_addrlen &&
            memcmp(found->ai_addr, ai->ai_addr, ai->ai_addrlen) == 0) {
            return true;
        }
    }
    return false;
}

/* Sockets for all of @found at one port; NULL and *@ret_reason. An absent family is skipped if
 * another one is available. */
static GPtrArray *listen_at(const Address *address, const struct addrinfo *found, uint16_t port,
                            int *ret_reason)
{
    g_autoptr(GPtrArray) list = bound_list_new();

    for (const struct addrinfo *ai = found; ai != NULL; ai = ai->ai_next) {
        if (seen_before(found, ai)) {
            continue;
        }
        int fd = listen_one(address, ai, port);
        if (fd >= 0) {
            add_bound(list, fd, address);
            if (port == 0) {
                const BoundSocket *first = g_ptr_array_index(list, 0);
                port = (uint16_t)strtoul(first->address->port, NULL, 10);
            }
        } else {
            *ret_reason = errno;
            if (!is_absent(errno)) {
                return NULL;
            }
        }
    }
    return list->len > 0 ? g_steal_pointer(&list) : NULL;
}

GPtrArray *listen_inet(const Address *address, const struct addrinfo *found, GError **error)
{
    unsigned first = get_port(found->ai_addr);
    unsigned last = address->has_to ? MAX(address->to, first) : first;
    unsigned choices = first == 0 && last == 0 ? CHOICES : 1;
    int reason = EADDRINUSE;

    for (unsigned port = first; port <= last; port++) {
        for (unsigned choice = 0; choice < choices; choice++) {
            GPtrArray *list = listen_at(address, found, (uint16_t)port, &reason);

            if (list != NULL) {
                return list;
            }
            if (reason != EADDRINUSE) {
                break;
            }
        }
    }
    mig_error_set_errno(error, reason, "Failed to find an available port");
    return NULL;
}

/* ---- unix ---- */

static bool set_bind_error(const Address *address, int reason, GError **error)
{
    mig_error_set_errno(error, reason, "Failed to bind socket to %s", address->path);
    return false;
}

/* Clears the path: removes an existing file only if it is a socket that no process listens on. */
static bool clear_path(const Address *address, const SocketAddr *addr, GError **error)
{
    struct stat info;

    if (lstat(address->path, &info) < 0) {
        return true; /* bind reports other errors of the path */
    }
    if (!S_ISSOCK(info.st_mode)) {
        set_bind_error(address, EADDRINUSE, error);
        mig_error_hint(error, "%s exists and is not a socket", address->path);
        return false;
    }
    g_auto(MigFd) probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (probe < 0) {
        mig_error_set_errno(error, errno, "Failed to create Unix socket");
        return false;
    }
    if (connect(probe, (const struct sockaddr *)&addr->addr, addr->length) < 0 &&
        errno == ECONNREFUSED) {
        unlink(address->path);
        return true;
    }
    set_bind_error(address, EADDRINUSE, error);
    mig_error_hint(error, "another process listens on %s", address->path);
    return false;
}

static GPtrArray *listen_unix(const Address *address, GError **error)
{
    bool abstract = address->abstract == FLAG_ON;
    SocketAddr addr;

    if (!socket_address_unix(address, &addr, error) ||
        (!abstract && !clear_path(address, &addr, error))) {
        return NULL;
    }
    g_auto(MigFd) fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        mig_error_set_errno(error, errno, "Failed to create Unix socket");
        return NULL;
    }
    fchmod(fd, 0600); /* the mode that bind gives the path */
    if (bind(fd, (struct sockaddr *)&addr.addr, addr.length) < 0) {
        set_bind_error(address, errno, error);
        return NULL;
    }
    if (listen(fd, BACKLOG) < 0) {
        mig_error_set_errno(error, errno, "Failed to listen on socket");
        return NULL;
    }
    GPtrArray *list = bound_list_new();
    add_bound(list, mig_fd_steal(&fd), address);
    return list;
}

/* ---- vsock ---- */

static GPtrArray *listen_vsock(const Address *address, GError **error)
{
    SocketAddr addr;

    if (!socket_address_vsock(address, &addr, error)) {
        return NULL;
    }
    g_auto(MigFd) fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        mig_error_set_errno(error, errno, "Failed to create socket");
        return NULL;
    }
    if (bind(fd, (struct sockaddr *)&addr.addr, addr.length) < 0) {
        mig_error_set_errno(error, errno, "Failed to bind socket to %s:%s", address->host,
                            address->port);
        return NULL;
    }
    if (listen(fd, BACKLOG) < 0) {
        mig_error_set_errno(error, errno, "Failed to listen on socket");
        return NULL;
    }
    GPtrArray *list = bound_list_new();
    add_bound(list, mig_fd_steal(&fd), address);
    return list;
}

/* A host name is looked up first, then the sockets are made by listen_inet() or the connector. */
const AddressMaker tcp_maker = { 0 };
const AddressMaker unix_maker = { .to_socket = socket_address_unix, .listen = listen_unix };
const AddressMaker vsock_maker = { .to_socket = socket_address_vsock, .listen = listen_vsock };

GPtrArray *listen_adopt(int fd, const Address *address)
{
    GPtrArray *list = bound_list_new();

    add_bound(list, fd, address);
    return list;
}
