/*
 * QMP on a socket, several clients: the requests of the schema, and the events
 * for everyone who has negotiated. Main thread.
 */
#pragma once

#include "monitor/server/socket-server.h"

/* @n_vcpus: what cpu-index of human-monitor-command may name. */
SocketServer *qmp_server_new(Backend *backend, const char *address, unsigned n_vcpus,
                             GError **error);
