/*
 * See qmp-server.h. Main thread.
 */
#include "monitor/server/qmp-server.h"

#include "monitor/server/qmp-client.h"

static void on_closed(QmpClient *client, void *data)
{
    socket_server_drop(data, client);
}

static void *accept_client(SocketServer *server, int fd, const void *n_vcpus)
{
    return qmp_client_new(socket_server_backend(server), fd, GPOINTER_TO_UINT(n_vcpus), on_closed,
                          server);
}

static void tell_event(GPtrArray *clients, const BackendEvent *event)
{
    g_autofree char *text = NULL;
    json_object *object;

    if (event->hidden) {
        return;
    }
    object = backend_event_to_json(event);
    text = qmp_text(object);
    json_object_put(object);
    for (unsigned i = 0; i < clients->len; i++) {
        qmp_client_event(g_ptr_array_index(clients, i), event->name, text);
    }
}

static void flush_client(void *client, unsigned timeout_ms)
{
    qmp_client_flush(client, timeout_ms);
}

SocketServer *qmp_server_new(Backend *backend, const char *address, unsigned n_vcpus,
                             GError **error)
{
    static const SocketProtocol protocol = {
        .accept = accept_client,
        .event = tell_event,
        .flush = flush_client,
        .free = (GDestroyNotify)qmp_client_free,
    };

    return socket_server_new(backend, address, &protocol, GUINT_TO_POINTER(n_vcpus), error);
}
