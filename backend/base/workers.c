/*
 * A crew. See workers.h. Threads take pieces by incrementing one atomic counter. An order is a new
 * generation; it has ended when every thread has finished with it.
 */
#include "backend/base/workers.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "backend/base/fault.h"
#include "backend/base/lock.h"

struct Crew {
    void (*work)(void *data, size_t piece);
    void *data;
    GThread **threads; /* all but the thread that calls crew_run() */
    unsigned n_threads;
    _Atomic size_t next;

    /* Under @lock. */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    uint64_t generation;
    size_t n_pieces;
    unsigned n_busy;
    bool quit;
};

static void take_pieces(Crew *crew, size_t n_pieces)
{
    size_t piece;

    while ((piece = atomic_fetch_add(&crew->next, 1)) < n_pieces) {
        crew->work(crew->data, piece);
    }
}

/* Waits for an order newer than @seen; false when the crew is being freed. */
static bool wait_for_order(Crew *crew, uint64_t *seen, size_t *ret_n_pieces)
{
    MIG_LOCK(&crew->lock);

    while (!crew->quit && crew->generation == *seen) {
        pthread_cond_wait(&crew->changed, &crew->lock);
    }
    *seen = crew->generation;
    *ret_n_pieces = crew->n_pieces;
    return !crew->quit;
}

static void *crew_thread(void *data)
{
    Crew *crew = data;
    uint64_t seen = 0;
    size_t n_pieces;

    while (wait_for_order(crew, &seen, &n_pieces)) {
        take_pieces(crew, n_pieces);
        MIG_LOCK(&crew->lock);
        crew->n_busy--;
        pthread_cond_broadcast(&crew->changed);
    }
    return NULL;
}

Crew *crew_new(unsigned n_threads, void (*work)(void *data, size_t piece), void *data,
               GError **error)
{
    Crew *crew = g_new0(Crew, 1);

    crew->work = work;
    crew->data = data;
    pthread_mutex_init(&crew->lock, NULL);
    mig_cond_init(&crew->changed);
    crew->threads = g_new0(GThread *, MAX(n_threads, 1));
    while (crew->n_threads + 1 < n_threads) {
        GThread *thread = fault_thread_new("thread-crew", "mig/crew", crew_thread, crew, error);

        if (thread == NULL) {
            crew_free(crew);
            return NULL;
        }
        crew->threads[crew->n_threads++] = thread;
    }
    return crew;
}

void crew_free(Crew *crew)
{
    if (crew == NULL) {
        return;
    }
    pthread_mutex_lock(&crew->lock);
    crew->quit = true;
    pthread_cond_broadcast(&crew->changed);
    pthread_mutex_unlock(&crew->lock);
    for (unsigned i = 0; i < crew->n_threads; i++) {
        g_thread_join(crew->threads[i]);
    }
    pthread_cond_destroy(&crew->changed);
    pthread_mutex_destroy(&crew->lock);
    g_free(crew->threads);
    g_free(crew);
}

void crew_run(Crew *crew, size_t n_pieces)
{
    pthread_mutex_lock(&crew->lock);
    atomic_store(&crew->next, 0);
    crew->n_pieces = n_pieces;
    crew->n_busy = crew->n_threads;
    crew->generation++;
    pthread_cond_broadcast(&crew->changed);
    pthread_mutex_unlock(&crew->lock);

    take_pieces(crew, n_pieces);

    MIG_LOCK(&crew->lock);
    while (crew->n_busy > 0) {
        pthread_cond_wait(&crew->changed, &crew->lock);
    }
}
