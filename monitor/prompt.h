/*
 * The prompt on the terminal: readline's callback interface on the main loop.
 * One a process, because readline is. Main thread.
 */
#pragma once

#include <glib.h>

#include "backend/backend.h"
#include "monitor/console.h"

typedef struct Prompt Prompt;

/* @hangup comes from the main loop when the terminal is gone. After quit the prompt does not come
 * back; the SHUTDOWN event of the backend is what ends the program. */
Prompt *prompt_new(Backend *backend, Console *console, void (*hangup)(void *data), void *data);
/* Leaves the terminal as it was found. */
void prompt_free(Prompt *prompt);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Prompt, prompt_free)

/* Ctrl-C: clears the line; while a migration is waited for, the first asks and the second cancels.
 */
void prompt_interrupt(Prompt *prompt);
