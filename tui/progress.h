/*
 * The one-line view of a running migration: phase and pass, work left until the
 * switchover, rate, dirty rate, elapsed time. A pure function of replies.
 */
#pragma once

#include <glib.h>
#include <json-c/json.h>

/* @info: reply of query-migrate; @history: reply of x-query-migrate-history or NULL. At most @width
 * columns; caller frees. */
char *progress_line(json_object *info, json_object *history, int width);

/* The line at the end: total, downtime, bytes, passes, where the guest runs. Caller frees. */
char *progress_summary(json_object *info, json_object *history, json_object *owner);
