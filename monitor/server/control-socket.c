/*
 * See control-socket.h. Main thread.
 */
#include "monitor/server/control-socket.h"

#include <errno.h>
#include <glib-unix.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "backend/base/error.h"
#include "backend/base/fd.h"

#define BACKLOG 16
/* Pause before the next accept() when the process has no descriptor left. */
#define ACCEPT_PAUSE_MS 500

typedef struct {
    ControlSocket *control;
    int fd;
    guint source; /* watch on @fd, or the pause */
} Door;

struct ControlSocket {
    char *name;
    char *path; /* unix */
    dev_t dev;  /* of the socket file we made */
    ino_t ino;
    GPtrArray *doors; /* one for each address of the name */
    ControlAccept accept;
    void *data;
};

static void door_free(void *data)
{
    Door *door = data;

    if (door->source != 0) {
        g_source_remove(door->source);
    }
    close(door->fd);
    g_free(door);
}

static gboolean on_knock(int fd, GIOCondition condition, void *data);

static void watch_door(Door *door)
{
    door->source = g_unix_fd_add(door->fd, G_IO_IN, on_knock, door);
}

static gboolean on_pause_over(void *data)
{
    watch_door(data);
    return G_SOURCE_REMOVE;
}

static gboolean on_knock(int fd, GIOCondition condition, void *data)
{
    Door *door = data;
    ControlSocket *control = door->control;
    int client = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    (void)condition;
    if (client >= 0) {
        control->accept(client, control->data);
    } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
        door->source = g_timeout_add(ACCEPT_PAUSE_MS, on_pause_over, door);
        return G_SOURCE_REMOVE;
    }
    return G_SOURCE_CONTINUE;
}

static bool open_door(ControlSocket *control, int fd, GError **error)
{
    Door *door;

    if (listen(fd, BACKLOG) < 0) {
        mig_error_set_errno(error, errno, "Failed to listen on '%s'", control->name);
        return false;
    }
    door = g_new0(Door, 1);
    door->control = control;
    door->fd = fd;
    watch_door(door);
    g_ptr_array_add(control->doors, door);
    return true;
}

/* Removes a stale socket file; any other file is an error. */
static bool clear_stale_socket(const struct sockaddr_un *address, GError **error)
{
    const char *path = address->sun_path;
    g_auto(MigFd) probe = -1;
    struct stat st;

    if (lstat(path, &st) < 0) {
        return true; /* bind() reports other problems */
    }
    if (!S_ISSOCK(st.st_mode)) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_IO, "'%s' exists and is not a socket", path);
        return false;
    }
    probe = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (probe < 0) {
        mig_error_set_errno(error, errno, "Failed to create a socket");
        return false;
    }
    if (connect(probe, (const struct sockaddr *)address, sizeof(*address)) < 0 &&
        errno == ECONNREFUSED) {
        unlink(path);
        return true;
    }
    g_set_error(error, MIG_ERROR, MIG_ERROR_IO, "'%s' is in use by another program", path);
    return false;
}

static bool listen_unix(ControlSocket *control, const char *path, GError **error)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    g_auto(MigFd) fd = -1;
    struct stat st;

    if (path[0] == '\0') {
        g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC, "'%s' lacks a path", control->name);
        return false;
    }
    if (strlen(path) >= sizeof(address.sun_path)) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC, "UNIX socket path '%s' is too long", path);
        mig_error_hint(error, "at most %zu bytes", sizeof(address.sun_path) - 1);
        return false;
    }
    memcpy(address.sun_path, path, strlen(path));
    if (!clear_stale_socket(&address, error)) {
        return false;
    }
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        mig_error_set_errno(error, errno, "Failed to create a socket");
        return false;
    }
    /* The file gets the mode of the socket; the umask belongs to the whole process. */
    if (fchmod(fd, 0600) < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
        mig_error_set_errno(error, errno, "Failed to bind socket to %s", path);
        return false;
    }
    if (lstat(path, &st) == 0) {
        control->path = g_strdup(path);
        control->dev = st.st_dev;
        control->ino = st.st_ino;
    }
    if (!open_door(control, fd, error)) {
        return false;
    }
    mig_fd_steal(&fd);
    return true;
}

/* "HOST:PORT" or "[V6]:PORT" into its two halves. */
static bool split_host_port(const char *text, char **ret_host, char **ret_port)
{
    const char *colon;
    const char *end;

    if (text[0] == '[') {
        text++;
        end = strchr(text, ']');
        colon = end != NULL ? end + 1 : NULL;
    } else {
        end = colon = strchr(text, ':');
    }
    if (colon == NULL || *colon != ':' || colon[1] == '\0' || strchr(colon + 1, ':') != NULL) {
        return false;
    }
    *ret_host = g_strndup(text, (size_t)(end - text));
    *ret_port = g_strdup(colon + 1);
    return true;
}

