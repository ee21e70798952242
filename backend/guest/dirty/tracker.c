/*
 * Chooses a dirty tracker and calls it. A tracker is used by one thread at a
 * time; see tracker.h.
 */
#include "backend/guest/dirty/tracker-internal.h"

#include "backend/base/error.h"
#include "backend/guest/memory/backing.h"

/* Best first. */
static const DirtyTrackerOps *const implementations[] = {
    &dirty_tracker_async,
    &dirty_tracker_sync_wp,
};

/* The first block that @ops cannot track, NULL when it can track all. */
static RamBlock *first_unsuited(const DirtyTrackerOps *ops, RamBlock *const *blocks,
                                size_t n_blocks)
{
    for (size_t i = 0; i < n_blocks; i++) {
        if (!ops->suits(&blocks[i]->backing)) {
            return blocks[i];
        }
    }
    return NULL;
}

const char *dirty_tracker_best(const RamBacking *backing)
{
    for (size_t i = 0; i < G_N_ELEMENTS(implementations); i++) {
        if (implementations[i]->suits(backing)) {
            return implementations[i]->name;
        }
    }
    return NULL;
}

static const DirtyTrackerOps *choose(const char *kind, RamBlock *const *blocks, size_t n_blocks,
                                     GError **error)
{
    RamBlock *unsuited = NULL;
    bool known = false;

    for (size_t i = 0; i < G_N_ELEMENTS(implementations); i++) {
        if (kind != NULL && !g_str_equal(kind, implementations[i]->name)) {
            continue;
        }
        known = true;
        unsuited = first_unsuited(implementations[i], blocks, n_blocks);
        if (unsuited == NULL) {
            return implementations[i];
        }
    }
    if (!known) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC,
                    "there is no dirty tracker '%s': use async or sync", kind);
        return NULL;
    }
    g_set_error(error, MIG_ERROR, MIG_ERROR_UNSUPPORTED,
                "writes to RAM block '%s' (%s) cannot be tracked%s%s here", unsuited->idstr,
                unsuited->backing.name, kind != NULL ? " by the tracker " : "",
                kind != NULL ? kind : "");
    mig_error_hint(error, "%s", ram_backing_remedy(&unsuited->backing));
    return NULL;
}

DirtyTracker *dirty_tracker_new(const char *kind, RamBlock *const *blocks, size_t n_blocks,
                                GError **error)
{
    const DirtyTrackerOps *ops = choose(kind, blocks, n_blocks, error);
    if (ops == NULL) {
        return NULL;
    }

    DirtyTracker *tracker = ops->create();
    tracker->ops = ops;
    tracker->n_blocks = n_blocks;
    tracker->blocks = g_new(RamBlock *, n_blocks);
    for (size_t i = 0; i < n_blocks; i++) {
        tracker->blocks[i] = blocks[i];
    }
    return tracker;
}

void dirty_tracker_free(DirtyTracker *tracker)
{
    if (tracker == NULL) {
        return;
    }
    dirty_tracker_stop(tracker);
    g_free(tracker->blocks);
    tracker->ops->free(tracker);
}

const char *dirty_tracker_name(const DirtyTracker *tracker)
{
    return tracker->ops->name;
}

bool dirty_tracker_start(DirtyTracker *tracker, GError **error)
{
    g_assert(!tracker->started);
    if (!tracker->ops->start(tracker, error)) {
        g_prefix_error(error, "starting dirty tracking (%s): ", tracker->ops->name);
        return false;
    }
    tracker->started = true;
    return true;
}

bool dirty_tracker_sync(DirtyTracker *tracker, size_t index, DirtyMap *into, uint64_t *ret_count,
                        GError **error)
{
    uint64_t count = 0;

    g_assert(tracker->started && index < tracker->n_blocks);
    g_assert(dirty_map_size(into) == tracker->blocks[index]->n_pages);
    if (!tracker->ops->sync(tracker, index, into, &count, error)) {
        g_prefix_error(error, "finding the dirty pages of RAM block '%s' (%s): ",
                       tracker->blocks[index]->idstr, tracker->ops->name);
        return false;
    }
    if (ret_count != NULL) {
        *ret_count += count;
    }
    return true;
}

uint64_t dirty_tracker_count(DirtyTracker *tracker)
{
    uint64_t pages = 0;

    g_assert(tracker->started);
    for (size_t i = 0; i < tracker->n_blocks; i++) {
        pages += tracker->ops->count(tracker, i);
    }
    return pages;
}

void dirty_tracker_stop(DirtyTracker *tracker)
{
    if (tracker->started) {
        tracker->started = false;
        tracker->ops->stop(tracker);
    }
}
