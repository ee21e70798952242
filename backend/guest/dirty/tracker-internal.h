/*
 * What an implementation of dirty tracking fills in. Private to backend/guest/.
 */
#pragma once

#include "backend/guest/dirty/tracker.h"

typedef struct {
    const char *name;
    /* All required. The wrapper in tracker.c has set the common fields and calls start and
     * stop in turns only; sync comes between the two. */
    DirtyTracker *(*create)(void);
    /* Does @backing allow this one? */
    bool (*suits)(const RamBacking *backing);
    bool (*start)(DirtyTracker *tracker, GError **error);
    bool (*sync)(DirtyTracker *tracker, size_t index, DirtyMap *into, uint64_t *count,
                 GError **error);
    void (*stop)(DirtyTracker *tracker);
    void (*free)(DirtyTracker *tracker);
} DirtyTrackerOps;

/* Head of each implementation's struct. */
struct DirtyTracker {
    const DirtyTrackerOps *ops;
    RamBlock **blocks; /* the array is the tracker's, the blocks are the caller's */
    size_t n_blocks;
    bool started;
};

extern const DirtyTrackerOps dirty_tracker_async;
extern const DirtyTrackerOps dirty_tracker_sync_wp;

/* Name of the best implementation that @backing allows, NULL when there is none. */
const char *dirty_tracker_best(const RamBacking *backing);
