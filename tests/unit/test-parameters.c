/*
 * backend/tables/parameters.c, with HMP's reading in front. Texts and values are those
 * seen from QEMU 8.2.0, except where a row says that migmon differs.
 */
#include "tests/unit/test.h"

#include <string.h>

#include <glib.h>

#include "backend/base/error.h"
#include "backend/schema/schema.h"
#include "backend/tables/parameters.h"

/* What migrate-set-parameters does with @json: the schema, then the parameters. */
static bool set_json(MigParameters *p, const char *json, GError **error)
{
    json_object *args = json_tokener_parse(json);
    bool ok = schema_check_arguments(schema_find_command("migrate-set-parameters"), args, error) &&
              parameters_apply(p, args, NULL, NULL, error);

    json_object_put(args);
    return ok;
}

/* What HMP's migrate_set_parameter does. */
static bool set_text(MigParameters *p, const char *name, const char *text, GError **error)
{
    const ParamDesc *desc = param_find(name);

    assert_non_null(desc);
    json_object *value = param_value_from_text(desc, text, error);
    if (value == NULL) {
        return false;
    }

    json_object *args = json_object_new_object();
    json_object_object_add(args, name, value);
    bool ok = schema_check_arguments(schema_find_command("migrate-set-parameters"), args, error) &&
              parameters_apply(p, args, NULL, NULL, error);
    json_object_put(args);
    return ok;
}

static void assert_first_line(const GError *error, const char *expected)
{
    assert_non_null(error);
    g_autofree char *line = mig_error_first_line(error);
    assert_string_equal(line, expected);
}

static char *info_lines(MigParameters *p)
{
    json_object *reply = parameters_to_json(p);
    GString *out = g_string_new(NULL);

    parameters_format_hmp(reply, out);
    json_object_put(reply);
    return g_string_free(out, false);
}

/* ---- */

static const char default_lines[] = "announce-initial: 50 ms\n"
                                    "announce-max: 550 ms\n"
                                    "announce-rounds: 5\n"
                                    "announce-step: 100 ms\n"
                                    "compress-level: 1\n"
                                    "compress-threads: 8\n"
                                    "compress-wait-thread: on\n"
                                    "decompress-threads: 2\n"
                                    "throttle-trigger-threshold: 50\n"
                                    "cpu-throttle-initial: 20\n"
                                    "cpu-throttle-increment: 10\n"
                                    "cpu-throttle-tailslow: off\n"
                                    "max-cpu-throttle: 99\n"
                                    "tls-creds: ''\n"
                                    "tls-hostname: ''\n"
                                    "max-bandwidth: 134217728 bytes/second\n"
                                    "avail-switchover-bandwidth: 0 bytes/second\n"
                                    "downtime-limit: 300 ms\n"
                                    "x-checkpoint-delay: 20000 ms\n"
                                    "block-incremental: off\n"
                                    "multifd-channels: 2\n"
                                    "multifd-compression: none\n"
                                    "xbzrle-cache-size: 67108864 bytes\n"
                                    "max-postcopy-bandwidth: 0\n"
                                    "tls-authz: ''\n"
                                    "x-vcpu-dirty-limit-period: 1000 ms\n"
                                    "vcpu-dirty-limit: 1 MB/s\n"
                                    "mode: normal\n"
                                    /* ours */
                                    "x-handover: on\n"
                                    "x-handover-timeout: 30000 ms\n"
                                    "x-switchover-timeout: 5000 ms\n"
                                    "x-stall-timeout: 0 ms\n"
                                    "x-multifd-sync: auto\n"
                                    "x-multifd-zero: auto\n"
                                    "x-multifd-timeout: 30000 ms\n"
                                    /* later QEMUs' */
                                    "direct-io: off\n";

static void test_info_prints_qemu_lines_then_ours(void **state)
{
    MigParameters p;

    (void)state;
    parameters_init(&p);
    g_autofree char *lines = info_lines(&p);
    assert_string_equal(lines, default_lines);
    parameters_clear(&p);
}

