/*
 * reader-layouts.c: sizes of devices from descriptions, and bad descriptions.
 */
#include "backend/stream/reader.h"

#include "tests/unit/test.h"

#include "backend/base/error.h"

static const struct {
    const char *what;
    const char *devices; /* of one device "d" 0 v1 with these members */
    unsigned size;
} layouts_good[] = {
    { "no fields", "\"fields\":[]", 0 },
    { "fields add up",
      "\"fields\":[{\"name\":\"a\",\"type\":\"x\",\"size\":3},{\"name\":\"b\",\"type\":\"x\","
      "\"size\":4}]",
      7 },
    { "array_len multiplies", "\"fields\":[{\"array_len\":5,\"size\":3}]", 15 },
    { "index counts once", "\"fields\":[{\"index\":0,\"size\":3},{\"index\":1,\"size\":3}]", 6 },
    { "struct counts by its parts",
      "\"fields\":[{\"array_len\":2,\"size\":99,\"struct\":{\"fields\":[{\"size\":3},{\"size\":1}]}"
      "}]",
      8 },
    { "subsection has a head",
      "\"fields\":[{\"size\":1}],\"subsections\":[{\"vmsd_name\":\"d/"
      "s\",\"version\":1,\"fields\":[{\"size\":2}]}]",
      1 + 1 + 1 + 3 + 4 + 2 },
    { "as large as it may be", "\"fields\":[{\"array_len\":4096,\"size\":4096}]", 16777216 },
};

#define DEVICE(more)                                                                               \
    "{\"name\":\"d\",\"vmsd_name\":\"dd\",\"instance_id\":0,\"version\":1," more "}"

static void test_layout_sizes(void **state)
{
    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(layouts_good); i++) {
        g_autofree char *json = g_strdup_printf(
            "{\"page_size\":4096,\"devices\":[" DEVICE("%s") "]}", layouts_good[i].devices);
        g_autoptr(GError) error = NULL;

        print_message("%s\n", layouts_good[i].what);
        g_autoptr(StreamLayouts) layouts = stream_layouts_new(json, strlen(json), &error);
        assert_non_null(layouts);
        const VmStateDesc *desc = stream_layouts_find(layouts, "d", 0, 1, &error);
        assert_non_null(desc);
        assert_int_equal(desc->fields[0].count, layouts_good[i].size);
        assert_null(stream_layouts_find(layouts, "d", 1, 1, &error));
        assert_non_null(strstr(error->message, "section 'd' 1 is not in it"));
        g_clear_error(&error);
        assert_null(stream_layouts_find(layouts, "d", 0, 2, &error));
        assert_non_null(strstr(error->message, "has version 1 there, 2 in the stream"));
    }
}

static const struct {
    const char *json;
    const char *text;
} layouts_bad[] = {
    { "", "no JSON object" },
    { "{", "no JSON object" },
    { "[]", "no JSON object" },
    { "{\"devices\":{}}", "'devices' is not a list" },
    { "{\"devices\":[null]}", "not an object" },
    { "{\"devices\":[{}]}", "'name' is missing" },
    { "{\"devices\":[" DEVICE("\"fields\":[]") "," DEVICE("\"fields\":[]") "]}",
      "'d' 0 is there twice" },
    { "{\"devices\":[" DEVICE("\"fields\":[{}]") "]}", "'size' is missing" },
    { "{\"devices\":[" DEVICE("\"fields\":[{\"size\":-1}]") "]}", "'size' is not a number" },
    { "{\"devices\":[" DEVICE("\"fields\":[{\"size\":\"4\"}]") "]}", "'size' is not a number" },
    { "{\"devices\":[" DEVICE("\"fields\":[{\"size\":4,\"array_len\":99999999999}]") "]}",
      "'array_len' is not a number" },
    { "{\"devices\":[" DEVICE("\"fields\":[{\"size\":16777216,\"array_len\":16777216}]") "]}",
      "more than 16777216 bytes" },
    { "{\"devices\":[" DEVICE("\"fields\":[{\"size\":16777216},{\"size\":1}]") "]}",
      "more than 16777216 bytes" },
    { "{\"devices\":[" DEVICE("\"fields\":[{\"struct\":7}]") "]}", "'struct' is not an object" },
    { "{\"devices\":[" DEVICE("\"subsections\":[{}]") "]}", "'vmsd_name' is missing" },
    { "{\"devices\":[{\"name\":\"d\\u001b\",\"vmsd_name\":\"dd\",\"instance_id\":0,\"version\":1}]"
      "}",
      "'name' is empty or not printable" },
    { "{\"devices\":[{\"name\":\"d\",\"vmsd_name\":\"dd\",\"instance_id\":4294967296,\"version\":1}"
      "]}",
      "'instance_id' is not a number" },
};

static void test_bad_layouts_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(layouts_bad); i++) {
        g_autoptr(GError) error = NULL;

        print_message("%s\n", layouts_bad[i].json);
        assert_null(stream_layouts_new(layouts_bad[i].json, strlen(layouts_bad[i].json), &error));
        assert_true(g_error_matches(error, MIG_ERROR, MIG_ERROR_FORMAT));
        assert_non_null(strstr(error->message, layouts_bad[i].text));
    }
}

static void test_deep_layouts_are_refused(void **state)
{
    (void)state;
    g_autoptr(GString) json = g_string_new("{\"devices\":[");
    g_autoptr(GError) error = NULL;

    for (unsigned i = 0; i < 10000; i++) {
        g_string_append(json, "{\"fields\":[");
    }
    assert_null(stream_layouts_new(json->str, json->len, &error));
    assert_non_null(strstr(error->message, "no JSON object"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layout_sizes),
        cmocka_unit_test(test_bad_layouts_are_refused),
        cmocka_unit_test(test_deep_layouts_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
