/*
 * Writes mdoc(7) for the pages of the manual that are made from the tables.
 */
#pragma once

#include <glib.h>

/* Writes a macro line: ".It Ic NAME". Arguments are quoted where necessary; NULL ends them. */
void manual_macro(const char *macro, ...) G_GNUC_NULL_TERMINATED;

/* Writes running text, broken into lines; @text may contain anything. */
void manual_text(const char *text);

/* Writes mdoc source unchanged. */
void manual_raw(const char *mdoc);

void manual_write_hmp(void);       /* migmon-hmp(7) */
void manual_write_json(void);      /* migmon-json(5) */
void manual_write_dashboard(void); /* migmon-dashboard(7) */