static void test_info_order_has_every_row_once(void **state)
{
    g_autoptr(GHashTable) seen = g_hash_table_new(NULL, NULL);

    (void)state;
    for (size_t i = 0; i < param_count; i++) {
        assert_true(g_hash_table_add(seen, (void *)param_in_info_order(i)));
    }
    assert_null(param_in_info_order(param_count));
}

static void test_json_reports_the_defaults(void **state)
{
    static const char expected[] =
        "{\"announce-initial\":50,\"announce-max\":550,\"announce-rounds\":5,\"announce-step\":100,"
        "\"compress-level\":1,\"compress-threads\":8,\"compress-wait-thread\":true,"
        "\"decompress-threads\":2,\"throttle-trigger-threshold\":50,\"cpu-throttle-initial\":20,"
        "\"cpu-throttle-increment\":10,\"cpu-throttle-tailslow\":false,\"tls-creds\":\"\","
        "\"tls-hostname\":\"\",\"tls-authz\":\"\",\"max-bandwidth\":134217728,"
        "\"avail-switchover-bandwidth\":0,\"downtime-limit\":300,\"x-checkpoint-delay\":20000,"
        "\"block-incremental\":false,\"multifd-channels\":2,\"xbzrle-cache-size\":67108864,"
        "\"max-postcopy-bandwidth\":0,\"max-cpu-throttle\":99,\"multifd-compression\":\"none\","
        "\"multifd-zlib-level\":1,\"multifd-zstd-level\":1,\"x-vcpu-dirty-limit-period\":1000,"
        "\"vcpu-dirty-limit\":1,\"mode\":\"normal\",\"x-handover\":true,\"x-handover-timeout\":"
        "30000,"
        "\"x-switchover-timeout\":5000,\"x-stall-timeout\":0,"
        "\"x-multifd-sync\":\"auto\",\"x-multifd-zero\":\"auto\",\"x-multifd-timeout\":30000,"
        "\"direct-io\":false}";
    MigParameters p;

    (void)state;
    parameters_init(&p);
    json_object *reply = parameters_to_json(&p);
    json_object *wanted = json_tokener_parse(expected);
    assert_true(json_object_equal(reply, wanted));
    json_object_put(wanted);
    json_object_put(reply);
    parameters_clear(&p);
}

