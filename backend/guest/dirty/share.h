/*
 * One dirty tracker for several readers: a migration, a measurement of the
 * dirty rate, a dirty limit. The kernel allows one userfaultfd per range, and
 * reading the written pages resets them. So the pages found by one reader's
 * sync are kept for the other readers until these sync.
 *
 * A reader is a DirtyTracker, used by one thread at a time; different readers
 * may be used by different threads. Tracking runs while at least one of them is
 * started.
 */
#pragma once

#include "backend/guest/dirty/tracker.h"

typedef struct DirtyShare DirtyShare;

/* @kind as in dirty_tracker_new(). The blocks stay the caller's and outlive the share. Memory that
 * cannot be tracked is reported by dirty_share_join(). */
DirtyShare *dirty_share_new(const char *kind, RamBlock *const *blocks, size_t n_blocks);

/* All readers must be freed before. */
void dirty_share_free(DirtyShare *share);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DirtyShare, dirty_share_free)

/* Adds a reader, not started; the caller frees it with dirty_tracker_free(). Any thread. Its first
 * sync reports every page that may hold data. The errors are those of dirty_tracker_new(). */
DirtyTracker *dirty_share_join(DirtyShare *share, GError **error);
