/*
 * Return-path messages, encoder beside decoder: u16 type, u16 length, payload. Each row of the
 * table is one type with the form of its payload.
 */
#include "backend/stream/return-path.h"

#include <string.h>

#include "backend/base/error.h"

#define BITMAP_END UINT64_C(0x0123456789abcdef)
#define WORD_BYTES 8u

typedef enum {
    PAYLOAD_NOTHING,
    PAYLOAD_VALUE,       /* u32 */
    PAYLOAD_RANGE,       /* u64 start, u32 length */
    PAYLOAD_RANGE_BLOCK, /* PAYLOAD_RANGE, then a name */
    PAYLOAD_BLOCK,       /* a name */
} Payload;

/* The fixed part; a name takes 2 to 256 bytes more. */
static const uint16_t fixed_length[] = {
    [PAYLOAD_NOTHING] = 0,      [PAYLOAD_VALUE] = 4, [PAYLOAD_RANGE] = 12,
    [PAYLOAD_RANGE_BLOCK] = 12, [PAYLOAD_BLOCK] = 0,
};

static const struct {
    const char *name;
    Payload payload;
} kinds[] = {
    [RETURN_SHUT] = { "SHUT", PAYLOAD_VALUE },
    [RETURN_PONG] = { "PONG", PAYLOAD_VALUE },
    [RETURN_REQ_PAGES_ID] = { "REQ_PAGES_ID", PAYLOAD_RANGE_BLOCK },
    [RETURN_REQ_PAGES] = { "REQ_PAGES", PAYLOAD_RANGE },
    [RETURN_RECV_BITMAP] = { "RECV_BITMAP", PAYLOAD_BLOCK },
    [RETURN_RESUME_ACK] = { "RESUME_ACK", PAYLOAD_VALUE },
    [RETURN_SWITCHOVER_ACK] = { "SWITCHOVER_ACK", PAYLOAD_NOTHING },
};

static bool has_name(Payload payload)
{
    return payload == PAYLOAD_RANGE_BLOCK || payload == PAYLOAD_BLOCK;
}

static bool has_range(Payload payload)
{
    return payload == PAYLOAD_RANGE || payload == PAYLOAD_RANGE_BLOCK;
}

/* ---- encoding ---- */

void return_path_encode(const ReturnPathMessage *message, GByteArray *out)
{
    Payload payload = kinds[message->type].payload;
    size_t name = has_name(payload) ? strlen(message->block) : 0;

    put_be16(out, (uint16_t)message->type);
    put_be16(out, (uint16_t)(fixed_length[payload] + (name > 0 ? 1 + name : 0)));
    if (payload == PAYLOAD_VALUE) {
        put_be32(out, message->value);
    }
    if (has_range(payload)) {
        put_be64(out, message->start);
        put_be32(out, message->length);
    }
    if (has_name(payload)) {
        g_assert(name > 0 && name <= UINT8_MAX);
        put_name(out, message->block);
    }
}

static size_t bitmap_bytes(const DirtyMap *map)
{
    size_t bits = WORD_BYTES * 8;

    return (dirty_map_size(map) + bits - 1) / bits * WORD_BYTES;
}

void return_path_encode_bitmap(const DirtyMap *received, GByteArray *out)
{
    size_t size = bitmap_bytes(received);
    size_t at, end, n_pages = dirty_map_size(received);

    put_be64(out, size);
    at = out->len;
    g_byte_array_set_size(out, (guint)(at + size));
    memset(out->data + at, 0, size);
    for (size_t page = dirty_map_next(received, 0); page < n_pages;
         page = dirty_map_next(received, end)) {
        end = dirty_map_next_clear(received, page);
        for (; page < end; page++) {
            out->data[at + page / 8] |= (uint8_t)(1u << (page % 8));
        }
    }
    put_be64(out, BITMAP_END);
}

/* ---- decoding ---- */

/* The first two bytes of a TLS alert. */
#define TLS_ALERT 0x1503

static bool check_kind(uint16_t type, uint16_t length, Payload *ret, GError **error)
{
    if (type == TLS_ALERT) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_FORMAT,
                    "the destination expects TLS, and this side sent without");
        mig_error_hint(error, "migrate_set_parameter tls-creds ID encrypts; object_add makes ID");
        return false;
    }
    if (type >= G_N_ELEMENTS(kinds) || kinds[type].name == NULL ||
        length > RETURN_PATH_MAX_LENGTH) {
        return mig_fail(error, MIG_ERROR_FORMAT,
                        "return path: received invalid message 0x%04x length 0x%04x", type, length);
    }
    *ret = kinds[type].payload;
    uint16_t fixed = fixed_length[*ret];
    bool right = has_name(*ret) ? length >= fixed + 2 && length <= fixed + 256 : length == fixed;
    if (!right) {
        return mig_fail(error, MIG_ERROR_FORMAT,
                        "return path: received '%s' message (0x%04x) with incorrect length %u, "
                        "expecting %u%s",
                        kinds[type].name, type, length, fixed, has_name(*ret) ? " and a name" : "");
    }
    return true;
}

ReturnPathResult return_path_decode(MigCursor *in, ReturnPathMessage *ret, GError **error)
{
    MigCursor at = *in;
    uint16_t type;
    uint16_t length;
    Payload payload;

    if (!get_be16(&at, &type) || !get_be16(&at, &length)) {
        return RETURN_PATH_SHORT;
    }
    if (!check_kind(type, length, &payload, error)) {
        return RETURN_PATH_BAD;
    }
    if (cursor_left(&at) < length) {
        return RETURN_PATH_SHORT;
    }

    MigCursor body = { at.at, at.at + length };
    *ret = (ReturnPathMessage){ .type = (ReturnPathType)type };
    bool ok = payload != PAYLOAD_VALUE || get_be32(&body, &ret->value);
    if (has_range(payload)) {
        ok = get_be64(&body, &ret->start) && get_be32(&body, &ret->length);
    }
    if (!ok || (has_name(payload) && !(get_name(&body, ret->block) && cursor_left(&body) == 0))) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_FORMAT,
                    "return path: '%s' message without a proper block name", kinds[type].name);
        return RETURN_PATH_BAD;
    }
    in->at = at.at + length;
    return RETURN_PATH_MESSAGE;
}

ReturnPathResult return_path_decode_bitmap(MigCursor *in, DirtyMap *ret, GError **error)
{
    MigCursor at = *in;
    size_t expected = bitmap_bytes(ret), n_pages = dirty_map_size(ret);
    const uint8_t *bits;
    uint64_t size, mark;

    if (!get_be64(&at, &size)) {
        return RETURN_PATH_SHORT;
    }
    if (size != expected) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_FORMAT,
                    "return path: a bitmap of 0x%" G_GINT64_MODIFIER
                    "x bytes for %zu pages, expecting 0x%zx",
                    size, n_pages, expected);
        return RETURN_PATH_BAD;
    }
    if (!get_bytes(&at, expected, &bits) || !get_be64(&at, &mark)) {
        return RETURN_PATH_SHORT;
    }
    if (mark != BITMAP_END) {
        g_set_error_literal(error, MIG_ERROR, MIG_ERROR_FORMAT,
                            "return path: the bitmap of received pages has no end mark");
        return RETURN_PATH_BAD;
    }
    for (size_t page = 0; page < n_pages; page++) {
        if (bits[page / 8] >> (page % 8) & 1) {
            dirty_map_set(ret, page, 1);
        }
    }
    *in = at;
    return RETURN_PATH_MESSAGE;
}