static int bound_port(int fd)
{
    struct sockaddr_storage address = { 0 };
    socklen_t size = sizeof(address);

    if (getsockname(fd, (struct sockaddr *)&address, &size) < 0) {
        return 0;
    }
    if (address.ss_family == AF_INET6) {
        return ntohs(((struct sockaddr_in6 *)&address)->sin6_port);
    }
    return ntohs(((struct sockaddr_in *)&address)->sin_port);
}

static int bind_tcp(const struct addrinfo *info)
{
    int one = 1;
    int fd = socket(info->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0) {
        return -1;
    }
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (info->ai_family == AF_INET6) {
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
    }
    if (bind(fd, info->ai_addr, info->ai_addrlen) < 0) {
        int saved = errno;

        close(fd);
        errno = saved;
        return -1;
    }
    return fd;
}

/* An address can be listed twice (two lines of a hosts file). */
static bool is_repeated(const struct addrinfo *list, const struct addrinfo *info)
{
    for (; list != info; list = list->ai_next) {
        if (list->ai_addrlen == info->ai_addrlen &&
            memcmp(list->ai_addr, info->ai_addr, info->ai_addrlen) == 0) {
            return true;
        }
    }
    return false;
}

/* Listens on every address of the name. Skips an address that this machine does not have. An
 * address in use is an error, because clients that connect to it would reach another program. */
static bool listen_addresses(ControlSocket *control, const struct addrinfo *list, bool choose_port,
                             const char *host, GError **error)
{
    int problem = EADDRNOTAVAIL;

    for (const struct addrinfo *info = list; info != NULL; info = info->ai_next) {
        g_auto(MigFd) fd = -1;

        if (is_repeated(list, info)) {
            continue;
        }
        fd = bind_tcp(info);
        if (fd < 0 && errno == EADDRINUSE) {
            mig_error_set_errno(error, EADDRINUSE, "Failed to bind '%s'", control->name);
            return false;
        }
        if (fd < 0) {
            problem = errno;
            continue;
        }
        if (choose_port) {
            const char *brackets[] = { strchr(host, ':') != NULL ? "[" : "",
                                       strchr(host, ':') != NULL ? "]" : "" };

            g_free(control->name);
            control->name =
                g_strdup_printf("tcp:%s%s%s:%d", brackets[0], host, brackets[1], bound_port(fd));
        }
        if (!open_door(control, fd, error)) {
            return false;
        }
        mig_fd_steal(&fd);
        if (choose_port) {
            return true; /* the other addresses would get other ports */
        }
    }
    if (control->doors->len == 0) {
        mig_error_set_errno(error, problem, "Failed to bind '%s'", control->name);
        return false;
    }
    return true;
}

static bool listen_tcp(ControlSocket *control, const char *text, GError **error)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
    struct addrinfo *list = NULL;
    g_autofree char *host = NULL;
    g_autofree char *port = NULL;
    bool good;
    int result;

    if (!split_host_port(text, &host, &port)) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC, "error parsing address '%s'", text);
        mig_error_hint(error, "tcp:HOST:PORT, an IPv6 address in brackets");
        return false;
    }
    if (host[0] == '\0') {
        g_free(host);
        host = g_strdup("localhost");
    }
    if (strspn(port, "0123456789") == strlen(port) &&
        (strlen(port) > 5 || g_ascii_strtoull(port, NULL, 10) > 65535)) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC, "port '%s' is out of range", port);
        return false;
    }
    result = getaddrinfo(host, port, &hints, &list);
    if (result != 0) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_IO, "address resolution failed for %s:%s: %s", host,
                    port, mig_error_of_lookup(result));
        return false;
    }
    good = listen_addresses(control, list, strspn(port, "0") == strlen(port), host, error);
    freeaddrinfo(list);
    return good;
}

ControlSocket *control_socket_new(const char *address, ControlAccept accept, void *data,
                                  GError **error)
{
    g_autoptr(ControlSocket) control = g_new0(ControlSocket, 1);
    bool good;

    control->name = g_strdup(address);
    control->accept = accept;
    control->data = data;
    control->doors = g_ptr_array_new_with_free_func(door_free);
    if (g_str_has_prefix(address, "unix:")) {
        good = listen_unix(control, address + strlen("unix:"), error);
    } else if (g_str_has_prefix(address, "tcp:")) {
        good = listen_tcp(control, address + strlen("tcp:"), error);
    } else {
        g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC, "'%s' is not an address to listen on",
                    address);
        mig_error_hint(error, "unix:PATH or tcp:HOST:PORT");
        good = false;
    }
    return good ? g_steal_pointer(&control) : NULL;
}

void control_socket_free(ControlSocket *control)
{
    struct stat st;

    if (control == NULL) {
        return;
    }
    g_ptr_array_unref(control->doors);
    if (control->path != NULL && lstat(control->path, &st) == 0 && st.st_dev == control->dev &&
        st.st_ino == control->ino) {
        unlink(control->path);
    }
    g_free(control->path);
    g_free(control->name);
    g_free(control);
}

const char *control_socket_name(const ControlSocket *control)
{
    return control->name;
}
