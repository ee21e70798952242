/*
 * A control socket with its clients, whatever they speak: takes connections up to a limit, tells
 * the clients what happens, gives them time at the end. Monitor sockets and QMP are both one of
 * these. Main thread.
 */
#pragma once

#include <glib.h>

#include "backend/backend.h"

typedef struct SocketServer SocketServer;

/* What one protocol does; all required. */
typedef struct {
    /* A client of @server; takes @fd (non-blocking) over. @data: of socket_server_new(). */
    void *(*accept)(SocketServer *server, int fd, const void *data);
    void (*event)(GPtrArray *clients, const BackendEvent *event);
    /* Gives what was written for it, at most @timeout_ms. */
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

/* Gives all clients what was written for them, at most @timeout_ms together. */
void socket_server_flush(SocketServer *server, unsigned timeout_ms);
