/*
 * The history of a migration between two attached QEMUs, made from their
 * events and their replies of query-migrate: states, passes, a verdict. Gives
 * the reply of x-query-migrate-history. Main thread.
 */
#pragma once

#include <glib.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct History History;

History *history_new(void);
void history_free(History *history);

/* A state was entered. The first one after an end begins a new history. */
void history_status(History *history, const char *status, int64_t wall_us);
/* A reply of query-migrate. @limit_ms: downtime-limit, 0 = not known. */
void history_seen(History *history, json_object *info, uint64_t limit_ms);
void history_set_peer(History *history, const char *peer);
void history_set_incoming(History *history, bool incoming);
/* A paused source was told to connect anew. Holds until its next state or a time limit. */
void history_set_resuming(History *history);
void history_set_outcome(History *history, const char *outcome);

bool history_is_incoming(const History *history);
/* No migration runs. */
bool history_is_over(const History *history);
const char *history_last_status(const History *history); /* "none" */

/* Caller puts. */
json_object *history_to_json(const History *history);
