/*
 * An outgoing migration: one thread that connects, sends, switches over and hands the guest over.
 * The thread owns the state; other threads reach it through the functions below, the migration's
 * record and the live settings.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "backend/engine/attempt/devices.h"
#include "backend/engine/attempt/settings.h"
#include "backend/engine/attempt/migration.h"
#include "backend/engine/outgoing/auto-converge.h"
#include "backend/guest/dirty/tracker.h"
#include "backend/guest/guest.h"
#include "backend/transport/transport.h"

typedef struct Outgoing Outgoing;

typedef struct {
    Guest *guest;                 /* outlives the migration */
    const LiveSettings *settings; /* outlives it too */
    const TimerState *timer;      /* outlives it too; constant meanwhile */
    DirtyLimit *limit;            /* outlives it too */
    Migration *migration;         /* in state setup; referenced */
    Connector *connector;         /* taken over */
    DirtyTracker *tracker;        /* taken over; NULL for a machine without vCPUs */
    Outgoing *predecessor; /* taken over on success: an ended attempt that still cleans up; the new
                              thread waits for it, so that the main loop need not */
    MigCapabilities capabilities;
    MigParameters parameters; /* copied; the value of a LIVE one is in @settings */
    bool to_child;            /* exec: */
} OutgoingConfig;

/* Starts the thread. ENGINE_EVENT_ENDED comes when it is about to return. Members that are "taken
 * over" are taken on failure too. */
Outgoing *outgoing_new(const OutgoingConfig *config, GError **error);

/* Joins and frees. To be called after ENGINE_EVENT_ENDED or outgoing_cancel(). */
void outgoing_free(Outgoing *o);

/* The record it writes; lives at least as long as @o. */
Migration *outgoing_record(const Outgoing *o);

/* Any thread. False with the error once the guest was handed over (the end of the stream was sent).
 * True: the guest stays at the source; the status becomes cancelling, then cancelled. */
bool outgoing_cancel(Outgoing *o, GError **error);

/* Any thread: ends the wait in pre-switchover; no effect in any other status. */
void outgoing_continue(Outgoing *o);

/* Any thread: switches to postcopy as soon as pages are sent; may be called before that. */
void outgoing_start_postcopy(Outgoing *o);

/* Any thread: shuts down the connection of a postcopy, or ends the attempt to open another one.
 * False when there is none. */
bool outgoing_pause(Outgoing *o);

/* Main thread, in postcopy-paused: resumes the postcopy over @connector (taken). */
bool outgoing_resume(Outgoing *o, Connector *connector, GError **error);

/* Any thread: true while an attempt of outgoing_resume() is not over. */
bool outgoing_is_resuming(Outgoing *o);

/* Main thread: a live setting changed; a waiting thread reads it again. */
void outgoing_settings_changed(Outgoing *o);

/* Any thread: brings the counters of waits in the record up to date. */
void outgoing_account_waits(Outgoing *o);

/* Main thread: the operator stopped the guest during the switchover; if the migration fails, it
 * stays stopped. */
void outgoing_keep_stopped(Outgoing *o);

/* Main thread: the operator takes the guest back by force (cont -f); a wait for the destination's
 * answer ends. */
void outgoing_abandon(Outgoing *o);
