/* commands/: lines in, requests and text out. */
#include "tests/unit/hmp-fake.h"

static const Row syntax_rows[] = {
    { "", "", NULL, HMP_OK },
    { "   ", "", NULL, HMP_OK },
    { "bogus", "unknown command: 'bogus'\n", NULL, HMP_ERROR_SYNTAX },
    { "bogus arg", "unknown command: 'bogus'\n", NULL, HMP_ERROR_SYNTAX },
    { "migr", "unknown command: 'migr'\n", NULL, HMP_ERROR_SYNTAX, "did you mean 'migrate'?" },
    { "MIGRATE x", "unknown command: 'MIGRATE'\n", NULL, HMP_ERROR_SYNTAX,
      "did you mean 'migrate'?" },
    { "info bogus", "unknown command: 'info bogus'\n", NULL, HMP_ERROR_SYNTAX },
    { "info migrate_cap", "unknown command: 'info migrate_cap'\n", NULL, HMP_ERROR_SYNTAX,
      "did you mean 'info migrate_capabilities'?" },
    { "info migrate extra", EXTRA("migrate") TRY("info migrate"), NULL, HMP_ERROR_SYNTAX },
    { "info  migrate_capabilities extra",
      EXTRA("migrate_capabilities") TRY("info  migrate_capabilities"), NULL, HMP_ERROR_SYNTAX },
    { "info status;info status", "unknown command: 'info status;info'\n", NULL, HMP_ERROR_SYNTAX },
    { "info status # c", EXTRA("status") TRY("info status"), NULL, HMP_ERROR_SYNTAX },
    { "migrate_cancel 1", EXTRA("migrate_cancel") TRY("migrate_cancel"), NULL, HMP_ERROR_SYNTAX },
    { "stop/x", EXTRA("stop|s") TRY("stop"), NULL, HMP_ERROR_SYNTAX },
    { "q x", EXTRA("quit|q") TRY("q"), NULL, HMP_ERROR_SYNTAX },
    { "quit extra", EXTRA("quit|q") TRY("quit"), NULL, HMP_ERROR_SYNTAX },
    { "wait completed", "unknown command: 'wait'\n", NULL, HMP_ERROR_SYNTAX },
    { "# note", "unknown command: '#'\n", NULL, HMP_ERROR_SYNTAX },
    { "migrate_set_capability \"xb\\zrle\" on",
      "migrate_set_capability: string expected\n" TRY("migrate_set_capability"), NULL,
      HMP_ERROR_SYNTAX, "unsupported escape code: '\\z'" },
    { "migrate_set_capability \"xbzrle on",
      "migrate_set_capability: string expected\n" TRY("migrate_set_capability"), NULL,
      HMP_ERROR_SYNTAX, "unterminated string" },
    { "migrate_set_parameter tls-creds a b",
      EXTRA("migrate_set_parameter") TRY("migrate_set_parameter"), NULL, HMP_ERROR_SYNTAX },
    { "migrate_set_parameter tls-creds 'a b'",
      EXTRA("migrate_set_parameter") TRY("migrate_set_parameter"), NULL, HMP_ERROR_SYNTAX },
};

static void test_lines_that_are_not_understood(void **state)
{
    (void)state;
    check_rows(syntax_rows, G_N_ELEMENTS(syntax_rows), 0);
}

#define CHANNEL(addr) "{\"channels\":[{\"channel-type\":\"main\",\"addr\":" addr "}]"
#define FILE_F        CHANNEL("{\"transport\":\"file\",\"filename\":\"/f\",\"offset\":0}")
#define FILE_F_ALONE                                                                               \
    "\"channels\":[{\"channel-type\":\"main\",\"addr\":{\"transport\":\"file\",\"filename\":"      \
    "\"/f\",\"offset\":0}}]}"
#define OLD_OPTION(letter)                                                                         \
    "warning: option '-" letter "' is deprecated; use blockdev-mirror with NBD instead\n"

