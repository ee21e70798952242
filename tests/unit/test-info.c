/*
 * backend/tables/info.c: the reply of query-migrate and the lines of info migrate,
 * byte for byte as QEMU 8.2.0 printed them.
 */
#include <math.h>
#include "tests/unit/test.h"

#include <string.h>

#include <glib.h>

#include "backend/schema/schema.h"
#include "backend/tables/info.h"

#define GLOBALS                                                                                    \
    "globals:\n"                                                                                   \
    "store-global-state: on\n"                                                                     \
    "only-migratable: off\n"                                                                       \
    "send-configuration: on\n"                                                                     \
    "send-section-footer: on\n"                                                                    \
    "decompress-error-check: on\n"                                                                 \
    "clear-bitmap-shift: 18\n"

/* A completed migration, as QEMU replied; 593.62 mbps and 144 KiB as it printed. */
#define COMPLETED_RAM                                                                              \
    "\"ram\":{\"total\":67108864,\"postcopy-requests\":0,\"dirty-sync-count\":2,"                  \
    "\"multifd-bytes\":0,\"pages-per-second\":0,\"downtime-bytes\":0,\"page-size\":4096,"          \
    "\"remaining\":0,\"postcopy-bytes\":0,\"mbps\":593.62,\"transferred\":148405,"                 \
    "\"dirty-sync-missed-zero-copy\":0,\"precopy-bytes\":147468,\"duplicate\":16384,"              \
    "\"dirty-pages-rate\":0,\"skipped\":0,\"normal-bytes\":0,\"normal\":0}"

