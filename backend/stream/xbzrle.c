/*
 * XBZRLE. See xbzrle.h. The encoder compares eight bytes at a time: in the XOR of old and new, the
 * lowest non-zero byte ends an equal run, and the lowest zero byte ends a changed run.
 */
#include "backend/stream/xbzrle.h"

#include <glib.h>
#include <string.h>

#include "backend/base/bytes.h"
#include "backend/stream/format.h"

#define PAGE      ((size_t)STREAM_PAGE_SIZE)
#define LOW_BITS  UINT64_C(0x0101010101010101)
#define HIGH_BITS UINT64_C(0x8080808080808080)

static uint64_t word_at(const uint8_t *bytes)
{
    uint64_t word;

    memcpy(&word, bytes, sizeof word);
    return GUINT64_FROM_LE(word);
}

/* ---- encoder ---- */

/* First byte at or after @at that differs, or PAGE. */
static size_t end_of_equal(const uint8_t *old, const uint8_t *now, size_t at)
{
    for (; at % 8 != 0; at++) {
        if (old[at] != now[at]) {
            return at;
        }
    }
    /* Equal runs are mostly long: four words per step. */
    for (; at + 32 <= PAGE && ((word_at(old + at) ^ word_at(now + at)) |
                               (word_at(old + at + 8) ^ word_at(now + at + 8)) |
                               (word_at(old + at + 16) ^ word_at(now + at + 16)) |
                               (word_at(old + at + 24) ^ word_at(now + at + 24))) == 0;
         at += 32) {}
    for (; at < PAGE; at += 8) {
        uint64_t differs = word_at(old + at) ^ word_at(now + at);

        if (differs != 0) {
            return at + (size_t)__builtin_ctzll(differs) / 8;
        }
    }
    return PAGE;
}

/* First byte at or after @at that is equal, or PAGE. */
static size_t end_of_changed(const uint8_t *old, const uint8_t *now, size_t at)
{
    for (; at % 8 != 0; at++) {
        if (old[at] == now[at]) {
            return at;
        }
    }
    for (; at < PAGE; at += 8) {
        uint64_t differs = word_at(old + at) ^ word_at(now + at);
        uint64_t zero = (differs - LOW_BITS) & ~differs & HIGH_BITS;

        if (zero != 0) {
            /* The lowest zero byte is exact; a borrow can only cause false ones above it. */
            return at + (size_t)__builtin_ctzll(zero) / 8;
        }
    }
    return PAGE;
}

static size_t put_length(uint8_t *out, size_t length)
{
    if (length < 0x80) {
        out[0] = (uint8_t)length;
        return 1;
    }
    out[0] = (uint8_t)(length | 0x80);
    out[1] = (uint8_t)(length >> 7);
    return 2;
}

size_t xbzrle_encode(const uint8_t *old, const uint8_t *now, uint8_t *out, size_t size)
{
    size_t used = 0;
    size_t done = 0;

    for (;;) {
        size_t first = end_of_equal(old, now, done);
        if (first == PAGE) {
            return used;
        }
        size_t end = end_of_changed(old, now, first);
        if (size - used < 4 + (end - first)) { /* two lengths of at most two bytes */
            return XBZRLE_OVERFLOW;
        }
        used += put_length(out + used, first - done);
        used += put_length(out + used, end - first);
        memcpy(out + used, now + first, end - first);
        used += end - first;
        done = end;
    }
}

/* ---- decoder ---- */

static bool get_length(MigCursor *in, size_t *ret)
{
    uint8_t low, high = 0;

    if (!get_u8(in, &low) || ((low & 0x80) != 0 && (!get_u8(in, &high) || (high & 0x80) != 0))) {
        return false;
    }
    *ret = (size_t)(low & 0x7f) | (size_t)high << 7;
    return true;
}

bool xbzrle_decode(const uint8_t *delta, size_t length, uint8_t *page)
{
    MigCursor in = { delta, delta + length };
    size_t at = 0;

    while (cursor_left(&in) > 0) {
        const uint8_t *bytes;
        size_t keep, change;

        if (!get_length(&in, &keep) || (keep == 0 && at > 0) || keep > PAGE - at) {
            return false;
        }
        at += keep;
        if (!get_length(&in, &change) || change == 0 || change > PAGE - at ||
            !get_bytes(&in, change, &bytes)) {
            return false;
        }
        memcpy(page + at, bytes, change);
        at += change;
    }
    return true;
}
