/*
 * An outgoing migration: one thread that connects, sends, switches over and
 * hands the guest over. It owns everything in here; others reach it through
 * cancel, the migration's record and the live settings.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "backend/engine/attempt/devices.h"
#include "backend/engine/attempt/live-settings.h"
#include "backend/engine/attempt/migration.h"
#include "backend/engine/attempt/multifd.h"
#include "backend/engine/outgoing/auto-converge.h"
#include "backend/guest/dirty/tracker.h"
#include "backend/guest/guest.h"
#include "backend/transport/transport.h"

typedef struct Outgoing Outgoing;

typedef struct {
    Guest *guest;                 /* outlives the migration */
    const LiveSettings *settings; /* likewise */
    const TimerState *timer;      /* likewise; constant while it runs */
    Migration *migration;         /* in state setup; referenced */
    Connector *connector;         /* taken over */
    DirtyTracker *tracker;        /* taken over; NULL for a machine without vCPUs */
    Outgoing *predecessor;        /* taken over on success: an attempt that is over and still tidies
                                     up; the new thread waits for it, the main loop does not */
    bool return_path;             /* capability return-path */
    bool handover;                /* x-handover */
    bool validate_uuid;           /* send the UUID */
    bool pause_before_switchover; /* wait for outgoing_continue() when the guest stands */
    bool release_ram;             /* give the memory back once the destination has confirmed */
    bool ignore_shared;           /* leave out RAM that the other side has too */
    bool stop_first;              /* mode cpr-reboot: nothing runs while it is written */
    bool background_snapshot;     /* write what the guest is now, and let it go on */
    bool to_child;                /* exec: */
    bool switchover_ack;          /* wait until the destination is ready */
    bool sparse;                  /* capability x-sparse-ram */
    bool xbzrle;                  /* capability xbzrle */
    bool postcopy;                /* capability postcopy-ram: outgoing_start_postcopy() may come */
    bool preempt;                 /* capability postcopy-preempt */
    unsigned compress_threads;    /* capability compress; 0 = off */
    unsigned mapped_threads;      /* capability mapped-ram: threads that write pages; 0 = off */
    bool direct_io;               /* they go past the page cache */
    bool to_file;                 /* nobody runs what is written */
    DirtyLimit *limit;            /* outlives the migration */
    ConvergeMeans converge;       /* how a guest that writes too fast is slowed down */
    MultifdSettings multifd;
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

/* Any thread: goes on from pre-switchover; without an effect in any other status. */
void outgoing_continue(Outgoing *o);

/* Any thread: switch to postcopy as soon as pages flow; remembered when it comes before. */
void outgoing_start_postcopy(Outgoing *o);

/* Any thread: takes the connection of a postcopy away, or ends the attempt to get another one.
 * False when there is none. */
bool outgoing_pause(Outgoing *o);

/* Main thread, in postcopy-paused: goes on over @connector (taken). */
bool outgoing_resume(Outgoing *o, Connector *connector, GError **error);

/* Any thread: outgoing_resume() came and its attempt is not over. */
bool outgoing_is_resuming(Outgoing *o);

/* Main thread: a limit changed, a waiting thread should look again. */
void outgoing_settings_changed(Outgoing *o);

/* Any thread: brings the counters of waits in the record up to date. */
void outgoing_account_waits(Outgoing *o);

/* Main thread: the operator stopped the guest during the switchover; should the migration fail it
 * stays stopped. */
void outgoing_keep_stopped(Outgoing *o);

/* Main thread: the operator takes the guest back by force (cont -f); a wait for the destination's
 * verdict ends. */
void outgoing_abandon(Outgoing *o);
