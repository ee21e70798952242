/*
 * The lexer of the JSON framer: converts bytes to tokens, decodes strings, and
 * resynchronises after an error. The grammar is in json-builder.c.
 *
 * While a broken value is skipped, only brackets are counted; strings are still
 * parsed to their end, so that brackets inside them are not counted.
 */
#include "backend/base/json-framing.h"

#include <string.h>

#include "backend/base/error.h"
#include "backend/base/json-builder.h"

/* Longest number or keyword. */
#define MAX_RUN 4096
/* A token's buffer larger than this is freed after use. */
#define KEEP_BUFFER (64u << 10)

typedef enum { LEX_BETWEEN, LEX_RUN, LEX_STRING, LEX_ESCAPE, LEX_HEX } LexState;

struct JsonFramer {
    GByteArray *input; /* fed and not yet used, from @at on */
    size_t at;

    LexState state;
    GString *token;
    char quote;          /* closing quote of the string */
    unsigned hex_digits; /* digits of \uXXXX read so far */
    unsigned hex;
    unsigned high;   /* first half of a surrogate pair, 0 = none */
    bool line_start; /* only a line end since the last token */

    JsonBuilder *builder;
    bool skipping;       /* skipping the rest of a broken value */
    uint64_t skip_depth; /* its brackets that are still open */

    GError *error;
};

JsonFramer *json_framer_new(void)
{
    JsonFramer *framer = g_new0(JsonFramer, 1);

    framer->input = g_byte_array_new();
    framer->token = g_string_new(NULL);
    framer->builder = json_builder_new();
    framer->line_start = true;
    return framer;
}

void json_framer_free(JsonFramer *framer)
{
    if (framer != NULL) {
        g_byte_array_unref(framer->input);
        g_string_free(framer->token, true);
        json_builder_free(framer->builder);
        g_clear_error(&framer->error);
        g_free(framer);
    }
}

bool json_framer_in_value(const JsonFramer *framer)
{
    return framer->skipping || framer->state != LEX_BETWEEN ||
           json_builder_depth(framer->builder) > 0;
}

/* ---- errors and resynchronising ---- */

/* Takes ownership of @error. @open: number of the broken value's unclosed brackets. */
static void fail(JsonFramer *framer, GError *error, uint64_t open)
{
    g_assert(framer->error == NULL);
    framer->error = error;
    json_builder_reset(framer->builder);
    framer->skip_depth = open;
    /* A string or word that has not ended belongs to the broken value. */
    framer->skipping = open > 0 || framer->state != LEX_BETWEEN;
}

static void fail_in_string(JsonFramer *framer, const char *text)
{
    if (!framer->skipping) {
        fail(framer, g_error_new(MIG_ERROR, MIG_ERROR_GENERIC, "JSON parse error, %s", text),
             json_builder_depth(framer->builder));
    }
}

static void start_afresh(JsonFramer *framer)
{
    json_builder_reset(framer->builder);
    framer->state = LEX_BETWEEN;
    framer->skipping = false;
    framer->skip_depth = 0;
}

static int bracket_of(JsonToken token)
{
    switch (token) {
    case JSON_TOKEN_OPEN_OBJECT:
    case JSON_TOKEN_OPEN_ARRAY:
        return 1;
    case JSON_TOKEN_CLOSE_OBJECT:
    case JSON_TOKEN_CLOSE_ARRAY:
        return -1;
    default:
        return 0;
    }
}

static void skip_token(JsonFramer *framer, JsonToken token)
{
    int bracket = bracket_of(token);

    if (bracket > 0) {
        framer->skip_depth++;
    } else if (bracket < 0 && framer->skip_depth > 0) {
        framer->skip_depth--;
    }
    framer->skipping = framer->skip_depth > 0;
}

