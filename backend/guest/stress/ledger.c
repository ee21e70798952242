/*
 * Computes the content of a page, and from the content its page and entry.
 *
 * (p, e) goes through two rounds of a Feistel network keyed by the seed:
 *
 *     x = e ^ F1(p)      y = p ^ F2(x)
 *
 * so that any pair (x, y) gives (p, e) back. A compressible page repeats x, y;
 * an incompressible one holds mix64(x + j*G), mix64(y + j*G) in its j-th pair
 * of words. Every word depends on p and e, and any intact pair of a damaged
 * page identifies the page and the step that wrote it.
 */
#include "backend/guest/stress/ledger.h"

#include <string.h>

#define GOLDEN UINT64_C(0x9e3779b97f4a7c15)

/* ---- layout ---- */

LedgerLayout ledger_layout(size_t n_pages)
{
    /* One of 513 pages is a ledger page; a partial group needs a whole one. A single page left over
     * would be a ledger page without data pages and stays unused. */
    size_t n_groups = (n_pages + LEDGER_GROUP) / (LEDGER_GROUP + 1);
    size_t n_data = n_pages - n_groups;

    n_groups = (n_data + LEDGER_GROUP - 1) / LEDGER_GROUP;
    return (LedgerLayout){
        .n_data = n_data,
        .n_groups = n_groups,
        .ledger_page = n_pages - n_groups,
    };
}

size_t ledger_group_pages(const LedgerLayout *layout, size_t group)
{
    return MIN(LEDGER_GROUP, layout->n_data - group * LEDGER_GROUP);
}

/* ---- content ---- */

static uint64_t unmix64(uint64_t x)
{
    /* Inverts the multiplications with the inverse factors modulo 2^64, and the shifts by repeating
     * them. */
    x = (x ^ (x >> 31) ^ (x >> 62)) * UINT64_C(0x319642b2d24d8ec3);
    x = (x ^ (x >> 27) ^ (x >> 54)) * UINT64_C(0x96de1b173f119089);
    return x ^ (x >> 30) ^ (x >> 60);
}

static uint64_t round1(uint64_t page, uint64_t seed)
{
    return mix64(page * GOLDEN + seed);
}

static uint64_t round2(uint64_t x, uint64_t seed)
{
    return mix64(x ^ mix64(~seed));
}

static void content_key(uint64_t seed, uint64_t page, uint64_t entry, uint64_t *x, uint64_t *y)
{
    *x = entry ^ round1(page, seed);
    *y = page ^ round2(*x, seed);
}

uint64_t ledger_mix(uint64_t page, uint64_t entry)
{
    return entry == 0 ? 0 : mix64(entry + mix64(page + GOLDEN));
}

static inline void content_pair(ContentKind kind, uint64_t x, uint64_t y, uint64_t j,
                                uint64_t pair[2])
{
    if (kind == CONTENT_COMPRESSIBLE) {
        pair[0] = x;
        pair[1] = y;
    } else {
        pair[0] = mix64(x + j * GOLDEN);
        pair[1] = mix64(y + j * GOLDEN);
    }
}

void content_write(uint8_t *at, uint64_t seed, uint64_t page, uint64_t entry)
{
    uint64_t *words = (uint64_t *)(void *)at;
    ContentKind kind = ledger_kind(entry);
    uint64_t x, y;

    if (kind == CONTENT_ZERO) {
        memset(at, 0, MIG_PAGE_SIZE);
        return;
    }
    content_key(seed, page, entry, &x, &y);
    if (kind == CONTENT_COMPRESSIBLE) {
        for (size_t j = 0; j < LEDGER_WORDS / 2; j++) {
            content_pair(CONTENT_COMPRESSIBLE, x, y, j, words + 2 * j);
        }
        return;
    }
    for (size_t j = 0; j < LEDGER_WORDS / 2; j++) {
        content_pair(CONTENT_INCOMPRESSIBLE, x, y, j, words + 2 * j);
    }
}

/* Offset of the first byte in which two different words differ in memory. */
static uint32_t first_byte(uint64_t a, uint64_t b)
{
    uint8_t ab[8], bb[8];
    uint32_t i = 0;

    memcpy(ab, &a, sizeof ab);
    memcpy(bb, &b, sizeof bb);
    while (ab[i] == bb[i]) {
        i++;
    }
    return i;
}

uint32_t content_differs(const uint8_t *at, uint64_t seed, uint64_t page, uint64_t entry,
                         uint32_t from)
{
    ContentKind kind = ledger_kind(entry);
    uint64_t expected[LEDGER_WORDS];
    const uint64_t *words = (const uint64_t *)(const void *)at;

    if (kind == CONTENT_ZERO && from == 0 && ram_page_is_zero(at)) {
        return MIG_PAGE_SIZE;
    }
    content_write((uint8_t *)expected, seed, page, entry);
    if (from == 0 && memcmp(at, expected, MIG_PAGE_SIZE) == 0) {
        return MIG_PAGE_SIZE;
    }
    while (from % 8 != 0 && from < MIG_PAGE_SIZE) {
        if (at[from] != ((uint8_t *)expected)[from]) {
            return from;
        }
        from++;
    }
    for (size_t i = from / 8; i < LEDGER_WORDS; i++) {
        if (words[i] != expected[i]) {
            return (uint32_t)(i * 8) + first_byte(words[i], expected[i]);
        }
    }
    return MIG_PAGE_SIZE;
}

static bool decode_key(uint64_t x, uint64_t y, uint64_t seed, size_t n_pages, ContentKind kind,
                       uint64_t *ret_page, uint64_t *ret_entry)
{
    uint64_t page = y ^ round2(x, seed);
    uint64_t entry = x ^ round1(page, seed);

    if (page >= n_pages || ledger_kind(entry) != kind || ledger_step(entry) == 0) {
        return false;
    }
    *ret_page = page;
    *ret_entry = entry;
    return true;
}

bool content_decode(const uint8_t *at, size_t pair, uint64_t seed, size_t n_pages,
                    uint64_t *ret_page, uint64_t *ret_entry)
{
    const uint64_t *words = (const uint64_t *)(const void *)at + 2 * pair;
    uint64_t shift = pair * GOLDEN;

    return decode_key(words[0], words[1], seed, n_pages, CONTENT_COMPRESSIBLE, ret_page,
                      ret_entry) ||
           decode_key(unmix64(words[0]) - shift, unmix64(words[1]) - shift, seed, n_pages,
                      CONTENT_INCOMPRESSIBLE, ret_page, ret_entry);
}
