/*
 * Keeps each vCPU under a dirty rate of its own, by taking time away from it.
 *
 * A thread looks once a period at the pages that were dirtied (through
 * share.h, so beside a migration), tells them apart by the vCPU that
 * owns them, and gives each vCPU that has a limit more or less of its time.
 * Pages are counted once however often they are written, as a migration would
 * send them. It works while the guest runs and lets go of the memory while it
 * does not.
 *
 * Two may set limits: the operator for each vCPU, and a migration for all of
 * them; the lower one counts, and the operator's are there again afterwards.
 * All functions: any thread.
 */
#pragma once

#include "backend/guest/dirty/share.h"
#include "backend/guest/guest.h"

typedef struct DirtyLimit DirtyLimit;

/* Told once when the pages cannot be counted, in the limit's thread; until they can be again the
 * vCPUs keep the time that they had. */
typedef void (*DirtyLimitNotice)(void *data, const char *text);

/* Guest and share outlive it. Nothing is limited. */
DirtyLimit *dirty_limit_new(Guest *guest, DirtyShare *share, DirtyLimitNotice notice, void *data);

/* Full speed for all. */
void dirty_limit_free(DirtyLimit *limit);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DirtyLimit, dirty_limit_free)

/* Bytes/s of a rate in MB/s, the unit of QEMU's limits, which is MiB/s. */
uint64_t dirty_limit_from_mib(uint64_t rate);

/* The operator's limit of vCPU @index in bytes/s; 0 = none. */
void dirty_limit_set(DirtyLimit *limit, unsigned index, uint64_t rate);

/* A migration's limit of every vCPU in bytes/s, looked at every @period_ms; 0 = none. */
void dirty_limit_set_all(DirtyLimit *limit, uint64_t rate, uint64_t period_ms);

typedef struct {
    uint64_t limit;   /* bytes/s that counts, 0 = none */
    uint64_t current; /* bytes/s over the last period */
    uint32_t share;   /* of VCPU_WHOLE_SHARE that it has left */
} DirtyLimitState;

void dirty_limit_get(DirtyLimit *limit, unsigned index, DirtyLimitState *ret);

/* Is a migration's limit in force? */
bool dirty_limit_is_set_for_all(DirtyLimit *limit);

/* QEMU's figures, in microseconds, for a ring of 4096 dirty pages as KVM would have one: how long
 * the slowest vCPU is held while it fills a ring, and how long vCPUs take for one. */
void dirty_limit_figures(DirtyLimit *limit, uint64_t *ret_throttle_us, uint64_t *ret_ring_full_us);

/* Returns when the limit's thread does not track the memory; it does again when the guest runs. For
 * a guest that was just stopped and whose memory somebody else wants to watch. */
void dirty_limit_let_go(DirtyLimit *limit);

/* ---- for tests ---- */

/* The share after @share, when a vCPU with @limit dirtied @rate. *@boost (1 to begin with) grows
 * while less time does not help. */
uint32_t dirty_limit_next_share(uint32_t share, double rate, double limit, unsigned *boost);
