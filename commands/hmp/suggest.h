/*
 * "Did you mean": finds the known name closest to a mistyped one. Pure.
 */
#pragma once

#include <glib.h>
#include <stddef.h>

typedef struct {
    const char *word;
    size_t word_length;
    const char *name; /* closest so far, not terminated; NULL = none is close */
    size_t name_length;
    unsigned distance;
} Suggestion;

void suggestion_init(Suggestion *s, const char *word, size_t length);

/* @names may contain aliases after bars. It must outlive the suggestion. */
void suggestion_offer(Suggestion *s, const char *names);

/* Names the first character of @line that only looks like one that the monitor knows (a no-break
 * space, a typographic quote or dash) in a hint of *@error. */
void suggestion_lookalike(const char *line, GError **error);

/* Appends "did you mean 'NAME'?" as a hint line to *@error if a name is close. */
void suggestion_hint(const Suggestion *s, const char *before, GError **error);
