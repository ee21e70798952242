/*
 * What the files of an outgoing postcopy share: postcopy.c (the switch and the push),
 * urgent.c (the channel of requested pages) and recovery.c (a connection that
 * died).
 */
#pragma once

#include "backend/engine/outgoing/outgoing-internal.h"

/* Values of the pings at the stages of postcopy; PONG(LOADED) says that what the package holds is
 * in place and that nothing but its last command, which starts the guest, comes after it. */
enum {
    PING_DISCARDED = 2,
    PING_LOADED = 3,
    PING_RUNS = 4,
};

/* ---- urgent.c: capability postcopy-preempt ---- */

typedef struct UrgentSender UrgentSender; /* outgoing-internal.h names it too */

/* Opens a second connection to the peer (blocks). Nothing is sent on it before start. */
UrgentSender *urgent_sender_open(Outgoing *o, Connector *connector, GError **error);

/* The fault point of a connection that is open and known; @u may be NULL. */
bool urgent_sender_at_open(UrgentSender *u, GError **error);

/* From here on what is asked for in @requests goes over that connection, at once and by no limit,
 * in the thread that adds the request. */
bool urgent_sender_start(UrgentSender *u, Guest *guest, RamSender *ram, PageRequests *requests,
                         MigCounters *counters, GError **error);

/* All pages are taken: waits until the last of them is written, then ends the channel in QEMU 7.2's
 * way. */
bool urgent_sender_finish(UrgentSender *u, GError **error);

/* Any thread. */
void urgent_sender_shutdown(UrgentSender *u);

/* After the end of the return path, whose thread uses it. */
void urgent_sender_free(UrgentSender *u);

/* ---- postcopy.c ---- */

/* The guest left; what is known of it there becomes the owner. */
void postcopy_note_owner(Outgoing *o);

/* ---- recovery.c ---- */

/* The connection is of no use any more: waits in postcopy-paused until another one goes on (true)
 * or the attempt is given up (false; status and outcome are set). */
bool postcopy_recover(Outgoing *o, const GError *reason);
