/*
 * Walks a ledger without filling holes. Private to verify.c and verify-plant.c.
 */
#pragma once

#include "backend/guest/guest-internal.h"

/* Caches the range of data that was found last; callers query pages in rising order. */
typedef struct {
    const RamBlock *block;
    size_t first;
    size_t end;
    bool over; /* no data at or after @end */
} DataCursor;

static inline bool data_cursor_has(DataCursor *cursor, size_t page)
{
    if (page >= cursor->end && !cursor->over) {
        cursor->over = !ram_block_next_data(cursor->block, page, &cursor->first, &cursor->end);
    }
    return page < cursor->end && page >= cursor->first && !cursor->over;
}

/* True when the pages [@first, @end) hold no data. */
static inline bool data_cursor_is_hole(DataCursor *cursor, size_t first, size_t end)
{
    return !data_cursor_has(cursor, first) && (cursor->over || cursor->first >= end);
}

/* The ledger page of @group through the second mapping; NULL when it is a hole. */
static inline uint64_t *data_cursor_entries(DataCursor *cursor, const LedgerLayout *layout,
                                            size_t group)
{
    size_t page = layout->ledger_page + group;

    return data_cursor_has(cursor, page)
               ? (uint64_t *)(void *)(cursor->block->host + page * MIG_PAGE_SIZE)
               : NULL;
}
