/* commands/: the language of batches: variables, expect, assert, wait for events. */
#include "tests/unit/hmp-fake.h"

#include "commands/hmp/fields.h"

/* Lines one after another on one monitor; each with all that it prints. */
static void check_lines(Fixture *f, const Row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        g_autofree char *out = rows[i].hint
                                   ? g_strdup_printf("%shint: %s\n", rows[i].out, rows[i].hint)
                                   : g_strdup(rows[i].out);

        print_message("[%s]\n", rows[i].line);
        begin(f, rows[i].line);
        assert_int_equal(finish(f), rows[i].result);
        assert_string_equal(f->out->str, out);
    }
}

/* ---- variables ---- */

#define NOT_SET(name)                                                                              \
    "set " name " VALUE sets it; the environment is not read, $$" name " is the text itself"

static const Row variable_rows[] = {
    { "set", "", NULL, HMP_OK },
    { "set a 1", "", NULL, HMP_OK },
    { "set Long_name2 \"two words\"", "", NULL, HMP_OK },
    { "set", "Long_name2=two words\na=1\n", NULL, HMP_OK },
    { "echo $a ${a}b $Long_name2", "1 1b two words\n", NULL, HMP_OK },
    { "echo $$a \\$a $ $", "$a \\$a $ $\n", NULL, HMP_OK },
    { "echo $1 $-", "$1 $-\n", NULL, HMP_OK },
    { "# $nosuch", "", NULL, HMP_OK },
    { "set a $a$a", "", NULL, HMP_OK },
    { "echo $a", "11\n", NULL, HMP_OK },
    { "$nosuch", "variable 'nosuch' is not set\n", NULL, HMP_ERROR_SYNTAX, NOT_SET("nosuch") },
    { "echo $long_name2", "variable 'long_name2' is not set\nhint: did you mean 'Long_name2'?\n",
      NULL, HMP_ERROR_SYNTAX, NOT_SET("long_name2") },
    { "echo ${a", "'${' without a name and '}' behind it\n", NULL, HMP_ERROR_SYNTAX,
      "$${ is the text itself" },
    { "echo ${}", "'${' without a name and '}' behind it\n", NULL, HMP_ERROR_SYNTAX,
      "$${ is the text itself" },
    { "set 1a x", "Error: '1a' cannot be a name: letters, digits and _ only, no digit first\n",
      NULL, HMP_ERROR_SYNTAX },
    { "set a", STRING_EXPECTED("set"), NULL, HMP_ERROR_SYNTAX },
    { "set a b c", EXTRA("set") TRY("set"), NULL, HMP_ERROR_SYNTAX },
    /* A whole command; quotes in a value stay what they are between quotes. */
    { "set command \"echo hi\"", "", NULL, HMP_OK },
    { "$command", "hi\n", NULL, HMP_OK },
    { "set odd \"a \\\"b\\\\\"", "", NULL, HMP_OK },
    { "set copy \"$odd\"", "", NULL, HMP_OK },
    { "echo $copy", "a \"b\\\n", NULL, HMP_OK },
};

static void test_variables(void **state)
{
    Fixture f;

    (void)state;
    set_up(&f, HMP_BATCH);
    check_lines(&f, variable_rows, G_N_ELEMENTS(variable_rows));
    tear_down(&f);
}

static void test_values_do_not_grow_without_end(void **state)
{
    Fixture f;

    (void)state;
    set_up(&f, HMP_BATCH);
    begin(&f, "set a 0123456789");
    finish(&f);
    for (int i = 0; i < 8; i++) {
        begin(&f, "set a $a$a");
        finish(&f);
    }
    begin(&f, "set a $a$a");
    assert_int_equal(finish(&f), HMP_ERROR_SYNTAX);
    assert_string_equal(f.out->str,
                        "line is longer than 4095 bytes with the values of its variables\n");
    tear_down(&f);
}

static void test_a_monitor_for_people_leaves_dollars_alone(void **state)
{
    Fixture f;

    (void)state;
    set_up(&f, 0);
    begin(&f, "migrate -d \"exec:cat > $HOME/x\"");
    assert_int_equal(finish(&f), HMP_OK);
    assert_non_null(strstr(f.fake.log->str, "$HOME/x"));
    tear_down(&f);
}