static const struct {
    const char *name, *text, *error;
} bad_texts[] = {
    { "max-bandwidth", "abc", "Invalid size abc" },
    { "max-bandwidth", "-1", "Invalid size -1" },
    { "max-bandwidth", "1x", "Invalid size 1x" },
    { "max-bandwidth", "99999999999999999999", "Invalid size 99999999999999999999" },
    { "max-bandwidth", "9E", "Invalid size 9E" },
    { "max-bandwidth", "8E", "Invalid size 8E" },
    { "max-bandwidth", "", "Invalid size " },
    { "downtime-limit", "-1", "Value '-1' is out of range for parameter 'downtime-limit'" },
    { "downtime-limit", "2000001",
      "Parameter 'downtime_limit' expects an integer in the range of 0 to (2000 * 1000) ms" },
    { "downtime-limit", "abc",
      "Parameter 'downtime-limit' expects a non-negative number below 2^64" },
    { "downtime-limit", "1.5",
      "Parameter 'downtime-limit' expects a non-negative number below 2^64" },
    { "multifd-channels", "0", "Parameter 'multifd_channels' expects a value between 1 and 255" },
    { "multifd-channels", "256", "Parameter 'multifd-channels' expects uint8_t" },
    { "multifd-channels", "-1", "Parameter 'multifd-channels' expects uint8_t" },
    { "multifd-channels", "1x", "Parameter 'multifd-channels' expects uint64" },
    { "multifd-channels", "1k", "Parameter 'multifd-channels' expects uint64" },
    { "multifd-channels", "", "Parameter 'multifd-channels' expects uint64" },
    { "x-checkpoint-delay", "4294967296", "Parameter 'x-checkpoint-delay' expects uint32_t" },
    { "multifd-compression", "lz4", "Parameter 'multifd-compression' does not accept value 'lz4'" },
    /* 8.2.0 takes anything for the two levels and forgets it. */
    { "multifd-zlib-level", "10",
      "Parameter 'multifd_zlib_level' expects a value between 0 and 9" },
    { "multifd-zstd-level", "21",
      "Parameter 'multifd_zstd_level' expects a value between 0 and 20" },
    { "xbzrle-cache-size", "1000",
      "Parameter 'xbzrle_cache_size' expects a power of two no less than the target page size" },
    { "xbzrle-cache-size", "0",
      "Parameter 'xbzrle_cache_size' expects a power of two no less than the target page size" },
    { "xbzrle-cache-size", "2048",
      "Parameter 'xbzrle_cache_size' expects a power of two no less than the target page size" },
    { "xbzrle-cache-size", "3M",
      "Parameter 'xbzrle_cache_size' expects a power of two no less than the target page size" },
    { "announce-initial", "100001",
      "Parameter 'announce_initial' expects a value between 0 and 100000" },
    { "announce-rounds", "1001", "Parameter 'announce_rounds' expects a value between 0 and 1000" },
    { "announce-step", "0", "Parameter 'announce_step' expects a value between 0 and 10000" },
    { "announce-step", "10001", "Parameter 'announce_step' expects a value between 0 and 10000" },
    { "throttle-trigger-threshold", "0",
      "Parameter 'throttle_trigger_threshold' expects an integer in the range of 1 to 100" },
    { "throttle-trigger-threshold", "101",
      "Parameter 'throttle_trigger_threshold' expects an integer in the range of 1 to 100" },
    { "cpu-throttle-initial", "0",
      "Parameter 'cpu_throttle_initial' expects an integer in the range of 1 to 99" },
    { "cpu-throttle-initial", "100",
      "Parameter 'cpu_throttle_initial' expects an integer in the range of 1 to 99" },
    { "cpu-throttle-increment", "0",
      "Parameter 'cpu_throttle_increment' expects an integer in the range of 1 to 99" },
    { "max-cpu-throttle", "100",
      "Parameter 'max_cpu_throttle' expects an integer in the range of cpu_throttle_initial to "
      "99" },
    { "max-cpu-throttle", "10",
      "Parameter 'max_cpu_throttle' expects an integer in the range of cpu_throttle_initial to "
      "99" },
    { "cpu-throttle-tailslow", "maybe", "Parameter 'cpu-throttle-tailslow' expects 'on' or 'off'" },
    { "cpu-throttle-tailslow", "1", "Parameter 'cpu-throttle-tailslow' expects 'on' or 'off'" },
    { "cpu-throttle-tailslow", "ON", "Parameter 'cpu-throttle-tailslow' expects 'on' or 'off'" },
    { "block-bitmap-mapping", "x",
      "The block-bitmap-mapping parameter can only be set through QMP" },
    { "x-vcpu-dirty-limit-period", "0",
      "Parameter 'x-vcpu-dirty-limit-period' expects a value between 1 and 1000" },
    { "x-vcpu-dirty-limit-period", "1001",
      "Parameter 'x-vcpu-dirty-limit-period' expects a value between 1 and 1000" },
    { "vcpu-dirty-limit", "0",
      "Parameter 'vcpu_dirty_limit' expects is invalid, it must greater then 1 MB/s" },
    { "mode", "bogus", "Parameter 'mode' does not accept value 'bogus'" },
    { "compress-level", "10", "Parameter 'compress_level' expects a value between 0 and 9" },
    { "compress-threads", "0", "Parameter 'compress_threads' expects a value between 1 and 255" },
    { "decompress-threads", "0",
      "Parameter 'decompress_threads' expects a value between 1 and 255" },
    { "compress-wait-thread", "maybe", "Parameter 'compress-wait-thread' expects 'on' or 'off'" },
    { "x-handover-timeout", "86400001",
      "Parameter 'x-handover-timeout' expects a value between 0 and 86400000" },
};

