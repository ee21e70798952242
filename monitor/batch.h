/*
 * Runs the lines of a script one after another on one human monitor, and stops
 * at the first that fails, or goes on where the script says so. What becomes of a running migration
 * afterwards is the caller's business. Main thread.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "backend/backend.h"
#include "commands/hmp/hmp.h"
#include "monitor/script.h"
#include "monitor/terminal/console.h"

typedef struct Batch Batch;

typedef struct {
    /* Required: the last line is done (HMP_OK), or one has failed and standard error says which.
     * Not called after a quit. */
    void (*ended)(HmpResult result, void *data);
    /* Required: a line has failed, standard error says which, and the script goes on: with
     * batch_go_on(), now or later. */
    void (*failed)(HmpResult result, void *data);
    /* Required: a line asked to quit. */
    void (*quit)(void *data);
} BatchCallbacks;

/* Takes @script over. Begins from the main loop. @json: one JSON object a line on standard output.
 */
Batch *batch_new(Backend *backend, Console *console, Script *script, bool json,
                 const BatchCallbacks *callbacks, void *data);
void batch_free(Batch *batch);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Batch, batch_free)

void batch_go_on(Batch *batch);

/* A line has been run; blank ones and comments do not count. */
bool batch_has_run(const Batch *batch);

/* A line is in work, or one that is there already has not been begun. */
bool batch_is_unfinished(const Batch *batch);

/* A line waits for an outgoing migration and will tell its end. */
bool batch_tells_end(const Batch *batch);
