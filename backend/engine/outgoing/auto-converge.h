/*
 * Slowing down a guest that writes faster than the link sends, until precopy
 * can finish. After each dirty sync one function looks at a period of at least
 * a second; when in two such periods what was dirtied exceeded a share
 * (throttle-trigger-threshold) of what was sent, the guest is slowed by one
 * step, and so on until it is slow enough or cannot be slowed further.
 *
 * Two means: "auto-converge" takes a growing share of the time of all vCPUs;
 * "dirty-limit" bounds the rate of each vCPU (backend/guest/dirty/limit.h).
 * Owned by the outgoing thread. What it did to the guest is undone by
 * auto_converge_end(), however the migration ends.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "backend/engine/attempt/settings.h"
#include "backend/guest/dirty/limit.h"
#include "backend/guest/guest.h"

typedef enum {
    CONVERGE_BY_NOTHING,
    CONVERGE_BY_THROTTLE, /* capability auto-converge */
    CONVERGE_BY_LIMIT,    /* capability dirty-limit */
} ConvergeMeans;

typedef struct {
    /* Constant. */
    ConvergeMeans means;
    Guest *guest;
    DirtyLimit *limit;
    const LiveSettings *settings;
    _Atomic uint64_t *percentage; /* written for other threads; 0 = not throttled */

    /* Outgoing thread only. */
    bool begun;
    int64_t start_us;  /* of the period */
    uint64_t dirtied;  /* bytes found dirty in it */
    uint64_t sent;     /* bytes of the stream when it began */
    unsigned too_many; /* periods in which the guest wrote too much, since the last step */
    bool limited;      /* the dirty limit is in force */
} AutoConverge;

/* After each dirty sync while the guest runs: @dirtied bytes were found, @sent bytes is what the
 * stream has taken so far. The first call begins the first period. */
void auto_converge_sync(AutoConverge *c, uint64_t dirtied, uint64_t sent, int64_t now_us);

/* Gives the guest its speed back. Idempotent. */
void auto_converge_end(AutoConverge *c);

/* The step after @now percent in a period in which @dirtied bytes were dirtied where @allowed would
 * have been fine. For tests; see the parameters cpu-throttle-*. */
unsigned auto_converge_next(const LiveSettings *settings, unsigned now, uint64_t dirtied,
                            uint64_t allowed);
