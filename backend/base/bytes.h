/*
 * Reads and writes big-endian integers in byte strings. The cursor cannot leave
 * its bytes: it checks every received length before it is used.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

static inline void put_u8(GByteArray *out, uint8_t value)
{
    g_byte_array_append(out, &value, 1);
}

static inline void put_be16(GByteArray *out, uint16_t value)
{
    value = GUINT16_TO_BE(value);
    g_byte_array_append(out, (const guint8 *)&value, sizeof value);
}

static inline void put_be32(GByteArray *out, uint32_t value)
{
    value = GUINT32_TO_BE(value);
    g_byte_array_append(out, (const guint8 *)&value, sizeof value);
}

static inline void put_be64(GByteArray *out, uint64_t value)
{
    value = GUINT64_TO_BE(value);
    g_byte_array_append(out, (const guint8 *)&value, sizeof value);
}

static inline void put_bytes(GByteArray *out, const void *bytes, size_t length)
{
    g_byte_array_append(out, bytes, (guint)length);
}

/* The unread part of a byte string; a successful read advances @at, a failed one leaves it
 * unchanged. */
typedef struct {
    const uint8_t *at;
    const uint8_t *end;
} MigCursor;

static inline size_t cursor_left(const MigCursor *in)
{
    return (size_t)(in->end - in->at);
}

/* Points *@ret at @count bytes inside the string and skips them; false when there are fewer. */
static inline bool get_bytes(MigCursor *in, size_t count, const uint8_t **ret)
{
    if (cursor_left(in) < count) {
        return false;
    }
    *ret = in->at;
    in->at += count;
    return true;
}

static inline bool get_u8(MigCursor *in, uint8_t *ret)
{
    const uint8_t *p;

    if (!get_bytes(in, 1, &p)) {
        return false;
    }
    *ret = *p;
    return true;
}

static inline bool get_be16(MigCursor *in, uint16_t *ret)
{
    const uint8_t *p;

    if (!get_bytes(in, sizeof *ret, &p)) {
        return false;
    }
    memcpy(ret, p, sizeof *ret);
    *ret = GUINT16_FROM_BE(*ret);
    return true;
}

static inline bool get_be32(MigCursor *in, uint32_t *ret)
{
    const uint8_t *p;

    if (!get_bytes(in, sizeof *ret, &p)) {
        return false;
    }
    memcpy(ret, p, sizeof *ret);
    *ret = GUINT32_FROM_BE(*ret);
    return true;
}

static inline bool get_be64(MigCursor *in, uint64_t *ret)
{
    const uint8_t *p;

    if (!get_bytes(in, sizeof *ret, &p)) {
        return false;
    }
    memcpy(ret, p, sizeof *ret);
    *ret = GUINT64_FROM_BE(*ret);
    return true;
}

/* A name with its length in one byte; @ret has room for 256 bytes and gets a NUL. Names are
 * printable ASCII, as QEMU's are. False when the name is truncated, empty or not printable. */
static inline bool get_name(MigCursor *in, char *ret)
{
    const uint8_t *bytes;
    uint8_t length;

    if (!get_u8(in, &length) || length == 0 || !get_bytes(in, length, &bytes)) {
        return false;
    }
    for (size_t i = 0; i < length; i++) {
        if (!g_ascii_isprint((char)bytes[i])) {
            return false;
        }
    }
    memcpy(ret, bytes, length);
    ret[length] = '\0';
    return true;
}

static inline void put_name(GByteArray *out, const char *name)
{
    put_u8(out, (uint8_t)strlen(name));
    put_bytes(out, name, strlen(name));
}
