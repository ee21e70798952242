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
    TimerState *timer;            /* gets the values from the stream */
    Migration *migration;         /* in state setup; referenced */
    Transport *transport;         /* taken over */
    MigCapabilities capabilities; /* as they are when the source connects */
    MigParameters parameters;     /* like @capabilities; copied */
    /* Main thread: true while every connection is accepted and identified. NULL = always. */
    bool (*door_is_open)(void *data);
    void *door_data;
    /* How long the source may take to send its configuration, in ms, and how long its multifd
     * channels may be silent after it has closed the main one. 0 = no limit, for a medium that no
     * source has spoken on yet. */
    unsigned silent_ms;
    const char *listens; /* where this side listens after a failure, NULL = nowhere; copied */
} IncomingConfig;

/* For a source that has begun to speak. */
#define INCOMING_SILENT_MS (30 * 1000)

/* Starts the thread. ENGINE_EVENT_ENDED comes when it is about to return. @autostart: run the guest
 * when it has arrived, if the source ran it. */
Incoming *incoming_new(const IncomingConfig *config, bool autostart, GError **error);
void incoming_free(Incoming *in); /* shuts down, joins and frees */

/* Main thread: adds a multifd channel; @transport is taken. Only with capability multifd. */
void incoming_add_multifd(Incoming *in, Transport *transport);

/* The record it writes; lives at least as long as @in. */
Migration *incoming_record(const Incoming *in);

/* Main thread, for "stop" and "cont" before the guest has arrived. */
void incoming_set_autostart(Incoming *in, bool autostart);

/* True once the attempt has dropped the earlier contents of RAM. */
bool incoming_has_dropped(const Incoming *in);

/* True while postcopy has begun and is not over: missing RAM must not be read, and the attempt
 * cannot be cancelled. */
bool incoming_in_postcopy(const Incoming *in);

/* Main thread: a multifd channel was dropped during this attempt, because the capability is off
 * here. Should the attempt fail, this is why. */
void incoming_note_multifd(Incoming *in);
#define INCOMING_NO_MULTIFD                                                                        \
    "the source sends pages over multifd channels, and capability multifd is off here"

/* Updates the figures of page faults in the record. */
void incoming_note_faults(Incoming *in);

/* Any thread: the source has closed its connection; what it has sent may still be unread. */
bool incoming_source_has_left(Incoming *in);

/* Main thread, in postcopy-paused: resumes over @transport (taken when true). */
bool incoming_recover(Incoming *in, Transport *transport);

/* Main thread: adds a channel of requested pages; @transport is taken when true. */
bool incoming_add_channel(Incoming *in, Transport *transport, GError **error);

/* Main thread: shuts the connections of a postcopy down. */
void incoming_pause(Incoming *in);

/* Any thread: ends the attempt. If the guest has been taken over already, only the connection
 * ends. */
void incoming_shutdown(Incoming *in);
