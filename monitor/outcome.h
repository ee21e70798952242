/*
 * Waits until no migration runs and collects the outcome of the last one. Events
 * trigger the queries; only replies count. Main thread.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "backend/backend.h"

typedef struct {
    char *status;    /* NULL: no migration so far */
    char *direction; /* "outgoing", "incoming", "none" */
    char *owner;     /* "here", "peer (confirmed)", ... */
    char *peer;      /* its URI */
    char *sentence;  /* for people, may be "" */
    bool connected;  /* it has been active at some time */
} Outcome;

typedef struct OutcomeWait OutcomeWait;

typedef enum {
    OUTCOME_NOW, /* do not wait */
    OUTCOME_AFTER_RUNNING,
    OUTCOME_AFTER_PEER, /* also wait for an incoming migration without a peer */
} OutcomePatience;

/* @done is called once, from the main loop, when no migration runs; @outcome is borrowed. It is not
 * called after outcome_wait_free(). */
OutcomeWait *outcome_wait_new(Backend *backend, OutcomePatience patience,
                              void (*done)(const Outcome *outcome, void *data), void *data);
void outcome_wait_free(OutcomeWait *wait);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(OutcomeWait, outcome_wait_free)

/* True for a MigrationStatus that will change without a command, including an incoming migration
 * that waits for its peer. */
bool outcome_status_is_running(const char *status);