static void test_bad_text_is_refused_in_qemus_words(void **state)
{
    MigParameters p;

    (void)state;
    parameters_init(&p);
    for (size_t i = 0; i < G_N_ELEMENTS(bad_texts); i++) {
        g_autoptr(GError) error = NULL;

        print_message("%s '%s'\n", bad_texts[i].name, bad_texts[i].text);
        assert_false(set_text(&p, bad_texts[i].name, bad_texts[i].text, &error));
        assert_first_line(error, bad_texts[i].error);
    }
    g_autofree char *lines = info_lines(&p);
    assert_string_equal(lines, default_lines);
    parameters_clear(&p);
}

static const struct {
    const char *json, *error;
} bad_json[] = {
    { "{\"max-bandwidth\":\"1M\"}", "Parameter 'max-bandwidth' expects uint64" },
    { "{\"max-bandwidth\":1.5}", "Parameter 'max-bandwidth' expects uint64" },
    /* QEMU lets -1 wrap round to 2^64-1. */
    { "{\"max-bandwidth\":-1}", "Parameter 'max-bandwidth' expects uint64" },
    { "{\"downtime-limit\":2000001}",
      "Parameter 'downtime_limit' expects an integer in the range of 0 to (2000 * 1000) ms" },
    { "{\"downtime-limit\":100,\"cpu-throttle-initial\":0}",
      "Parameter 'cpu_throttle_initial' expects an integer in the range of 1 to 99" },
    { "{\"nosuch\":1}", "Parameter 'nosuch' is unexpected" },
    { "{\"multifd-channels\":256}", "Parameter 'multifd-channels' expects uint8_t" },
    { "{\"multifd-channels\":0}",
      "Parameter 'multifd_channels' expects a value between 1 and 255" },
    { "{\"multifd-compression\":\"bogus\"}",
      "Parameter 'multifd-compression' does not accept value 'bogus'" },
    { "{\"tls-creds\":1}", "Invalid parameter type for 'tls-creds', expected: StrOrNull" },
    { "{\"cpu-throttle-tailslow\":1}",
      "Invalid parameter type for 'cpu-throttle-tailslow', expected: boolean" },
    { "{\"x-vcpu-dirty-limit-period\":5000}",
      "Parameter 'x-vcpu-dirty-limit-period' expects a value between 1 and 1000" },
    { "{\"vcpu-dirty-limit\":0}",
      "Parameter 'vcpu_dirty_limit' expects is invalid, it must greater then 1 MB/s" },
    { "{\"mode\":\"bogus\"}", "Parameter 'mode' does not accept value 'bogus'" },
    { "{\"xbzrle-cache-size\":12345}",
      "Parameter 'xbzrle_cache_size' expects a power of two no less than the target page size" },
    { "{\"announce-rounds\":2000}",
      "Parameter 'announce_rounds' expects a value between 0 and 1000" },
    { "{\"max-bandwidth\":null}", "Parameter 'max-bandwidth' expects uint64" },
    /* The maximum as stored is below the new start. */
    { "{\"max-cpu-throttle\":50,\"cpu-throttle-initial\":60}",
      "Parameter 'max_cpu_throttle' expects an integer in the range of cpu_throttle_initial to "
      "99" },
    { "{\"block-bitmap-mapping\":[{\"node-name\":\"n\",\"alias\":\"\",\"bitmaps\":[]}]}",
      "Invalid mapping given for block-bitmap-mapping: The node alias '' is not well-formed" },
    { "{\"block-bitmap-mapping\":[{\"node-name\":\"n\",\"alias\":\"a\",\"bitmaps\":[]},"
      "{\"node-name\":\"n\",\"alias\":\"b\",\"bitmaps\":[]}]}",
      "Invalid mapping given for block-bitmap-mapping: The node name 'n' is mapped twice" },
    { "{\"block-bitmap-mapping\":[{\"node-name\":\"n\",\"alias\":\"a\",\"bitmaps\":[{}]}]}",
      "Parameter 'block-bitmap-mapping[0].bitmaps[0].name' is missing" },
    /* One bad member spoils the good one. */
    { "{\"max-bandwidth\":5,\"multifd-channels\":0}",
      "Parameter 'multifd_channels' expects a value between 1 and 255" },
};