static const Row migrate_rows[] = {
    { "migrate", STRING_EXPECTED("migrate"), NULL, HMP_ERROR_SYNTAX },
    { "migrate -d", STRING_EXPECTED("migrate"), NULL, HMP_ERROR_SYNTAX },
    { "migrate -r", STRING_EXPECTED("migrate"), NULL, HMP_ERROR_SYNTAX },
    { "migrate -x tcp:127.0.0.1:1", "migrate: unsupported option -x\n" TRY("migrate"), NULL,
      HMP_ERROR_SYNTAX },
    { "migrate -d -d file:/f", "migrate: unsupported option -d\n" TRY("migrate"), NULL,
      HMP_ERROR_SYNTAX },
    { "migrate --detach file:/f", "migrate: unsupported option --\n" TRY("migrate"), NULL,
      HMP_ERROR_SYNTAX },
    { "migrate -", "migrate: unsupported option -" TRY("migrate"), NULL, HMP_ERROR_SYNTAX },
    { "migrate file:/f extra", EXTRA("migrate") TRY("migrate"), NULL, HMP_ERROR_SYNTAX },
    { "migrate \"", STRING_EXPECTED("migrate"), NULL, HMP_ERROR_SYNTAX, "unterminated string" },
    { "migrate \"file:/f", STRING_EXPECTED("migrate"), NULL, HMP_ERROR_SYNTAX,
      "unterminated string" },
    { "migrate \"unix:\\q\"", STRING_EXPECTED("migrate"), NULL, HMP_ERROR_SYNTAX,
      "unsupported escape code: '\\q'" },
    { "migrate \"\"", "Error: unknown migration protocol: \n", NULL, HMP_ERROR_SYNTAX },
    { "migrate -d file:/f", "", "migrate " FILE_F "}", HMP_OK },
    { "migrate file:/f -d", "", "migrate " FILE_F "}", HMP_OK },
    { "migrate -dr file:/f", "", "migrate " FILE_F ",\"resume\":true}", HMP_OK },
    { "migrate -d -b file:/f", OLD_OPTION("b"), "migrate {\"blk\":true," FILE_F_ALONE, HMP_OK },
    { "migrate -di file:/f", OLD_OPTION("i"), "migrate {\"inc\":true," FILE_F_ALONE, HMP_OK },
    { "migrate_incoming", STRING_EXPECTED("migrate_incoming"), NULL, HMP_ERROR_SYNTAX },
    { "migrate_incoming foo", "Error: unknown migration protocol: foo\n", NULL, HMP_ERROR_SYNTAX },
    { "migrate_incoming defer", "Error: unknown migration protocol: defer\n", NULL,
      HMP_ERROR_SYNTAX },
    { "migrate_incoming tcp:127.0.0.1", "Error: error parsing address '127.0.0.1'\n", NULL,
      HMP_ERROR_SYNTAX },
    { "migrate_incoming unix:/s", "",
      "migrate-incoming " CHANNEL(
          "{\"transport\":\"socket\",\"type\":\"unix\",\"path\":\"/s\"}") "}",
      HMP_OK },
};

static void test_migrate_lines(void **state)
{
    (void)state;
    check_rows(migrate_rows, G_N_ELEMENTS(migrate_rows), 0);
}

#define SET(json) "migrate-set-parameters " json
#define CAP(name, state)                                                                           \
    "migrate-set-capabilities {\"capabilities\":[{\"capability\":\"" name "\",\"state\":" state    \
    "}]}"
#define STATE_EXPECTED "Expected 'on' or 'off'\n" TRY("migrate_set_capability")

#define NO_EFFECT(name) name " is kept but has no effect in this build"

