/*
 * Tokens in, a json_object out: the grammar of JSON on an explicit stack, with
 * depth and memory bounded. The framer's second half; it knows no bytes.
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
    JSON_TOKEN_RUN,    /* @text: a number, a keyword or rubbish */
} JsonToken;

JsonBuilder *json_builder_new(void);
void json_builder_free(JsonBuilder *builder);

/* False with an error when the token cannot stand here; reset the builder then. */
bool json_builder_add(JsonBuilder *builder, JsonToken token, const GString *text, GError **error);

/* Brackets that are open. */
size_t json_builder_depth(const JsonBuilder *builder);

/* True when a top-level value is complete: take it before the next token (NULL is JSON's null). */
bool json_builder_is_complete(const JsonBuilder *builder);
json_object *json_builder_take(JsonBuilder *builder);

/* What may still be spent on this value, in bytes. */
size_t json_builder_memory_left(const JsonBuilder *builder);

/* Drops what there is. */
void json_builder_reset(JsonBuilder *builder);
