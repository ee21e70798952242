/*
 * The message and the exit status when quit or a signal ends the program: the
 * outcome of the last migration. A running migration is cancelled, because it
 * cannot run without this process. Main thread.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "monitor/exit-code.h"
#include "monitor/outcome.h"

ExitCode outcome_exit_code(HmpResult result, const Outcome *outcome);

typedef struct Ending Ending;

/* @text: a sentence for people or NULL. */
typedef void (*EndingDone)(ExitCode code, const char *text, void *data);

/* @cut: a migration runs. @done is called once, from the main loop, after a few seconds at most. */
Ending *ending_new(Backend *backend, bool cut, EndingDone done, void *data);
void ending_free(Ending *ending);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Ending, ending_free)
