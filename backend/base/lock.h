/*
 * Locks that release themselves at the end of a scope, and condition variables on the monotonic
 * clock:
 *
 *     MIG_LOCK(&m->lock);   locked from here to the end of the block
 *
 * POSIX mutexes instead of GLib's, because Debian's GLib is not built for the thread sanitizer. The
 * sanitizer only understands pthread and would report every struct that is passed between threads
 * as a race.
 */
#pragma once

#include <glib.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

typedef pthread_mutex_t *MigLock;

static inline MigLock mig_lock(pthread_mutex_t *mutex)
{
    pthread_mutex_lock(mutex);
    return mutex;
}

static inline void mig_lock_clear(MigLock *lock)
{
    pthread_mutex_unlock(*lock);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(MigLock, mig_lock_clear)

#define MIG_LOCK(mutex) G_GNUC_UNUSED g_auto(MigLock) mig_locked = mig_lock(mutex)

static inline void mig_cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t attributes;

    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &attributes);
    pthread_condattr_destroy(&attributes);
}

/* Waits until @deadline_us of g_get_monotonic_time(); false when it has passed. */
static inline bool mig_cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *mutex,
                                       int64_t deadline_us)
{
    struct timespec deadline = { deadline_us / 1000000, deadline_us % 1000000 * 1000 };

    return pthread_cond_timedwait(cond, mutex, &deadline) == 0;
}