static void take_token(JsonFramer *framer, JsonToken token)
{
    size_t depth = json_builder_depth(framer->builder);
    GError *error = NULL;

    framer->state = LEX_BETWEEN;
    if (framer->skipping) {
        skip_token(framer, token);
    } else if (!json_builder_add(framer->builder, token, framer->token, &error)) {
        int bracket = bracket_of(token);
        fail(framer, error, depth == 0 && bracket < 0 ? 0 : depth + (uint64_t)(int64_t)bracket);
    }

    if (framer->token->allocated_len > KEEP_BUFFER) {
        g_string_free(framer->token, true);
        framer->token = g_string_new(NULL);
    } else {
        g_string_truncate(framer->token, 0);
    }
}

static void append(JsonFramer *framer, const char *bytes, size_t size)
{
    size_t limit = framer->state == LEX_RUN ? MAX_RUN : json_builder_memory_left(framer->builder);

    if (framer->skipping) {
        return;
    }
    if (framer->token->len + size > limit) {
        fail(framer, g_error_new(MIG_ERROR, MIG_ERROR_GENERIC, "JSON token size limit exceeded"),
             json_builder_depth(framer->builder));
        return;
    }
    g_string_append_len(framer->token, bytes, (gssize)size);
}

/* ---- strings ---- */

static void append_code_point(JsonFramer *framer, unsigned code)
{
    char utf8[6];
    append(framer, utf8, (size_t)g_unichar_to_utf8(code, utf8));
}

static void end_hex(JsonFramer *framer)
{
    unsigned unit = framer->hex;
    bool low = unit >= 0xdc00 && unit <= 0xdfff;

    framer->state = LEX_STRING;
    if (low != (framer->high != 0)) {
        fail_in_string(framer, "half a surrogate pair in a string");
    } else if (low) {
        append_code_point(framer, 0x10000 + ((framer->high - 0xd800) << 10) + (unit - 0xdc00));
    } else if (unit >= 0xd800 && unit <= 0xdbff) {
        framer->high = unit;
        return;
    } else if (unit == 0) {
        fail_in_string(framer, "\\u0000 in a string");
    } else {
        append_code_point(framer, unit);
    }
    framer->high = 0;
}

static void take_hex(JsonFramer *framer, char c)
{
    int digit = g_ascii_xdigit_value(c);

    if (digit < 0) {
        framer->state = LEX_STRING;
        fail_in_string(framer, "\\u without four hexadecimal digits");
        return;
    }
    framer->hex = framer->hex << 4 | (unsigned)digit;
    if (++framer->hex_digits == 4) {
        end_hex(framer);
    }
}

static void take_escape(JsonFramer *framer, char c)
{
    static const char escapes[] = "\"'\\/bfnrt";
    static const char meanings[] = "\"'\\/\b\f\n\r\t";
    const char *at = c == '\0' ? NULL : strchr(escapes, c);

    if (c == 'u') {
        framer->state = LEX_HEX;
        framer->hex = framer->hex_digits = 0;
        return;
    }
    framer->state = LEX_STRING;
    if (framer->high != 0) {
        fail_in_string(framer, "half a surrogate pair in a string");
    } else if (at == NULL) {
        fail_in_string(framer, "invalid escape sequence in a string");
    } else {
        append(framer, &meanings[at - escapes], 1);
    }
}

static void end_string(JsonFramer *framer)
{
    if (framer->high != 0) {
        fail_in_string(framer, "half a surrogate pair in a string");
    } else if (!g_utf8_validate_len(framer->token->str, framer->token->len, NULL)) {
        fail_in_string(framer, "invalid UTF-8 sequence in string");
    }
    framer->high = 0;
    take_token(framer, JSON_TOKEN_STRING);
}

static void take_string_byte(JsonFramer *framer, char c)
{
    if (c == framer->quote) {
        end_string(framer);
    } else if (c == '\\') {
        framer->state = LEX_ESCAPE;
    } else if (framer->high != 0) {
        fail_in_string(framer, "half a surrogate pair in a string");
        framer->high = 0;
    } else if ((unsigned char)c < ' ') {
        fail_in_string(framer, "control character in a string");
    } else {
        append(framer, &c, 1);
    }
}