static const Row set_rows[] = {
    { "migrate_set_parameter", STRING_EXPECTED("migrate_set_parameter"), NULL, HMP_ERROR_SYNTAX },
    { "migrate_set_parameter max-bandwidth", STRING_EXPECTED("migrate_set_parameter"), NULL,
      HMP_ERROR_SYNTAX },
    { "migrate_set_parameter nosuch 1", UNKNOWN("nosuch"), NULL, HMP_ERROR_SYNTAX },
    { "migrate_set_parameter max_bandwidth 1", UNKNOWN("max_bandwidth"), NULL, HMP_ERROR_SYNTAX,
      "did you mean 'max-bandwidth'?" },
    { "migrate_set_parameter MAX-BANDWIDTH 1", UNKNOWN("MAX-BANDWIDTH"), NULL, HMP_ERROR_SYNTAX,
      "did you mean 'max-bandwidth'?" },
    { "migrate_set_parameter max-bandwidth 10", "", SET("{\"max-bandwidth\":10485760}"), HMP_OK },
    { "migrate_set_parameter max-bandwidth 512k", "", SET("{\"max-bandwidth\":524288}"), HMP_OK },
    { "migrate_set_parameter max-bandwidth abc", "Error: Invalid size abc\n", NULL,
      HMP_ERROR_SYNTAX },
    { "migrate_set_parameter max-bandwidth -1", "Error: Invalid size -1\n", NULL,
      HMP_ERROR_SYNTAX },
    { "migrate_set_parameter max-bandwidth \"\"", "Error: Invalid size \n", NULL,
      HMP_ERROR_SYNTAX },
    { "migrate_set_parameter max-bandwidth 10 20",
      EXTRA("migrate_set_parameter") TRY("migrate_set_parameter"), NULL, HMP_ERROR_SYNTAX },
    { "migrate_set_parameter downtime-limit 1k", "", SET("{\"downtime-limit\":1024}"), HMP_OK },
    { "migrate_set_parameter downtime-limit abc",
      "Error: Parameter 'downtime-limit' expects a non-negative number below 2^64\n"
      "Optional suffix k, M, G, T, P or E means kilo-, mega-, giga-, tera-, peta-\n"
      "and exabytes, respectively.\n",
      NULL, HMP_ERROR_SYNTAX },
    { "migrate_set_parameter cpu-throttle-tailslow yes", "",
      SET("{\"cpu-throttle-tailslow\":true}"), HMP_OK },
    { "migrate_set_parameter cpu-throttle-tailslow maybe",
      "Error: Parameter 'cpu-throttle-tailslow' expects 'on' or 'off'\n", NULL, HMP_ERROR_SYNTAX },
    { "migrate_set_parameter multifd-compression lz4",
      "Error: Parameter 'multifd-compression' does not accept value 'lz4'\n", NULL,
      HMP_ERROR_SYNTAX, "values are: none, zlib, zstd" },
    { "migrate_set_parameter block-bitmap-mapping x",
      "Error: The block-bitmap-mapping parameter can only be set through QMP\n", NULL,
      HMP_ERROR_SYNTAX },
    { "migrate_set_parameter tls-creds \"a b\"", "", SET("{\"tls-creds\":\"a b\"}"), HMP_OK },
    { "migrate_set_parameter tls-creds \"a\\\"b\\\\c\"", "", SET("{\"tls-creds\":\"a\\\"b\\\\c\"}"),
      HMP_OK },
    { "migrate_set_parameter tls-creds ab\"cd", "", SET("{\"tls-creds\":\"ab\\\"cd\"}"), HMP_OK },
    { "migrate_set_parameter \"tls-creds\"\"x\"", "", SET("{\"tls-creds\":\"x\"}"), HMP_OK },
    { "migrate_set_capability", STRING_EXPECTED("migrate_set_capability"), NULL, HMP_ERROR_SYNTAX },
    { "migrate_set_capability xbzrle", STATE_EXPECTED, NULL, HMP_ERROR_SYNTAX },
    { "migrate_set_capability nosuch yes", STATE_EXPECTED, NULL, HMP_ERROR_SYNTAX },
    { "migrate_set_capability xbzrle ON", STATE_EXPECTED, NULL, HMP_ERROR_SYNTAX },
    { "migrate_set_capability nosuch on", UNKNOWN("nosuch"), NULL, HMP_ERROR_SYNTAX },
    { "migrate_set_capability XBZRLE on", UNKNOWN("XBZRLE"), NULL, HMP_ERROR_SYNTAX,
      "did you mean 'xbzrle'?" },
    { "migrate_set_capability auto_converge on", UNKNOWN("auto_converge"), NULL, HMP_ERROR_SYNTAX,
      "did you mean 'auto-converge'?" },
    { "migrate_set_capability xbzrle on extra",
      EXTRA("migrate_set_capability") TRY("migrate_set_capability"), NULL, HMP_ERROR_SYNTAX },
    { "migrate_set_capability \"xbzrle\" on", "", CAP("xbzrle", "true"), HMP_OK },
    { "migrate_set_capability events off", "", CAP("events", "false"), HMP_OK },
};

