/*
 * QMP on a socket for several clients: the requests of the schema, and events for
 * clients that have negotiated. Main thread.
 */
#pragma once

#include "monitor/server/socket-server.h"

/* @n_vcpus: limit of cpu-index of human-monitor-command. */
SocketServer *qmp_server_new(Backend *backend, const char *address, unsigned n_vcpus,
                             GError **error);
