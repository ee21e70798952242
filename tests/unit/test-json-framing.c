/*
 * backend/base/json-framing.c and json-builder.c. Each row is bytes and what comes
 * out of them: values as JSON, errors as "!TEXT". Every row is fed whole, byte
 * by byte and in pieces, with the same result.
 */
#include "tests/unit/test.h"

#include <string.h>

#include <glib.h>

#include "backend/base/json-framing.h"

/* What comes out, one a line. */
static void drain(JsonFramer *framer, GString *out)
{
    for (;;) {
        json_object *value = NULL;
        g_autoptr(GError) error = NULL;

        switch (json_framer_next(framer, &value, &error)) {
        case JSON_FRAME_NONE:
            assert_null(error);
            return;
        case JSON_FRAME_VALUE:
            assert_null(error);
            g_string_append_printf(
                out, "%s\n",
                json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN |
                                                          JSON_C_TO_STRING_NOSLASHESCAPE));
            json_object_put(value);
            break;
        case JSON_FRAME_ERROR:
            assert_non_null(error);
            g_string_append_printf(out, "!%s\n", error->message);
            break;
        }
    }
}

static char *run(const char *bytes, size_t size, size_t piece)
{
    g_autoptr(JsonFramer) framer = json_framer_new();
    GString *out = g_string_new(NULL);

    for (size_t at = 0; at < size; at += piece) {
        json_framer_feed(framer, bytes + at, MIN(piece, size - at));
        drain(framer, out);
    }
    return g_string_free(out, false);
}

#define ROW(in, out)                                                                               \
    {                                                                                              \
        in, sizeof in - 1, out                                                                     \
    }
#define PARSE "!JSON parse error, "