static void test_set_lines(void **state)
{
    (void)state;
    check_rows(set_rows, G_N_ELEMENTS(set_rows), 0);
}

static const Row run_rows[] = {
    { "stop", "", "stop {}", HMP_OK },
    { "s", "", "stop {}", HMP_OK },
    { "cont", "", "cont {}", HMP_OK },
    { "c", "", "cont {}", HMP_OK },
    { "cont -f", "", "cont {\"x-force\":true}", HMP_OK },
    { "cont -x", "cont|c: unsupported option -x\n" TRY("cont"), NULL, HMP_ERROR_SYNTAX },
    { "guest_set rate \"10 M\"", "", "x-guest-set {\"key\":\"rate\",\"value\":\"10 M\"}", HMP_OK },
    { "guest_set rate", STRING_EXPECTED("guest_set"), NULL, HMP_ERROR_SYNTAX },
    { "fault_release", "", "x-fault-release {}", HMP_OK },
};

static void test_run_lines(void **state)
{
    (void)state;
    check_rows(run_rows, G_N_ELEMENTS(run_rows), 0);
}

static void test_quit_asks_the_backend_and_then_the_owner(void **state)
{
    Fixture f;

    (void)state;
    set_up(&f, 0);
    check_row(&f, &(Row){ "q", "", "quit {}", HMP_OK });
    assert_int_equal(f.quits, 1);
    canned(&f, "quit", "!not now");
    check_row(&f, &(Row){ "quit", "Error: not now\n", "quit {}", HMP_ERROR_FAILED });
    assert_int_equal(f.quits, 1);
    tear_down(&f);
}

static void test_errors_and_warnings_of_the_backend(void **state)
{
    Fixture f;

    (void)state;
    set_up(&f, 0);
    canned(&f, "stop", "!first line\nhint: second line");
    f.fake.warning = "old option";
    check_row(&f, &(Row){ "stop", "warning: old option\nError: first line\nhint: second line\n",
                          "stop {}", HMP_ERROR_FAILED });
    tear_down(&f);
}

/* ---- help ---- */

#define HELP_MIGRATE                                                                               \
    "migrate [-d] [-b] [-i] [-r] uri -- migrate to URI (using -d to not wait for completion)\n"    \
    "\t\t\t -b for migration without shared storage with full copy of disk\n"                      \
    "\t\t\t -i for migration without shared storage with incremental copy of disk (base image "    \
    "shared between src and destination)\n"                                                        \
    "\t\t\t -r to resume a paused migration\n"

