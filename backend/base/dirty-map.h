/*
 * A bitmap of pages that several threads set and one migration thread takes.
 *
 * Setting is lock-free and may race with taking: a bit that is set meanwhile is
 * either taken now or stays for later, never lost. Set and clear return the
 * number of changed bits, so a caller can keep an exact total.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct DirtyMap DirtyMap;

/* All bits are clear. @n_pages may be 0. */
DirtyMap *dirty_map_new(size_t n_pages);
void dirty_map_free(DirtyMap *map);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DirtyMap, dirty_map_free)

size_t dirty_map_size(const DirtyMap *map);

/* Sets [@first, @first + @count); returns how many were clear before. */
size_t dirty_map_set(DirtyMap *map, size_t first, size_t count);

/* Clears the range; returns how many were set before. */
size_t dirty_map_clear(DirtyMap *map, size_t first, size_t count);

bool dirty_map_test(const DirtyMap *map, size_t page);

/* First set page at or after @from, or dirty_map_size() when there is none. */
size_t dirty_map_next(const DirtyMap *map, size_t from);

/* First clear page at or after @from, or dirty_map_size(). */
size_t dirty_map_next_clear(const DirtyMap *map, size_t from);

/* First page in (@first, @end) whose bit differs from that of @first, or @end. */
size_t dirty_map_run_end(const DirtyMap *map, size_t first, size_t end);

/* Moves all set bits into @into (same size); returns how many became newly set there. */
size_t dirty_map_move(DirtyMap *map, DirtyMap *into);

/* Copies @count words of 64 bits from word @first on; bit i of word w is page 64 * w + i. */
void dirty_map_words(const DirtyMap *map, size_t first, size_t count, uint64_t *ret);

/* Number of set bits, of all or in [@first, @first + @count). */
size_t dirty_map_count(const DirtyMap *map);
size_t dirty_map_count_range(const DirtyMap *map, size_t first, size_t count);
