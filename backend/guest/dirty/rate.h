/*
 * How fast the guest writes, measured over a window while it runs.
 *
 * Two ways. "Page sampling" looks at the content of some pages at both ends of
 * the window: cheap, works everywhere, misses a page that was written with the
 * same content. "Dirty bitmap" asks the kernel which pages were written; it
 * shares the tracker with a migration (share.h), so the two do not
 * disturb each other. What is counted is different pages, as a migration has
 * to send them, not writes.
 *
 * One measurement at a time, in a thread of its own.
 */
#pragma once

#include "backend/guest/dirty/share.h"
#include "backend/guest/guest.h"

typedef struct DirtyRate DirtyRate;

typedef enum {
    DIRTY_RATE_PAGE_SAMPLING,
    DIRTY_RATE_DIRTY_BITMAP,
} DirtyRateMode;

typedef enum {
    DIRTY_RATE_UNSTARTED,
    DIRTY_RATE_MEASURING,
    DIRTY_RATE_MEASURED,
} DirtyRateStatus;

typedef struct {
    DirtyRateMode mode;
    uint64_t window_ms;
    uint64_t samples_per_gib; /* of page sampling; at least 1024 pages are looked at */
} DirtyRateRequest;

typedef struct {
    DirtyRateStatus status;
    DirtyRateRequest request; /* of the newest measurement */
    int64_t start_wall_us;    /* since 1970 */
    /* The rest of one that is MEASURED. */
    int64_t elapsed_us;   /* what the window really was */
    uint64_t pages;       /* different pages written in it: counted, or estimated from samples */
    uint64_t proof;       /* the same as the stress machine's ledger has it; 0 for none */
    unsigned n_vcpus;     /* entries of the next one; 0 where only the sum is known */
    uint64_t *vcpu_pages; /* owned */
} DirtyRateResult;

void dirty_rate_result_clear(DirtyRateResult *result);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(DirtyRateResult, dirty_rate_result_clear)

/* Both outlive it. */
DirtyRate *dirty_rate_new(Guest *guest, DirtyShare *share);

/* Ends a measurement that runs. */
void dirty_rate_free(DirtyRate *rate);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DirtyRate, dirty_rate_free)

/* Called once, in the thread of the measurement: the window has begun, or it could not, see
 * dirty_rate_take_error(). */
typedef void (*DirtyRateBegun)(void *data);

/* Begins a measurement. False without a call of @begun when there is one already ("the dirty rate
 * is already being measured.") or the thread cannot be made. One caller at a time. */
bool dirty_rate_begin(DirtyRate *rate, const DirtyRateRequest *request, DirtyRateBegun begun,
                      void *data, GError **error);

/* Why the newest measurement could not begin; NULL when it could. Once. */
GError *dirty_rate_take_error(DirtyRate *rate);

/* Ends a measurement that runs, without a result, and lets go of the guest's memory. Returns when
 * that is done, after about a dirty sync at most. The caller of dirty_rate_begin() only. */
void dirty_rate_abort(DirtyRate *rate);

/* Any thread. */
void dirty_rate_get(DirtyRate *rate, DirtyRateResult *ret);

/* Bytes/s. 0 when nothing was measured. */
double dirty_rate_of(const DirtyRateResult *result, uint64_t pages);
