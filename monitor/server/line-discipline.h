/*
 * The line editor of a monitor socket, as a pure function of bytes: what comes
 * in, what is echoed, when a line is complete. Telnet negotiation and cursor
 * keys are passed over; control characters without a meaning are ignored.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define LINE_MAX_BYTES 4095

typedef struct {
    GString *line; /* typed so far */
    bool too_long; /* more than LINE_MAX_BYTES came; the rest is not kept */
    bool after_cr; /* an LF now belongs to the CR before it */
    int telnet;    /* place within a telnet command */
    int escape;    /* place within an escape sequence */
} LineDiscipline;

void line_discipline_init(LineDiscipline *line);
void line_discipline_clear(LineDiscipline *line);

/* Takes one byte and appends what is to be shown for it to @echo. True when a line is complete:
 * the caller reads @line and calls line_discipline_next(). */
bool line_discipline_feed(LineDiscipline *line, uint8_t byte, GString *echo);
void line_discipline_next(LineDiscipline *line);
