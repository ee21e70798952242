/*
 * The history of a migration between two attached QEMUs: states, passes, a
 * verdict. It is made from their events and their replies to query-migrate,
 * and gives the reply of x-query-migrate-history. Main thread.
 */
#pragma once

#include <glib.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct History History;

History *history_new(void);
void history_free(History *history);

/* Records that a state was entered. The first state after an end begins a new history. */
void history_status(History *history, const char *status, int64_t wall_us);
/* Records a reply of query-migrate. @parameters: the reply of query-migrate-parameters, NULL = not
 * known. */
void history_seen(History *history, json_object *info, json_object *parameters);
void history_set_peer(History *history, const char *peer);
void history_set_incoming(History *history, bool incoming);
/* It moved no guest: QEMU saved a snapshot of it, which is a migration in its replies. */
void history_set_snapshot(History *history);
/* Call when a paused source was asked to reconnect. Valid until its next state or a time limit. */
void history_set_resuming(History *history);
void history_set_outcome(History *history, const char *outcome);

bool history_is_incoming(const History *history);
/* No migration is running. */
bool history_is_over(const History *history);
const char *history_last_status(const History *history); /* "none" = no state yet */

/* Caller puts. */
json_object *history_to_json(const History *history);
