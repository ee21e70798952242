/*
 * The channel of requested pages (capability postcopy-preempt). The thread that reads a request
 * (the return path's) writes the page, and not behind the bytes queued on the main channel: no
 * other thread has to wake up for it.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "backend/engine/attempt/migration.h"
#include "backend/engine/outgoing/dirty-queue.h"
#include "backend/engine/outgoing/page-requests.h"
#include "backend/transport/transport.h"

typedef struct UrgentSender UrgentSender;

/* Called at a fault point of the channel with @transport. Any thread that uses the channel. */
typedef bool (*UrgentFault)(void *data, const char *point, Transport *transport, GError **error);

/* Opens a second connection to the peer (blocks). Nothing is sent on it before start. */
UrgentSender *urgent_sender_open(Connector *connector, UrgentFault fault, void *data,
                                 GError **error);

/* The fault point of an open connection; @u may be NULL. */
bool urgent_sender_at_open(UrgentSender *u, GError **error);

/* From here on pages requested in @requests are sent over that connection, at once and without a
 * limit, in the thread that adds the request. */
bool urgent_sender_start(UrgentSender *u, Guest *guest, RamSender *ram, PageRequests *requests,
                         MigCounters *counters, GError **error);

/* All pages are taken: waits until the last of them is written, then ends the channel in QEMU 7.2's
 * way. */
bool urgent_sender_finish(UrgentSender *u, GError **error);

/* Any thread. */
void urgent_sender_shutdown(UrgentSender *u);

/* Frees. Must come after the end of the return path, whose thread uses it. */
void urgent_sender_free(UrgentSender *u);
