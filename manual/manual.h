/*
 * Writing mdoc(7): what the pages of the manual that come from the tables are
 * made with.
 */
#pragma once

#include <glib.h>

/* A macro line: ".It Ic NAME". Arguments are quoted where they need it; NULL ends them. */
void manual_macro(const char *macro, ...) G_GNUC_NULL_TERMINATED;

/* Running text, broken into lines; may hold anything. */
void manual_text(const char *text);

/* mdoc as it is. */
void manual_raw(const char *mdoc);

void manual_write_hmp(void);       /* migmon-hmp(7) */
void manual_write_json(void);      /* migmon-json(5) */
void manual_write_dashboard(void); /* migmon-dashboard(7) */
