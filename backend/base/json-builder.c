/*
 * The grammar of JSON. Each open bracket is one level on the stack, which
 * records what may come next. A container is added to its parent at its start,
 * so the root owns everything and one put drops a broken value.
 *
 * Memory is charged before it is used, at json-c's cost of each kind of value
 * (rounded up), so a message of a million empty objects is refused like one
 * long string. Main thread.
 */
#include "backend/base/json-builder.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "backend/base/error.h"
#include "backend/base/json-framing.h"

typedef enum {
    EXPECT_FIRST, /* key or value, or the closing bracket */
    EXPECT_KEY,
    EXPECT_COLON,
    EXPECT_VALUE,
    EXPECT_SEPARATOR, /* comma or the closing bracket */
} Expect;

typedef struct {
    json_object *container; /* borrowed from the root */
    bool is_object;
    Expect expect;
    char *key; /* of the next value */
} Level;

struct JsonBuilder {
    json_object *root;
    bool complete;
    size_t memory;
    GArray *stack; /* Level */
};

enum {
    COST_SCALAR = 96,
    COST_ARRAY = 192,
    COST_OBJECT = 1152, /* json-c begins with a hash table of 16 entries */
    COST_ELEMENT = 16,
    COST_MEMBER = 192,
};

static void level_clear(void *data)
{
    g_free(((Level *)data)->key);
}

JsonBuilder *json_builder_new(void)
{
    JsonBuilder *builder = g_new0(JsonBuilder, 1);

    builder->stack = g_array_new(false, false, sizeof(Level));
    g_array_set_clear_func(builder->stack, level_clear);
    return builder;
}

void json_builder_reset(JsonBuilder *builder)
{
    g_array_set_size(builder->stack, 0);
    g_clear_pointer(&builder->root, json_object_put);
    builder->complete = false;
    builder->memory = 0;
}

void json_builder_free(JsonBuilder *builder)
{
    if (builder != NULL) {
        json_builder_reset(builder);
        g_array_unref(builder->stack);
        g_free(builder);
    }
}

size_t json_builder_depth(const JsonBuilder *builder)
{
    return builder->stack->len;
}

bool json_builder_is_complete(const JsonBuilder *builder)
{
    return builder->complete;
}

json_object *json_builder_take(JsonBuilder *builder)
{
    g_assert(builder->complete);
    json_object *value = g_steal_pointer(&builder->root);
    json_builder_reset(builder);
    return value;
}

size_t json_builder_memory_left(const JsonBuilder *builder)
{
    return JSON_FRAMER_MAX_MEMORY - builder->memory;
}

static bool refuse(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);

static bool refuse(GError **error, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_propagate_error(error, g_error_new_valist(MIG_ERROR, MIG_ERROR_GENERIC, format, args));
    va_end(args);
    return false;
}

static bool charge(JsonBuilder *builder, size_t bytes, GError **error)
{
    if (bytes > json_builder_memory_left(builder)) {
        return refuse(error, "JSON token count limit exceeded");
    }
    builder->memory += bytes;
    return true;
}

static Level *top(JsonBuilder *builder)
{
    guint depth = builder->stack->len;
    return depth == 0 ? NULL : &g_array_index(builder->stack, Level, depth - 1);
}

/* ---- scalars ---- */

static const char *skip_digits(const char *at)
{
    return at + strspn(at, G_CSET_DIGITS);
}

/* JSON's grammar, which is stricter than strtod's. *@ret_integer: without fraction and exponent. */
static bool is_number(const char *text, bool *ret_integer)
{
    const char *at = text + (*text == '-');
    const char *end = *at == '0' ? at + 1 : skip_digits(at);

    if (end == at) {
        return false;
    }
    *ret_integer = *end == '\0';
    if (*end == '.') {
        at = end + 1;
        end = skip_digits(at);
        if (end == at) {
            return false;
        }
    }
    if (*end == 'e' || *end == 'E') {
        at = end + 1;
        at += *at == '+' || *at == '-';
        end = skip_digits(at);
        if (end == at) {
            return false;
        }
    }
    return *end == '\0';
}

static bool number_from_text(const char *text, bool integer, json_object **ret, GError **error)
{
    if (integer) {
        errno = 0;
        int64_t number = strtoll(text, NULL, 10);
        if (errno == 0) {
            *ret = json_object_new_int64(number);
            return true;
        }
        errno = 0;
        uint64_t big = strtoull(text, NULL, 10);
        if (errno == 0 && text[0] != '-') {
            *ret = json_object_new_uint64(big);
            return true;
        }
    }

    double number = g_ascii_strtod(text, NULL);
    if (!isfinite(number)) {
        return refuse(error, "JSON parse error, number out of range '%.40s'", text);
    }
    *ret = json_object_new_double_s(number, text);
    return true;
}

static bool run_to_value(const GString *text, json_object **ret, GError **error)
{
    bool plain = strlen(text->str) == text->len; /* contains no NUL */
    bool integer;

    if (!plain) {
        return refuse(error, "JSON parse error, stray '\\0'");
    }
    if (strcmp(text->str, "true") == 0 || strcmp(text->str, "false") == 0) {
        *ret = json_object_new_boolean(text->str[0] == 't');
        return true;
    }
    if (strcmp(text->str, "null") == 0) {
        *ret = NULL;
        return true;
    }
    if (is_number(text->str, &integer)) {
        return number_from_text(text->str, integer, ret, error);
    }

    g_autofree char *shown = g_strescape(text->str, NULL);
    bool word = strspn(text->str, G_CSET_A_2_Z G_CSET_a_2_z) == text->len;
    return refuse(error, "JSON parse error, %s '%.40s'", word ? "invalid keyword" : "stray", shown);
}

