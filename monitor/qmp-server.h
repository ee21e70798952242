/*
 * QMP on a socket, several clients: the requests of the schema, and the events
 * for everyone who has negotiated. Main thread.
 */
#pragma once

#include <glib.h>

#include "backend/backend.h"

typedef struct QmpServer QmpServer;

/* @n_vcpus: what cpu-index of human-monitor-command may name. */
QmpServer *qmp_server_new(Backend *backend, const char *address, unsigned n_vcpus, GError **error);
void qmp_server_free(QmpServer *server);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(QmpServer, qmp_server_free)

const char *qmp_server_name(const QmpServer *server);

/* Gives the clients what was written for them, at most @timeout_ms. */
void qmp_server_flush(QmpServer *server, unsigned timeout_ms);