static const struct {
    const char *in;
    size_t size;
    const char *out;
} rows[] = {
    /* borders */
    ROW("", ""),
    ROW("  \r\n\t", ""),
    ROW("{\"execute\":", ""),
    ROW("{}", "{}\n"),
    ROW("{} {}\r\n[]", "{}\n{}\n[]\n"),
    ROW("{\"execute\":\"query-status\",\"id\":1}{\"execute\":\"query-name\",\"id\":2}",
        "{\"execute\":\"query-status\",\"id\":1}\n{\"execute\":\"query-name\",\"id\":2}\n"),
    ROW("[1,2]", "[1,2]\n"),
    ROW("\"str\"", "\"str\"\n"),
    ROW("123", ""),
    ROW("123\n", "123\n"),
    ROW("123{}", "123\n{}\n"),
    ROW("null\ntrue false ", "null\ntrue\nfalse\n"),
    ROW("{\n \"a\" :\t[ ] ,\r\n \"b\" : { } }", "{\"a\":[],\"b\":{}}\n"),
    ROW("{\"a\":\"}{][\\\"}\"}", "{\"a\":\"}{][\\\"}\"}\n"),
    /* strings */
    ROW("{'execute':'query-status'}", "{\"execute\":\"query-status\"}\n"),
    ROW("'a\"b' \"a'b\" '\\''", "\"a\\\"b\"\n\"a'b\"\n\"'\"\n"),
    ROW("\"\\b\\f\\n\\r\\t\\/\\\\\"", "\"\\b\\f\\n\\r\\t/\\\\\"\n"),
    ROW("\"\\u0041\\u00e9\\u20ac\\ud83d\\ude00\"", "\"A\303\251\342\202\254\360\237\230\200\"\n"),
    ROW("\"\303\251\"", "\"\303\251\"\n"),
    ROW("\"\303\"", PARSE "invalid UTF-8 sequence in string\n"),
    ROW("\"\355\240\200\"", PARSE "invalid UTF-8 sequence in string\n"),
    ROW("\"\300\257\"", PARSE "invalid UTF-8 sequence in string\n"),
    ROW("\"\303\\u0041\"", PARSE "invalid UTF-8 sequence in string\n"),
    ROW("\"\\ud83d\"", PARSE "half a surrogate pair in a string\n"),
    ROW("\"\\ud83dx\"", PARSE "half a surrogate pair in a string\n"),
    ROW("\"\\ud83d\\n\"", PARSE "half a surrogate pair in a string\n"),
    ROW("\"\\ud83d\\u0041\"", PARSE "half a surrogate pair in a string\n"),
    ROW("\"\\ude00\"", PARSE "half a surrogate pair in a string\n"),
    ROW("\"\\u0000\"", PARSE "\\u0000 in a string\n"),
    ROW("\"\\u00g0\" {}", PARSE "\\u without four hexadecimal digits\n{}\n"),
    ROW("\"\\q\" {}", PARSE "invalid escape sequence in a string\n{}\n"),
    ROW("\"a\tb\" {}", PARSE "control character in a string\n{}\n"),
    ROW("\"a\0b\" {}", PARSE "control character in a string\n{}\n"),
    /* numbers */
    ROW("[0,-0,-1,10]", "[0,0,-1,10]\n"),
    ROW("[9223372036854775807,-9223372036854775808]",
        "[9223372036854775807,-9223372036854775808]\n"),
    ROW("[9223372036854775808,18446744073709551615]",
        "[9223372036854775808,18446744073709551615]\n"),
    /* A double that remembers how it was written; see the test of its type. */
    ROW("[18446744073709551616,2.5,1e3,-1.5E-2]", "[18446744073709551616,2.5,1e3,-1.5E-2]\n"),
    ROW("[1e999]", PARSE "number out of range '1e999'\n"),
    ROW("[01]", PARSE "stray '01'\n"),
    ROW("[-]", PARSE "stray '-'\n"),
    ROW("[1.]", PARSE "stray '1.'\n"),
    ROW("[.5]", PARSE "stray '.5'\n"),
    ROW("[+1]", PARSE "stray '+1'\n"),
    ROW("[1e]", PARSE "stray '1e'\n"),
    ROW("[0x10]", PARSE "stray '0x10'\n"),
    ROW("[NaN]", PARSE "invalid keyword 'NaN'\n"),
    ROW("[Infinity]", PARSE "invalid keyword 'Infinity'\n"),
    ROW("[-Infinity]", PARSE "stray '-Infinity'\n"),
    /* grammar */
    ROW("}", PARSE "expecting value\n"),
    ROW("{\"execute\":}", PARSE "expecting value\n"),
    ROW("{\"execute\":\n}\n{}", PARSE "expecting value\n{}\n"),
    ROW("nul\nnull\n", PARSE "invalid keyword 'nul'\nnull\n"),
    ROW("{\"execute\":\"query-status\" \"id\":1}", PARSE "expected separator in dict\n"),
    ROW("{\"execute\":\"query-status\",\"id\":1,\"id\":2}", PARSE "duplicate key\n"),
    ROW("{\"a\":{\"x\":1},\"b\":{\"x\":1}}", "{\"a\":{\"x\":1},\"b\":{\"x\":1}}\n"),
    ROW("[1 2]", PARSE "expected separator in list\n"),
    ROW("[1,]", PARSE "expecting value\n"),
    ROW("[,1]", PARSE "expecting value\n"),
    ROW("{\"a\":1,}", PARSE "expecting value\n"),
    ROW("{,}", PARSE "expecting value\n"),
    ROW("{\"a\" 1}", PARSE "missing : in object pair\n"),
    ROW("{1:2}", PARSE "key is not a string in object\n"),
    ROW("{[]:2}", PARSE "key is not a string in object\n"),
    ROW("{\"a\":1]", PARSE "expected separator in dict\n"),
    /* one error each, and on with the next */
    ROW("{\"a\":nul,\"b\":{\"c\":[nul,]}} {\"ok\":1}", PARSE "invalid keyword 'nul'\n{\"ok\":1}\n"),
    ROW("{\"a\":nul,\"b\":\"}\"} {\"ok\":1}", PARSE "invalid keyword 'nul'\n{\"ok\":1}\n"),
    ROW("@@@@ {}", PARSE "stray '@@@@'\n{}\n"),
    ROW("\0 {}", PARSE "stray '\\0'\n{}\n"),
    ROW("null\0 {}", PARSE "stray '\\0'\n{}\n"),
    ROW(", {}", PARSE "expecting value\n{}\n"),
    ROW("]]{}", PARSE "expecting value\n" PARSE "expecting value\n{}\n"),
    ROW("{\"a\":\"x\n{\"ok\":1}", PARSE "line end in a string\n{\"ok\":1}\n"),
    ROW("\"x\n{\"ok\":1}", PARSE "line end in a string\n{\"ok\":1}\n"),
    /* a bracket is missing: the next line that begins as a request does is one */
    ROW("{\"a\":[1}\r\n{\"ok\":1}\r\n", PARSE "expected separator in list\n{\"ok\":1}\n"),
    /* in a message of many lines the rest is passed over */
    ROW("{\n \"a\": nul,\n \"b\": {\n  \"execute\": \"quit\"\n }\n}\n{\"ok\":1}",
        PARSE "invalid keyword 'nul'\n{\"ok\":1}\n"),
    ROW("{\"a\":[\377{\"ok\":1}", PARSE "stray '\\377'\n{\"ok\":1}\n"),
    ROW("{\"a\":\"\377{\"ok\":1}", PARSE "stray '\\377'\n{\"ok\":1}\n"),
    ROW("{\"a\":nul [ \377{\"ok\":1}", PARSE "invalid keyword 'nul'\n{\"ok\":1}\n"),
    ROW("\377{\"ok\":1}", PARSE "stray '\\377'\n{\"ok\":1}\n"),
};

static void test_values_and_errors_in_any_pieces(void **state)
{
    static const size_t pieces[] = { SIZE_MAX / 2, 1, 2, 7 };

    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *shown = g_strescape(rows[i].in, NULL);

        print_message("%s\n", shown);
        for (size_t p = 0; p < G_N_ELEMENTS(pieces); p++) {
            g_autofree char *out = run(rows[i].in, rows[i].size, pieces[p]);
            assert_string_equal(out, rows[i].out);
        }
    }
}

