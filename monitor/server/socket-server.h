/*
 * A control socket with its clients, independent of the protocol: limits the number of clients,
 * passes events to them and flushes their output at the end. Main thread.
 */
#pragma once

#include <glib.h>

#include "backend/backend.h"

typedef struct SocketServer SocketServer;

/* What one protocol does; all required. */
typedef struct {
    /* Creates a client that owns @fd (non-blocking). @data: of socket_server_new(). */
    void *(*accept)(SocketServer *server, int fd, const void *data);
    void (*event)(GPtrArray *clients, const BackendEvent *event);
    /* Sends pending output, at most @timeout_ms. */
    void (*flush)(void *client, unsigned timeout_ms);
    GDestroyNotify free;
} SocketProtocol;

/* @address: as control_socket_new(). @data: borrowed, as long as the server lives. */
SocketServer *socket_server_new(Backend *backend, const char *address,
                                const SocketProtocol *protocol, const void *data, GError **error);
void socket_server_free(SocketServer *server);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SocketServer, socket_server_free)

Backend *socket_server_backend(const SocketServer *server);

/* Address with the port that the kernel chose for port 0. */
const char *socket_server_name(const SocketServer *server);

/* The connection of @client has ended: frees it. */
void socket_server_drop(SocketServer *server, void *client);

/* Sends pending output of all clients, at most @timeout_ms together. */
void socket_server_flush(SocketServer *server, unsigned timeout_ms);