/* ---- expect ---- */

static const Row expect_rows[] = {
    { "expect ^$", "", NULL, HMP_OK },
    { "echo one two", "one two\n", NULL, HMP_OK },
    { "expect one", "", NULL, HMP_OK },
    { "expect ^one two$", "", NULL, HMP_OK },
    { "expect (?i)ONE  *TWO", "", NULL, HMP_OK },
    { "expect ^two", "Error: expected /^two/, but the output was:\n  one two\n", NULL,
      HMP_ERROR_ASSERT },
    { "# in between", "", NULL, HMP_OK },
    { "", "", NULL, HMP_OK },
    { "expect two", "", NULL, HMP_OK },
    { "bogus", "unknown command: 'bogus'\n", NULL, HMP_ERROR_SYNTAX },
    { "expect unknown command", "", NULL, HMP_OK },
    { "stop", "Error: no\n", NULL, HMP_ERROR_FAILED },
    { "expect ^Error: no$", "", NULL, HMP_OK },
    { "assert running == true", "", NULL, HMP_OK },
    { "expect ^Error: no$", "", NULL, HMP_OK },
    { "sleep 0", "", NULL, HMP_OK },
    { "expect no", "Error: expected /no/, but the output was empty\n", NULL, HMP_ERROR_ASSERT },
    { "expect", STRING_EXPECTED("expect"), NULL, HMP_ERROR_SYNTAX },
};

static void test_expect_looks_at_the_line_before(void **state)
{
    (void)state;
    for (unsigned json = 0; json < 2; json++) {
        Fixture f;

        set_up(&f, HMP_BATCH | (json ? HMP_JSON : 0));
        canned(&f, "stop", "!no");
        canned(&f, "query-status", "{\"running\":true}");
        for (size_t i = 0; i < G_N_ELEMENTS(expect_rows); i++) {
            const Row *row = &expect_rows[i];

            print_message("[%s]\n", row->line);
            begin(&f, row->line);
            assert_int_equal(finish(&f), row->result);
            assert_true(json || strcmp(f.out->str, row->out) == 0);
        }
        begin(&f, "expect (");
        assert_int_equal(finish(&f), HMP_ERROR_SYNTAX);
        begin(&f, "expect \xff");
        assert_int_equal(finish(&f), HMP_ERROR_SYNTAX);
        tear_down(&f);
    }
}

/* ---- assert ---- */

#define INFO                                                                                       \
    "{\"status\":\"completed\",\"total-time\":1234,\"downtime\":41,"                               \
    "\"ram\":{\"transferred\":10485760,\"mbps\":943.25,\"duplicate\":7,\"dirty-sync-count\":3}}"

