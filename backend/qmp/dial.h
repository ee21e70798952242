/*
 * Connecting to a monitor's socket from the main loop: unix or tcp, bounded in
 * time, and given up at any moment. Main thread.
 */
#pragma once

#include <glib.h>

#include "backend/base/address.h"

typedef struct QmpDial QmpDial;

/* @fd: connected, non-blocking, the receiver's to close; -1 with an error. The dial is gone. */
typedef void (*QmpDialDone)(int fd, const GError *error, void *data);

/* "unix:PATH", "/PATH" or "tcp:HOST:PORT"; the error says what else was given. */
Address *qmp_address_parse(const char *text, GError **error);

/* @done comes once, from the main loop, before @timeout_ms is over. @address is copied. */
QmpDial *qmp_dial_new(const Address *address, unsigned timeout_ms, QmpDialDone done, void *data);
/* Gives up: @done does not come. */
void qmp_dial_free(QmpDial *dial);
