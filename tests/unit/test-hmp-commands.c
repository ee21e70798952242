/* commands/: the commands around a migration and those for snapshots, objects, descriptors. */
#include "tests/unit/hmp-fake.h"

#define EXPECTED_END "unexpected end of expression\n"

static const Row phase_rows[] = {
    { "migrate_continue", STRING_EXPECTED("migrate_continue"), NULL, HMP_ERROR_SYNTAX },
    { "migrate_continue bogus", UNKNOWN("bogus"), NULL, HMP_ERROR_SYNTAX },
    { "migrate_continue pre-switchove", UNKNOWN("pre-switchove"), NULL, HMP_ERROR_SYNTAX,
      "did you mean 'pre-switchover'?" },
    { "migrate_continue pre-switchover", "", "migrate-continue {\"state\":\"pre-switchover\"}",
      HMP_OK },
    { "migrate_continue none", "", "migrate-continue {\"state\":\"none\"}", HMP_OK,
      "nothing was done: only a migration in pre-switchover waits to be continued" },
    { "migrate_pause", "", "migrate-pause {}", HMP_OK },
    { "migrate_recover", STRING_EXPECTED("migrate_recover"), NULL, HMP_ERROR_SYNTAX },
    { "migrate_recover unix:/r", "", "migrate-recover {\"uri\":\"unix:/r\"}", HMP_OK },
    { "migrate_start_postcopy", "", "migrate-start-postcopy {}", HMP_OK },
    { "migrate_start_postcopy x", EXTRA("migrate_start_postcopy") TRY("migrate_start_postcopy"),
      NULL, HMP_ERROR_SYNTAX },
    { "x_colo_lost_heartbeat", "", "x-colo-lost-heartbeat {}", HMP_OK },
};

static void test_phases(void **state)
{
    (void)state;
    check_rows(phase_rows, G_N_ELEMENTS(phase_rows), 0);
}

#define STARTING                                                                                   \
    "Starting dirty rate measurement with period 1 seconds\n"                                      \
    "[Please use 'info dirty_rate' to check results]\n"

static const Row dirty_rows[] = {
    { "calc_dirty_rate", EXPECTED_END TRY("calc_dirty_rate"), NULL, HMP_ERROR_SYNTAX },
    { "calc_dirty_rate 0", "Incorrect period length specified!\n", NULL, HMP_ERROR_SYNTAX },
    { "calc_dirty_rate -r -b 1", "Either dirty ring or dirty bitmap can be specified!\n", NULL,
      HMP_ERROR_SYNTAX },
    { "calc_dirty_rate -1", "calc_dirty_rate: unsupported option -1\n" TRY("calc_dirty_rate"), NULL,
      HMP_ERROR_SYNTAX },
    { "calc_dirty_rate abc", "invalid char 'a' in expression\n" TRY("calc_dirty_rate"), NULL,
      HMP_ERROR_SYNTAX },
    { "calc_dirty_rate 1", STARTING, "calc-dirty-rate {\"calc-time\":1,\"mode\":\"page-sampling\"}",
      HMP_OK },
    { "calc_dirty_rate -b 0x1 2*256", STARTING,
      "calc-dirty-rate {\"calc-time\":1,\"mode\":\"dirty-bitmap\",\"sample-pages\":512}", HMP_OK },
    { "set_vcpu_dirty_limit", EXPECTED_END TRY("set_vcpu_dirty_limit"), NULL, HMP_ERROR_SYNTAX },
    { "set_vcpu_dirty_limit -5", "Error: invalid dirty page limit -5\n", NULL, HMP_ERROR_SYNTAX },
    { "set_vcpu_dirty_limit 100 1", "", "set-vcpu-dirty-limit {\"cpu-index\":1,\"dirty-rate\":100}",
      HMP_OK },
    { "cancel_vcpu_dirty_limit 0",
      "[Please use 'info vcpu_dirty_limit' to query dirty limit for virtual CPU]\n",
      "cancel-vcpu-dirty-limit {\"cpu-index\":0}", HMP_OK },
};

