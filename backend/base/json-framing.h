/*
 * Converts bytes to JSON values: finds the end of each value in a stream
 * without other delimiters, and builds it. One framer per connection, main
 * thread.
 *
 * json-c's own tokener is not used: it saturates big integers, accepts NaN and
 * merges duplicate keys. Here a value is built token by token, so that nesting
 * and memory are bounded for any input. As in QEMU, strings may have single
 * quotes, and an integer that fits neither int64 nor uint64 becomes a double
 * (which no integer member of the schema accepts).
 *
 * A broken value gives one error, immediately. Its rest is skipped, up to the
 * closing bracket, a line that begins with "{", or a byte 0xFF.
 */
#pragma once

#include <glib.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>

#define JSON_FRAMER_MAX_DEPTH 1024
/* Estimated memory of the value being built, strings included. */
#define JSON_FRAMER_MAX_MEMORY (64u << 20)

typedef struct JsonFramer JsonFramer;

typedef enum {
    JSON_FRAME_NONE, /* no complete value: feed more */
    JSON_FRAME_VALUE,
    JSON_FRAME_ERROR, /* one broken value; call again */
} JsonFrame;

JsonFramer *json_framer_new(void);
void json_framer_free(JsonFramer *framer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(JsonFramer, json_framer_free)

/* Keeps a copy of @bytes until json_framer_next() has used them, so a caller that stops calling
 * that function must also stop feeding. */
void json_framer_feed(JsonFramer *framer, const void *bytes, size_t size);

/* Returns the next value or error. @ret_value: caller puts; NULL is JSON's null. A number or word
 * at top level ends with the first byte that is not part of it. */
JsonFrame json_framer_next(JsonFramer *framer, json_object **ret_value, GError **error);

/* True while a value is incomplete. */
bool json_framer_in_value(const JsonFramer *framer);
