/*
 * One dirty tracker for several who want to know: a migration, a measurement
 * of the dirty rate, a dirty limit. The kernel takes one userfaultfd a range,
 * and asking it for the written pages makes it forget them; so whoever asks
 * gets what is new, and the same pages are kept for all others until they ask.
 *
 * A reader is a DirtyTracker like any other and used by one thread at a time;
 * different readers may be used by different threads. Tracking runs while at
 * least one of them is started.
 */
#pragma once

#include "backend/guest/dirty/tracker.h"

typedef struct DirtyShare DirtyShare;

/* @kind as in dirty_tracker_new(). The blocks stay the caller's and outlive the share. Memory that
 * cannot be tracked is no error until somebody joins. */
DirtyShare *dirty_share_new(const char *kind, RamBlock *const *blocks, size_t n_blocks);

/* All readers are freed. */
void dirty_share_free(DirtyShare *share);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DirtyShare, dirty_share_free)

/* A further reader, not started; any thread. What its first sync reports is what a tracker of its
 * own would: every page that may hold data. The errors are those of dirty_tracker_new(). */
DirtyTracker *dirty_share_join(DirtyShare *share, GError **error);