static void test_dirty_rate_and_limit(void **state)
{
    (void)state;
    check_rows(dirty_rows, G_N_ELEMENTS(dirty_rows), 0);
}

static void test_info_of_dirty_rate_and_limit(void **state)
{
    Fixture f;

    (void)state;
    set_up(&f, 0);
    canned(&f, "query-dirty-rate",
           "{\"status\":\"unstarted\",\"start-time\":0,\"calc-time\":0,\"calc-time-unit\":"
           "\"second\",\"sample-pages\":0,\"mode\":\"page-sampling\"}");
    check_row(&f, &(Row){ "info dirty_rate",
                          "Status: unstarted\nStart Time: 0 (ms)\nSample Pages: 0 (per GB)\n"
                          "Period: 0 (sec)\nMode: page-sampling\nDirty rate: (not ready)\n",
                          "query-dirty-rate {}", HMP_OK });
    canned(&f, "query-dirty-rate",
           "{\"status\":\"measured\",\"start-time\":5,\"calc-time\":1,\"sample-pages\":0,"
           "\"mode\":\"dirty-ring\",\"dirty-rate\":9,\"vcpu-dirty-rate\":[{\"id\":0,"
           "\"dirty-rate\":9}]}");
    check_row(&f,
              &(Row){ "info dirty_rate",
                      "Status: measured\nStart Time: 5 (ms)\nPeriod: 1 (sec)\nMode: dirty-ring\n"
                      "Dirty rate: 9 (MB/s)\nvcpu[0], Dirty rate: 9 (MB/s)\n",
                      "query-dirty-rate {}", HMP_OK });
    canned(&f, "query-vcpu-dirty-limit", "[]");
    check_row(&f, &(Row){ "info vcpu_dirty_limit", "Dirty page limit not enabled!\n",
                          "query-vcpu-dirty-limit {}", HMP_OK });
    canned(&f, "query-vcpu-dirty-limit",
           "[{\"cpu-index\":1,\"limit-rate\":20,\"current-rate\":30}]");
    check_row(&f, &(Row){ "info vcpu_dirty_limit",
                          "vcpu[1], limit rate 20 (MB/s), current rate 30 (MB/s)\n",
                          "query-vcpu-dirty-limit {}", HMP_OK });
    tear_down(&f);
}

static void test_snapshots(void **state)
{
    Fixture f;

    (void)state;
    set_up(&f, 0);
    check_row(&f, &(Row){ "savevm", "", "x-savevm {}", HMP_OK });
    check_row(&f, &(Row){ "savevm a", "", "x-savevm {\"tag\":\"a\"}", HMP_OK });
    check_row(&f, &(Row){ "savevm a b", EXTRA("savevm") TRY("savevm"), NULL, HMP_ERROR_SYNTAX });
    check_row(&f, &(Row){ "loadvm", STRING_EXPECTED("loadvm"), NULL, HMP_ERROR_SYNTAX });
    check_row(&f, &(Row){ "loadvm a", "", "x-loadvm {\"tag\":\"a\"}", HMP_OK });
    canned(&f, "x-delvm", "{\"found\":false}");
    check_row(&f, &(Row){ "delvm a", "", "x-delvm {\"tag\":\"a\"}", HMP_OK,
                          "there is no snapshot 'a', nothing was deleted" });
    canned(&f, "x-delvm", "{\"found\":true,\"images\":[\"/a.img\",\"/b.img\"]}");
    check_row(&f, &(Row){ "delvm a", "", "x-delvm {\"tag\":\"a\"}", HMP_OK,
                          "the snapshot 'a' was deleted from /a.img, /b.img" });
    canned(&f, "x-query-snapshots", "[\"ID TAG\",\"-- a\"]");
    check_row(&f, &(Row){ "info snapshots", "ID TAG\n-- a\n", "x-query-snapshots {}", HMP_OK });
    canned(&f, "x-query-snapshots", "!no disk\nhint: none at all");
    check_row(&f, &(Row){ "info snapshots", "no disk\n", "x-query-snapshots {}", HMP_OK });
    tear_down(&f);
}

