/*
 * Dirty tracking without a handler: userfaultfd write-protect in async mode.
 * The kernel lifts the protection at the first write and remembers it in the
 * page table; PAGEMAP_SCAN takes the written pages and protects them again,
 * atomically for each page. Runs in the caller's thread.
 *
 * Only chunks of 2 MiB that hold data are scanned, because a scan counts every
 * empty entry as written and builds page tables for holes. A chunk is
 *
 *     UNKNOWN  nothing in it was ever protected. Whatever happens in it leaves
 *              its entries empty or writable.
 *     KNOWN    all its entries are protected, or were written since the last
 *              scan. Scans find everything, holes that fill up included.
 *
 * Why no write is lost when a hole turns into data: a chunk goes from UNKNOWN
 * to KNOWN by being protected as a whole FIRST and searched with SEEK_DATA only
 * THEN. A write before its page was protected has made the page data, so the
 * seek reports it; a write after that is found by the next scan; a page written
 * both before and after is reported twice, which is harmless. (Seeking before
 * protecting would lose the writes in between.) A write to a chunk that stays
 * UNKNOWN, because the search for new chunks had passed it already, is still
 * data for the next sync. The first sync also finds every page that another
 * mapping placed before the start, since the seek asks the file and not a page
 * table.
 */
#include "backend/guest/dirty/tracker-internal.h"

#include <errno.h>
#include <string.h>

#include "backend/base/error.h"
#include "backend/base/fd.h"
#include "backend/guest/memory/userfaultfd.h"

#define CHUNK_PAGES ((size_t)512)
#define MAX_RANGES  ((size_t)2048)

typedef enum { CHUNK_UNKNOWN, CHUNK_NEW, CHUNK_KNOWN } ChunkState;

typedef struct {
    uint8_t *chunks; /* ChunkState of each */
    size_t n_chunks;
    bool synced; /* at least once since the start */
} TrackedBlock;

typedef struct {
    DirtyTracker base;
    int uffd;
    int pagemap;
    size_t n_registered;   /* blocks, from the first on */
    TrackedBlock *tracked; /* one a block, while started */
    WrittenRange *ranges;  /* MAX_RANGES, scratch of a scan */
} AsyncTracker;

static bool async_suits(const RamBacking *backing)
{
    return backing->async_wp;
}

static DirtyTracker *async_create(void)
{
    AsyncTracker *t = g_new0(AsyncTracker, 1);

    t->uffd = -1;
    t->pagemap = -1;
    t->ranges = g_new(WrittenRange, MAX_RANGES);
    return &t->base;
}

static void async_free(DirtyTracker *tracker)
{
    AsyncTracker *t = (AsyncTracker *)tracker;

    g_free(t->ranges);
    g_free(t);
}

/* ---- start and stop ---- */

static void async_stop(DirtyTracker *tracker)
{
    AsyncTracker *t = (AsyncTracker *)tracker;

    for (size_t i = 0; i < tracker->n_blocks; i++) {
        if (i < t->n_registered) {
            uffd_unregister(t->uffd, tracker->blocks[i]->guest, tracker->blocks[i]->size);
        }
        if (t->tracked != NULL) {
            g_free(t->tracked[i].chunks);
        }
    }
    t->n_registered = 0;
    g_clear_pointer(&t->tracked, g_free);
    mig_fd_clear(&t->uffd);
    mig_fd_clear(&t->pagemap);
}

static bool async_start(DirtyTracker *tracker, GError **error)
{
    AsyncTracker *t = (AsyncTracker *)tracker;

    t->tracked = g_new0(TrackedBlock, tracker->n_blocks);
    t->pagemap = pagemap_open(error);
    t->uffd = t->pagemap >= 0 ? uffd_open(uffd_features_async, error) : -1;
    if (t->uffd < 0) {
        async_stop(tracker);
        return false;
    }
    for (size_t i = 0; i < tracker->n_blocks; i++) {
        RamBlock *block = tracker->blocks[i];

        if (!uffd_register_wp(t->uffd, block->guest, block->size, error)) {
            async_stop(tracker);
            return false;
        }
        t->n_registered = i + 1;
        t->tracked[i].n_chunks = (block->n_pages + CHUNK_PAGES - 1) / CHUNK_PAGES;
        t->tracked[i].chunks = g_malloc0(t->tracked[i].n_chunks);
    }
    return true;
}

/* ---- runs of chunks in one state ---- */

/* The next run [*first, *end) of chunks in @state at or after *@end. */
static bool next_run(const TrackedBlock *tracked, ChunkState state, size_t *first, size_t *end)
{
    const uint8_t *at = *end < tracked->n_chunks
                            ? memchr(tracked->chunks + *end, state, tracked->n_chunks - *end)
                            : NULL;
    if (at == NULL) {
        return false;
    }
    *first = (size_t)(at - tracked->chunks);
    *end = *first;
    while (*end < tracked->n_chunks && tracked->chunks[*end] == state) {
        (*end)++;
    }
    return true;
}

static uint64_t chunk_address(const RamBlock *block, size_t chunk)
{
    return (uintptr_t)block->guest + MIN(chunk * CHUNK_PAGES, block->n_pages) * MIG_PAGE_SIZE;
}

/* ---- sync ---- */

