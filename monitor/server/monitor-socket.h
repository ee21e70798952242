/*
 * The human monitor on a socket for several clients, each with a prompt, an echo
 * and lines that end in \r\n. Main thread.
 */
#pragma once

#include "monitor/server/socket-server.h"

SocketServer *monitor_socket_new(Backend *backend, const char *address, GError **error);
