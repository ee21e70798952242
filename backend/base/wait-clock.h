/*
 * Adds up how long a thread waits for one kind of thing. That thread begins and ends its waits; any
 * other may read the sum at any time, a wait that still lasts included. Zeroed = nothing yet.
 */
#pragma once

#include <glib.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct {
    _Atomic uint64_t ended_us; /* all waits that are over */
    _Atomic int64_t since_us;  /* monotonic begin of the one that lasts, 0 = none */
} WaitClock;

static inline void wait_clock_begin(WaitClock *clock)
{
    atomic_store(&clock->since_us, g_get_monotonic_time());
}

static inline void wait_clock_end(WaitClock *clock)
{
    int64_t since = atomic_exchange(&clock->since_us, 0);

    atomic_fetch_add(&clock->ended_us, (uint64_t)(g_get_monotonic_time() - since));
}

static inline bool wait_clock_is_running(const WaitClock *clock)
{
    return atomic_load(&clock->since_us) != 0;
}

/* Microseconds. A reader that comes between the two steps of an end may see a little less than it
 * saw before. */
static inline uint64_t wait_clock_read_us(const WaitClock *clock)
{
    int64_t since = atomic_load(&clock->since_us);
    uint64_t ended = atomic_load(&clock->ended_us);

    return since == 0 ? ended : ended + (uint64_t)MAX(g_get_monotonic_time() - since, 0);
}
