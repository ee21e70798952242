/*
 * Batches: source takes lines from a file, on-error sets whether a failed
 * line ends the batch. The front end that runs the lines implements both.
 */
#include "commands/hmp/hmp-internal.h"

#include <string.h>

#include "backend/base/error.h"

static void refuse(HmpCall *call, HmpResult result, const char *text)
{
    g_autoptr(GError) error = g_error_new_literal(MIG_ERROR, MIG_ERROR_GENERIC, text);

    call_fail(call, result, error);
}

static void run_source(HmpCall *call)
{
    const HmpCallbacks *callbacks = &call->hmp->callbacks;
    g_autoptr(GError) error = NULL;

    if (!callbacks->source) {
        refuse(call, HMP_ERROR_FAILED,
               "source is for batches and the prompt\nhint: migmon --batch FILE runs it");
    } else if (!callbacks->source(call_text(call, "file"), &error, call->hmp->data)) {
        call_fail(call, HMP_ERROR_SYNTAX, error);
    } else {
        call_finish(call, HMP_OK);
    }
}

static void run_on_error(HmpCall *call)
{
    const char *word = call_text(call, "action");
    const HmpCallbacks *callbacks = &call->hmp->callbacks;
    bool go_on = strcmp(word, "continue") == 0;

    if (!go_on && strcmp(word, "stop") != 0) {
        refuse(call, HMP_ERROR_SYNTAX, "on-error: 'stop' or 'continue' expected");
    } else if (!callbacks->on_error) {
        refuse(call, HMP_ERROR_FAILED, "on-error is for batches and the prompt");
    } else {
        callbacks->on_error(go_on, call->hmp->data);
        call_finish(call, HMP_OK);
    }
}

const Command cmd_source = {
    .name = "source",
    .params = "file",
    .help = "run the lines of this file",
    .args =
        (const ArgSpec[]){ { "file", ARG_FILE, .help = "a file with lines as in a batch" }, { 0 } },
    .run = run_source,
    .batch_only = true,
};

const Command cmd_on_error = {
    .name = "on-error",
    .params = "stop|continue",
    .help = "what a line that fails means: the end of the batch, or go on",
    .args =
        (const ArgSpec[]){ { "action", ARG_ON_ERROR, .help = "stop (as it begins) or continue" },
                           { 0 } },
    .run = run_on_error,
    .batch_only = true,
};
