/*
 * Page placing for precopy. See placer.h; docs/engine.md explains the two ways.
 */
#include "backend/engine/incoming/placer.h"

#include <limits.h>
#include <string.h>

#include "backend/base/dirty-map.h"

#define RUN_PAGES 256 /* most pages written by one call */

struct Placer {
    RamBlock *const *blocks;
    size_t n_blocks;
    bool beside;       /* the maps belong to another placer */
    DirtyMap **placed; /* pages that hold data of this attempt */
    DirtyMap **seen;   /* pages that came, zero pages included */

    /* The present run: consecutive fresh pages of one block. */
    size_t block;
    uint64_t first; /* page */
    int count;      /* pages */
    int n_iov;      /* entries; fewer than pages where those are consecutive in the buffer too */
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

Placer *placer_new_beside(const Placer *first)
{
    Placer *placer = g_new0(Placer, 1);

    placer->blocks = first->blocks;
    placer->n_blocks = first->n_blocks;
    placer->placed = first->placed;
    placer->seen = first->seen;
    placer->beside = true;
    return placer;
}

void placer_free(Placer *placer)
{
    if (placer == NULL) {
        return;
    }
    if (!placer->beside) {
        for (size_t i = 0; i < placer->n_blocks; i++) {
            dirty_map_free(placer->placed[i]);
            dirty_map_free(placer->seen[i]);
        }
        g_free(placer->placed);
        g_free(placer->seen);
    }
    g_free(placer);
}

bool placer_flush(Placer *placer, GError **error)
{
    int n_iov = placer->n_iov;

    placer->count = 0;
    placer->n_iov = 0;
    return n_iov == 0 ||
           ram_block_write(placer->blocks[placer->block], placer->first, placer->run, n_iov, error);
}

bool placer_discard(Placer *placer, size_t block, size_t first, size_t count, GError **error)
{
    size_t end = first + count, page, run;

    if (!placer_flush(placer, error)) {
        return false;
    }
    dirty_map_clear(placer->seen[block], first, count);
    for (page = dirty_map_next(placer->placed[block], first); page < end;
         page = dirty_map_next(placer->placed[block], run)) {
        run = dirty_map_run_end(placer->placed[block], page, end);
        if (!ram_block_discard(placer->blocks[block], page, run - page, error)) {
            return false;
        }
        dirty_map_clear(placer->placed[block], page, run - page);
    }
    return true;
}

void placer_give_seen(Placer *placer, size_t block, DirtyMap *ret)
{
    dirty_map_move(placer->seen[block], ret);
}

bool placer_page(Placer *placer, size_t block, uint64_t offset, const uint8_t *page, GError **error)
{
    RamBlock *ram = placer->blocks[block];
    uint64_t index = offset / MIG_PAGE_SIZE;

    dirty_map_set(placer->seen[block], index, 1);
    /* Bits are set when the page is gathered. A page that comes again ends the run, so the last
     * content on the wire wins. */
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
    placer->count++;
    struct iovec *last = placer->n_iov > 0 ? &placer->run[placer->n_iov - 1] : NULL;
    if (last != NULL && (const uint8_t *)last->iov_base + last->iov_len == page) {
        last->iov_len += MIG_PAGE_SIZE;
    } else {
        placer->run[placer->n_iov++] = (struct iovec){ (void *)page, MIG_PAGE_SIZE };
    }
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
    /* Placed like any other page: a store to a fresh page on a full file system would raise
     * SIGBUS. */
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
        return false; /* the page may be in the present run */
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
