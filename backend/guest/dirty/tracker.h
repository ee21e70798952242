/*
 * Dirty tracking by the kernel: which pages of each block were written through
 * the tracked mapping since the previous sync.
 *
 * Two implementations behind one vtable: "async" (userfaultfd write-protect in
 * async mode, read with PAGEMAP_SCAN, Linux >= 6.7) and "sync" (userfaultfd
 * write-protect with a handler thread). A tracker is used by one thread at a
 * time; vCPUs run meanwhile and take no part.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "backend/base/dirty-map.h"
#include "backend/guest/memory/block.h"

typedef struct DirtyTracker DirtyTracker;

/* @kind is "async", "sync" or NULL for the best one that works here. The error says what is
 * missing and names the remedy (kernel version, /dev/shm, vm.unprivileged_userfaultfd). The
 * blocks stay the caller's and outlive the tracker. */
DirtyTracker *dirty_tracker_new(const char *kind, RamBlock *const *blocks, size_t n_blocks,
                                GError **error);

/* Stops and frees; vCPUs may be running. */
void dirty_tracker_free(DirtyTracker *tracker);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DirtyTracker, dirty_tracker_free)

/* Static name of the implementation: "async" or "sync". */
const char *dirty_tracker_name(const DirtyTracker *tracker);

/* Starts tracking. Memory that holds data now is reported by the first sync. */
bool dirty_tracker_start(DirtyTracker *tracker, GError **error);

/* Sets in @into (one bit per page of block @index) every page written since the previous sync, the
 * first time every page that may hold data (never-touched pages are not reported and not touched).
 * *@ret_count, unless NULL, grows by the number of pages newly set in @into. After it returns, a
 * page copied from @host is either complete or will be reported again. */
bool dirty_tracker_sync(DirtyTracker *tracker, size_t index, DirtyMap *into, uint64_t *ret_count,
                        GError **error);

/* The number of pages written since the previous sync; changes nothing. The tracker "sync" misses
 * writes to memory that held no data at that sync. */
uint64_t dirty_tracker_count(DirtyTracker *tracker);

/* Stops tracking; writes run at full speed again. Idempotent. */
void dirty_tracker_stop(DirtyTracker *tracker);
