/*
 * Page placing for precopy. See placer.h; figures behind the two ways are in
 * docs/engine.md.
 */
#include "backend/engine/placer.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/uio.h>

#include "backend/base/dirty-map.h"
#include "backend/base/error.h"

#define RUN_PAGES 256 /* longest run written by one call */

struct Placer {
    RamBlock *const *blocks;
    size_t n_blocks;
    DirtyMap **placed; /* holds data of this attempt */
    DirtyMap **seen;   /* came at all, zero pages too */

    /* The run that is being gathered: consecutive fresh pages of one block. */
    size_t block;
    uint64_t first; /* page */
    int count;
    struct iovec run[RUN_PAGES];
};

Placer *placer_new(RamBlock *const *blocks, size_t n_blocks)
{
    Placer *placer = g_new0(Placer, 1);

    placer->blocks = blocks;
    placer->n_blocks = n_blocks;
    placer->placed = g_new0(DirtyMap *, n_blocks);
    placer->seen = g_new0(DirtyMap *, n_blocks);
    for (size_t i = 0; i < n_blocks; i++) {
        ram_block_touch(blocks[i]);
        placer->placed[i] = dirty_map_new(blocks[i]->n_pages);
        placer->seen[i] = dirty_map_new(blocks[i]->n_pages);
    }
    return placer;
}

void placer_free(Placer *placer)
{
    if (placer != NULL) {
        for (size_t i = 0; i < placer->n_blocks; i++) {
            dirty_map_free(placer->placed[i]);
            dirty_map_free(placer->seen[i]);
        }
        g_free(placer->placed);
        g_free(placer->seen);
        g_free(placer);
    }
}

bool placer_flush(Placer *placer, GError **error)
{
    if (placer->count == 0) {
        return true;
    }

    const RamBlock *block = placer->blocks[placer->block];
    off_t at = (off_t)(placer->first * MIG_PAGE_SIZE);
    struct iovec *iov = placer->run;
    int left = placer->count;

    while (left > 0) {
        ssize_t n = pwritev(block->fd, iov, left, at);

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            mig_error_set_errno(error, n < 0 ? errno : ENOSPC, "writing %d pages of RAM block %s",
                                left, block->idstr);
            mig_error_hint(error, "the memory behind the guest ran out of room");
            return false;
        }
        at += n;
        while (left > 0 && (size_t)n >= iov->iov_len) {
            n -= (ssize_t)iov->iov_len;
            iov++;
            left--;
        }
        if (left > 0) {
            iov->iov_base = (uint8_t *)iov->iov_base + n;
            iov->iov_len -= (size_t)n;
        }
    }
    placer->count = 0;
    return true;
}

bool placer_page(Placer *placer, size_t block, uint64_t offset, const uint8_t *page, GError **error)
{
    RamBlock *ram = placer->blocks[block];
    uint64_t index = offset / MIG_PAGE_SIZE;

    dirty_map_set(placer->seen[block], index, 1);
    /* Bits are set when the page is gathered, and a page that comes again ends the run: the last
     * write wins as on the wire. */
    if (dirty_map_set(placer->placed[block], index, 1) == 0 || !ram->backing.pwrite ||
        ram->populated) {
        if (!placer_flush(placer, error)) {
            return false;
        }
        memcpy(ram->host + offset, page, MIG_PAGE_SIZE);
        return true;
    }
    if (placer->count == RUN_PAGES ||
        (placer->count > 0 &&
         (placer->block != block || placer->first + (uint64_t)placer->count != index))) {
        if (!placer_flush(placer, error)) {
            return false;
        }
    }
    if (placer->count == 0) {
        placer->block = block;
        placer->first = index;
    }
    placer->run[placer->count++] = (struct iovec){ (void *)page, MIG_PAGE_SIZE };
    return true;
}

bool placer_fill(Placer *placer, size_t block, uint64_t offset, uint8_t fill, GError **error)
{
    uint64_t index = offset / MIG_PAGE_SIZE;
    uint8_t page[MIG_PAGE_SIZE];

    if (fill == 0 && !dirty_map_test(placer->placed[block], index)) {
        dirty_map_set(placer->seen[block], index, 1);
        return true;
    }
    /* By the same way as any page: a store to a fresh page of a full file system would be fatal. */
    memset(page, fill, sizeof page);
    return placer_page(placer, block, offset, page, error) && placer_flush(placer, error);
}

bool placer_zero(Placer *placer, size_t block, uint64_t first, uint64_t count, GError **error)
{
    const DirtyMap *placed = placer->placed[block];
    size_t end = first + count;

    dirty_map_set(placer->seen[block], first, count);
    for (size_t page = first, next; page < end; page = next) {
        next = dirty_map_run_end(placed, page, end);
        if (!dirty_map_test(placed, page)) {
            continue;
        }
        for (size_t i = page; i < next; i++) {
            if (!placer_fill(placer, block, i * MIG_PAGE_SIZE, 0, error)) {
                return false;
            }
        }
    }
    return true;
}

bool placer_in_place(Placer *placer, size_t block, uint64_t offset, uint8_t **ret, GError **error)
{
    bool placed = dirty_map_test(placer->placed[block], offset / MIG_PAGE_SIZE);

    if (placed && !placer_flush(placer, error)) {
        return false; /* it may be in the run that is being gathered */
    }
    *ret = placed ? placer->blocks[block]->host + offset : NULL;
    return true;
}

void placer_leave_out(Placer *placer, size_t block)
{
    dirty_map_set(placer->seen[block], 0, placer->blocks[block]->n_pages);
}

bool placer_is_complete(const Placer *placer, size_t *ret_block, uint64_t *ret_page)
{
    for (size_t i = 0; i < placer->n_blocks; i++) {
        size_t page = dirty_map_next_clear(placer->seen[i], 0);

        if (page < placer->blocks[i]->n_pages) {
            *ret_block = i;
            *ret_page = page;
            return false;
        }
    }
    return true;
}
