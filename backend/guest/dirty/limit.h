/*
 * Keeps each vCPU below its own dirty rate limit by reducing its run time.
 *
 * Once a period a thread reads the dirtied pages (through share.h, so it can
 * run beside a migration), attributes them to the vCPUs that own them, and
 * adjusts the time of each vCPU that has a limit. A page that is written
 * several times counts once, as a migration would send it once. The thread
 * tracks the memory only while the guest runs.
 *
 * Limits have two sources: the operator sets one for each vCPU, a migration one
 * for all vCPUs. The lower one applies. The operator's limits remain after the
 * migration. All functions: any thread.
 */
#pragma once

#include "backend/guest/dirty/share.h"
#include "backend/guest/guest.h"

typedef struct DirtyLimit DirtyLimit;

/* Called once, in the limit's thread, when the pages cannot be counted. Until they can be counted
 * again, the vCPUs keep their present share of time. */
typedef void (*DirtyLimitNotice)(void *data, const char *text);

/* @guest and @share must outlive it. Begins without limits. */
DirtyLimit *dirty_limit_new(Guest *guest, DirtyShare *share, DirtyLimitNotice notice, void *data);

/* All vCPUs run at full speed afterwards. */
void dirty_limit_free(DirtyLimit *limit);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DirtyLimit, dirty_limit_free)

/* Converts a limit in QEMU's unit "MB/s", which is MiB/s, to bytes/s. */
uint64_t dirty_limit_from_mib(uint64_t rate);

/* The operator's limit of vCPU @index in bytes/s; 0 = none. */
void dirty_limit_set(DirtyLimit *limit, unsigned index, uint64_t rate);

/* A migration's limit for every vCPU in bytes/s, checked every @period_ms; 0 = none. */
void dirty_limit_set_all(DirtyLimit *limit, uint64_t rate, uint64_t period_ms);

typedef struct {
    uint64_t limit;   /* bytes/s in force, 0 = none */
    uint64_t current; /* bytes/s over the last period */
    uint32_t share;   /* share of time left to the vCPU, of VCPU_WHOLE_SHARE */
} DirtyLimitState;

void dirty_limit_get(DirtyLimit *limit, unsigned index, DirtyLimitState *ret);

/* Is a migration's limit in force? */
bool dirty_limit_is_set_for_all(DirtyLimit *limit);

/* QEMU's figures in microseconds, for a KVM dirty ring of 4096 pages: the longest pause of a vCPU
 * while it fills a ring, and the average time to fill one. */
void dirty_limit_figures(DirtyLimit *limit, uint64_t *ret_throttle_us, uint64_t *ret_ring_full_us);

/* Returns when the limit's thread no longer tracks the memory; it resumes when the guest runs. For
 * a guest that was just stopped and whose memory needs another userfaultfd. */
void dirty_limit_let_go(DirtyLimit *limit);

/* ---- for tests ---- */

/* The next share of a vCPU that had @share and dirtied @rate under @limit (both bytes/s). *@boost
 * (initially 1) grows while the rate stays above the limit. */
uint32_t dirty_limit_next_share(uint32_t share, double rate, double limit, unsigned *boost);
