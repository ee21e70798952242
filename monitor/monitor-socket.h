/*
 * The human monitor on a socket: several clients, each with a prompt, an echo
 * and lines that end in \r\n. Readline serves the terminal only. Main thread.
 */
#pragma once

#include <glib.h>

#include "backend/backend.h"

typedef struct MonitorSocket MonitorSocket;

MonitorSocket *monitor_socket_new(Backend *backend, const char *address, GError **error);
void monitor_socket_free(MonitorSocket *socket);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MonitorSocket, monitor_socket_free)

const char *monitor_socket_name(const MonitorSocket *socket);

/* Gives the clients what was written for them, at most @timeout_ms. */
void monitor_socket_flush(MonitorSocket *socket, unsigned timeout_ms);