static const Row help_rows[] = {
    { "help migrate", HELP_MIGRATE },
    { "? migrate", HELP_MIGRATE },
    { "help migrate extra words", HELP_MIGRATE },
    { "help migrate_cancel", "migrate_cancel  -- cancel the current VM migration\n" },
    { "help migrate_incoming",
      "migrate_incoming uri -- Continue an incoming migration from an -incoming defer\n" },
    { "help migrate_set_capability",
      "migrate_set_capability capability state -- Enable/Disable the "
      "usage of a capability for migration\n" },
    { "help migrate_set_parameter",
      "migrate_set_parameter parameter value -- Set the parameter for migration\n" },
    { "help info migrate", "info migrate  -- show migration status\n" },
    { "help info migrate_capabilities",
      "info migrate_capabilities  -- show current migration capabilities\n" },
    { "help info migrate_parameters",
      "info migrate_parameters  -- show current migration parameters\n" },
    { "help info status", "info status  -- show the current VM status (running|paused)\n" },
    { "help stop", "stop|s  -- stop emulation\n" },
    { "help cont", "cont|c  -- resume emulation\n" },
    { "help c", "cont|c  -- resume emulation\n" },
    { "help help", "help|? [cmd] -- show the help\n" },
    { "help quit", "quit|q  -- quit the emulator\n" },
    { "help q", "quit|q  -- quit the emulator\n" },
    { "help bogus", "unknown command: 'bogus'\n", NULL, HMP_ERROR_SYNTAX },
    { "help info bogus", "unknown command: 'info bogus'\n", NULL, HMP_ERROR_SYNTAX },
    { "help \"migrate", "", NULL, HMP_ERROR_SYNTAX, "unterminated string" },
    { "help wait", "unknown command: 'wait'\n", NULL, HMP_ERROR_SYNTAX },
};

static void test_help_lines(void **state)
{
    Fixture f;

    (void)state;
    set_up(&f, 0);
    for (size_t i = 0; i < G_N_ELEMENTS(help_rows); i++) {
        const Row *row = &help_rows[i];

        print_message("[%s]\n", row->line);
        begin(&f, row->line);
        assert_int_equal(finish(&f), row->result);
        assert_true(g_str_has_prefix(f.out->str, row->out));

        /* Behind QEMU's lines ours, which can be told from them. */
        g_auto(GStrv) ours = g_strsplit(f.out->str + strlen(row->out), "\n", -1);
        for (char **line = ours; *line && **line != '\0'; line++) {
            assert_true(g_str_has_prefix(*line, "  ") || g_str_has_prefix(*line, "hint: "));
        }
    }
    tear_down(&f);
}

static void test_lists(void **state)
{
    static const char listing[] =
        "info dirty_rate  -- show dirty rate information\n"
        "info guest  -- show the guest: machine, memory, vCPUs, workload, dirty tracker\n"
        "info history  -- show the command line history\n"
        "info migrate  -- show migration status\n"
        "info migrate_capabilities  -- show current migration capabilities\n"
        "info migrate_parameters  -- show current migration parameters\n"
        "info migration_threads  -- show the threads of the migration that runs\n"
        "info name  -- show the current VM name\n"
        "info objects  -- show the objects of object_add: name and type\n"
        "info snapshots  -- show the currently saved VM snapshots\n"
        "info status  -- show the current VM status (running|paused)\n"
        "info target  -- show what is attached: both ends of a migration\n"
        "info uuid  -- show the current VM UUID\n"
        "info vcpu_dirty_limit  -- show dirty page limit information of all vCPU\n"
        "info version  -- show the version of QEMU\n";
    Fixture f;

    (void)state;
    set_up(&f, 0);
    check_row(&f, &(Row){ "info", listing });
    check_row(&f, &(Row){ "help info", listing });
    begin(&f, "help");
    assert_int_equal(finish(&f), HMP_OK);
    assert_non_null(strstr(f.out->str, "\ncont|c  -- resume emulation\n"));
    assert_non_null(strstr(f.out->str, "\nquit|q  -- quit the emulator\n"));
    assert_null(strstr(f.out->str, "\nsleep "));
    tear_down(&f);
    set_up(&f, HMP_BATCH);
    begin(&f, "help");
    assert_int_equal(finish(&f), HMP_OK);
    assert_non_null(strstr(f.out->str, "\nsleep seconds -- "));
    tear_down(&f);
}

/* ---- info ---- */

