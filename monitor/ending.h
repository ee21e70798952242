/*
 * What is said and returned when quit or a signal ends the program: what became
 * of the last migration. One that still runs is cancelled, because nobody can
 * follow it any more. Main thread.
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

/* @cut: a migration runs. @done comes once, from the main loop and before long. */
Ending *ending_new(Backend *backend, bool cut, EndingDone done, void *data);
void ending_free(Ending *ending);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Ending, ending_free)
