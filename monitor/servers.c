/*
 * See servers.h. Main thread.
 */
#include "monitor/servers.h"

#include <string.h>

#include "monitor/monitor-socket.h"
#include "monitor/qmp-server.h"

struct Servers {
    GPtrArray *monitors;
    GPtrArray *qmps;
};

Servers *servers_new(void)
{
    Servers *servers = g_new0(Servers, 1);

    servers->monitors = g_ptr_array_new_with_free_func((GDestroyNotify)monitor_socket_free);
    servers->qmps = g_ptr_array_new_with_free_func((GDestroyNotify)qmp_server_free);
    return servers;
}

static void announce(Console *console, const char *what, const char *asked, const char *name)
{
    if (strcmp(asked, name) != 0) {
        console_complain(console, "%s: listening on %s", what, name);
    }
}

static bool open_monitors(Servers *servers, Backend *backend, Console *console,
                          char *const *addresses, GError **error)
{
    for (; addresses != NULL && *addresses != NULL; addresses++) {
        MonitorSocket *monitor = monitor_socket_new(backend, *addresses, error);

        if (monitor == NULL) {
            g_prefix_error(error, "--monitor: ");
            return false;
        }
        g_ptr_array_add(servers->monitors, monitor);
        announce(console, "--monitor", *addresses, monitor_socket_name(monitor));
    }
    return true;
}

static bool open_qmps(Servers *servers, Backend *backend, Console *console, char *const *addresses,
                      unsigned vcpus, GError **error)
{
    for (; addresses != NULL && *addresses != NULL; addresses++) {
        QmpServer *qmp = qmp_server_new(backend, *addresses, vcpus, error);

        if (qmp == NULL) {
            g_prefix_error(error, "--qmp: ");
            return false;
        }
        g_ptr_array_add(servers->qmps, qmp);
        announce(console, "--qmp", *addresses, qmp_server_name(qmp));
    }
    return true;
}

bool servers_open(Servers *servers, Backend *backend, Console *console, const Options *options,
                  GError **error)
{
    bool has_vcpus = options->machine == NULL || strcmp(options->machine, "none") != 0;

    return open_monitors(servers, backend, console, options->monitors, error) &&
           open_qmps(servers, backend, console, options->qmps, has_vcpus ? options->smp : 0, error);
}

void servers_close(Servers *servers, unsigned timeout_ms)
{
    for (unsigned i = 0; i < servers->monitors->len; i++) {
        monitor_socket_flush(g_ptr_array_index(servers->monitors, i), timeout_ms);
    }
    for (unsigned i = 0; i < servers->qmps->len; i++) {
        qmp_server_flush(g_ptr_array_index(servers->qmps, i), timeout_ms);
    }
    g_ptr_array_set_size(servers->monitors, 0);
    g_ptr_array_set_size(servers->qmps, 0);
}

void servers_free(Servers *servers)
{
    g_ptr_array_unref(servers->monitors);
    g_ptr_array_unref(servers->qmps);
    g_free(servers);
}
