/*
 * backend/tables/parameters-text.c: values as people type and read them, as HMP of
 * QEMU 8.2.0 took them. What it refuses is in test-parameters.c.
 */
#include "tests/unit/test.h"

#include <string.h>

#include <glib.h>

#include "backend/tables/parameters.h"

static const struct {
    const char *name, *text, *json;
} read_texts[] = {
    { "max-bandwidth", "10", "10485760" },
    { "max-bandwidth", "1", "1048576" },
    { "max-bandwidth", "1G", "1073741824" },
    { "max-bandwidth", "512k", "524288" },
    { "max-bandwidth", "100b", "100" },
    { "max-bandwidth", "1.5", "1572864" },
    { "max-bandwidth", "0", "0" },
    { "max-bandwidth", "0x10", "16777216" },
    { "avail-switchover-bandwidth", "10", "10485760" },
    { "downtime-limit", "500", "500" },
    { "downtime-limit", "1k", "1024" },
    { "downtime-limit", "0", "0" },
    { "x-checkpoint-delay", "1000", "1000" },
    { "multifd-channels", "8", "8" },
    { "multifd-channels", "0x10", "16" },
    { "multifd-channels", "010", "8" },
    { "multifd-compression", "zlib", "\"zlib\"" },
    { "multifd-zlib-level", "9", "9" },
    { "xbzrle-cache-size", "128M", "134217728" },
    { "xbzrle-cache-size", "4096", "4096" },
    { "max-postcopy-bandwidth", "10M", "10485760" },
    { "max-postcopy-bandwidth", "100", "100" },
    { "announce-step", "50", "50" },
    { "cpu-throttle-tailslow", "on", "true" },
    { "cpu-throttle-tailslow", "yes", "true" },
    { "cpu-throttle-tailslow", "y", "true" },
    { "cpu-throttle-tailslow", "false", "false" },
    { "cpu-throttle-tailslow", "n", "false" },
    { "tls-creds", "tls0", "\"tls0\"" },
    { "tls-creds", "", "\"\"" },
    { "vcpu-dirty-limit", "50", "50" },
    { "mode", "cpr-reboot", "\"cpr-reboot\"" },
    { "x-handover", "off", "false" },
    { "x-handover-timeout", "2k", "2048" },
};

static void test_text_is_read_with_the_units_of_hmp(void **state)
{
    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(read_texts); i++) {
        g_autoptr(GError) error = NULL;

        print_message("%s %s\n", read_texts[i].name, read_texts[i].text);
        json_object *value =
            param_value_from_text(param_find(read_texts[i].name), read_texts[i].text, &error);
        if (error != NULL) {
            fail_msg("%s", error->message);
        }
        assert_string_equal(json_object_to_json_string(value), read_texts[i].json);
        json_object_put(value);
    }
}

static void test_size_suffixes_are_explained_below_the_error(void **state)
{
    g_autoptr(GError) error = NULL;

    (void)state;
    assert_null(param_value_from_text(param_find("downtime-limit"), "abc", &error));
    assert_string_equal(
        error->message,
        "Parameter 'downtime-limit' expects a non-negative number below 2^64\n"
        "Optional suffix k, M, G, T, P or E means kilo-, mega-, giga-, tera-, peta-\n"
        "and exabytes, respectively.");
}

static void test_values_are_shown_with_units(void **state)
{
    static const struct {
        const char *name, *json, *shown;
    } rows[] = {
        { "max-bandwidth", "10485760", "10.0 MiB/s" },
        { "max-bandwidth", "0", "0 (no limit)" },
        { "avail-switchover-bandwidth", "0", "0 (measured)" },
        { "downtime-limit", "300", "300 ms" },
        { "downtime-limit", "0", "0 ms" },
        { "xbzrle-cache-size", "4096", "4.0 KiB" },
        { "multifd-channels", "2", "2" },
        { "cpu-throttle-initial", "20", "20 %" },
        { "x-handover", "true", "on" },
        { "mode", "\"normal\"", "normal" },
        { "tls-creds", "\"t0\"", "'t0'" },
    };

    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        json_object *value = json_tokener_parse(rows[i].json);
        g_autofree char *shown = param_value_for_people(param_find(rows[i].name), value);

        assert_string_equal(shown, rows[i].shown);
        json_object_put(value);
    }
}

static void test_mapping_of_another_backend_is_printed(void **state)
{
    g_autoptr(GString) out = g_string_new(NULL);
    json_object *reply = json_tokener_parse(
        "{\"tls-authz\":\"\",\"mode\":\"normal\",\"block-bitmap-mapping\":[{\"node-name\":\"n\","
        "\"alias\":\"a\",\"bitmaps\":[{\"name\":\"b0\",\"alias\":\"c0\"}]}]}");

    (void)state;
    parameters_format_hmp(reply, out);
    assert_string_equal(out->str, "tls-authz: ''\n"
                                  "block-bitmap-mapping:\n"
                                  "  'n' -> 'a'\n"
                                  "    'b0' -> 'c0'\n"
                                  "mode: normal\n");
    json_object_put(reply);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_is_read_with_the_units_of_hmp),
        cmocka_unit_test(test_size_suffixes_are_explained_below_the_error),
        cmocka_unit_test(test_values_are_shown_with_units),
        cmocka_unit_test(test_mapping_of_another_backend_is_printed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
