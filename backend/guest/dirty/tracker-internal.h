/*
 * Interface of a dirty tracking implementation. Private to backend/guest/.
 */
#pragma once

#include "backend/guest/dirty/tracker.h"

typedef struct {
    const char *name;
    /* All required. The wrapper in tracker.c sets the common fields. It alternates start and stop,
     * and calls sync and count only in between. */
    DirtyTracker *(*create)(void);
    /* True when @backing supports this implementation. */
    bool (*suits)(const RamBacking *backing);
    bool (*start)(DirtyTracker *tracker, GError **error);
    bool (*sync)(DirtyTracker *tracker, size_t index, DirtyMap *into, uint64_t *count,
                 GError **error);
    uint64_t (*count)(DirtyTracker *tracker, size_t index);
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

/* Name of the best implementation that @backing supports, NULL when there is none; static. */
const char *dirty_tracker_best(const RamBacking *backing);
