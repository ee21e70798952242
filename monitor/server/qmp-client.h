/*
 * One connection of the QMP server: negotiation, the queue of requests, replies,
 * events, passed descriptors, human-monitor-command. Main thread.
 */
#pragma once

#include <glib.h>
#include <json-c/json.h>

#include "backend/backend.h"

typedef struct QmpClient QmpClient;

/* Takes ownership of @fd (a non-blocking socket) and sends the greeting. @closed is called from the
 * main loop when the connection has ended; the server then frees the client. @n_vcpus: limit of
 * cpu-index. */
QmpClient *qmp_client_new(Backend *backend, int fd, unsigned n_vcpus,
                          void (*closed)(QmpClient *client, void *data), void *data);
/* Requests in flight continue; their replies are dropped. */
void qmp_client_free(QmpClient *client);

/* @text is the event as JSON with its line end; sent only after negotiation. */
void qmp_client_event(QmpClient *client, const char *name, const char *text);

void qmp_client_flush(QmpClient *client, unsigned timeout_ms);

/* JSON as QEMU spaces it ({"a": 1, "b": [2, 3]}) with \r\n at the end, always valid UTF-8. Caller
 * frees. */
char *qmp_text(json_object *value);
