/*
 * An incoming migration: one thread that reads the stream, places pages, loads
 * devices and takes the guest over.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "backend/engine/attempt/devices.h"
#include "backend/engine/attempt/migration.h"
#include "backend/engine/attempt/settings.h"
#include "backend/guest/guest.h"
#include "backend/transport/transport.h"

typedef struct Incoming Incoming;

typedef struct {
    Guest *guest;                 /* in inmigrate; outlives the migration */
    TimerState *timer;            /* gets what the stream brings */
    Migration *migration;         /* in state setup; referenced */
    Transport *transport;         /* taken over */
    MigCapabilities capabilities; /* as they are when the source comes */
    MigParameters parameters;     /* likewise; copied */
    /* Main thread: whether everything that connects is taken and looked at. NULL = always. */
    bool (*door_is_open)(void *data);
    void *door_data;
} IncomingConfig;

/* Starts the thread. ENGINE_EVENT_ENDED comes when it is about to return. @autostart: run the guest
 * when it has arrived, if the source ran it. */
Incoming *incoming_new(const IncomingConfig *config, bool autostart, GError **error);
void incoming_free(Incoming *in); /* shuts down and joins */

/* Main thread: a multifd channel of it; @transport is taken. Only where the config has multifd. */
void incoming_add_multifd(Incoming *in, Transport *transport);

/* The record it writes; lives at least as long as @in. */
Migration *incoming_record(const Incoming *in);

/* Main thread: "stop" and "cont" before the guest has arrived. */
void incoming_set_autostart(Incoming *in, bool autostart);

/* True once the attempt has dropped what stood in RAM here before it. */
bool incoming_has_dropped(const Incoming *in);

/* Postcopy has begun and is not over: RAM that has not come must not be read, and the attempt
 * cannot be taken back. */
bool incoming_in_postcopy(const Incoming *in);

/* Brings the figures of page faults in the record up to date. */
void incoming_note_faults(Incoming *in);

/* Main thread, in postcopy-paused: @transport (taken when true) is the connection to go on with. */
bool incoming_recover(Incoming *in, Transport *transport);

/* Main thread: a channel of requested pages has come; @transport is taken when true. */
bool incoming_add_channel(Incoming *in, Transport *transport, GError **error);

/* Main thread: takes the connection of a postcopy away. */
void incoming_pause(Incoming *in);

/* Any thread: ends the attempt, unless the guest has been taken over; then only ends what is left
 * of the connection. */
void incoming_shutdown(Incoming *in);