/* ---- placing values ---- */

/* Takes ownership of @value, also on failure. */
static bool place(JsonBuilder *builder, json_object *value, GError **error)
{
    Level *level = top(builder);

    if (level == NULL) {
        builder->root = value;
        return true;
    }
    if (!charge(builder, level->is_object ? COST_MEMBER : COST_ELEMENT, error)) {
        json_object_put(value);
        return false;
    }
    if (level->is_object) {
        json_object_object_add_ex(level->container, level->key, value,
                                  JSON_C_OBJECT_ADD_KEY_IS_NEW);
        g_clear_pointer(&level->key, g_free);
    } else {
        json_object_array_add(level->container, value);
    }
    level->expect = EXPECT_SEPARATOR;
    return true;
}

static bool open_container(JsonBuilder *builder, bool is_object, GError **error)
{
    if (builder->stack->len >= JSON_FRAMER_MAX_DEPTH) {
        return refuse(error, "JSON nesting depth limit exceeded");
    }
    if (!charge(builder, is_object ? COST_OBJECT : COST_ARRAY, error)) {
        return false;
    }

    json_object *container = is_object ? json_object_new_object() : json_object_new_array_ext(4);
    if (!place(builder, container, error)) {
        return false;
    }
    Level level = { container, is_object, EXPECT_FIRST, NULL };
    g_array_append_val(builder->stack, level);
    return true;
}

static void close_container(JsonBuilder *builder)
{
    g_array_set_size(builder->stack, builder->stack->len - 1);
}

static bool add_value(JsonBuilder *builder, JsonToken token, const GString *text, GError **error)
{
    json_object *value = NULL;

    switch (token) {
    case JSON_TOKEN_OPEN_OBJECT:
        return open_container(builder, true, error);
    case JSON_TOKEN_OPEN_ARRAY:
        return open_container(builder, false, error);
    case JSON_TOKEN_STRING:
        if (!charge(builder, COST_SCALAR + text->len, error)) {
            return false;
        }
        return place(builder, json_object_new_string_len(text->str, (int)text->len), error);
    case JSON_TOKEN_RUN:
        return charge(builder, COST_SCALAR + text->len, error) &&
               run_to_value(text, &value, error) && place(builder, value, error);
    default:
        return refuse(error, "JSON parse error, expecting value");
    }
}

static bool add_key(JsonBuilder *builder, Level *level, JsonToken token, const GString *text,
                    GError **error)
{
    if (token == JSON_TOKEN_RUN || token == JSON_TOKEN_OPEN_OBJECT ||
        token == JSON_TOKEN_OPEN_ARRAY) {
        return refuse(error, "JSON parse error, key is not a string in object");
    }
    if (token != JSON_TOKEN_STRING) {
        return refuse(error, "JSON parse error, expecting value");
    }
    if (json_object_object_get_ex(level->container, text->str, NULL)) {
        return refuse(error, "JSON parse error, duplicate key");
    }
    if (!charge(builder, text->len, error)) {
        return false;
    }
    level->key = g_strdup(text->str);
    level->expect = EXPECT_COLON;
    return true;
}

/* Processes a token inside the innermost open bracket. */
static bool add_inside(JsonBuilder *builder, Level *level, JsonToken token, const GString *text,
                       GError **error)
{
    bool closes = token == (level->is_object ? JSON_TOKEN_CLOSE_OBJECT : JSON_TOKEN_CLOSE_ARRAY);

    switch (level->expect) {
    case EXPECT_FIRST:
        if (closes) {
            close_container(builder);
            return true;
        }
        return level->is_object ? add_key(builder, level, token, text, error)
                                : add_value(builder, token, text, error);
    case EXPECT_KEY:
        return add_key(builder, level, token, text, error);
    case EXPECT_COLON:
        if (token != JSON_TOKEN_COLON) {
            return refuse(error, "JSON parse error, missing : in object pair");
        }
        level->expect = EXPECT_VALUE;
        return true;
    case EXPECT_VALUE:
        return add_value(builder, token, text, error);
    case EXPECT_SEPARATOR:
        if (closes) {
            close_container(builder);
            return true;
        }
        if (token != JSON_TOKEN_COMMA) {
            return refuse(error, "JSON parse error, expected separator in %s",
                          level->is_object ? "dict" : "list");
        }
        level->expect = level->is_object ? EXPECT_KEY : EXPECT_VALUE;
        return true;
    }
    g_assert_not_reached();
}

bool json_builder_add(JsonBuilder *builder, JsonToken token, const GString *text, GError **error)
{
    Level *level = top(builder);

    g_assert(!builder->complete);
    if (!(level == NULL ? add_value(builder, token, text, error)
                        : add_inside(builder, level, token, text, error))) {
        return false;
    }
    builder->complete = builder->stack->len == 0;
    return true;
}
