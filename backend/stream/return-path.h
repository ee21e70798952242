/*
 * Messages of the return path (destination to source): u16 type, u16 length,
 * payload. Pure bytes; encoder and decoder side by side in return-path.c.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "backend/base/bytes.h"
#include "backend/stream/format.h"

#define RETURN_PATH_MAX_LENGTH 512u /* longest payload inside the length field */

typedef struct {
    ReturnPathType type;
    uint32_t value; /* SHUT: 0 = success; PONG: the ping's; RESUME_ACK: 1 */
} ReturnPathMessage;

/* SHUT, PONG, RESUME_ACK, SWITCHOVER_ACK. */
void return_path_encode(const ReturnPathMessage *message, GByteArray *out);

typedef enum { RETURN_PATH_MESSAGE, RETURN_PATH_SHORT, RETURN_PATH_BAD } ReturnPathResult;

/* Takes one message from *@in; SHORT leaves *@in. A type that precopy has no use for is BAD. */
ReturnPathResult return_path_decode(MigCursor *in, ReturnPathMessage *ret, GError **error);
