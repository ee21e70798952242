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
    const LiveSettings *settings; /* likewise */
    const TimerState *timer;      /* likewise; constant while it runs */
    DirtyLimit *limit;            /* likewise */
    Migration *migration;         /* in state setup; referenced */
    Connector *connector;         /* taken over */
    DirtyTracker *tracker;        /* taken over; NULL for a machine without vCPUs */
    Outgoing *predecessor;        /* taken over on success: an attempt that is over and still
                                     cleans up; the new thread waits for it, the main loop does not */
    MigCapabilities capabilities;
    MigParameters parameters; /* copied; the value of a LIVE one is in @settings */
    bool to_child;            /* exec: */
    bool to_file;             /* no destination runs what is written */
} OutgoingConfig;

/* Starts the thread. ENGINE_EVENT_ENDED comes when it is about to return. What the config hands
 * over is taken on failure too. */
Outgoing *outgoing_new(const OutgoingConfig *config, GError **error);

/* After ENGINE_EVENT_ENDED, or after outgoing_cancel(): joins and frees. */
void outgoing_free(Outgoing *o);

/* The record it writes; lives at least as long as @o. */
Migration *outgoing_record(const Outgoing *o);

/* Any thread. False once the guest was handed over (the end of the stream was sent): *@error says
 * so. True: the source runs the guest; status goes to cancelling and on to cancelled. */
bool outgoing_cancel(Outgoing *o, GError **error);

/* Any thread: ends the wait in pre-switchover; no effect in any other status. */
void outgoing_continue(Outgoing *o);

/* Any thread: switch to postcopy as soon as pages are sent; may come before that. */
void outgoing_start_postcopy(Outgoing *o);

/* Any thread: shuts down the connection of a postcopy, or ends the attempt to open another one.
 * False when there is none. */
bool outgoing_pause(Outgoing *o);

/* Main thread, in postcopy-paused: resumes the postcopy over @connector (taken). */
bool outgoing_resume(Outgoing *o, Connector *connector, GError **error);

/* Any thread: outgoing_resume() was called and its attempt is not over. */
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
