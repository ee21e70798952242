/*
 * The pace of an outgoing migration: how much may be sent now, how much was sent, and how fast.
 * There is one for each attempt, for precopy, postcopy and background snapshots.
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
#define PACE_LOOK_US (100 * 1000)      /* longest wait without a check of the peer */

typedef struct {
    Migration *migration;
    const LiveSettings *settings;

    /* Set at the beginning of each phase. */
    const _Atomic uint64_t *limit; /* bytes/s, 0 = none */
    _Atomic uint64_t *phase_bytes; /* bytes sent in precopy, pause or postcopy; NULL = not RAM */

    /* Bytes that were sent and that the peer has not taken yet; NULL = there are none. */
    uint64_t (*unread)(void *data);
    void *unread_data;

    RateLimiter limiter;
    struct {
        int64_t start_us;
        uint64_t bytes, pages;
        uint64_t unread; /* at its beginning */
    } window;            /* sent since the rates were last computed */
    struct {
        int64_t start_us; /* 0 = before the first sync */
        uint64_t pages;
    } dirtied; /* since the dirty rate was last computed */
    MigPass pass;
    uint64_t began_us[TIME__COUNT]; /* the counters of time when @pass began */
} Pace;

/* What a dirty sync found at the end of a pass. */
typedef struct {
    uint64_t dirtied;         /* pages written since the sync before */
    uint64_t fresh;           /* never-touched pages that the pass sent */
    uint64_t left_bytes;      /* not sent before this sync */
    uint64_t remaining_bytes; /* and after it */
} PassEnd;

/* Begins with the limit of precopy, and with bytes that are not RAM. */
void pace_init(Pace *pace, Migration *migration, const LiveSettings *settings);

/* Rates are measured from here, without the time for connecting. */
void pace_begin(Pace *pace);

/* 0: the next batch may be sent. Else the microseconds to wait before the next call, at most
 * PACE_LOOK_US. */
int64_t pace_wait_us(Pace *pace);

/* Bytes of the next batch: about 20 ms of the limit, so that the rate is smooth, but at most @most;
 * without a limit @most. */
size_t pace_batch(const Pace *pace, size_t most);

/* Counts @bytes of a batch against the limit. Not for requested pages, for example. */
void pace_spend(Pace *pace, size_t bytes);

/* Bytes that were sent and that the peer has not taken yet. */
uint64_t pace_unread(const Pace *pace);

/* Counts @bytes sent on the main channel or written to the file. */
void pace_count(Pace *pace, size_t bytes);

/* Counts @bytes sent on other channels: in the sum, but not in the counter of a phase. */
void pace_count_beside(Pace *pace, size_t bytes);

void pace_count_pages(Pace *pace, RamBatch batch);

/* Publishes the remaining bytes, and the rates when the window is long enough. */
void pace_update(Pace *pace, uint64_t remaining_bytes);

/* True when it is time to count the pages that the guest has written since the pass began. */
bool pace_count_is_due(const Pace *pace);
/* Notes such a count. */
void pace_note_count(Pace *pace, uint64_t pages);

/* To be called at a dirty sync, which ends a pass and begins the next one. The counters of time
 * must be up to date. */
void pace_end_pass(Pace *pace, const PassEnd *end);
void pace_begin_pass(Pace *pace, uint64_t remaining_bytes);
