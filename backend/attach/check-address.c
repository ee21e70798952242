/*
 * Checks whether the destination can listen at the address and may handle
 * page faults. The check looks at this machine, so the monitor of the
 * destination has to be on it. It does not connect: a stray connection ends a
 * QEMU that waits for its source.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "backend/attach/check.h"
#include "backend/base/address.h"
#include "backend/base/fd.h"
#include "backend/base/json.h"
#include "backend/qmp/peer-process.h"

static bool destination_is_local(const Check *check)
{
    return qmp_link_is_local(qmp_peer_link(managed_destination(check->managed)));
}

/* ---- unix ---- */

/* A process listens on @path: flag 0x10000 in the fourth column of /proc/net/unix. */
static bool is_listened_on(const char *path)
{
    g_autofree char *text = NULL;

    if (!g_file_get_contents("/proc/net/unix", &text, NULL, NULL)) {
        return false;
    }
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; *line != NULL; line++) {
        g_autofree char *end = g_strconcat(" ", path, NULL);

        if (g_str_has_suffix(*line, end) && strstr(*line, " 00010000 ") != NULL) {
            return true;
        }
    }
    return false;
}

static void look_at_unix(Check *check, const char *path)
{
    g_autofree char *folder = g_path_get_dirname(path);
    struct stat info;

    if (strlen(path) >= sizeof(((struct sockaddr_un *)NULL)->sun_path)) {
        check_find(check, FINDING_ERROR, SIDE_DESTINATION, path, "a path of less than 108 bytes",
                   "a shorter path");
    } else if (!destination_is_local(check)) {
        check_find(check, FINDING_ERROR, SIDE_DESTINATION, "its monitor is on another machine",
                   "an address that both machines reach", "tcp:HOST:PORT");
    } else if (stat(folder, &info) != 0 || !S_ISDIR(info.st_mode)) {
        g_autofree char *observed = g_strdup_printf("there is no folder %s", folder);

        check_find(check, FINDING_ERROR, SIDE_DESTINATION, observed, "a folder for the socket",
                   "make it, or choose another path");
    } else if (lstat(path, &info) == 0 && !S_ISSOCK(info.st_mode)) {
        g_autofree char *observed = g_strdup_printf("%s exists and is no socket", path);

        check_find(check, FINDING_ERROR, SIDE_DESTINATION, observed,
                   "a path that is free: QEMU would delete the file", "another path");
    } else if (is_listened_on(path)) {
        g_autofree char *observed = g_strdup_printf("somebody listens on %s", path);

        check_find(check, FINDING_ERROR, SIDE_DESTINATION, observed, "a path that is free",
                   "another path");
    }
}

/* ---- tcp ---- */

/* False for a host name: QEMU resolves it itself, and that can take minutes. */
static bool read_inet(const Address *address, struct sockaddr_storage *ret, socklen_t *ret_size)
{
    struct sockaddr_in *four = (struct sockaddr_in *)ret;
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)ret;
    const char *host = strcmp(address->host, "localhost") == 0 ? "127.0.0.1" : address->host;
    guint64 port;

    memset(ret, 0, sizeof(*ret));
    if (!g_ascii_string_to_unsigned(address->port, 10, 0, UINT16_MAX, &port, NULL)) {
        return false;
    }
    if (*host == '\0' || inet_pton(AF_INET, host, &four->sin_addr) == 1) {
        four->sin_family = AF_INET;
        four->sin_port = htons((uint16_t)port);
        *ret_size = sizeof(*four);
        return true;
    }
    if (inet_pton(AF_INET6, host, &six->sin6_addr) == 1) {
        six->sin6_family = AF_INET6;
        six->sin6_port = htons((uint16_t)port);
        *ret_size = sizeof(*six);
        return true;
    }
    return false;
}

static void look_at_inet(Check *check, const Address *address)
{
    struct sockaddr_storage name;
    socklen_t size;
    int on = 1;
    g_auto(MigFd) fd = -1;

    if (!destination_is_local(check) || !read_inet(address, &name, &size)) {
        check->doubtful = true;
        return;
    }
    fd = socket(name.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        check->doubtful = true;
        return;
    }
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, (struct sockaddr *)&name, size) == 0) {
        return;
    }
    if (errno != EADDRINUSE && errno != EADDRNOTAVAIL) {
        check->doubtful = true; /* a limit of this process; QEMU has others */
        return;
    }
    bool taken = errno == EADDRINUSE;
    g_autofree char *observed = g_strdup_printf("%s: %s", check->uri, g_strerror(errno));
    check_find(check, FINDING_ERROR, SIDE_DESTINATION, observed,
               taken ? "a port that is free" : "an address of the destination's machine",
               taken ? "another port; 0 lets the kernel choose" : "another address");
}

/* ---- the rules ---- */

static json_object *first_socket(Check *check)
{
    json_object *list =
        json_member(check_fact(check, SIDE_DESTINATION, "migrate"), "socket-address");

    return json_at(list, 0);
}

/* The destination listens already, so the migration has to go to that address. */
static void compare_listener(Check *check, const Address *address, json_object *socket)
{
    const char *path = json_object_get_string(json_member(socket, "path"));
    const char *port = json_object_get_string(json_member(socket, "port"));
    bool same = address->kind == ADDRESS_UNIX   ? g_strcmp0(path, address->path) == 0
                : address->kind == ADDRESS_INET ? g_strcmp0(port, address->port) == 0
                                                : false;

    if (!same) {
        g_autofree char *observed =
            g_strdup_printf("it listens on %s%s already", path != NULL ? "unix:" : "port ",
                            path != NULL   ? path
                            : port != NULL ? port
                                           : "?");

        check_find(check, FINDING_ERROR, SIDE_DESTINATION, observed, check->uri,
                   "migrate_to without an address, or the one where it listens");
    }
}

void check_address(Check *check)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Address) address = NULL;
    json_object *socket = first_socket(check);

    if (check->uri == NULL) {
        check->doubtful = true;
        return;
    }
    address = address_from_uri(check->uri, &error);
    if (address == NULL) {
        check_find(check, FINDING_ERROR, SIDE_DESTINATION, error->message,
                   "an address of a migration", "tcp:HOST:PORT or unix:PATH");
    } else if (socket != NULL) {
        compare_listener(check, address, socket);
    } else if (address->kind == ADDRESS_UNIX) {
        look_at_unix(check, address->path);
    } else if (address->kind == ADDRESS_INET) {
        look_at_inet(check, address);
    } else {
        check->doubtful = true;
    }
}

void check_userfault(Check *check)
{
    const QmpLink *link = qmp_peer_link(managed_destination(check->managed));
    /* The schema does not show this: QEMU has tried the device since 8.0. */
    bool knows_device = qmp_peer_version_number(managed_destination(check->managed)) >= 80000;
    g_autofree char *why = NULL;

    if (check_capability(check, SIDE_SOURCE, "postcopy-ram") <= 0) {
        return;
    }
    if (peer_process_may_userfault(qmp_link_pid(link), knows_device, &why)) {
        return;
    }
    if (why == NULL) {
        check->doubtful = true;
        return;
    }
    check_find(check, FINDING_ERROR, SIDE_DESTINATION, why,
               "userfaultfd for its process, which post-copy is made with",
               "sysctl vm.unprivileged_userfaultfd=1, or give its user /dev/userfaultfd");
}
