/*
 * The prompt: readline's callback interface on the main loop, and the lowest user of the terminal.
 * One a process, because readline is. Main thread.
 */
#pragma once

#include <glib.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backend/backend.h"
#include "monitor/terminal/console.h"

typedef struct Prompt Prompt;

/* @hangup comes from the main loop when the terminal is gone. After quit the prompt is not shown
 * again; the backend's event SHUTDOWN ends the program. */
Prompt *prompt_new(Backend *backend, Console *console, void (*hangup)(void *data), void *data);
void prompt_free(Prompt *prompt);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Prompt, prompt_free)

/* Shows the line being edited while the prompt is not on the terminal. */
typedef struct {
    void (*line)(const char *text, size_t cursor, void *data);
    void (*busy)(bool busy, void *data); /* a line is being executed */
    void (*close)(void *data);           /* Enter or Ctrl-D on an empty line */
} PromptView;

/* Removes the prompt from the terminal and shows its line through @view; NULL puts it back. The
 * caller adds itself to the terminal and diverts the console. */
void prompt_set_view(Prompt *prompt, const PromptView *view, void *data);
/* Passes keys to the line editor. */
void prompt_type(Prompt *prompt, const uint8_t *bytes, size_t n);
/* @open runs the command dashboard; without it the command is refused. */
void prompt_set_dashboard(Prompt *prompt, bool (*open)(GError **error, void *data), void *data);

/* The line being executed waits for an outgoing migration and will report its end. */
bool prompt_tells_end(const Prompt *prompt);
