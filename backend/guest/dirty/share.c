/*
 * Distributes the pages that one dirty tracker finds to several readers. See
 * share.h.
 *
 * Nothing is lost between two readers: a page that a sync takes from the kernel
 * is in the pending pages of every other reader before the lock is released,
 * and a reader takes its pending pages under the same lock. A page that is
 * written after it was taken is protected again and is found by the next sync
 * of any reader. A reader that starts later takes the kernel's pages first and
 * searches for data afterwards, so that a write between the two steps is found
 * by one of them.
 */
#include "backend/guest/dirty/share.h"

#include "backend/base/lock.h"
#include "backend/guest/dirty/tracker-internal.h"

struct DirtyShare {
    /* Constant. */
    DirtyTracker *source; /* the tracker that asks the kernel; NULL = not possible */
    GError *why_not;

    /* Under the lock. */
    pthread_mutex_t lock;
    GPtrArray *readers; /* the started readers */
    bool *synced;       /* one a block: the source was synced since its start */
    DirtyMap **found;   /* one a block: taken from the source, not yet passed to readers */
};

typedef struct {
    DirtyTracker base;
    DirtyTrackerOps ops; /* a copy with the source's name */
    DirtyShare *share;

    /* Under the share's lock; one a block. */
    bool *synced;
    DirtyMap **pending; /* found by syncs of other readers; NULL = nothing */
} Reader;

/* ---- the source's calls, under the lock ---- */

static bool start_source(DirtyShare *share, GError **error)
{
    DirtyTracker *source = share->source;

    if (!source->ops->start(source, error)) {
        return false;
    }
    share->synced = g_new0(bool, source->n_blocks);
    share->found = g_new0(DirtyMap *, source->n_blocks);
    for (size_t i = 0; i < source->n_blocks; i++) {
        share->found[i] = dirty_map_new(source->blocks[i]->n_pages);
    }
    return true;
}

static void stop_source(DirtyShare *share)
{
    share->source->ops->stop(share->source);
    for (size_t i = 0; i < share->source->n_blocks; i++) {
        dirty_map_free(share->found[i]);
    }
    g_clear_pointer(&share->found, g_free);
    g_clear_pointer(&share->synced, g_free);
}

/* ---- handing out ---- */

static uint64_t add_all(DirtyMap *from, DirtyMap *into)
{
    uint64_t count = 0;

    for (size_t first = dirty_map_next(from, 0), end; first < dirty_map_size(from);
         first = dirty_map_next(from, end)) {
        end = dirty_map_next_clear(from, first);
        count += dirty_map_set(into, first, end - first);
    }
    return count;
}

static uint64_t add_data(const RamBlock *block, DirtyMap *into)
{
    uint64_t count = 0;
    size_t first, end = 0;

    while (ram_block_next_data(block, end, &first, &end)) {
        count += dirty_map_set(into, first, end - first);
    }
    return count;
}

/* Adds the found pages to the pending pages of all readers but @me. A reader that has not synced
 * yet needs none: its first sync reports everything. */
static void keep_for_others(DirtyShare *share, const Reader *me, size_t index)
{
    for (guint i = 0; i < share->readers->len; i++) {
        Reader *other = g_ptr_array_index(share->readers, i);

        if (other == me || !other->synced[index]) {
            continue;
        }
        if (other->pending[index] == NULL) {
            other->pending[index] = dirty_map_new(dirty_map_size(share->found[index]));
        }
        add_all(share->found[index], other->pending[index]);
    }
}