static const struct {
    const char *json, *lines;
} printed[] = {
    { "{}", "" },
    { "{\"status\":\"setup\",\"socket-address\":[{\"path\":\"/d/m.sock\",\"type\":\"unix\"}]}",
      "Migration status: setup\n"
      "total time: 0 ms\n"
      "socket address: [\n"
      "\tunix:/d/m.sock\n"
      "]\n" },
    { "{\"status\":\"completed\",\"setup-time\":0,\"downtime\":0,\"total-time\":2," COMPLETED_RAM
      "}",
      "Migration status: completed\n"
      "total time: 2 ms\n"
      "downtime: 0 ms\n"
      "setup: 0 ms\n"
      "transferred ram: 144 kbytes\n"
      "throughput: 593.62 mbps\n"
      "remaining ram: 0 kbytes\n"
      "total ram: 65536 kbytes\n"
      "duplicate: 16384 pages\n"
      "skipped: 0 pages\n"
      "normal: 0 pages\n"
      "normal bytes: 0 kbytes\n"
      "dirty sync count: 2\n"
      "page size: 4 kbytes\n"
      "multifd bytes: 0 kbytes\n"
      "pages-per-second: 0\n"
      "precopy ram: 144 kbytes\n" },
    { "{\"status\":\"completed\"}", "Migration status: completed\n"
                                    "total time: 0 ms\n" },
    { "{\"status\":\"completed\",\"postcopy-blocktime\":0,\"postcopy-vcpu-blocktime\":[0]}",
      "Migration status: completed\n"
      "total time: 0 ms\n"
      "postcopy blocktime: 0\n"
      "postcopy vcpu blocktime: 0\n" },
    { "{\"status\":\"failed\",\"error-desc\":\"Failed to connect to '/x': No such file\"}",
      "Migration status: failed (Failed to connect to '/x': No such file)\n"
      "total time: 0 ms\n" },
    { "{\"status\":\"failed\"}", "Migration status: failed\n"
                                 "total time: 0 ms\n" },
    /* The text of a cancelled one is not shown. */
    { "{\"status\":\"cancelled\",\"error-desc\":\"why\"}", "Migration status: cancelled\n"
                                                           "total time: 0 ms\n" },
    { "{\"blocked-reasons\":[\"one\",\"two\"]}", "Outgoing migration blocked:\n"
                                                 "  one\n"
                                                 "  two\n" },
    { "{\"status\":\"setup\",\"socket-address\":["
      "{\"type\":\"inet\",\"host\":\"127.0.0.1\",\"port\":\"35053\"},"
      "{\"type\":\"inet\",\"host\":\"::1\",\"port\":\"4444\"},"
      "{\"type\":\"vsock\",\"cid\":\"2\",\"port\":\"5\"},{\"type\":\"fd\",\"str\":\"f\"}]}",
      "Migration status: setup\n"
      "total time: 0 ms\n"
      "socket address: [\n"
      "\ttcp:127.0.0.1:35053\n"
      "\ttcp:[::1]:4444\n"
      "\tvsock:2:5\n"
      "\tfd:f\n"
      "]\n" },
    /* Every optional line at once. */
    { "{\"status\":\"active\",\"total-time\":1,\"expected-downtime\":300,\"setup-time\":4,"
      "\"ram\":{\"dirty-pages-rate\":7,\"postcopy-requests\":8,\"precopy-bytes\":9216,"
      "\"downtime-bytes\":10240,\"postcopy-bytes\":11264,\"dirty-sync-missed-zero-copy\":12,"
      "\"mbps\":5},"
      "\"disk\":{\"transferred\":1024,\"remaining\":2048,\"total\":3072},"
      "\"xbzrle-cache\":{\"cache-size\":67108864,\"bytes\":20971520,\"pages\":2444343,"
      "\"cache-miss\":2244,\"cache-miss-rate\":0.123,\"encoding-rate\":80.1,\"overflow\":34434},"
      "\"compression\":{\"pages\":1,\"busy\":2,\"busy-rate\":0.5,\"compressed-size\":4096,"
      "\"compression-rate\":1.25},"
      "\"cpu-throttle-percentage\":20,\"dirty-limit-throttle-time-per-round\":21,"
      "\"dirty-limit-ring-full-time\":22,\"postcopy-blocktime\":23,"
      "\"postcopy-vcpu-blocktime\":[0,3],\"vfio\":{\"transferred\":5000}}",
      "Migration status: active\n"
      "total time: 1 ms\n"
      "expected downtime: 300 ms\n"
      "setup: 4 ms\n"
      "throughput: 5.00 mbps\n"
      "dirty pages rate: 7 pages\n"
      "postcopy request count: 8\n"
      "precopy ram: 9 kbytes\n"
      "downtime ram: 10 kbytes\n"
      "postcopy ram: 11 kbytes\n"
      "Zero-copy-send fallbacks happened: 12 times\n"
      "transferred disk: 1 kbytes\n"
      "remaining disk: 2 kbytes\n"
      "total disk: 3 kbytes\n"
      "cache size: 67108864 bytes\n"
      "xbzrle transferred: 20480 kbytes\n"
      "xbzrle pages: 2444343 pages\n"
      "xbzrle cache miss: 2244 pages\n"
      "xbzrle cache miss rate: 0.12\n"
      "xbzrle encoding rate: 80.10\n"
      "xbzrle overflow: 34434\n"
      "compression pages: 1 pages\n"
      "compression busy: 2\n"
      "compression busy rate: 0.50\n"
      "compressed size: 4 kbytes\n"
      "compression rate: 1.25\n"
      "cpu throttle percentage: 20\n"
      "dirty-limit throttle time: 21 us\n"
      "dirty-limit ring full time: 22 us\n"
      "postcopy blocktime: 23\n"
      "postcopy vcpu blocktime: 0,3\n"
      "vfio device transferred: 4 kbytes\n" },
    /* Another program's reply may be anything. */
    { "{\"status\":null,\"ram\":[],\"socket-address\":{},\"blocked-reasons\":7,\"disk\":null}",
      "socket address: [\n]\n" },
};

static void test_lines_are_qemus(void **state)
{
    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(printed); i++) {
        json_object *reply = json_tokener_parse(printed[i].json);
        g_autoptr(GString) out = g_string_new("before\n");
        g_autofree char *expected = g_strconcat("before\n" GLOBALS, printed[i].lines, NULL);

        print_message("%s\n", printed[i].json);
        assert_non_null(reply);
        mig_info_format_hmp(reply, out);
        assert_string_equal(out->str, expected);
        json_object_put(reply);
    }
}

static void assert_json(json_object *value, const char *expected)
{
    json_object *wanted = json_tokener_parse(expected);

    if (!json_object_equal(value, wanted)) {
        fail_msg("%s\nis not\n%s", json_object_to_json_string(value), expected);
    }
    json_object_put(wanted);
    json_object_put(value);
}

