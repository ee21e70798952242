/*
 * What an attached QEMU has beyond our tables: found, read, completed, and what it lacks is marked.
 */
#include "tests/unit/test.h"

#include <string.h>

#include "commands/settings.h"
#include "completion/complete.h"

static const char text[] =
    "{\"version\":\"QEMU 10.0.2\",\"commands\":[\"savevm\",\"system_reset\",\"info\"],"
    "\"parameters\":[{\"name\":\"max-bandwidth\",\"type\":\"int\"},"
    "{\"name\":\"new-flag\",\"type\":\"boolean\"},"
    "{\"name\":\"zero-page-detection\",\"type\":\"enum\",\"values\":[\"none\",\"legacy\","
    "\"multifd\"]},"
    "{\"name\":\"cpr-exec-command\",\"type\":\"list\",\"features\":[\"unstable\"]},"
    "{\"name\":\"ticks\",\"type\":\"int\"},{\"name\":\"label\",\"type\":\"string\"}],"
    "\"capabilities\":[{\"name\":\"events\"},{\"name\":\"new-thing\"}]}";

static json_object *target;

static int set_up(void **state)
{
    (void)state;
    target = json_tokener_parse(text);
    return target == NULL;
}

static int tear_down(void **state)
{
    (void)state;
    json_object_put(target);
    return 0;
}

static void test_settings_are_found_by_name(void **state)
{
    Setting setting;

    (void)state;
    assert_true(setting_find(target, SETTING_PARAMETER, "new-flag", &setting));
    assert_true(setting_is_foreign(&setting));
    assert_false(setting_find(target, SETTING_PARAMETER, "new-thing", &setting));
    assert_true(setting_find(target, SETTING_CAPABILITY, "new-thing", &setting));
    assert_false(setting_find(NULL, SETTING_CAPABILITY, "new-thing", &setting));
    assert_true(setting_find(target, SETTING_PARAMETER, "max-bandwidth", &setting));
    assert_false(setting_is_foreign(&setting));
    assert_string_equal(target_version(target), "QEMU 10.0.2");
    assert_string_equal(target_version(NULL), "");
}

/* The rows of the tables, then what only the target has, each once. */
static void test_the_catalogue_is_both(void **state)
{
    Setting setting;
    size_t n = 0;

    (void)state;
    while (setting_at(target, SETTING_PARAMETER, n, &setting)) {
        assert_int_equal(setting_is_foreign(&setting), n >= param_count);
        n++;
    }
    assert_int_equal(n, param_count + 5);
    assert_true(setting_at(target, SETTING_PARAMETER, param_count, &setting));
    assert_string_equal(setting.name, "new-flag");
    assert_true(setting_at(target, SETTING_CAPABILITY, CAPABILITY__COUNT, &setting));
    assert_string_equal(setting.name, "new-thing");
    assert_false(setting_at(NULL, SETTING_CAPABILITY, CAPABILITY__COUNT, &setting));
}

static void test_what_speaks_against_a_change(void **state)
{
    Setting setting;

    (void)state;
    for (int i = 0; i < CAPABILITY__COUNT; i++) {
        const char *name = capability_table[i].name;

        assert_true(setting_find(NULL, SETTING_CAPABILITY, name, &setting));
        g_autofree char *here = setting_refusal(&setting);
        assert_int_equal(here == NULL, capability_table[i].supported);
        assert_true(setting_find(target, SETTING_CAPABILITY, name, &setting));
        g_autofree char *there = setting_refusal(&setting);
        assert_int_equal(there == NULL, strcmp(name, "events") == 0);
        assert_true(there == NULL || strcmp(there, "not known to QEMU 10.0.2") == 0);
    }
}

static void test_values_by_the_schemas_type(void **state)
{
    static const struct {
        const char *name, *typed, *value; /* NULL = refused */
    } rows[] = {
        { "new-flag", "on", "true" },
        { "new-flag", "off", "false" },
        { "new-flag", "yes", NULL },
        { "ticks", "12", "12" },
        { "ticks", "2k", "2048" },
        { "ticks", "two", NULL },
        { "label", "any text", "\"any text\"" },
        { "zero-page-detection", "legacy", "\"legacy\"" },
        { "cpr-exec-command", "x", NULL },
    };

    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;
        Setting setting;

        assert_true(setting_find(target, SETTING_PARAMETER, rows[i].name, &setting));
        json_object *value = setting_value_from_text(&setting, rows[i].typed, &error);

        print_message("%s %s\n", rows[i].name, rows[i].typed);
        assert_int_equal(value == NULL, rows[i].value == NULL);
        assert_int_equal(error != NULL, rows[i].value == NULL);
        if (value != NULL) {
            assert_string_equal(json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN),
                                rows[i].value);
        }
        json_object_put(value);
    }
}

/* Candidates as "TEXT(NOTE)" with blanks between. */
static char *complete(const char *line)
{
    const CompletionEnv env = { .target = target };
    g_autoptr(Completion) completion = complete_line(line, strlen(line), &env);
    GString *all = g_string_new(NULL);

    for (guint i = 0; i < completion->candidates->len; i++) {
        const Candidate *one = g_ptr_array_index(completion->candidates, i);

        g_string_append_printf(all, "%s%s%s%s%s", i > 0 ? " " : "", one->text, one->note ? "(" : "",
                               one->note ? one->note : "", one->note ? ")" : "");
    }
    return g_string_free(all, FALSE);
}

static void test_completion_knows_the_target(void **state)
{
    static const struct {
        const char *line, *words;
    } rows[] = {
        { "migrate_set_parameter new", "new-flag(of QEMU 10.0.2: boolean)" },
        { "migrate_set_parameter new-flag ", "off on" },
        { "migrate_set_parameter zero-page-detection l", "legacy" },
        { "migrate_set_parameter compress-l", "compress-level([not known to QEMU 10.0.2])" },
        { "migrate_set_capability new", "new-thing(of QEMU 10.0.2)" },
        { "migrate_set_capability xbz", "xbzrle([not known to QEMU 10.0.2])" },
        { "qemu s", "savevm system_reset" },
        { "qemu -p inf", "info" },
        { "connect t", "tcp:(HOST:PORT)" },
        { "peer exec", "" },
    };

    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *found = complete(rows[i].line);

        print_message("[%s]\n", rows[i].line);
        assert_string_equal(found, rows[i].words);
    }
}

static void test_description_is_what_the_schema_says(void **state)
{
    Setting list, words;

    assert_true(setting_find(target, SETTING_PARAMETER, "zero-page-detection", &words));
    assert_true(setting_find(target, SETTING_PARAMETER, "cpr-exec-command", &list));
    g_autofree char *values = setting_help(&words), *features = setting_help(&list);

    (void)state;
    assert_string_equal(values, "enum; one of: none, legacy, multifd");
    assert_string_equal(features, "list; unstable");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_settings_are_found_by_name),
        cmocka_unit_test(test_the_catalogue_is_both),
        cmocka_unit_test(test_what_speaks_against_a_change),
        cmocka_unit_test(test_values_by_the_schemas_type),
        cmocka_unit_test(test_completion_knows_the_target),
        cmocka_unit_test(test_description_is_what_the_schema_says),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