static bool reader_sync(DirtyTracker *tracker, size_t index, DirtyMap *into, uint64_t *count,
                        GError **error)
{
    Reader *r = (Reader *)tracker;
    DirtyShare *share = r->share;
    MIG_LOCK(&share->lock);
    const DirtyTrackerOps *ops = share->source->ops;
    bool late = share->synced[index] && !r->synced[index];
    uint64_t unused = 0;

    if (share->readers->len == 1 && !late &&
        dirty_map_next(share->found[index], 0) >= dirty_map_size(share->found[index])) {
        /* No other reader needs the pages, so the sync goes directly to @into. */
        if (!ops->sync(share->source, index, into, count, error)) {
            return false;
        }
    } else {
        /* Pages found by a sync that failed half way stay in @found for the next one. */
        if (!ops->sync(share->source, index, share->found[index], &unused, error)) {
            return false;
        }
        keep_for_others(share, r, index);
        *count += dirty_map_move(share->found[index], into);
    }
    if (late) {
        *count += add_data(tracker->blocks[index], into);
    }
    if (r->pending[index] != NULL) {
        *count += dirty_map_move(r->pending[index], into);
    }
    share->synced[index] = true;
    r->synced[index] = true;
    return true;
}

static uint64_t reader_count(DirtyTracker *tracker, size_t index)
{
    Reader *r = (Reader *)tracker;
    DirtyShare *share = r->share;
    MIG_LOCK(&share->lock);
    uint64_t pages = share->source->ops->count(share->source, index);

    /* A page may be in both. That is rare: another reader took it, and it was written again. */
    if (r->pending[index] != NULL) {
        pages += dirty_map_count(r->pending[index]);
    }
    return MIN(pages, (uint64_t)tracker->blocks[index]->n_pages);
}

/* ---- readers ---- */

static bool reader_start(DirtyTracker *tracker, GError **error)
{
    Reader *r = (Reader *)tracker;
    MIG_LOCK(&r->share->lock);

    if (r->share->readers->len == 0 && !start_source(r->share, error)) {
        return false;
    }
    r->synced = g_new0(bool, tracker->n_blocks);
    r->pending = g_new0(DirtyMap *, tracker->n_blocks);
    g_ptr_array_add(r->share->readers, r);
    return true;
}

static void reader_stop(DirtyTracker *tracker)
{
    Reader *r = (Reader *)tracker;
    MIG_LOCK(&r->share->lock);

    g_ptr_array_remove_fast(r->share->readers, r);
    for (size_t i = 0; i < tracker->n_blocks; i++) {
        dirty_map_free(r->pending[i]);
    }
    g_clear_pointer(&r->pending, g_free);
    g_clear_pointer(&r->synced, g_free);
    if (r->share->readers->len == 0) {
        stop_source(r->share);
    }
}

static void reader_free(DirtyTracker *tracker)
{
    g_free(tracker);
}

DirtyTracker *dirty_share_join(DirtyShare *share, GError **error)
{
    if (share->source == NULL) {
        g_propagate_error(error, g_error_copy(share->why_not));
        return NULL;
    }

    const DirtyTracker *source = share->source;
    Reader *r = g_new0(Reader, 1);

    r->share = share;
    r->ops = (DirtyTrackerOps){
        .name = source->ops->name,
        .start = reader_start,
        .sync = reader_sync,
        .count = reader_count,
        .stop = reader_stop,
        .free = reader_free,
    };
    r->base.ops = &r->ops;
    r->base.n_blocks = source->n_blocks;
    r->base.blocks = g_memdup2(source->blocks, source->n_blocks * sizeof source->blocks[0]);
    return &r->base;
}

/* ---- the share ---- */

DirtyShare *dirty_share_new(const char *kind, RamBlock *const *blocks, size_t n_blocks)
{
    DirtyShare *share = g_new0(DirtyShare, 1);

    pthread_mutex_init(&share->lock, NULL);
    share->readers = g_ptr_array_new();
    share->source = dirty_tracker_new(kind, blocks, n_blocks, &share->why_not);
    return share;
}

void dirty_share_free(DirtyShare *share)
{
    if (share == NULL) {
        return;
    }
    g_assert(share->readers->len == 0);
    g_ptr_array_unref(share->readers);
    dirty_tracker_free(share->source);
    g_clear_error(&share->why_not);
    pthread_mutex_destroy(&share->lock);
    g_free(share);
}
