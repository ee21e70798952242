/*
 * A few threads that share the pieces of one task and are idle in between. The thread that calls
 * crew_run() works too, so a crew of one has no further threads.
 */
#pragma once

#include <glib.h>
#include <stddef.h>

typedef struct Crew Crew;

/* @work is called for each piece, from any of the threads. NULL when threads cannot be created. */
Crew *crew_new(unsigned n_threads, void (*work)(void *data, size_t piece), void *data,
               GError **error);
void crew_free(Crew *crew);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Crew, crew_free)

/* Processes the pieces 0 to @n_pieces - 1, in about that order; all are done when it returns. One
 * caller at a time. The work sees all writes made before the call, and the caller sees all writes
 * of the work. */
void crew_run(Crew *crew, size_t n_pieces);
