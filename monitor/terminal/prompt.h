/*
 * The prompt on the terminal: readline's callback interface on the main loop.
 * One a process, because readline is. Main thread.
 */
#pragma once

#include <glib.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <termios.h>

#include "backend/backend.h"
#include "monitor/terminal/console.h"

typedef struct Prompt Prompt;

/* @hangup comes from the main loop when the terminal is gone. After quit the prompt does not come
 * back; the SHUTDOWN event of the backend is what ends the program. */
Prompt *prompt_new(Backend *backend, Console *console, void (*hangup)(void *data), void *data);
/* Leaves the terminal as it was found. */
void prompt_free(Prompt *prompt);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Prompt, prompt_free)

/* A screen that takes the prompt's place on the terminal, and shows its line in a pane. */
typedef struct {
    void (*typed)(const uint8_t *bytes, size_t n, void *data); /* what comes from the terminal */
    void (*line)(const char *text, size_t cursor, void *data); /* the line being edited */
    void (*busy)(bool busy, void *data);                       /* a line is in work */
    void (*close)(void *data);                                 /* an empty line, or Ctrl-D at one */
    bool (*interrupt)(void *data); /* Ctrl-C; false: it is for the line */
    void (*resized)(void *data);
} PromptScreen;

/* @screen NULL: the terminal is the prompt's again. The console is the caller's to divert. */
void prompt_set_screen(Prompt *prompt, const PromptScreen *screen, void *data);
/* For the line editor. */
void prompt_type(Prompt *prompt, const uint8_t *bytes, size_t n);
/* What the command dashboard does; without one it is refused. */
void prompt_set_dashboard(Prompt *prompt, bool (*open)(GError **error, void *data), void *data);
/* The mode of the terminal before the prompt; NULL = it has none. Puts it back, or ours again. */
const struct termios *prompt_found_mode(const Prompt *prompt);
void prompt_use_mode(Prompt *prompt, bool ours);

/* Ctrl-C: clears the line; while a migration is waited for, the first asks and the second cancels.
 */
void prompt_interrupt(Prompt *prompt);

/* The line in work waits for an outgoing migration and will tell its end. */
bool prompt_tells_end(const Prompt *prompt);
