/*
 * Places received pages into guest RAM. Runs of fresh pages are gathered and written with one
 * pwritev from the reader's buffer (no page fault, no zeroing); a page that is populated already is
 * copied into the mapping. Remembers which pages of this attempt were placed. A placer belongs to
 * one thread; several threads use one each.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "backend/base/dirty-map.h"
#include "backend/guest/memory/block.h"

typedef struct Placer Placer;

/* All blocks must read as zero now. */
Placer *placer_new(RamBlock *const *blocks, size_t n_blocks);
/* A placer for another thread, which shares the maps of @first; @first must outlive it. Two threads
 * must not place the same page at the same time. */
Placer *placer_new_beside(const Placer *first);
void placer_free(Placer *placer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Placer, placer_free)

/* @page (4096 bytes) must stay valid until the next placer_flush(). @offset is a multiple of the
 * page size and inside the block. */
bool placer_page(Placer *placer, size_t block, uint64_t offset, const uint8_t *page,
                 GError **error);

/* Fills a page with @fill; a zero page that was never placed costs nothing. */
bool placer_fill(Placer *placer, size_t block, uint64_t offset, uint8_t fill, GError **error);

/* Makes @count pages from page @first on zero; those that were never placed cost nothing. */
bool placer_zero(Placer *placer, size_t block, uint64_t first, uint64_t count, GError **error);

/* Sets *@ret to the page in RAM, to be changed there. NULL in *@ret: nothing of this attempt was
 * placed there, the page is zero, and placer_page() must be used. */
bool placer_in_place(Placer *placer, size_t block, uint64_t offset, uint8_t **ret, GError **error);

/* All of this block is in place already and is not changed. */
void placer_leave_out(Placer *placer, size_t block);

/* Writes the gathered pages. */
bool placer_flush(Placer *placer, GError **error);

/* Postcopy: forgets pages; they read as zero and count as not received. */
bool placer_discard(Placer *placer, size_t block, size_t first, size_t count, GError **error);

/* Moves the map of received pages of @block to @ret; after that only free the placer. */
void placer_give_seen(Placer *placer, size_t block, DirtyMap *ret);

/* True when every page of every block came at least once; else returns the first missing one. */
bool placer_is_complete(const Placer *placer, size_t *ret_block, uint64_t *ret_page);
