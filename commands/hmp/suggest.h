/*
 * "Did you mean": the known name that is nearest to a mistyped one. Pure.
 */
#pragma once

#include <glib.h>
#include <stddef.h>

typedef struct {
    const char *word;
    size_t word_length;
    const char *name; /* nearest so far, not terminated; NULL = nothing near */
    size_t name_length;
    unsigned distance;
} Suggestion;

void suggestion_init(Suggestion *s, const char *word, size_t length);

/* @names may hold aliases behind bars; must outlive the suggestion. */
void suggestion_offer(Suggestion *s, const char *names);

/* Appends "did you mean 'NAME'?" as a hint line to *@error when something is near. */
void suggestion_hint(const Suggestion *s, const char *before, GError **error);