static const Row assert_rows[] = {
    { "assert status == completed", "", NULL, HMP_OK },
    { "assert status != failed", "", NULL, HMP_OK },
    { "assert downtime < 300ms", "", NULL, HMP_OK },
    { "assert downtime < 0.3s", "", NULL, HMP_OK },
    { "assert downtime == 41000us", "", NULL, HMP_OK },
    { "assert downtime <= 41", "", NULL, HMP_OK },
    { "assert total-time < 1min", "", NULL, HMP_OK },
    { "assert ram.transferred == 10M", "", NULL, HMP_OK },
    { "assert ram.transferred > 9.5M", "", NULL, HMP_OK },
    { "assert ram.mbps >= 943.25", "", NULL, HMP_OK },
    { "assert ram.mbps > 900mbps", "", NULL, HMP_OK },
    { "assert ram.duplicate == 7pages", "", NULL, HMP_OK },
    { "assert running == off", "", NULL, HMP_OK },
    { "assert run-state == postmigrate", "", NULL, HMP_OK },
    { "assert owner == peer", "", NULL, HMP_OK },
    { "assert owner == \"peer (confirmed)\"", "", NULL, HMP_OK },
    { "assert passes == 2", "", NULL, HMP_OK },
    { "assert outcome == \"it is done\"", "", NULL, HMP_OK },
    { "assert elapsed >= 1.2s", "", NULL, HMP_OK },
    { "assert downtime < 40ms", "Error: assertion failed: downtime < 40ms, but it is 41 ms\n", NULL,
      HMP_ERROR_ASSERT },
    { "assert ram.transferred > 1G",
      "Error: assertion failed: ram.transferred > 1G, but it is 10485760 bytes (10.0 MiB)\n", NULL,
      HMP_ERROR_ASSERT },
    { "assert ram.mbps < 1", "Error: assertion failed: ram.mbps < 1, but it is 943.250 mbps\n",
      NULL, HMP_ERROR_ASSERT },
    { "assert running == true", "Error: assertion failed: running == true, but it is false\n", NULL,
      HMP_ERROR_ASSERT },
    { "assert owner == here",
      "Error: assertion failed: owner == here, but it is 'peer (confirmed)'\n", NULL,
      HMP_ERROR_ASSERT },
    { "assert setup-time < 1s", "Error: assertion failed: setup-time < 1s, but it is not known\n",
      NULL, HMP_ERROR_ASSERT },
    { "assert disk.total == 0", "Error: assertion failed: disk.total == 0, but it is not known\n",
      NULL, HMP_ERROR_ASSERT },
    /* not understood */
    { "assert status == complete", "Error: status: 'complete' is not one of its values\n", NULL,
      HMP_ERROR_SYNTAX,
      "values are: none, setup, cancelling, cancelled, active, postcopy-active, postcopy-paused, "
      "postcopy-recover, completed, failed, colo, pre-switchover, device, wait-unplug" },
    { "assert status < completed", "Error: status can be compared with == and != only\n", NULL,
      HMP_ERROR_SYNTAX },
    { "assert downtime = 3", "Error: '=' is no comparison\n", NULL, HMP_ERROR_SYNTAX,
      "comparisons are: == != < <= > >=" },
    { "assert downtime < 3MB", "Error: downtime: '3MB' is not a time (300, 300ms, 1.5s)\n", NULL,
      HMP_ERROR_SYNTAX },
    { "assert ram.total < 3ms", "Error: ram.total: '3ms' is not a size (4096, 10M, 1.5G)\n", NULL,
      HMP_ERROR_SYNTAX },
    { "assert passes < many", "Error: passes: 'many' is not a number\n", NULL, HMP_ERROR_SYNTAX },
    { "assert running == 1", "Error: running: '1' is not true or false\n", NULL, HMP_ERROR_SYNTAX },
    { "assert transferred > 1", "Error: there is no field 'transferred'\n", NULL, HMP_ERROR_SYNTAX,
      "did you mean 'disk.transferred', 'ram.transferred', 'vfio.transferred'?" },
    { "assert downtme < 1", "Error: there is no field 'downtme'\n", NULL, HMP_ERROR_SYNTAX,
      "did you mean 'downtime', 'expected-downtime'?" },
    { "assert tranferred < 1", "Error: there is no field 'tranferred'\n", NULL, HMP_ERROR_SYNTAX,
      "did you mean 'disk.transferred', 'ram.transferred', 'vfio.transferred'?" },
    { "assert nothing-like-it == 1", "Error: there is no field 'nothing-like-it'\n", NULL,
      HMP_ERROR_SYNTAX },
    { "assert downtime<300", "assert: string expected\n" TRY("assert"), NULL, HMP_ERROR_SYNTAX },
};

static void test_assert_compares_with_units(void **state)
{
    Fixture f;

    (void)state;
    set_up(&f, HMP_BATCH);
    canned(&f, "query-migrate", INFO);
    canned(&f, "query-status", "{\"running\":false,\"status\":\"postmigrate\"}");
    canned(&f, "x-query-owner", "{\"owner\":\"peer (confirmed)\"}");
    canned(&f, "x-query-migrate-history",
           "{\"passes\":[{},{}],\"outcome\":\"it is done\",\"elapsed-ms\":1250}");
    check_lines(&f, assert_rows, G_N_ELEMENTS(assert_rows));
    canned(&f, "query-migrate", "{}");
    check_lines(&f, &(Row){ "assert status == none", "", NULL, HMP_OK }, 1);
    canned(&f, "query-migrate", "!connection lost");
    check_lines(
        &f, &(Row){ "assert status == none", "Error: connection lost\n", NULL, HMP_ERROR_FAILED },
        1);
    tear_down(&f);
}

