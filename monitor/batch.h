/*
 * Runs the lines of a script one after another on one human monitor. Stops at the
 * first line that fails, unless the script set on-error. The caller handles a
 * migration that still runs afterwards. Main thread.
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
    /* Required: the last line is done (HMP_OK), or a line failed, which standard error names. Not
     * called after quit. */
    void (*ended)(HmpResult result, void *data);
    /* Required: a line failed, which standard error names, and the script continues when
     * batch_go_on() is called. */
    void (*failed)(HmpResult result, void *data);
    /* Required: a line ran quit. */
    void (*quit)(void *data);
} BatchCallbacks;

/* Takes ownership of @script. Starts from the main loop. @json: prints one JSON object per line. */
Batch *batch_new(Backend *backend, Console *console, Script *script, bool json,
                 const BatchCallbacks *callbacks, void *data);
void batch_free(Batch *batch);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Batch, batch_free)

void batch_go_on(Batch *batch);

/* A line has run; blank lines and comments do not count. */
bool batch_has_run(const Batch *batch);

/* A line is running, or a line that was read has not started. */
bool batch_is_unfinished(const Batch *batch);

/* The running line waits for an outgoing migration and will report its end. */
bool batch_tells_end(const Batch *batch);
