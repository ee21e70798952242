/*
 * Dirty tracking with a handler: userfaultfd write-protect as it was before
 * async mode. The first write to a protected page stops its vCPU until the
 * handler thread has noted the page and lifted the protection.
 *
 * The handler never waits for another thread, since vCPUs wait for it. For each
 * fault it (1) sets the page's bit, (2) lifts the protection, which wakes the
 * vCPU. A sync, in the caller's thread, (a) takes all bits, (b) waits until the
 * handler has finished the faults it was handling, (c) protects the taken pages
 * again; the caller copies pages after that.
 *
 * Why no write is lost: only a page that is writable and has no bit could lose
 * one. Lifting the protection follows setting the bit. If (1) came before (a),
 * then (2) was over at (b), and (c) closes the page again. If (1) came after
 * (a), the bit is still there for the next sync, whatever (2) and (c) do to the
 * page. Without (b) a slow handler could do (2) after (c): writable, and no
 * bit. A write that slips in between (a) and (c) is complete before the copy is
 * made.
 */
#include "backend/guest/dirty/tracker-internal.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include "backend/base/error.h"
#include "backend/guest/memory/uffd-handler.h"
#include "backend/guest/memory/userfaultfd.h"

/* Protecting a page that is protected already is harmless, and one call over a small gap is cheaper
 * than two calls. */
#define BRIDGE_GAP ((size_t)16)

typedef struct {
    DirtyTracker base;

    /* Set before the handler starts, constant while it runs. */
    UffdHandler *handler;
    int uffd;            /* the handler's */
    size_t n_registered; /* blocks, from the first on */
    DirtyMap **written;  /* one a block: the handler sets, sync takes */

    /* First errno of the handler that makes the tracking incomplete, 0 = none. */
    _Atomic int failure;

    /* Only the caller's thread. */
    DirtyMap **taken; /* scratch of sync, all clear between syncs */
    bool *synced;
} SyncTracker;

static bool sync_suits(const RamBacking *backing)
{
    return backing->sync_wp;
}

static DirtyTracker *sync_create(void)
{
    SyncTracker *t = g_new0(SyncTracker, 1);

    t->uffd = -1;
    return &t->base;
}

static void sync_free(DirtyTracker *tracker)
{
    g_free((SyncTracker *)tracker);
}

/* ---- the handler thread ---- */

static void handle_write(void *data, int uffd, uint64_t address, int thread_id)
{
    SyncTracker *t = data;

    (void)thread_id;
    for (size_t i = 0; i < t->base.n_blocks; i++) {
        const RamBlock *block = t->base.blocks[i];
        uint64_t granule = block->backing.granule;
        uint64_t offset = address - (uintptr_t)block->guest;

        if (offset >= block->size) {
            continue;
        }
        offset -= offset % granule;
        dirty_map_set(t->written[i], offset / MIG_PAGE_SIZE, granule / MIG_PAGE_SIZE);

        int errnum = uffd_write_protect(uffd, block->guest + offset, granule, false);
        /* ENOENT: tracking was just stopped, and stop wakes the vCPUs. After any other error the
         * guest must still run: it runs untracked from here, and the next sync fails. */
        if (errnum != 0 && errnum != ENOENT) {
            int none = 0;

            atomic_compare_exchange_strong(&t->failure, &none, errnum);
            uffd_unregister(uffd, block->guest, block->size);
        }
        return;
    }
}

/* ---- start and stop ---- */

/* vCPUs may be running and waiting for the handler, so it runs until no range can fault any more
 * and all waiting vCPUs are awake. */
static void sync_stop(DirtyTracker *tracker)
{
    SyncTracker *t = (SyncTracker *)tracker;

    for (size_t i = 0; i < t->n_registered; i++) {
        uffd_unregister(t->uffd, tracker->blocks[i]->guest, tracker->blocks[i]->size);
    }
    t->n_registered = 0;
    g_clear_pointer(&t->handler, uffd_handler_free);
    t->uffd = -1;
    for (size_t i = 0; i < tracker->n_blocks; i++) {
        dirty_map_free(t->written[i]);
        dirty_map_free(t->taken[i]);
    }
    g_clear_pointer(&t->written, g_free);
    g_clear_pointer(&t->taken, g_free);
    g_clear_pointer(&t->synced, g_free);
}

