/*
 * Converts between Address and the kernel's socket addresses, without name
 * look-ups.
 */
#include "backend/transport/transport-private.h"

#include <arpa/inet.h>
#include <linux/vm_sockets.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>

#include "backend/base/error.h"

static bool fail(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);

static bool fail(GError **error, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    return mig_fail(error, MIG_ERROR_GENERIC, "%s", text);
}

bool socket_address_unix(const Address *address, SocketAddr *ret, GError **error)
{
    struct sockaddr_un *un = (struct sockaddr_un *)&ret->addr;
    bool abstract = address->abstract == FLAG_ON;
    size_t length = strlen(address->path);

    if (length == 0 && !abstract) {
        return fail(error, "invalid Unix socket address");
    }
    if (length > sizeof un->sun_path - 1) {
        fail(error, "UNIX socket path '%s' is too long", address->path);
        mig_error_hint(error, "Path must be less than %zu bytes", sizeof un->sun_path);
        return false;
    }

    memset(ret, 0, sizeof *ret);
    un->sun_family = AF_UNIX;
    memcpy(un->sun_path + (abstract ? 1 : 0), address->path, length);
    if (abstract && address->tight != FLAG_OFF) {
        ret->length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + length);
    } else {
        /* An abstract name that is not tight is padded with zeros to the end of the field. */
        ret->length = sizeof *un;
    }
    return true;
}

static bool vsock_number(const char *text, const char *what, unsigned *ret, GError **error)
{
    guint64 number;

    if (!g_ascii_string_to_unsigned(text, 10, 0, UINT32_MAX, &number, NULL)) {
        return fail(error, "Failed to parse %s '%s'", what, text);
    }
    *ret = (unsigned)number;
    return true;
}

bool socket_address_vsock(const Address *address, SocketAddr *ret, GError **error)
{
    struct sockaddr_vm *vm = (struct sockaddr_vm *)&ret->addr;

    memset(ret, 0, sizeof *ret);
    vm->svm_family = AF_VSOCK;
    ret->length = sizeof *vm;
    return vsock_number(address->host, "cid", &vm->svm_cid, error) &&
           vsock_number(address->port, "port", &vm->svm_port, error);
}

char *socket_address_label(const Address *address)
{
    if (address->kind == ADDRESS_UNIX || address->kind == ADDRESS_FD) {
        return g_strdup(address->path);
    }
    return g_strdup_printf("%s:%s", address->host, address->port);
}

char *socket_address_name(const Address *address)
{
    g_autoptr(Address) bare = address_copy(address);

    bare->has_to = false;
    bare->ipv4 = bare->ipv6 = bare->keep_alive = bare->mptcp = FLAG_UNSET;
    return address_to_uri(bare);
}

/* A new Address for a socket address of the kernel; @like provides the options of a Unix
 * address. */
static Address *from_sockaddr(const struct sockaddr_storage *addr, socklen_t length,
                              const Address *like)
{
    g_autoptr(Address) address = address_copy(like);
    char host[NI_MAXHOST], port[NI_MAXSERV];

    if (addr->ss_family == AF_VSOCK) {
        const struct sockaddr_vm *vm = (const struct sockaddr_vm *)addr;

        g_free(address->host);
        g_free(address->port);
        address->host = g_strdup_printf("%u", vm->svm_cid);
        address->port = g_strdup_printf("%u", vm->svm_port);
    } else if (addr->ss_family == AF_INET || addr->ss_family == AF_INET6) {
        if (getnameinfo((const struct sockaddr *)addr, length, host, sizeof host, port, sizeof port,
                        NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
            return g_steal_pointer(&address);
        }
        g_free(address->host);
        g_free(address->port);
        address->kind = ADDRESS_INET;
        address->host = g_strdup(host);
        address->port = g_strdup(port);
        address->has_to = false;
        address->ipv4 = addr->ss_family == AF_INET ? FLAG_ON : FLAG_UNSET;
        address->ipv6 = addr->ss_family == AF_INET6 ? FLAG_ON : FLAG_UNSET;
    }
    return g_steal_pointer(&address);
}

Address *socket_address_local(int fd, const Address *like)
{
    struct sockaddr_storage addr = { 0 };
    socklen_t length = sizeof addr;

    if (getsockname(fd, (struct sockaddr *)&addr, &length) < 0) {
        return address_copy(like);
    }
    g_autoptr(Address) address = from_sockaddr(&addr, length, like);
    if (address->kind == ADDRESS_UNIX && address->abstract == FLAG_ON &&
        address->tight == FLAG_UNSET) {
        address->tight = FLAG_ON;
    }
    return g_steal_pointer(&address);
}

char *socket_address_peer(int fd, const Address *like)
{
    struct sockaddr_storage addr = { 0 };
    socklen_t length = sizeof addr;
    struct ucred who;
    socklen_t who_length = sizeof who;

    if (getpeername(fd, (struct sockaddr *)&addr, &length) < 0) {
        return socket_address_name(like);
    }
    if (addr.ss_family == AF_UNIX) {
        g_autofree char *name = socket_address_name(like);

        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &who_length) < 0 || who.pid == 0) {
            return g_steal_pointer(&name);
        }
        return g_strdup_printf("%s (pid %d)", name, (int)who.pid);
    }
    g_autoptr(Address) peer = from_sockaddr(&addr, length, like);
    return socket_address_name(peer);
}

char *socket_address_host(int fd)
{
    struct sockaddr_storage addr = { 0 };
    socklen_t length = sizeof addr;
    struct ucred who;
    socklen_t who_length = sizeof who;
    char host[NI_MAXHOST];

    if (getpeername(fd, (struct sockaddr *)&addr, &length) < 0) {
        return NULL;
    }
    switch (addr.ss_family) {
    case AF_UNIX:
        return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &who_length) < 0
                   ? NULL
                   : g_strdup_printf("uid %u", who.uid);
    case AF_VSOCK:
        return g_strdup_printf("cid %u", ((const struct sockaddr_vm *)&addr)->svm_cid);
    default:
        return getnameinfo((const struct sockaddr *)&addr, length, host, sizeof host, NULL, 0,
                           NI_NUMERICHOST) != 0
                   ? NULL
                   : g_strdup(host);
    }
}
