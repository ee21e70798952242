/*
 * Places received pages into guest RAM without a copy in user space: runs of
 * pages are gathered and written with one pwritev straight from the reader's
 * buffer into fresh memory (no page fault, no zeroing), or copied into the mapping
 * where the page is populated already. Remembers which pages of this attempt were
 * placed. A placer belongs to one thread; several stand beside each other for several threads.
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
/* One for another thread: what was placed is known to both. @first must outlive it. Two threads
 * must not place the same page at the same time. */
Placer *placer_new_beside(const Placer *first);
void placer_free(Placer *placer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Placer, placer_free)

/* @page (4096 bytes) must stay in place until the next placer_flush(). @offset is whole pages and
 * inside the block. */
bool placer_page(Placer *placer, size_t block, uint64_t offset, const uint8_t *page,
                 GError **error);

/* Fills a page with @fill; a zero page that was never placed costs nothing. */
bool placer_fill(Placer *placer, size_t block, uint64_t offset, uint8_t fill, GError **error);

/* @count pages from page @first on are zero: those that were never placed cost nothing. */
bool placer_zero(Placer *placer, size_t block, uint64_t first, uint64_t count, GError **error);

/* The page in place, to be changed there; NULL in *@ret when it holds nothing of this attempt: it
 * is zero then, and placer_page() is the way to fill it. */
bool placer_in_place(Placer *placer, size_t block, uint64_t offset, uint8_t **ret, GError **error);

/* All of this block is there already, and stays as it is. */
void placer_leave_out(Placer *placer, size_t block);

/* Writes what is gathered. */
bool placer_flush(Placer *placer, GError **error);

/* Forgets pages: they read as zero and count as never come. Postcopy. */
bool placer_discard(Placer *placer, size_t block, size_t first, size_t count, GError **error);

/* Moves to @ret which pages of @block came; the placer is of no use after that. */
void placer_give_seen(Placer *placer, size_t block, DirtyMap *ret);

/* True when every page of every block came at least once; else the first that did not. */
bool placer_is_complete(const Placer *placer, size_t *ret_block, uint64_t *ret_page);