static bool open_and_run(SyncTracker *t, GError **error)
{
    t->handler = uffd_handler_new(uffd_features_sync, "thread-dirty-handler", "dirty-handler",
                                  handle_write, t, error);
    if (t->handler == NULL) {
        return false;
    }
    t->uffd = uffd_handler_fd(t->handler);
    return true;
}

static bool sync_start(DirtyTracker *tracker, GError **error)
{
    SyncTracker *t = (SyncTracker *)tracker;
    size_t n = tracker->n_blocks;

    atomic_store(&t->failure, 0);
    t->written = g_new0(DirtyMap *, n);
    t->taken = g_new0(DirtyMap *, n);
    t->synced = g_new0(bool, n);
    for (size_t i = 0; i < n; i++) {
        t->written[i] = dirty_map_new(tracker->blocks[i]->n_pages);
        t->taken[i] = dirty_map_new(tracker->blocks[i]->n_pages);
    }
    if (!open_and_run(t, error)) {
        sync_stop(tracker);
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        RamBlock *block = tracker->blocks[i];

        if (!uffd_register_wp(t->uffd, block->guest, block->size, error)) {
            sync_stop(tracker);
            return false;
        }
        t->n_registered = i + 1;
        /* Holes too: the page table then holds a marker, and their first write is seen. */
        int errnum = uffd_write_protect(t->uffd, block->guest, block->size, true);
        if (errnum != 0) {
            mig_error_set_errno(error, errnum, "write-protecting RAM block '%s'", block->idstr);
            sync_stop(tracker);
            return false;
        }
    }
    return true;
}

/* ---- sync ---- */

/* Protects each page of @taken again; 0 or an errno. */
static int protect_taken(SyncTracker *t, const RamBlock *block, const DirtyMap *taken)
{
    size_t step = block->backing.granule / MIG_PAGE_SIZE;
    size_t size = dirty_map_size(taken);
    size_t first = dirty_map_next(taken, 0);

    while (first < size) {
        size_t end, next = first;

        do {
            end = dirty_map_next_clear(taken, next);
            next = dirty_map_next(taken, end);
        } while (next < size && next - end <= BRIDGE_GAP * step);

        int errnum = uffd_write_protect(t->uffd, block->guest + first * MIG_PAGE_SIZE,
                                        (end - first) * MIG_PAGE_SIZE, true);
        if (errnum != 0) {
            return errnum;
        }
        first = next;
    }
    return 0;
}

/* A page that was data before the start was protected by it and has no bit: SEEK_DATA finds it. */
static void add_initial_data(const RamBlock *block, DirtyMap *into, uint64_t *count)
{
    size_t first, end = 0;

    while (ram_block_next_data(block, end, &first, &end)) {
        *count += dirty_map_set(into, first, end - first);
    }
}

static bool sync_sync(DirtyTracker *tracker, size_t index, DirtyMap *into, uint64_t *count,
                      GError **error)
{
    SyncTracker *t = (SyncTracker *)tracker;
    const RamBlock *block = tracker->blocks[index];
    DirtyMap *taken = t->taken[index];

    dirty_map_move(t->written[index], taken);
    uffd_handler_settle(t->handler);

    int errnum = protect_taken(t, block, taken);
    if (errnum == 0) {
        errnum = atomic_load(&t->failure);
    }
    if (errnum != 0) {
        dirty_map_move(taken, t->written[index]);
        mig_error_set_errno(error, errnum, "write-protecting through userfaultfd");
        return false;
    }
    *count += dirty_map_move(taken, into);
    if (!t->synced[index]) {
        t->synced[index] = true;
        add_initial_data(block, into, count);
    }
    return true;
}

static uint64_t sync_count(DirtyTracker *tracker, size_t index)
{
    return dirty_map_count(((SyncTracker *)tracker)->written[index]);
}

const DirtyTrackerOps dirty_tracker_sync_wp = {
    .name = "sync",
    .create = sync_create,
    .suits = sync_suits,
    .start = sync_start,
    .sync = sync_sync,
    .count = sync_count,
    .stop = sync_stop,
    .free = sync_free,
};
