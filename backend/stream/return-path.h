/*
 * Messages of the return path (destination to source): u16 type, u16 length,
 * payload. Pure bytes; encoder and decoder side by side in return-path.c.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "backend/base/bytes.h"
#include "backend/base/dirty-map.h"
#include "backend/stream/format.h"

#define RETURN_PATH_MAX_LENGTH 512u /* longest payload inside the length field */

typedef struct {
    ReturnPathType type;
    uint32_t value;  /* SHUT: 0 = success; PONG: the ping's; RESUME_ACK: 1 */
    uint64_t start;  /* REQ_PAGES, REQ_PAGES_ID: bytes from the start of the block, as it came */
    uint32_t length; /* likewise: bytes */
    char block[256]; /* REQ_PAGES_ID, RECV_BITMAP: its name; else "" */
} ReturnPathMessage;

/* Appends @message; for RECV_BITMAP the bits follow (return_path_encode_bitmap). */
void return_path_encode(const ReturnPathMessage *message, GByteArray *out);

typedef enum { RETURN_PATH_MESSAGE, RETURN_PATH_SHORT, RETURN_PATH_BAD } ReturnPathResult;

/* Takes one message from *@in; SHORT leaves *@in. Whether it has a place where it came is the
 * caller's to say. */
ReturnPathResult return_path_decode(MigCursor *in, ReturnPathMessage *ret, GError **error);

/* What follows a RECV_BITMAP outside of its length: size, bits (bit i%8 of byte i/8 is page i), a
 * mark. The size goes by the number of pages, rounded up to 8 bytes. */
void return_path_encode_bitmap(const DirtyMap *received, GByteArray *out);
/* Sets in @ret (all clear before) what came; its size is the one to expect, any other is BAD. */
ReturnPathResult return_path_decode_bitmap(MigCursor *in, DirtyMap *ret, GError **error);
