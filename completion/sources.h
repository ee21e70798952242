/*
 * Sources of candidates: the values for an argument of some kind. complete.c
 * finds the argument and calls the source; the source adds values, and
 * complete.c filters by prefix, quotes and sorts.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "backend/tables/parameters.h"
#include "commands/table.h"
#include "commands/topics.h"
#include "completion/complete.h"

typedef struct {
    const char *prefix; /* the typed part of the value, without quotes */
    const char *before; /* the argument before this one, NULL = none */
    const char *first;  /* the first argument that is not a flag, NULL = it is the present one */
    const CompletionEnv *env;
    GPtrArray *values; /* Candidate: text not yet quoted */
} Source;

/* ---- candidates.c ---- */

/* Adds @value if it begins with the prefix. @note may be NULL. */
void source_add(Source *source, const char *value, const char *note, bool final);
/* The attached target, as in backend_target(); NULL = nothing is attached. Borrowed. */
json_object *source_target(const Source *source);
/* True when the command can be used here. */
bool source_offers(const Source *source, const Command *command);

/* ---- sources.c ---- */

/* Adds the values of @kind; a kind without values adds nothing. */
void source_list(Source *source, ArgKind kind);

/* False for numbers, times and free text. */
bool source_has_values(ArgKind kind);

/* Adds all names and aliases of @table. */
void source_list_commands(Source *source, const Command *const *table);

/* ---- parts of source_list() in files of their own ---- */

void source_list_topics(Source *source, TopicKind kind);
void source_list_numbers(Source *source, const ParamDesc *row);
void source_list_wait(Source *source);
void source_list_on_error(Source *source);
void source_list_report_formats(Source *source);
void source_list_variables(Source *source);
void source_list_fields(Source *source);
void source_list_operators(Source *source);
void source_list_field_values(Source *source);

/* $NAME and ${NAME}: the prefix begins with the dollar. */
void source_list_references(Source *source);
