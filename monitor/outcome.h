/*
 * Waits until no migration runs and gathers what became of the last one.
 * Events say when to look, replies say what is. Main thread.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "backend/backend.h"

typedef struct {
    char *status;    /* NULL: there never was a migration */
    char *direction; /* "outgoing", "incoming", "none" */
    char *owner;     /* "here", "peer (confirmed)", ... */
    char *peer;      /* its URI */
    char *sentence;  /* for people, "" when there is nothing to say */
    bool connected;  /* it has been active at some time */
} Outcome;

typedef struct OutcomeWait OutcomeWait;

typedef enum {
    OUTCOME_NOW, /* what there is, even of a migration that runs */
    OUTCOME_AFTER_RUNNING,
    OUTCOME_AFTER_PEER, /* an incoming one whose peer has not come yet counts as running */
} OutcomePatience;

/* @done comes once, from the main loop, when no migration runs (any more); @outcome is borrowed.
 * outcome_wait_free() before that means it never comes. */
OutcomeWait *outcome_wait_new(Backend *backend, OutcomePatience patience,
                              void (*done)(const Outcome *outcome, void *data), void *data);
void outcome_wait_free(OutcomeWait *wait);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(OutcomeWait, outcome_wait_free)

/* A MigrationStatus from which a migration goes on by itself; an incoming one that waits for its
 * peer counts. */
bool outcome_status_is_running(const char *status);