static const struct {
    const char *line;
    const char *command;
    const char *reply;
    const char *out;
    const char *owner; /* reply of x-query-owner, where it is asked; NULL = not */
} info_rows[] = {
    { "info status", "query-status", "{\"running\":true,\"status\":\"running\"}",
      "VM status: running\n",
      "{\"owner\":\"here\",\"evidence\":\"it was started here\",\"migrated\":false}" },
    { "info status", "query-status", "{\"running\":true,\"status\":\"running\"}",
      "VM status: running\n", "!a real QEMU does not know it" },
    { "  info   status  ", "query-status", "{\"running\":false,\"status\":\"paused\"}",
      "VM status: paused\n", "{\"owner\":\"here\",\"evidence\":\"\",\"migrated\":false}" },
    { "info status", "query-status", "{\"running\":false,\"status\":\"finish-migrate\"}",
      "VM status: paused (finish-migrate)\nowner: unknown (commit sent) (no answer)\n",
      "{\"owner\":\"unknown (commit sent)\",\"evidence\":\"no answer\",\"migrated\":true}" },
    { "info migration_threads", "query-migrationthreads",
      "[{\"name\":\"live_migration\",\"thread-id\":7}]", "live_migration: thread 7\n" },
    { "info version", "query-version",
      "{\"qemu\":{\"major\":8,\"minor\":2,\"micro\":0},\"package\":\"\"}", "8.2.0\n" },
    { "info name", "query-name", "{}", "" },
    { "info name", "query-name", "{\"name\":\"vm 1\"}", "vm 1\n" },
    { "info uuid", "query-uuid", "{\"UUID\":\"00000000-0000-0000-0000-000000000000\"}",
      "00000000-0000-0000-0000-000000000000\n" },
    { "info migrate_capabilities", "query-migrate-capabilities",
      "[{\"capability\":\"xbzrle\",\"state\":false},{\"capability\":\"events\",\"state\":true}]",
      "xbzrle: off\nevents: on\n" },
    { "info guest", "x-query-guest",
      "[{\"name\":\"machine\",\"value\":\"stress\"},{\"name\":\"dirty "
      "tracker\",\"value\":\"async\"}]",
      "machine:       stress\ndirty tracker: async\n" },
    { "info status", "query-status", "!no", "Error: no\n" },
};

static void test_info_lines(void **state)
{
    Fixture f;

    (void)state;
    set_up(&f, 0);
    for (size_t i = 0; i < G_N_ELEMENTS(info_rows); i++) {
        g_autofree char *request =
            g_strdup_printf("%s {}%s", info_rows[i].command,
                            info_rows[i].owner != NULL ? "\nx-query-owner {}" : "");
        bool fails = *info_rows[i].reply == '!';

        canned(&f, info_rows[i].command, info_rows[i].reply);
        if (info_rows[i].owner != NULL) {
            canned(&f, "x-query-owner", info_rows[i].owner);
        }
        check_row(&f, &(Row){ info_rows[i].line, info_rows[i].out, request,
                              fails ? HMP_ERROR_FAILED : HMP_OK });
    }
    tear_down(&f);
}

#define GLOBALS                                                                                    \
    "globals:\nstore-global-state: on\nonly-migratable: off\nsend-configuration: on\n"             \
    "send-section-footer: on\ndecompress-error-check: on\nclear-bitmap-shift: 18\n"
#define HISTORY                                                                                    \
    "{\"direction\":\"outgoing\",\"passes\":[{\"pass\":1,\"bytes\":2097152,\"duration-ms\":1000,"  \
    "\"dirtied-pages\":7,\"remaining-bytes\":28672,\"bytes-per-second\":2097152}],"                \
    "\"verdict\":\"will finish: in a moment\",\"advice\":\"wait\","                                \
    "\"downtime\":{\"stop-us\":90,\"sync-us\":400,\"ram-us\":35000,\"load-us\":4800,"              \
    "\"total-us\":40600},\"outcome\":\"the guest was handed over\"}"