static bool take_written(AsyncTracker *t, const RamBlock *block, uint64_t start, uint64_t end,
                         DirtyMap *into, uint64_t *count, GError **error)
{
    while (start < end) {
        uint64_t stopped = start;
        int n = pagemap_take_written(t->pagemap, start, end, t->ranges, MAX_RANGES, &stopped);

        if (n < 0 || stopped <= start) {
            mig_error_set_errno(error, n < 0 ? errno : EIO, "PAGEMAP_SCAN");
            return false;
        }
        for (int i = 0; i < n; i++) {
            size_t first = (t->ranges[i].start - (uintptr_t)block->guest) / MIG_PAGE_SIZE;
            size_t pages = (t->ranges[i].end - t->ranges[i].start) / MIG_PAGE_SIZE;

            *count += dirty_map_set(into, first, pages);
        }
        start = stopped;
    }
    return true;
}

/* Marks as NEW each UNKNOWN chunk that holds data. */
static void find_new_chunks(TrackedBlock *tracked, const RamBlock *block)
{
    size_t first, end = 0;

    while (next_run(tracked, CHUNK_UNKNOWN, &first, &end)) {
        for (size_t chunk = first; chunk < end; chunk++) {
            size_t page = ram_block_first_data(block, chunk * CHUNK_PAGES);

            chunk = page / CHUNK_PAGES;
            if (page >= block->n_pages || chunk >= end) {
                break;
            }
            tracked->chunks[chunk] = CHUNK_NEW;
        }
    }
}

/* Adds the data of the chunks [@first, @end). With @all_new the block has no data outside the new
 * chunks, and searching whole ranges is fastest. Later the search for the end of a range could walk
 * gigabytes of known chunks, in the last sync as downtime, so pages are searched one by one. */
static void add_data(const RamBlock *block, size_t first, size_t end, bool all_new, DirtyMap *into,
                     uint64_t *count)
{
    size_t end_page = MIN(end * CHUNK_PAGES, block->n_pages);
    size_t data_first, data_end = first * CHUNK_PAGES;

    if (all_new) {
        while (ram_block_next_data(block, data_end, &data_first, &data_end) &&
               data_first < end_page) {
            data_end = MIN(data_end, end_page);
            *count += dirty_map_set(into, data_first, data_end - data_first);
        }
        return;
    }
    for (size_t page = data_end;; page++) {
        page = ram_block_first_data(block, page);
        if (page >= end_page) {
            return;
        }
        *count += dirty_map_set(into, page, 1);
    }
}

static bool arm_new_chunks(AsyncTracker *t, TrackedBlock *tracked, const RamBlock *block,
                           GError **error)
{
    size_t first, end = 0;

    while (next_run(tracked, CHUNK_NEW, &first, &end)) {
        int errnum =
            pagemap_arm(t->pagemap, chunk_address(block, first), chunk_address(block, end));

        if (errnum != 0) {
            mig_error_set_errno(error, errnum, "protecting new data with PAGEMAP_SCAN");
            return false;
        }
    }
    return true;
}

static bool async_sync(DirtyTracker *tracker, size_t index, DirtyMap *into, uint64_t *count,
                       GError **error)
{
    AsyncTracker *t = (AsyncTracker *)tracker;
    TrackedBlock *tracked = &t->tracked[index];
    const RamBlock *block = tracker->blocks[index];
    size_t first, end = 0;

    while (next_run(tracked, CHUNK_KNOWN, &first, &end)) {
        if (!take_written(t, block, chunk_address(block, first), chunk_address(block, end), into,
                          count, error)) {
            return false;
        }
    }

    find_new_chunks(tracked, block);
    if (!arm_new_chunks(t, tracked, block, error)) {
        return false;
    }
    end = 0;
    while (next_run(tracked, CHUNK_NEW, &first, &end)) {
        add_data(block, first, end, !tracked->synced, into, count);
        memset(tracked->chunks + first, CHUNK_KNOWN, end - first);
    }
    tracked->synced = true;
    return true;
}

/* Pages with data in the chunks [@first, @end). */
static uint64_t count_data(const RamBlock *block, size_t first, size_t end)
{
    size_t end_page = MIN(end * CHUNK_PAGES, block->n_pages);
    size_t data_first, data_end = first * CHUNK_PAGES;
    uint64_t pages = 0;

    while (data_end < end_page && ram_block_next_data(block, data_end, &data_first, &data_end) &&
           data_first < end_page) {
        pages += MIN(data_end, end_page) - data_first;
    }
    return pages;
}

static uint64_t async_count(DirtyTracker *tracker, size_t index)
{
    AsyncTracker *t = (AsyncTracker *)tracker;
    const RamBlock *block = tracker->blocks[index];
    uint64_t pages = 0;
    size_t first, end = 0;

    while (next_run(&t->tracked[index], CHUNK_KNOWN, &first, &end)) {
        pages += pagemap_count_written(t->pagemap, chunk_address(block, first),
                                       chunk_address(block, end));
    }
    end = 0;
    while (next_run(&t->tracked[index], CHUNK_UNKNOWN, &first, &end)) {
        pages += count_data(block, first, end); /* it had none at the last sync */
    }
    return pages;
}

const DirtyTrackerOps dirty_tracker_async = {
    .name = "async",
    .create = async_create,
    .suits = async_suits,
    .start = async_start,
    .sync = async_sync,
    .count = async_count,
    .stop = async_stop,
    .free = async_free,
};
