/*
 * The ledger of the stress machine, which records the expected content of each page.
 *
 * A block of n pages is D data pages and, at its end, one ledger page for each
 * group of 512 of them:
 *
 *     | data 0 ... 511 | data 512 ... | ...            | ledger 0 | ledger 1 | ...
 *       group 0          group 1                         512 entries each
 *
 * An entry is one u64 "e": kind << 62 | step, 0 = never written. The content
 * of a page is a pure function of (seed, p, e). The seal of a group, kept by
 * the vCPU that owns the group and not in RAM, is the sum of ledger_mix(p, e)
 * over its written pages. Pure functions; any thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backend/guest/memory/block.h"

#define LEDGER_GROUP     ((size_t)512) /* data pages of a group = entries of a ledger page */
#define LEDGER_WORDS     (MIG_PAGE_SIZE / sizeof(uint64_t))
#define LEDGER_STEP_MASK ((UINT64_C(1) << 62) - 1)
#define LEDGER_MIN_PAGES ((size_t)64)

typedef enum {
    CONTENT_ZERO,
    CONTENT_COMPRESSIBLE,
    CONTENT_INCOMPRESSIBLE,
    CONTENT__COUNT,
} ContentKind;

typedef struct {
    size_t n_data;
    size_t n_groups;
    size_t ledger_page; /* the ledger's first page */
} LedgerLayout;

/* How a block of @n_pages >= LEDGER_MIN_PAGES is divided. */
LedgerLayout ledger_layout(size_t n_pages);

/* Data pages of group @group. */
size_t ledger_group_pages(const LedgerLayout *layout, size_t group);

/* The entry of data page @page in the mapping @ram of the block. */
static inline uint64_t *ledger_entry_at(const LedgerLayout *layout, uint8_t *ram, size_t page)
{
    return (uint64_t *)(void *)(ram + layout->ledger_page * MIG_PAGE_SIZE) + page;
}

static inline uint64_t ledger_entry(ContentKind kind, uint64_t step)
{
    return (uint64_t)kind << 62 | step;
}

static inline uint64_t ledger_step(uint64_t entry)
{
    return entry & LEDGER_STEP_MASK;
}

static inline ContentKind ledger_kind(uint64_t entry)
{
    return (ContentKind)(entry >> 62);
}

/* Bijection on 64 bits in which each input bit changes about half of the output bits; also the
 * output function of the vCPUs' generators. */
static inline uint64_t mix64(uint64_t x)
{
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

/* The summand of an entry in its group's seal; 0 for a page never written. */
uint64_t ledger_mix(uint64_t page, uint64_t entry);

/* Writes the content of (@seed, @page, @entry) to the 4096 bytes at @at with plain stores. */
void content_write(uint8_t *at, uint64_t seed, uint64_t page, uint64_t entry);

/* The offset of the first byte at or after @from at which @at differs from that content,
 * MIG_PAGE_SIZE when there is none. */
uint32_t content_differs(const uint8_t *at, uint64_t seed, uint64_t page, uint64_t entry,
                         uint32_t from);

/* Finds the page and entry that the words @pair * 2 and @pair * 2 + 1 of the page at @at belong to.
 * False when they are not part of the non-zero content of a page below @n_pages. Reads these two
 * words only: the caller compares the rest. */
bool content_decode(const uint8_t *at, size_t pair, uint64_t seed, size_t n_pages,
                    uint64_t *ret_page, uint64_t *ret_entry);
