/*
 * Candidate sources: what can stand where an argument of some kind is
 * expected. complete.c finds the place and asks; the source adds values, and
 * complete.c filters by prefix, quotes and sorts.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "commands/table.h"
#include "completion/complete.h"

typedef struct {
    const char *prefix;       /* what is typed of the value, without quotes */
    const char *before;       /* the argument before this one, NULL = none */
    const CompletionEnv *env;
    GPtrArray *values;        /* Candidate: text not yet quoted */
} Source;

/* Adds when @value begins with the prefix. @note may be NULL. */
void source_add(Source *source, const char *value, const char *note, bool final);

/* Adds what @kind allows; a kind without values adds nothing. */
void source_list(Source *source, ArgKind kind);

/* All names, aliases one by one. */
void source_list_commands(Source *source, const Command *const *table);

/* The commands that line_head_read() would take here. */
bool source_offers(const Source *source, const Command *command);
