/*
 * Completion as a function of a line and a cursor; returns words. It does not
 * use readline or curses. Values that only the backend knows are in the
 * environment.
 */
#pragma once

#include <glib.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct {
    bool batch;                   /* also offers the commands for batches */
    const char *const *variables; /* variables that are set; NULL terminated; may be NULL */
    json_object *target;          /* backend_target(); may be NULL */
    const char *const
        *history_uris; /* URIs used before, newest first; NULL terminated; may be NULL */
} CompletionEnv;

typedef struct {
    char *text; /* replaces the word from @start, quoted where needed */
    char *note; /* short explanation for a list, or NULL */
    bool final; /* a blank may follow (false for "tcp:", folders) */
} Candidate;

typedef struct {
    size_t start;          /* byte offset of the word to replace */
    GPtrArray *candidates; /* Candidate, sorted by text, never NULL */
    /* Only to be listed: the word is empty and flags are all that is known. A flag changes what a
     * command does, so nobody gets one who has not typed its dash. */
    bool only_listed;
} Completion;

Completion *complete_line(const char *line, size_t point, const CompletionEnv *env);
void completion_free(Completion *completion);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Completion, completion_free)
