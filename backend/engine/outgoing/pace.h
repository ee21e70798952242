/*
 * The pace of an outgoing migration: how much may leave now, what has left, and how fast. There is
 * one for each attempt, whichever way the pages leave: precopy, postcopy or a background snapshot.
 *
 * The outgoing thread owns it. Other threads read the counters of the migration's record, which it
 * keeps up to date.
 */
#pragma once

#include "backend/base/rate-limiter.h"
#include "backend/engine/attempt/settings.h"
#include "backend/engine/attempt/migration.h"
#include "backend/engine/outgoing/dirty-queue.h"

#define PACE_BATCH   ((size_t)2 << 20) /* most bytes of a batch that has a limit */
#define PACE_LOOK_US (100 * 1000)      /* longest wait without a look at the peer */

typedef struct {
    Migration *migration;
    const LiveSettings *settings;

    /* Set by the phase that begins. */
    const _Atomic uint64_t *limit; /* bytes/s, 0 = none */
    _Atomic uint64_t *phase_bytes; /* precopy, pause or postcopy: what leaves counts there too */

    RateLimiter limiter;
    struct {
        int64_t start_us;
        uint64_t bytes, pages;
    } window; /* what has left since the rates were last computed */
    MigPass pass;
} Pace;

/* Begins with precopy. */
void pace_init(Pace *pace, Migration *migration, const LiveSettings *settings);

/* Rates count from here: the time before it (connecting) is no part of them. */
void pace_begin(Pace *pace);

/* 0: the next batch may leave. Else the microseconds to wait before asking again, at most
 * PACE_LOOK_US. */
int64_t pace_wait_us(Pace *pace);

/* Bytes of the next batch: about 20 ms of the limit, so that it is kept smoothly; @most without a
 * limit, and never more than that. */
size_t pace_batch(const Pace *pace, size_t most);

/* @bytes of a batch have left: they use up the limit. Not for requested pages, for example. */
void pace_spend(Pace *pace, size_t bytes);

/* @bytes have left on the main channel or into the file. */
void pace_count(Pace *pace, size_t bytes);

/* Likewise on other channels: they are in the sum, but in none of the phases. */
void pace_count_beside(Pace *pace, size_t bytes);

void pace_count_pages(Pace *pace, RamBatch batch);

/* Publishes what is left, and the rates when there is enough to compute them from. */
void pace_update(Pace *pace, uint64_t remaining_bytes);

/* A dirty sync ends a pass and begins the next one; @dirtied pages were found by it. */
void pace_end_pass(Pace *pace, uint64_t dirtied, uint64_t remaining_bytes);
void pace_begin_pass(Pace *pace, uint64_t remaining_bytes);
