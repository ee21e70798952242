/*
 * Converts tokens to a json_object: the grammar of JSON on an explicit stack,
 * with bounded depth and memory. The second half of the framer; json-framing.c
 * converts bytes to tokens.
 */
#pragma once

#include <glib.h>
#include <json-c/json.h>
#include <stdbool.h>

typedef struct JsonBuilder JsonBuilder;

typedef enum {
    JSON_TOKEN_OPEN_OBJECT,
    JSON_TOKEN_CLOSE_OBJECT,
    JSON_TOKEN_OPEN_ARRAY,
    JSON_TOKEN_CLOSE_ARRAY,
    JSON_TOKEN_COLON,
    JSON_TOKEN_COMMA,
    JSON_TOKEN_STRING, /* @text: decoded, valid UTF-8, without NUL */
    JSON_TOKEN_RUN,    /* @text: a number, a keyword or anything else */
} JsonToken;

JsonBuilder *json_builder_new(void);
void json_builder_free(JsonBuilder *builder);

/* False with an error when the token is not allowed here; then reset the builder. */
bool json_builder_add(JsonBuilder *builder, JsonToken token, const GString *text, GError **error);

/* Number of open brackets. */
size_t json_builder_depth(const JsonBuilder *builder);

/* True when a top-level value is complete: take it before the next token (NULL is JSON's null). */
bool json_builder_is_complete(const JsonBuilder *builder);
json_object *json_builder_take(JsonBuilder *builder);

/* Memory left for this value, in bytes. */
size_t json_builder_memory_left(const JsonBuilder *builder);

/* Drops the present value. */
void json_builder_reset(JsonBuilder *builder);