static void test_bad_json_is_refused_and_changes_nothing(void **state)
{
    MigParameters p;

    (void)state;
    parameters_init(&p);
    for (size_t i = 0; i < G_N_ELEMENTS(bad_json); i++) {
        g_autoptr(GError) error = NULL;

        print_message("%s\n", bad_json[i].json);
        assert_false(set_json(&p, bad_json[i].json, &error));
        assert_first_line(error, bad_json[i].error);
    }
    g_autofree char *lines = info_lines(&p);
    assert_string_equal(lines, default_lines);
    parameters_clear(&p);
}

static void test_good_json_is_stored(void **state)
{
    static const char *const good[] = {
        "{}",
        "{\"max-bandwidth\":9223372036854775808,\"downtime-limit\":0}",
        "{\"max-bandwidth\":18446744073709551615,\"downtime-limit\":2000000}",
        "{\"avail-switchover-bandwidth\":7,\"x-handover\":false,\"x-handover-timeout\":0}",
        /* The present value of a row without effect is no change. */
        "{\"tls-creds\":null,\"tls-hostname\":\"\",\"multifd-channels\":2,\"mode\":\"normal\"}",
        "{\"block-bitmap-mapping\":[]}",
    };
    MigParameters p, copy;

    (void)state;
    parameters_init(&p);
    for (size_t i = 0; i < G_N_ELEMENTS(good); i++) {
        g_autoptr(GError) error = NULL;

        print_message("%s\n", good[i]);
        set_json(&p, good[i], &error);
        if (error != NULL) {
            fail_msg("%s", error->message);
        }
    }
    parameters_copy(&copy, &p);
    parameters_clear(&p);
    assert_true(copy.max_bandwidth == UINT64_MAX);
    assert_int_equal(copy.downtime_limit, 2000000);
    assert_int_equal(copy.avail_switchover_bandwidth, 7);
    assert_int_equal(copy.x_handover, 0);
    assert_int_equal(copy.x_handover_timeout, 0);
    assert_string_equal(copy.tls_creds, "");
    parameters_clear(&copy);
}

static void note_warning(void *data, const char *text)
{
    g_string_append_printf(data, "%s|", text);
}

static void test_deprecated_rows_warn_when_they_are_set(void **state)
{
    g_autoptr(GString) warnings = g_string_new(NULL);
    json_object *args = json_tokener_parse("{\"compress-level\":1,\"block-incremental\":false,"
                                           "\"max-bandwidth\":1}");
    MigParameters p;

    (void)state;
    parameters_init(&p);
    assert_true(parameters_apply(&p, args, note_warning, warnings, NULL));
    assert_string_equal(warnings->str,
                        "old compression is deprecated; use multifd compression methods instead|"
                        "block migration is deprecated; use blockdev-mirror with NBD instead|");
    json_object_put(args);
    parameters_clear(&p);
}

static void test_hint_names_range_and_present_value(void **state)
{
    g_autoptr(GError) error = NULL;
    MigParameters p;

    (void)state;
    parameters_init(&p);
    assert_false(set_text(&p, "announce-step", "0", &error));
    assert_string_equal(error->message,
                        "Parameter 'announce_step' expects a value between 0 and 10000\n"
                        "hint: announce-step takes 1 to 10000; it is 100 ms now");
    parameters_clear(&p);
}

static void test_names_are_exact(void **state)
{
    (void)state;
    assert_non_null(param_find("max-bandwidth"));
    assert_null(param_find("max_bandwidth"));
    assert_null(param_find("MAX-BANDWIDTH"));
    assert_null(param_find("zero-page-detection"));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_info_prints_qemu_lines_then_ours),
        cmocka_unit_test(test_info_order_has_every_row_once),
        cmocka_unit_test(test_json_reports_the_defaults),
        cmocka_unit_test(test_bad_text_is_refused_in_qemus_words),
        cmocka_unit_test(test_bad_json_is_refused_and_changes_nothing),
        cmocka_unit_test(test_good_json_is_stored),
        cmocka_unit_test(test_deprecated_rows_warn_when_they_are_set),
        cmocka_unit_test(test_hint_names_range_and_present_value),
        cmocka_unit_test(test_names_are_exact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
