/*
 * Standard output and standard error of this process. On a terminal the bottom
 * line may hold the prompt or the progress of a migration; text is printed above
 * it. Main thread; nothing here blocks.
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
/* Standard output and standard error are both on a terminal: a person sees what goes to either. */
bool console_shows_both(const Console *console);

/* Prints lines to standard output; adds a missing final newline while the bottom line is in use. */
void console_print(Console *console, const char *text);

/* Prints a message, a notice for example, as a line with its hints. */
void console_tell(Console *console, const char *message);

/* Lines for a program: not a byte is changed. */
void console_print_json(Console *console, const char *line);
/* Prints one line of --json and takes ownership of @object. */
void console_print_object(Console *console, json_object *object);

/* Prints an error or a notice as a line with its hints to standard error. */
void console_complain(Console *console, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* Sets the bottom line; NULL erases it. Only on a terminal. */
void console_set_status(Console *console, const char *line);

/* Leaves the bottom line on the screen as an ordinary line and starts below it. */
void console_leave_status(Console *console);

/* The prompt uses the bottom line: @hide erases it before text is printed, @show draws it again.
 * NULL, NULL: no prompt. */
void console_set_prompt(Console *console, void (*hide)(void *data), void (*show)(void *data),
                        void *data);

/* Passes text for the terminal to @take while the dashboard uses the screen; NULL ends this. */
void console_divert(Console *console, void (*take)(const char *text, void *data), void *data);

/* For readline, which draws the bottom line itself. */
void console_write_raw(Console *console, const char *bytes, size_t size);

/* The reader of standard output is far behind: a script should wait. @calm is called once from the
 * main loop when it has caught up. */
bool console_is_behind(const Console *console);
void console_when_calm(Console *console, void (*calm)(void *data), void *data);

/* Writing to standard output failed for another reason than a closed pipe. */
bool console_has_failed(const Console *console);

/* Waits until all output is written, at most @timeout_ms. */
void console_flush(Console *console, unsigned timeout_ms);