static void test_info_migrate_of_an_idle_guest_is_as_qemu_prints_it(void **state)
{
    Fixture f;

    (void)state;
    set_up(&f, 0);
    check_row(&f, &(Row){ "info migrate", GLOBALS, "query-migrate {}", HMP_OK });
    tear_down(&f);
}

static void test_info_migrate_adds_its_own_lines_at_the_end(void **state)
{
    static const char own[] = "passes: 1\n"
                              "last pass: 2.0 MiB sent, 2.0 MiB/s, 7 pages dirtied meanwhile, "
                              "28.0 KiB left\n"
                              "verdict: will finish: in a moment\n"
                              "advice: wait\n"
                              "pause: 41 ms: stop 0.1, last sync 0.4, last RAM 35.0, load 4.8 ms\n"
                              "outcome: the guest was handed over\n"
                              "owner: peer (confirmed) (SHUT 0 came)\n";
    static const char three[] = "query-migrate {}\nx-query-migrate-history {}\nx-query-owner {}";
    Fixture f;

    (void)state;
    set_up(&f, 0);
    canned(&f, "query-migrate", "{\"status\":\"cancelled\"}");
    canned(&f, "x-query-migrate-history", HISTORY);
    canned(&f, "x-query-owner", "{\"owner\":\"peer (confirmed)\",\"evidence\":\"SHUT 0 came\"}");
    g_autofree char *out =
        g_strconcat(GLOBALS "Migration status: cancelled\ntotal time: 0 ms\n", own, NULL);
    check_row(&f, &(Row){ "info migrate", out, three, HMP_OK });

    /* A backend that knows none of our requests: QEMU's lines, and no error. */
    canned(&f, "x-query-migrate-history", "!The command has not been found");
    canned(&f, "x-query-owner", "!The command has not been found");
    check_row(&f, &(Row){ "info migrate", GLOBALS "Migration status: cancelled\ntotal time: 0 ms\n",
                          three, HMP_OK });
    tear_down(&f);
}

/* A forecast as the engine reports it. */
#define FORECAST                                                                                   \
    "{\"verdict\":\"will-not-finish\",\"text\":\"will not finish: 62.4 MiB stay d"                 \
    "irty, 293.0 KiB fit into the limit of 10 ms\",\"advice\":\"auto-converge slo"                 \
    "ws the guest by about 99 %; or postcopy-ram moves it as it is\",\"probabilit"                 \
    "y\":0.0,\"needs\":{\"downtime-limit-ms\":239,\"bandwidth\":2391802008,\"thro"                 \
    "ttle\":99},\"reasons\":[\"about 62.4 MiB stay dirty however many passes are "                 \
    "made; 293.0 KiB fit into the limit of 10 ms\",\"max-bandwidth holds the send"                 \
    "ing for 90 % of the time\"],\"inputs\":{\"pass\":2,\"observations\":2,\"play"                 \
    "s\":48,\"changes\":1,\"elapsed-ms\":2040,\"horizon-ms\":60000,\"next-pass-ms"                 \
    "\":1912,\"downtime-limit-ms\":10,\"remaining-bytes\":63258624,\"threshold-by"                 \
    "tes\":300000,\"floor-bytes\":65475836,\"working-set-bytes\":65475836,\"dirty"                 \
    "-bytes-per-second\":2021282708,\"bandwidth\":29800000,\"switchover-bandwidth"                 \
    "\":298000000,\"bytes-per-dirty-page\":3685,\"limiter-percent\":90,\"throttle"                 \
    "-percent\":0}}"

