/*
 * Sums up the waits of a thread for one purpose. Only that thread begins and ends waits; any thread
 * may read the sum, which includes a wait in progress. Zeroed = no waits yet.
 */
#pragma once

#include <glib.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct {
    _Atomic uint64_t ended_us; /* sum of all ended waits */
    _Atomic int64_t since_us;  /* monotonic begin of the wait in progress, 0 = none */
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

/* Microseconds. A reader between the two steps of ending a wait may see slightly less than
 * before. */
static inline uint64_t wait_clock_read_us(const WaitClock *clock)
{
    int64_t since = atomic_load(&clock->since_us);
    uint64_t ended = atomic_load(&clock->ended_us);

    return since == 0 ? ended : ended + (uint64_t)MAX(g_get_monotonic_time() - since, 0);
}
