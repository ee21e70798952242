/*
 * Text as a person may see it. Names, addresses and errors come from other programs and from users,
 * and a terminal obeys some of their characters. What a terminal would not simply draw is spelled
 * out: control characters as "\x1b", C1, bidirectional and other invisible controls and line
 * separators as "U+202E", bytes that are no UTF-8 as "\xff". JSON is for programs and is not
 * changed. Results are freed by the caller. Pure; any thread.
 *
 * A newline is a matter of who wrote it: in a value it is spelled out, because it would fake a
 * line.
 */
#pragma once

#include <glib.h>
#include <stdarg.h>

/* A value: everything is spelled out, newlines and tabs too. */
char *shown_line(const char *text);

/* Lines of which each was made of shown values: newlines and tabs stay. */
char *shown_lines(const char *text);

/* The message of a GError, an outcome or a notice: only the newlines before "hint: " stay. */
char *shown_message(const char *text);

/* Like g_strdup_printf(), with each argument shown as a value. */
char *shown_printf(const char *format, ...) G_GNUC_PRINTF(1, 2);
char *shown_vprintf(const char *format, va_list args) G_GNUC_PRINTF(1, 0);
/* Appends the same to @out. */
void shown_append(GString *out, const char *format, ...) G_GNUC_PRINTF(2, 3);