static void test_nothing_ever_happened_is_an_empty_reply(void **state)
{
    (void)state;
    assert_json(mig_info_to_json(&(MigInfo){ .status = MIGRATION_NONE }), "{}");
}

static void test_only_what_is_known_is_replied(void **state)
{
    json_object *sockets = json_tokener_parse("[{\"type\":\"unix\",\"path\":\"/x\"}]");

    (void)state;
    assert_json(mig_info_to_json(&(MigInfo){ .status = MIGRATION_SETUP,
                                             .has_socket_address = true,
                                             .socket_address = sockets }),
                "{\"status\":\"setup\",\"socket-address\":[{\"type\":\"unix\",\"path\":\"/x\"}]}");
    assert_json(mig_info_to_json(&(MigInfo){ .status = MIGRATION_FAILED, .error_desc = "no" }),
                "{\"status\":\"failed\",\"error-desc\":\"no\"}");
    json_object_put(sockets);
}

static void test_ram_has_all_its_members(void **state)
{
    MigInfo info = {
        .status = MIGRATION_COMPLETED,
        .has_ram = true,
        .has_total_time = true,
        .total_time = 2,
        .has_downtime = true,
        .has_setup_time = true,
        .ram = { .transferred = 148405,
                 .total = 67108864,
                 .duplicate = 16384,
                 .dirty_sync_count = 2,
                 .page_size = 4096,
                 .precopy_bytes = 147468,
                 .mbps = 593.62 },
    };

    (void)state;
    assert_json(mig_info_to_json(&info), "{\"status\":\"completed\",\"setup-time\":0,"
                                         "\"downtime\":0,\"total-time\":2," COMPLETED_RAM "}");
    /* JSON has no infinity. */
    info.ram.mbps = INFINITY;
    json_object *reply = mig_info_to_json(&info);
    json_object *ram = json_object_object_get(reply, "ram");
    assert_true(json_object_get_double(json_object_object_get(ram, "mbps")) == 0);
    json_object_put(reply);
}

/* The members of an object that the engine fills. */
static void assert_members(const SchemaType *type, json_object *object, int n_others)
{
    int n = 0;

    for (const SchemaMember *m = type->members; m->name != NULL; m++, n++) {
        json_object *value = json_object_object_get(object, m->name);

        if (value != NULL && m->type->kind == SCHEMA_STRUCT) {
            assert_members(m->type, value, 0);
        }
    }
    assert_int_equal(json_object_object_length(object), n - n_others);
}

static void test_a_full_reply_has_the_members_of_the_schema(void **state)
{
    const SchemaType *type = schema_find_command("query-migrate")->returns;
    json_object *list = json_object_new_array();
    MigInfo info = {
        .status = MIGRATION_ACTIVE,
        .vcpu_blocktime = list,
        .socket_address = list,
    };

    (void)state;
#define MIG_INFO(field, ...)      info.has_##field = true;
#define MIG_INFO_END(object, ...) info.has_##object = true;
#include "backend/tables/info.def"
    json_object *reply = mig_info_to_json(&info);
    assert_true(schema_reply_fits(type, reply));
    assert_members(type, reply, 3); /* disk, error-desc, blocked-reasons */
    json_object_put(reply);
    json_object_put(list);
}

static void test_status_names_go_both_ways(void **state)
{
    (void)state;
    for (unsigned i = 0; i < MIGRATION__COUNT; i++) {
        MigrationStatus status;

        assert_true(migration_status_from_name(migration_status_name((MigrationStatus)i), &status));
        assert_int_equal(status, i);
    }
    MigrationStatus untouched = MIGRATION_COLO;
    assert_false(migration_status_from_name("bogus", &untouched));
    assert_int_equal(untouched, MIGRATION_COLO);
    assert_true(migration_status_is_over(MIGRATION_CANCELLED));
    assert_false(migration_status_is_over(MIGRATION_CANCELLING));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines_are_qemus),
        cmocka_unit_test(test_nothing_ever_happened_is_an_empty_reply),
        cmocka_unit_test(test_only_what_is_known_is_replied),
        cmocka_unit_test(test_ram_has_all_its_members),
        cmocka_unit_test(test_a_full_reply_has_the_members_of_the_schema),
        cmocka_unit_test(test_status_names_go_both_ways),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