/* ---- bytes ---- */

static bool ends_run(char c)
{
    return strchr("{}[]:,\"' \t\r\n", c) != NULL && c != '\0';
}

static bool take_punctuation(JsonFramer *framer, char c)
{
    static const struct {
        char c;
        JsonToken token;
    } punctuation[] = {
        { '{', JSON_TOKEN_OPEN_OBJECT }, { '}', JSON_TOKEN_CLOSE_OBJECT },
        { '[', JSON_TOKEN_OPEN_ARRAY },  { ']', JSON_TOKEN_CLOSE_ARRAY },
        { ':', JSON_TOKEN_COLON },       { ',', JSON_TOKEN_COMMA },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(punctuation); i++) {
        if (punctuation[i].c == c) {
            take_token(framer, punctuation[i].token);
            return true;
        }
    }
    return false;
}

static void take_byte_between(JsonFramer *framer, char c)
{
    bool line_start = framer->line_start;

    framer->line_start = c == '\n';
    if (c == ' ' || c == '\t' || c == '\r' || c == '\n') {
        return;
    }
    if (framer->skipping && line_start && c == '{') {
        start_afresh(framer);
    }
    if (take_punctuation(framer, c)) {
        return;
    }
    if (c == '"' || c == '\'') {
        framer->state = LEX_STRING;
        framer->quote = c;
        return;
    }
    framer->state = LEX_RUN;
    append(framer, &c, 1);
}

/* False when the byte was not consumed and must be passed again. */
static bool take_byte(JsonFramer *framer, char c)
{
    bool in_string = framer->state >= LEX_STRING;

    if ((unsigned char)c == 0xff || (in_string && c == '\n')) {
        /* 0xFF occurs in no text, and no string contains a line end. A line end leaves brackets
         * open. */
        uint64_t open = c == '\n' ? json_builder_depth(framer->builder) : 0;

        framer->state = LEX_BETWEEN;
        framer->line_start = true;
        framer->high = 0;
        g_string_truncate(framer->token, 0);
        if (!framer->skipping) {
            fail(framer,
                 g_error_new(MIG_ERROR, MIG_ERROR_GENERIC, "JSON parse error, %s",
                             c == '\n' ? "line end in a string" : "stray '\\377'"),
                 open);
        } else if (c != '\n') {
            start_afresh(framer);
        } else {
            framer->skipping = framer->skip_depth > 0;
        }
        return true;
    }
    switch (framer->state) {
    case LEX_BETWEEN:
        take_byte_between(framer, c);
        return true;
    case LEX_RUN:
        if (ends_run(c)) {
            take_token(framer, JSON_TOKEN_RUN);
            return false;
        }
        append(framer, &c, 1);
        return true;
    case LEX_STRING:
        take_string_byte(framer, c);
        return true;
    case LEX_ESCAPE:
        take_escape(framer, c);
        return true;
    case LEX_HEX:
        take_hex(framer, c);
        return true;
    }
    g_assert_not_reached();
}

void json_framer_feed(JsonFramer *framer, const void *bytes, size_t size)
{
    if (framer->at > 0) {
        g_byte_array_remove_range(framer->input, 0, (guint)framer->at);
        framer->at = 0;
    }
    g_byte_array_append(framer->input, bytes, (guint)size);
}

JsonFrame json_framer_next(JsonFramer *framer, json_object **ret_value, GError **error)
{
    while (framer->at < framer->input->len) {
        if (take_byte(framer, (char)framer->input->data[framer->at])) {
            framer->at++;
        }
        if (framer->error != NULL) {
            g_propagate_error(error, g_steal_pointer(&framer->error));
            return JSON_FRAME_ERROR;
        }
        if (json_builder_is_complete(framer->builder)) {
            *ret_value = json_builder_take(framer->builder);
            return JSON_FRAME_VALUE;
        }
    }
    g_byte_array_set_size(framer->input, 0);
    framer->at = 0;
    return JSON_FRAME_NONE;
}
