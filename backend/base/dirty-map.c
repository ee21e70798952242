/*
 * The dirty bitmap: words changed by atomic or/and, so that no bit is lost
 * between a thread that sets it and one that takes it. Any thread.
 */
#include "backend/base/dirty-map.h"

#include <stdatomic.h>

#define WORD_BITS 64u

struct DirtyMap {
    size_t n_pages;
    size_t n_words;
    _Atomic uint64_t *words;
};

DirtyMap *dirty_map_new(size_t n_pages)
{
    DirtyMap *map = g_new0(DirtyMap, 1);

    map->n_pages = n_pages;
    map->n_words = (n_pages + WORD_BITS - 1) / WORD_BITS;
    map->words = (_Atomic uint64_t *)g_malloc0_n(MAX(map->n_words, 1), sizeof(uint64_t));
    return map;
}

void dirty_map_free(DirtyMap *map)
{
    if (map != NULL) {
        g_free((void *)map->words);
        g_free(map);
    }
}

size_t dirty_map_size(const DirtyMap *map)
{
    return map->n_pages;
}

/* The bits of word @word that lie in [@first, @end). */
static uint64_t range_mask(size_t word, size_t first, size_t end)
{
    size_t base = word * WORD_BITS;
    uint64_t mask = UINT64_MAX;

    if (first > base) {
        mask &= UINT64_MAX << (first - base);
    }
    if (end < base + WORD_BITS) {
        mask &= UINT64_MAX >> (base + WORD_BITS - end);
    }
    return mask;
}

size_t dirty_map_set(DirtyMap *map, size_t first, size_t count)
{
    size_t changed = 0;

    g_assert(first <= map->n_pages && count <= map->n_pages - first);
    if (count == 0) {
        return 0;
    }
    for (size_t w = first / WORD_BITS; w <= (first + count - 1) / WORD_BITS; w++) {
        uint64_t mask = range_mask(w, first, first + count);
        uint64_t before = atomic_fetch_or(&map->words[w], mask);
        changed += (size_t)__builtin_popcountll(mask & ~before);
    }
    return changed;
}

size_t dirty_map_clear(DirtyMap *map, size_t first, size_t count)
{
    size_t changed = 0;

    g_assert(first <= map->n_pages && count <= map->n_pages - first);
    if (count == 0) {
        return 0;
    }
    for (size_t w = first / WORD_BITS; w <= (first + count - 1) / WORD_BITS; w++) {
        uint64_t mask = range_mask(w, first, first + count);
        uint64_t before = atomic_fetch_and(&map->words[w], ~mask);
        changed += (size_t)__builtin_popcountll(mask & before);
    }
    return changed;
}

bool dirty_map_test(const DirtyMap *map, size_t page)
{
    g_assert(page < map->n_pages);
    return (atomic_load(&map->words[page / WORD_BITS]) >> (page % WORD_BITS)) & 1;
}

/* First page in [@from, @end) whose bit differs from the bits of @flip, or @end. */
static size_t next_bit(const DirtyMap *map, size_t from, size_t end, uint64_t flip)
{
    for (size_t w = from / WORD_BITS; w * WORD_BITS < end; w++) {
        uint64_t word = atomic_load_explicit(&map->words[w], memory_order_relaxed) ^ flip;

        if (w == from / WORD_BITS) {
            word &= UINT64_MAX << (from % WORD_BITS);
        }
        if (word != 0) {
            size_t page = w * WORD_BITS + (size_t)__builtin_ctzll(word);
            return MIN(page, end);
        }
    }
    return end;
}

size_t dirty_map_next(const DirtyMap *map, size_t from)
{
    return next_bit(map, from, map->n_pages, 0);
}

size_t dirty_map_next_clear(const DirtyMap *map, size_t from)
{
    return next_bit(map, from, map->n_pages, UINT64_MAX);
}

size_t dirty_map_run_end(const DirtyMap *map, size_t first, size_t end)
{
    g_assert(first < end && end <= map->n_pages);
    return next_bit(map, first, end, dirty_map_test(map, first) ? UINT64_MAX : 0);
}

size_t dirty_map_move(DirtyMap *map, DirtyMap *into)
{
    size_t changed = 0;

    g_assert(map->n_pages == into->n_pages);
    for (size_t w = 0; w < map->n_words; w++) {
        if (atomic_load_explicit(&map->words[w], memory_order_relaxed) == 0) {
            continue;
        }
        uint64_t taken = atomic_exchange(&map->words[w], 0);
        uint64_t before = atomic_fetch_or(&into->words[w], taken);
        changed += (size_t)__builtin_popcountll(taken & ~before);
    }
    return changed;
}

void dirty_map_words(const DirtyMap *map, size_t first, size_t count, uint64_t *ret)
{
    g_assert(first <= map->n_words && count <= map->n_words - first);
    for (size_t i = 0; i < count; i++) {
        ret[i] = atomic_load_explicit(&map->words[first + i], memory_order_relaxed);
    }
}

size_t dirty_map_count(const DirtyMap *map)
{
    return dirty_map_count_range(map, 0, map->n_pages);
}

size_t dirty_map_count_range(const DirtyMap *map, size_t first, size_t count)
{
    size_t set = 0;

    g_assert(first <= map->n_pages && count <= map->n_pages - first);
    if (count == 0) {
        return 0;
    }
    for (size_t w = first / WORD_BITS; w <= (first + count - 1) / WORD_BITS; w++) {
        uint64_t word = atomic_load_explicit(&map->words[w], memory_order_relaxed);
        set += (size_t)__builtin_popcountll(word & range_mask(w, first, first + count));
    }
    return set;
}
