/*
 * The line editor of a monitor socket: takes bytes, returns the echo and the
 * complete line. Skips telnet negotiation and cursor keys, ignores other control
 * characters. Pure.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define LINE_MAX_BYTES 4095

typedef struct {
    GString *line; /* typed so far */
    bool too_long; /* more than LINE_MAX_BYTES; the rest was dropped */
    bool after_cr; /* an LF now belongs to the CR before it */
    int telnet;    /* state within a telnet command */
    int escape;    /* state within an escape sequence */
} LineDiscipline;

void line_discipline_init(LineDiscipline *line);
void line_discipline_clear(LineDiscipline *line);

/* Takes one byte and appends its echo to @echo. True when a line is complete: the caller reads
 * @line and calls line_discipline_next(). */
bool line_discipline_feed(LineDiscipline *line, uint8_t byte, GString *echo);
void line_discipline_next(LineDiscipline *line);