static void test_explain(void **state)
{
    static const char said[] =
        "will not finish: 62.4 MiB stay dirty, 293.0 KiB fit into the limit of 10 ms\n"
        "why: about 62.4 MiB stay dirty however many passes are made; 293.0 KiB fit into the "
        "limit of 10 ms; 0 % of 48 plays of the rest end within 60 s\n"
        "guest: dirties 1.9 GiB/s within 10 ms, writes to about 62.4 MiB in all (from 2 counts)\n"
        "link: 28.4 MiB/s, 284.2 MiB/s in the pause; max-bandwidth holds it 90 % of the time; a "
        "dirty page takes 3685 bytes\n"
        "left: 60.3 MiB after pass 2, 293.0 KiB fit into the pause, about 62.4 MiB would stay "
        "dirty for ever; the next pass takes 1.9 s\n"
        "end: none of 48 plays of the rest ends in time; needs: a downtime-limit of 239 ms, or "
        "2.2 GiB/s, or the guest slowed by 99 %\n";
    static const char none[] =
        "no forecast: the first pass of a migration from here has not ended\n";
    Fixture f;

    (void)state;
    set_up(&f, 0);
    canned(&f, "x-query-migrate-history", "{\"forecast\":" FORECAST "}");
    check_row(&f, &(Row){ "explain", said, "x-query-migrate-history {}", HMP_OK });
    canned(&f, "x-query-migrate-history", "{}");
    check_row(&f, &(Row){ "explain", none, "x-query-migrate-history {}", HMP_OK });
    tear_down(&f);
}

/* ---- guest_verify ---- */

static void test_verify_verdicts(void **state)
{
    Fixture f;

    (void)state;
    set_up(&f, 0);
    canned(&f, "x-guest-verify",
           "{\"ok\":true,\"pages-checked\":262144,\"pages-written\":98304,\"steps\":412345,"
           "\"faults\":0,\"counts\":[],\"findings\":[]}");
    check_row(&f, &(Row){ "guest_verify",
                          "verify: ok, 262144 pages checked, 98304 written, 412345 steps\n",
                          "x-guest-verify {}", HMP_OK });
    canned(
        &f, "x-guest-verify",
        "{\"ok\":false,\"pages-checked\":10,\"pages-written\":5,\"steps\":6,\"faults\":3,"
        "\"counts\":[{\"fault\":\"stale\",\"count\":2},{\"fault\":\"lost\",\"count\":0},"
        "{\"fault\":\"torn\",\"count\":1}],"
        "\"findings\":[{\"fault\":\"stale\",\"text\":\"page 4 is 2 steps behind\",\"page\":4}]}");
    check_row(&f, &(Row){ "guest_verify",
                          "stale: page 4 is 2 steps behind\n... and 2 more\n"
                          "verify: FAILED, 3 faults (stale 2, torn 1), 10 pages checked, "
                          "5 written, 6 steps\n",
                          "x-guest-verify {}", HMP_ERROR_VERIFY });
    canned(&f, "x-guest-verify", "!machine none has no ledger");
    check_row(&f, &(Row){ "guest_verify", "Error: machine none has no ledger\n",
                          "x-guest-verify {}", HMP_ERROR_FAILED });
    canned(&f, "x-guest-plant", "{\"page\":77}");
    check_row(&f, &(Row){ "guest_plant torn", "planted torn at page 77\n",
                          "x-guest-plant {\"fault\":\"torn\"}", HMP_OK });
    tear_down(&f);
}

static void test_banner_is_the_one_scripts_look_for(void **state)
{
    (void)state;
    assert_true(g_str_has_prefix(hmp_banner(), "migmon "));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines_that_are_not_understood),
        cmocka_unit_test(test_migrate_lines),
        cmocka_unit_test(test_set_lines),
        cmocka_unit_test(test_run_lines),
        cmocka_unit_test(test_quit_asks_the_backend_and_then_the_owner),
        cmocka_unit_test(test_errors_and_warnings_of_the_backend),
        cmocka_unit_test(test_help_lines),
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_info_lines),
        cmocka_unit_test(test_info_migrate_of_an_idle_guest_is_as_qemu_prints_it),
        cmocka_unit_test(test_info_migrate_adds_its_own_lines_at_the_end),
        cmocka_unit_test(test_explain),
        cmocka_unit_test(test_verify_verdicts),
        cmocka_unit_test(test_banner_is_the_one_scripts_look_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
