/*
 * json.c: one behaviour for members that are missing or of another type.
 */
#include "tests/unit/test.h"

#include <glib.h>

#include "backend/base/json.h"

static json_object *parsed(const char *text)
{
    json_object *value = json_tokener_parse(text);

    assert_non_null(value);
    return value;
}

static const char *const objects[] = {
    "{}", "{\"m\": null}", "{\"m\": {\"a\": 1}}", "[1]", "\"text\"", "7",
};

static void test_wrong_types_read_as_nothing(void **state)
{
    (void)state;
    for (size_t i = 0; i <= G_N_ELEMENTS(objects); i++) {
        json_object *o = i < G_N_ELEMENTS(objects) ? parsed(objects[i]) : NULL;

        print_message("%s\n", o != NULL ? objects[i] : "no object");
        assert_string_equal(json_text(o, "m"), "");
        assert_int_equal(json_number(o, "m"), 0);
        assert_int_equal(json_integer(o, "m"), 0);
        assert_true(json_real(o, "m") == 0);
        assert_false(json_flag(o, "m"));
        assert_null(json_list(o, "m"));
        assert_int_equal(json_length(json_member(o, "m")), 0);
        assert_null(json_at(json_member(o, "m"), 0));
        json_object_put(o);
    }
}

/* Each reader takes its own type only. */
static void test_types_are_not_converted(void **state)
{
    json_object *o = parsed("{\"t\": \"5\", \"n\": 5, \"d\": 2.5, \"b\": true, \"neg\": -3}");

    (void)state;
    assert_string_equal(json_text(o, "t"), "5");
    assert_string_equal(json_text(o, "n"), "");
    assert_int_equal(json_number(o, "n"), 5);
    assert_int_equal(json_number(o, "t"), 0);
    assert_int_equal(json_number(o, "b"), 0);
    assert_int_equal(json_number(o, "d"), 2);
    assert_int_equal(json_number(o, "neg"), 0);
    assert_int_equal(json_integer(o, "neg"), -3);
    assert_true(json_real(o, "d") == 2.5);
    assert_true(json_real(o, "n") == 5);
    assert_true(json_flag(o, "b"));
    assert_false(json_flag(o, "n"));
    assert_false(json_flag(o, "t"));
    json_object_put(o);
}

static void test_each_visits_all_elements(void **state)
{
    json_object *list = parsed("[\"a\", null, \"b\"]");
    GString *seen = g_string_new(NULL);

    (void)state;
    for (JsonEach row = json_each(list); json_next(&row);) {
        g_string_append_printf(seen, "<%s>", json_string(row.value));
    }
    assert_string_equal(seen->str, "<a><><b>");
    for (JsonEach row = json_each(NULL); json_next(&row);) {
        fail();
    }
    assert_null(json_at(list, 3));
    g_string_free(seen, TRUE);
    json_object_put(list);
}

static void test_members_are_added(void **state)
{
    json_object *o = json_object_with_text("absent", NULL);

    (void)state;
    json_add_text(o, "t", "x");
    json_add_text(o, "none", NULL);
    json_add_number(o, "n", UINT64_MAX);
    json_add_integer(o, "i", -1);
    json_add_flag(o, "b", true);
    json_object_object_add(o, "o", json_object_with("k", json_object_new_int(1)));
    assert_string_equal(
        json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN),
        "{\"t\":\"x\",\"n\":18446744073709551615,\"i\":-1,\"b\":true,\"o\":{\"k\":1}}");
    json_object_put(o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wrong_types_read_as_nothing),
        cmocka_unit_test(test_types_are_not_converted),
        cmocka_unit_test(test_each_visits_all_elements),
        cmocka_unit_test(test_members_are_added),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
