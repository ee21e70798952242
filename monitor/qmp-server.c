/*
 * See qmp-server.h. Main thread.
 */
#include "monitor/qmp-server.h"

#include <unistd.h>

#include "monitor/control-socket.h"
#include "monitor/qmp-client.h"

#define MAX_CLIENTS 64

struct QmpServer {
    Backend *backend;
    unsigned n_vcpus;
    ControlSocket *socket;
    GPtrArray *clients;
    unsigned subscription;
};

static void on_closed(QmpClient *client, void *data)
{
    QmpServer *server = data;

    g_ptr_array_remove_fast(server->clients, client);
}

static void on_accept(int fd, void *data)
{
    QmpServer *server = data;

    if (server->clients->len >= MAX_CLIENTS) {
        close(fd);
        return;
    }
    g_ptr_array_add(server->clients,
                    qmp_client_new(server->backend, fd, server->n_vcpus, on_closed, server));
}

static void on_event(const BackendEvent *event, void *data)
{
    QmpServer *server = data;
    g_autofree char *text = NULL;
    json_object *object;

    if (event->hidden || server->clients->len == 0) {
        return;
    }
    object = backend_event_to_json(event);
    text = qmp_text(object);
    json_object_put(object);
    for (unsigned i = 0; i < server->clients->len; i++) {
        qmp_client_event(g_ptr_array_index(server->clients, i), event->name, text);
    }
}

QmpServer *qmp_server_new(Backend *backend, const char *address, unsigned n_vcpus, GError **error)
{
    QmpServer *server = g_new0(QmpServer, 1);

    server->backend = backend;
    server->n_vcpus = n_vcpus;
    server->clients = g_ptr_array_new_with_free_func((GDestroyNotify)qmp_client_free);
    server->socket = control_socket_new(address, on_accept, server, error);
    if (server->socket == NULL) {
        qmp_server_free(server);
        return NULL;
    }
    server->subscription = backend_subscribe(backend, on_event, server);
    return server;
}

void qmp_server_free(QmpServer *server)
{
    if (server == NULL) {
        return;
    }
    if (server->subscription != 0) {
        backend_unsubscribe(server->backend, server->subscription);
    }
    control_socket_free(server->socket);
    g_ptr_array_unref(server->clients);
    g_free(server);
}

const char *qmp_server_name(const QmpServer *server)
{
    return control_socket_name(server->socket);
}

void qmp_server_flush(QmpServer *server, unsigned timeout_ms)
{
    int64_t end = g_get_monotonic_time() + (int64_t)timeout_ms * 1000;

    for (unsigned i = 0; i < server->clients->len; i++) {
        int64_t left = end - g_get_monotonic_time();

        qmp_client_flush(g_ptr_array_index(server->clients, i),
                         left > 0 ? (unsigned)(left / 1000) : 0);
    }
}
