/*
 * Messages of the return path (destination to source): u16 type, u16 length,
 * payload. Pure bytes; encoder and decoder are in return-path.c.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "backend/base/bytes.h"
#include "backend/base/dirty-map.h"
#include "backend/stream/format.h"

#define RETURN_PATH_MAX_LENGTH 512u /* longest payload of a message */

typedef struct {
    ReturnPathType type;
    uint32_t value;  /* SHUT: 0 = success; PONG: the PING's value; RESUME_ACK: 1 */
    uint64_t start;  /* REQ_PAGES, REQ_PAGES_ID: bytes from the start of the block, not checked */
    uint32_t length; /* REQ_PAGES, REQ_PAGES_ID: bytes, not checked */
    char block[256]; /* REQ_PAGES_ID, RECV_BITMAP: name of the block; else "" */
} ReturnPathMessage;

/* Appends @message; for RECV_BITMAP the bits follow (return_path_encode_bitmap). */
void return_path_encode(const ReturnPathMessage *message, GByteArray *out);

typedef enum { RETURN_PATH_MESSAGE, RETURN_PATH_SHORT, RETURN_PATH_BAD } ReturnPathResult;

/* Takes one message from *@in; SHORT leaves *@in unchanged. The caller checks whether the message
 * is expected. */
ReturnPathResult return_path_decode(MigCursor *in, ReturnPathMessage *ret, GError **error);

/* Appends the data after a RECV_BITMAP, which its length does not count: size, bits (bit i%8 of
 * byte i/8 is page i), end mark. The size is the number of pages in bits, rounded up to 8 bytes. */
void return_path_encode_bitmap(const DirtyMap *received, GByteArray *out);
/* Sets the received pages in @ret, which must be all clear. A size that does not match @ret is
 * BAD. */
ReturnPathResult return_path_decode_bitmap(MigCursor *in, DirtyMap *ret, GError **error);
