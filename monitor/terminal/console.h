/*
 * This process's own standard output and error. On a terminal the last line may
 * be in use (the line being typed, or the progress of a migration): everything
 * that is printed goes above it. Main thread; nothing here blocks.
 */
#pragma once

#include <glib.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct Console Console;

Console *console_new(void);
void console_free(Console *console);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Console, console_free)

/* Standard output is a terminal. */
bool console_is_terminal(const Console *console);
int console_width(const Console *console);

/* Lines for standard output; a missing newline at the end is added while a prompt stands there. */
void console_print(Console *console, const char *text);

/* One line of --json; @object is gone afterwards. */
void console_print_object(Console *console, json_object *object);

/* For standard error: what went wrong, and what happened by the way. Adds a newline when it lacks.
 */
void console_complain(Console *console, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* The line at the bottom; NULL takes it away. Only on a terminal. */
void console_set_status(Console *console, const char *line);

/* Ends the bottom line where it stands: what it showed is not true any more, but was. */
void console_leave_status(Console *console);

/* A prompt that stands at the bottom: @hide takes it off the screen before something is printed,
 * @show draws it again. NULL, NULL when there is none. */
void console_set_prompt(Console *console, void (*hide)(void *data), void (*show)(void *data),
                        void *data);

/* From now on what would go to the terminal goes to @take instead (the dashboard has the screen);
 * NULL ends it. */
void console_divert(Console *console, void (*take)(const char *text, void *data), void *data);

/* For the line editor, which draws the bottom line itself. */
void console_write_raw(Console *console, const char *bytes, size_t size);

/* @calm is called from the main loop as soon as the readers have caught up; a script should wait
 * for it. At once (from the loop) when they have. */
bool console_is_behind(const Console *console);
void console_when_calm(Console *console, void (*calm)(void *data), void *data);

/* Standard output could not be written, and not because the reader left. */
bool console_has_failed(const Console *console);

/* Waits for the readers, not longer than @timeout_ms. */
void console_flush(Console *console, unsigned timeout_ms);