#define OBJECT(json)      "object-add " json
#define TYPED(type, json) "qom-list-properties {\"typename\":\"" type "\"}\n" OBJECT(json)

static const Row object_rows[] = {
    { "object_add", STRING_EXPECTED("object_add"), NULL, HMP_ERROR_SYNTAX },
    { "object_add secret,id=s0,data=a,,b", "",
      TYPED("secret", "{\"qom-type\":\"secret\",\"id\":\"s0\",\"data\":\"a,b\"}"), HMP_OK },
    { "object_add qom-type=secret,id=s0", "",
      TYPED("secret", "{\"qom-type\":\"secret\",\"id\":\"s0\"}"), HMP_OK },
    { "object_add {\"qom-type\": \"secret\", \"id\": \"s\"}", "",
      OBJECT("{\"qom-type\":\"secret\",\"id\":\"s\"}"), HMP_OK },
    { "object_add {", "Error: JSON parse error, premature EOI\n", NULL, HMP_ERROR_SYNTAX },
    { "object_add secret", "Error: Parameter 'id' is missing\n",
      "qom-list-properties {\"typename\":\"secret\"}", HMP_ERROR_FAILED },
    { "object_add id=x", "Error: Parameter 'qom-type' is missing\n", NULL, HMP_ERROR_FAILED },
    { "object_add secret,id", "Error: Expected '=' after parameter 'id'\n", NULL,
      HMP_ERROR_SYNTAX },
    { "object_add secret,=x", "Error: Invalid parameter ''\n", NULL, HMP_ERROR_SYNTAX },
    { "object_add 1x=4", "Error: Invalid parameter '1x'\n", NULL, HMP_ERROR_SYNTAX },
    { "object_add ,id=x", "Error: Invalid parameter ''\n", NULL, HMP_ERROR_SYNTAX },
    { "object_del", STRING_EXPECTED("object_del"), NULL, HMP_ERROR_SYNTAX },
    { "object_del s0", "", "object-del {\"id\":\"s0\"}", HMP_OK },
};

static void test_objects(void **state)
{
    (void)state;
    check_rows(object_rows, G_N_ELEMENTS(object_rows), 0);
}

#define CLIENT(json) "client_migrate_info " json

static const Row outside_rows[] = {
    { "client_migrate_info spice", STRING_EXPECTED("client_migrate_info"), NULL, HMP_ERROR_SYNTAX },
    { "client_migrate_info spice h", "", CLIENT("{\"protocol\":\"spice\",\"hostname\":\"h\"}"),
      HMP_OK },
    { "client_migrate_info spice h 1 2 s", "",
      CLIENT("{\"protocol\":\"spice\",\"hostname\":\"h\",\"port\":1,\"tls-port\":2,"
             "\"cert-subject\":\"s\"}"),
      HMP_OK },
    { "client_migrate_info spice h 4294967296",
      "'client_migrate_info' has failed: integer is for 32-bit values\n" TRY("client_migrate_info"),
      NULL, HMP_ERROR_SYNTAX },
    { "getfd m", "", "getfd {\"fdname\":\"m\"}", HMP_OK },
    { "closefd m", "", "closefd {\"fdname\":\"m\"}", HMP_OK },
};

static void test_the_world_outside(void **state)
{
    (void)state;
    check_rows(outside_rows, G_N_ELEMENTS(outside_rows), 0);
}

