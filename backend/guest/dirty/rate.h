/*
 * Measures over a window how fast the running guest writes.
 *
 * There are two methods. "Page sampling" compares the content of some pages at
 * both ends of the window: it is cheap, works everywhere, and misses a page
 * that was rewritten with the same content. "Dirty bitmap" asks the kernel
 * which pages were written; it shares the tracker with a migration (share.h),
 * so the two do not disturb each other. Both count different pages, as a
 * migration would send them, not writes.
 *
 * One measurement at a time, in its own thread.
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
    uint64_t samples_per_gib; /* for page sampling; at least 1024 pages are sampled */
} DirtyRateRequest;

typedef struct {
    DirtyRateStatus status;
    DirtyRateRequest request; /* of the newest measurement */
    int64_t start_wall_us;    /* since 1970 */
    /* The fields below are valid when the state is MEASURED. */
    int64_t elapsed_us;   /* real length of the window */
    uint64_t pages;       /* different pages written in it: counted, or estimated from samples */
    uint64_t proof;       /* the count of the stress machine's ledger; 0 = no ledger */
    unsigned n_vcpus;     /* entries of @vcpu_pages; 0 = only the sum is known */
    uint64_t *vcpu_pages; /* owned */
} DirtyRateResult;

void dirty_rate_result_clear(DirtyRateResult *result);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(DirtyRateResult, dirty_rate_result_clear)

/* @guest and @share must outlive it. */
DirtyRate *dirty_rate_new(Guest *guest, DirtyShare *share);

/* Aborts a running measurement. */
void dirty_rate_free(DirtyRate *rate);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DirtyRate, dirty_rate_free)

/* Called once, in the measurement's thread, when the window has begun or could not begin; see
 * dirty_rate_take_error(). */
typedef void (*DirtyRateBegun)(void *data);

/* Begins a measurement. False without calling @begun when one is running ("the dirty rate is
 * already being measured.") or the thread cannot be created. One caller at a time. */
bool dirty_rate_begin(DirtyRate *rate, const DirtyRateRequest *request, DirtyRateBegun begun,
                      void *data, GError **error);

/* Returns once why the newest measurement could not begin; NULL when it began. The caller owns the
 * error. */
GError *dirty_rate_take_error(DirtyRate *rate);

/* Ends a running measurement without a result and stops tracking the guest's memory. Waits for
 * both, at most about one dirty sync. Only the caller of dirty_rate_begin(). */
void dirty_rate_abort(DirtyRate *rate);

/* Any thread; the caller owns ret->vcpu_pages. */
void dirty_rate_get(DirtyRate *rate, DirtyRateResult *ret);

/* Bytes/s. 0 when nothing was measured. */
double dirty_rate_of(const DirtyRateResult *result, uint64_t pages);