static void test_fields_are_sorted_and_found(void **state)
{
    size_t n;
    const Field *table = fields(&n);

    (void)state;
    assert_true(n > 30);
    for (size_t i = 0; i < n; i++) {
        assert_ptr_equal(field_find(table[i].name, NULL), &table[i]);
        assert_true(i == 0 || strcmp(table[i - 1].name, table[i].name) < 0);
    }
}

/* ---- wait for events ---- */

static void emit(Fixture *f, const char *name)
{
    backend_emit(&f->fake.base, &(BackendEvent){ .name = name });
}

static void test_wait_for_an_event_that_is_yet_to_come(void **state)
{
    Fixture f;

    (void)state;
    set_up(&f, HMP_BATCH);
    emit(&f, "STOP"); /* before the line: does not count */
    begin(&f, "wait STOP");
    settle();
    emit(&f, "RESUME");
    settle();
    assert_true(hmp_is_busy(f.hmp));
    emit(&f, "STOP");
    assert_int_equal(finish(&f), HMP_OK);
    assert_string_equal(f.out->str, "");
    tear_down(&f);
}

static const WaitRow waits[] = {
    { "no time left", "wait RESUME 1ms", "{\"status\":\"completed\"}",
      "Error: waited 0.001 s for 'RESUME', migration is 'completed'\n", HMP_ERROR_TIMEOUT },
    { "the migration is over", "wait MIGRATION_PASS", "{\"status\":\"failed\"}",
      "Error: waited for 'MIGRATION_PASS', but migration ended as 'failed'\n", HMP_ERROR_FAILED },
    { "written small", "wait resume", "{}",
      "Error: invalid parameter value: resume\nhint: did you mean 'RESUME'?\n", HMP_ERROR_SYNTAX },
};

static void test_wait_for_an_event_ends_where_it_must(void **state)
{
    (void)state;
    check_waits(waits, G_N_ELEMENTS(waits));
}

static void test_lines_that_only_wait_can_be_given_up(void **state)
{
    static const char *const lines[] = { "wait completed", "wait STOP 100", "sleep 100" };

    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(lines); i++) {
        Fixture f;

        set_up(&f, HMP_BATCH);
        assert_false(hmp_give_up(f.hmp));
        begin(&f, lines[i]);
        settle();
        assert_true(hmp_give_up(f.hmp));
        assert_int_equal(finish(&f), HMP_ERROR_FAILED);
        assert_string_equal(f.out->str, "Error: interrupted\n");
        canned(&f, "query-migrate", "{\"status\":\"active\"}");
        begin(&f, "migrate unix:/s");
        settle();
        assert_false(hmp_give_up(f.hmp));
        tear_down(&f);
    }
}

/* ---- source and on-error belong to who runs the lines ---- */

static void test_a_socket_has_no_lines_to_source(void **state)
{
    static const Row rows[] = {
        { "source f", "Error: source is for batches and the prompt\n", NULL, HMP_ERROR_FAILED,
          "migmon --batch FILE runs it" },
        { "on-error continue", "Error: on-error is for batches and the prompt\n", NULL,
          HMP_ERROR_FAILED },
        { "on-error maybe", "Error: on-error: 'stop' or 'continue' expected\n", NULL,
          HMP_ERROR_SYNTAX },
    };
    Fixture f;

    (void)state;
    set_up(&f, HMP_BATCH);
    check_lines(&f, rows, G_N_ELEMENTS(rows));
    tear_down(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_variables),
        cmocka_unit_test(test_values_do_not_grow_without_end),
        cmocka_unit_test(test_a_monitor_for_people_leaves_dollars_alone),
        cmocka_unit_test(test_expect_looks_at_the_line_before),
        cmocka_unit_test(test_assert_compares_with_units),
        cmocka_unit_test(test_fields_are_sorted_and_found),
        cmocka_unit_test(test_wait_for_an_event_that_is_yet_to_come),
        cmocka_unit_test(test_wait_for_an_event_ends_where_it_must),
        cmocka_unit_test(test_lines_that_only_wait_can_be_given_up),
        cmocka_unit_test(test_a_socket_has_no_lines_to_source),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
