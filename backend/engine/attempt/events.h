/*
 * The queue of events from worker threads to the main loop.
 *
 * A worker never prints, never uses JSON and never calls a front end; it posts an event. The main
 * loop turns the events into backend events in the order of posting.
 */
#pragma once

#include <glib.h>
#include <stdint.h>

#include "backend/tables/info.h"

typedef struct Migration Migration;

typedef enum {
    ENGINE_EVENT_STATUS, /* status */
    ENGINE_EVENT_PASS,   /* number: dirty syncs so far */
    ENGINE_EVENT_STOP,
    ENGINE_EVENT_RESUME,
    ENGINE_EVENT_NOTICE, /* text for people */
    ENGINE_EVENT_ENDED,  /* the thread of @migration is about to return: join it */
} EngineEventType;

typedef struct {
    EngineEventType type;
    int64_t time_us; /* wall clock */
    MigrationStatus status;
    uint64_t number;
    char *text;           /* owned */
    Migration *migration; /* NULL = of no migration */
    GDestroyNotify drop;  /* called with @migration at the end */
} EngineEvent;

typedef struct EventQueue EventQueue;

/* @handle is called on the main loop for each event and does not own it. */
EventQueue *event_queue_new(void (*handle)(const EngineEvent *event, void *data), void *data);
void event_queue_free(EventQueue *queue);

/* Any thread. @text is copied. */
void event_post(EventQueue *queue, EngineEventType type, const char *text);

/* The same with a reference to @migration, which is taken and later released by @drop. */
void event_post_of(EventQueue *queue, EngineEventType type, Migration *migration,
                   GDestroyNotify drop, uint64_t number, const char *text);

/* Main thread: handles the queued events now, so that events of a command come before its reply. */
void event_queue_drain(EventQueue *queue);
