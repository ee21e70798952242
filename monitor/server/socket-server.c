/*
 * See socket-server.h. Main thread.
 */
#include "monitor/server/socket-server.h"

#include <unistd.h>

#include "monitor/server/control-socket.h"

#define MAX_CLIENTS 64

struct SocketServer {
    Backend *backend;
    const SocketProtocol *protocol;
    const void *data;
    ControlSocket *socket;
    GPtrArray *clients;
    unsigned subscription;
};

static void on_accept(int fd, void *data)
{
    SocketServer *server = data;

    if (server->clients->len >= MAX_CLIENTS) {
        close(fd);
        return;
    }
    g_ptr_array_add(server->clients, server->protocol->accept(server, fd, server->data));
}

static void on_event(const BackendEvent *event, void *data)
{
    SocketServer *server = data;

    if (server->clients->len > 0) {
        server->protocol->event(server->clients, event);
    }
}

SocketServer *socket_server_new(Backend *backend, const char *address,
                                const SocketProtocol *protocol, const void *data, GError **error)
{
    SocketServer *server = g_new0(SocketServer, 1);

    server->backend = backend;
    server->protocol = protocol;
    server->data = data;
    server->clients = g_ptr_array_new_with_free_func(protocol->free);
    server->socket = control_socket_new(address, on_accept, server, error);
    if (server->socket == NULL) {
        socket_server_free(server);
        return NULL;
    }
    server->subscription = backend_subscribe(backend, on_event, server);
    return server;
}

void socket_server_free(SocketServer *server)
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

Backend *socket_server_backend(const SocketServer *server)
{
    return server->backend;
}

const char *socket_server_name(const SocketServer *server)
{
    return control_socket_name(server->socket);
}

void socket_server_drop(SocketServer *server, void *client)
{
    g_ptr_array_remove_fast(server->clients, client);
}

void socket_server_flush(SocketServer *server, unsigned timeout_ms)
{
    int64_t end = g_get_monotonic_time() + (int64_t)timeout_ms * 1000;

    for (unsigned i = 0; i < server->clients->len; i++) {
        int64_t left = end - g_get_monotonic_time();

        server->protocol->flush(g_ptr_array_index(server->clients, i),
                                left > 0 ? (unsigned)(left / 1000) : 0);
    }
}
