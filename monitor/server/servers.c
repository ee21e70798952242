/*
 * See servers.h. Main thread.
 */
#include "monitor/server/servers.h"

#include <string.h>

#include "monitor/server/monitor-socket.h"
#include "monitor/server/qmp-server.h"

struct Servers {
    GPtrArray *open; /* SocketServer */
};

Servers *servers_new(void)
{
    Servers *servers = g_new0(Servers, 1);

    servers->open = g_ptr_array_new_with_free_func((GDestroyNotify)socket_server_free);
    return servers;
}

/* @server: the server for @address, or NULL with @error set. */
static bool add(Servers *servers, Console *console, const char *option, const char *address,
                SocketServer *server, GError **error)
{
    if (server == NULL) {
        g_prefix_error(error, "%s: ", option);
        return false;
    }
    g_ptr_array_add(servers->open, server);
    if (strcmp(address, socket_server_name(server)) != 0) {
        console_complain(console, "%s: listening on %s", option, socket_server_name(server));
    }
    return true;
}

bool servers_open(Servers *servers, Backend *backend, Console *console, const Options *options,
                  GError **error)
{
    bool has_vcpus = options->machine == NULL || strcmp(options->machine, "none") != 0;
    unsigned vcpus = has_vcpus ? options->smp : 0;

    for (char **a = options->monitors; a != NULL && *a != NULL; a++) {
        if (!add(servers, console, "--monitor", *a, monitor_socket_new(backend, *a, error),
                 error)) {
            return false;
        }
    }
    for (char **a = options->qmps; a != NULL && *a != NULL; a++) {
        if (!add(servers, console, "--qmp", *a, qmp_server_new(backend, *a, vcpus, error), error)) {
            return false;
        }
    }
    return true;
}

void servers_close(Servers *servers, unsigned timeout_ms)
{
    for (unsigned i = 0; i < servers->open->len; i++) {
        socket_server_flush(g_ptr_array_index(servers->open, i), timeout_ms);
    }
    g_ptr_array_set_size(servers->open, 0);
}

void servers_free(Servers *servers)
{
    g_ptr_array_unref(servers->open);
    g_free(servers);
}
