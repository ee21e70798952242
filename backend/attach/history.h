/*
 * The course of a migration that somebody else runs, put together from its
 * events and from looks at query-migrate: states, passes, a verdict. Answers
 * in the form of x-query-migrate-history. Main thread.
 */
#pragma once

#include <glib.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct History History;

History *history_new(void);
void history_free(History *history);

/* A state was entered. The first one behind an end begins a new history. */
void history_status(History *history, const char *status, int64_t wall_us);
/* A reply of query-migrate. @limit_ms: downtime-limit, 0 = not known. */
void history_seen(History *history, json_object *info, uint64_t limit_ms);
void history_set_peer(History *history, const char *peer);
void history_set_incoming(History *history, bool incoming);
/* A paused source was told to connect anew: until its next state, or until that took too long. */
void history_set_resuming(History *history);
void history_set_outcome(History *history, const char *outcome);

const char *history_outcome(const History *history); /* "" = not yet known */
bool history_is_incoming(const History *history);
/* Nothing is under way. */
bool history_is_over(const History *history);
const char *history_last_status(const History *history); /* "none" */

/* Caller puts. */
json_object *history_to_json(const History *history);