/* How often and how fast comes from the parameters. */
static void test_announce_self(void **state)
{
    Fixture f;

    (void)state;
    set_up(&f, 0);
    canned(&f, "query-migrate-parameters",
           "{\"announce-initial\":50,\"announce-max\":550,\"announce-rounds\":5,"
           "\"announce-step\":100,\"max-bandwidth\":1}");
    check_row(&f, &(Row){ "announce_self a,b i", "",
                          "query-migrate-parameters {}\nannounce-self {\"initial\":50,\"max\":550,"
                          "\"rounds\":5,\"step\":100,\"interfaces\":[\"a\",\"b\"],\"id\":\"i\"}",
                          HMP_OK });
    check_row(&f, &(Row){ "announce_self a b c", EXTRA("announce_self") TRY("announce_self"), NULL,
                          HMP_ERROR_SYNTAX });
    tear_down(&f);
}

static const Row print_rows[] = {
    { "print 1+2", "0x3\n" },
    { "p/d 10", "10\n" },
    { "p /d -1", "-1\n" },
    { "p/u -1", "18446744073709551615\n" },
    { "p/o 8", "010\n" },
    { "p/8xw 1", "0x1\n" },
    { "p/cd 65", "65\n" },
    { "p/c 65", "'A'\n" },
    { "p/c 10", "'\\n'\n" },
    { "p/c 39", "'\\''\n" },
    { "p/c 200", "'\\xc8'\n" },
    { "p/q 3", "invalid char in format: 'q'\n" TRY("p"), NULL, HMP_ERROR_SYNTAX },
    { "print/x16 5", "invalid char in format: '1'\n" TRY("print"), NULL, HMP_ERROR_SYNTAX },
    { "p/", EXPECTED_END TRY("p"), NULL, HMP_ERROR_SYNTAX },
    { "p", EXPECTED_END TRY("p"), NULL, HMP_ERROR_SYNTAX },
    { "p 1 2", EXTRA("print|p") TRY("p"), NULL, HMP_ERROR_SYNTAX },
};

static void test_print(void **state)
{
    (void)state;
    check_rows(print_rows, G_N_ELEMENTS(print_rows), 0);
}

static void test_history_keeps_each_line_once(void **state)
{
    Fixture f;

    (void)state;
    set_up(&f, 0);
    check_row(&f, &(Row){ "p 1", "0x1\n" });
    check_row(&f, &(Row){ "p 2", "0x2\n" });
    check_row(&f, &(Row){ "p 1", "0x1\n" });
    check_row(&f, &(Row){ "info history", "0: 'p 2'\n1: 'p 1'\n2: 'info history'\n" });
    for (int i = 0; i < 70; i++) {
        g_autofree char *line = g_strdup_printf("p %d", i);

        begin(&f, line);
        finish(&f);
    }
    begin(&f, "info history");
    finish(&f);
    assert_true(g_str_has_prefix(f.out->str, "0: 'p 7'\n"));
    assert_true(g_str_has_suffix(f.out->str, "63: 'info history'\n"));
    tear_down(&f);
}

static void test_cancel_says_when_there_was_nothing(void **state)
{
    static const char both[] = "query-migrate {}\nmigrate_cancel {}";
    Fixture f;

    (void)state;
    set_up(&f, 0);
    check_row(&f, &(Row){ "migrate_cancel", "", both, HMP_OK,
                          "nothing was cancelled: no migration was started" });
    canned(&f, "query-migrate", "{\"status\":\"completed\"}");
    check_row(&f, &(Row){ "migrate_cancel", "", both, HMP_OK,
                          "nothing was cancelled: the migration is over" });
    canned(&f, "query-migrate", "{\"status\":\"active\"}");
    check_row(&f, &(Row){ "migrate_cancel", "", both, HMP_OK });
    tear_down(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_phases),
        cmocka_unit_test(test_dirty_rate_and_limit),
        cmocka_unit_test(test_info_of_dirty_rate_and_limit),
        cmocka_unit_test(test_snapshots),
        cmocka_unit_test(test_objects),
        cmocka_unit_test(test_the_world_outside),
        cmocka_unit_test(test_announce_self),
        cmocka_unit_test(test_print),
        cmocka_unit_test(test_history_keeps_each_line_once),
        cmocka_unit_test(test_cancel_says_when_there_was_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
