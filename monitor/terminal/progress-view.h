/*
 * Shows the migration that a command waits for: a progress line, and at the end a
 * summary that names the owner of the guest. Main thread.
 */
#pragma once

#include <glib.h>
#include <json-c/json.h>
#include <stdbool.h>

#include "backend/backend.h"
#include "monitor/terminal/console.h"

typedef struct ProgressView ProgressView;

/* @idle (may be NULL) is called when a summary has been printed. Without a terminal the summary
 * goes to standard error, because standard output is for the output of commands. */
ProgressView *progress_view_new(Backend *backend, Console *console, void (*idle)(void *data),
                                void *data);
void progress_view_free(ProgressView *view);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ProgressView, progress_view_free)

/* As HmpCallbacks.progress: @info NULL ends the wait. */
void progress_view_update(ProgressView *view, json_object *info, json_object *history);

/* A migration is being shown. */
bool progress_view_is_active(const ProgressView *view);
/* A summary is being prepared. */
bool progress_view_is_busy(const ProgressView *view);