static json_object *parse(const char *text)
{
    g_autoptr(JsonFramer) framer = json_framer_new();
    json_object *value = NULL;

    json_framer_feed(framer, text, strlen(text));
    assert_int_equal(json_framer_next(framer, &value, NULL), JSON_FRAME_VALUE);
    return value;
}

static void test_an_integer_of_more_than_64_bits_is_no_integer(void **state)
{
    json_object *list = parse("[18446744073709551615,18446744073709551616,-9223372036854775809]");

    (void)state;
    assert_true(json_object_is_type(json_object_array_get_idx(list, 0), json_type_int));
    assert_true(json_object_get_uint64(json_object_array_get_idx(list, 0)) == UINT64_MAX);
    assert_true(json_object_is_type(json_object_array_get_idx(list, 1), json_type_double));
    assert_true(json_object_is_type(json_object_array_get_idx(list, 2), json_type_double));
    json_object_put(list);
}

static char *nested(size_t depth)
{
    GString *text = g_string_new(NULL);

    for (size_t i = 0; i < depth; i++) {
        g_string_append_c(text, '[');
    }
    for (size_t i = 0; i < depth; i++) {
        g_string_append_c(text, ']');
    }
    g_string_append(text, "{}");
    return g_string_free(text, false);
}

static void test_depth_is_bounded(void **state)
{
    g_autofree char *deepest = nested(JSON_FRAMER_MAX_DEPTH);
    g_autofree char *too_deep = nested(JSON_FRAMER_MAX_DEPTH + 1);
    g_autofree char *far_too_deep = nested(1000000);
    g_autofree char *good = run(deepest, strlen(deepest), 4096);
    g_autofree char *bad = run(too_deep, strlen(too_deep), 4096);
    g_autofree char *worse = run(far_too_deep, strlen(far_too_deep), 4096);

    (void)state;
    assert_true(g_str_has_prefix(good, "[[[") && g_str_has_suffix(good, "]\n{}\n"));
    assert_string_equal(bad, "!JSON nesting depth limit exceeded\n{}\n");
    assert_string_equal(worse, "!JSON nesting depth limit exceeded\n{}\n");
}

/* Feeds @unit again and again between @head and @tail, 4 KiB at a time. */
static char *run_repeated(const char *head, const char *unit, size_t count, const char *tail)
{
    g_autoptr(JsonFramer) framer = json_framer_new();
    g_autoptr(GString) block = g_string_new(NULL);
    GString *out = g_string_new(NULL);
    size_t per_block = 4096 / strlen(unit);

    for (size_t i = 0; i < per_block; i++) {
        g_string_append(block, unit);
    }
    json_framer_feed(framer, head, strlen(head));
    for (size_t i = 0; i < count; i += per_block) {
        json_framer_feed(framer, block->str, block->len);
        drain(framer, out);
    }
    json_framer_feed(framer, tail, strlen(tail));
    drain(framer, out);
    return g_string_free(out, false);
}

static void test_memory_is_bounded(void **state)
{
    (void)state;
    g_autofree char *string = run_repeated("{\"a\":\"", "xxxxxxxx", 9 << 20, "\"} {}");
    assert_string_equal(string, "!JSON token size limit exceeded\n{}\n");

    g_autofree char *objects = run_repeated("[", "{},", 100000, "{}]{}");
    assert_string_equal(objects, "!JSON token count limit exceeded\n{}\n");

    g_autofree char *numbers = run_repeated("[", "1,", 1000000, "1]{}");
    assert_string_equal(numbers, "!JSON token count limit exceeded\n{}\n");

    g_autofree char *number = run_repeated("", "11111111", 100000, " {}");
    assert_string_equal(number, "!JSON token size limit exceeded\n{}\n");

    g_autofree char *spaces = run_repeated("[", "        ", 1 << 20, "]{}");
    assert_string_equal(spaces, "[]\n{}\n");
}

static void test_a_value_in_the_making_is_told(void **state)
{
    g_autoptr(JsonFramer) framer = json_framer_new();
    json_object *value;

    (void)state;
    assert_false(json_framer_in_value(framer));
    json_framer_feed(framer, " {", 2);
    assert_int_equal(json_framer_next(framer, &value, NULL), JSON_FRAME_NONE);
    assert_true(json_framer_in_value(framer));
    json_framer_feed(framer, "}", 1);
    assert_int_equal(json_framer_next(framer, &value, NULL), JSON_FRAME_VALUE);
    json_object_put(value);
    assert_false(json_framer_in_value(framer));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values_and_errors_in_any_pieces),
        cmocka_unit_test(test_an_integer_of_more_than_64_bits_is_no_integer),
        cmocka_unit_test(test_depth_is_bounded),
        cmocka_unit_test(test_memory_is_bounded),
        cmocka_unit_test(test_a_value_in_the_making_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
