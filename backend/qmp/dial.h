/*
 * Connects to a monitor's socket from the main loop: unix or tcp, with a
 * timeout, and can be cancelled at any time. Main thread.
 */
#pragma once

#include <glib.h>

#include "backend/base/address.h"

typedef struct QmpDial QmpDial;

/* @fd: connected, non-blocking, owned by the callee; -1 with an error. The dial is freed
 * already. */
typedef void (*QmpDialDone)(int fd, const GError *error, void *data);

/* "unix:PATH", "/PATH" or "tcp:HOST:PORT"; the error quotes any other text. The caller owns the
 * address. */
Address *qmp_address_parse(const char *text, GError **error);

/* Calls @done once, from the main loop, at the latest after @timeout_ms. @address is copied. */
QmpDial *qmp_dial_new(const Address *address, unsigned timeout_ms, QmpDialDone done, void *data);
/* Cancels: @done is not called. */
void qmp_dial_free(QmpDial *dial);
