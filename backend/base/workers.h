/*
 * A few threads that share out the pieces of one piece of work and stand idle in between. The one
 * who orders it works too, so a crew of one has no threads at all.
 */
#pragma once

#include <glib.h>
#include <stddef.h>

typedef struct Crew Crew;

/* @work is called for each piece, from any of the threads. NULL when threads cannot be had. */
Crew *crew_new(unsigned n_threads, void (*work)(void *data, size_t piece), void *data,
               GError **error);
void crew_free(Crew *crew);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Crew, crew_free)

/* Does the pieces 0 to @n_pieces - 1, in about that order; all are done when it returns. One thread
 * at a time. What was written before is seen by the work, what the work wrote is seen after. */
void crew_run(Crew *crew, size_t n_pieces);
