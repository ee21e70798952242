/* commands/: lines that wait, batches, JSON, and the life of a line. */
#include "commands/hmp/hmp-internal.h"
#include "tests/unit/hmp-fake.h"

static void emit_status(Fixture *f, const char *status)
{
    json_object *data = json_object_new_object();
    BackendEvent event = { .name = "MIGRATION", .data = data, .hidden = true };

    json_object_object_add(data, "status", json_object_new_string(status));
    backend_emit(&f->fake.base, &event);
    json_object_put(data);
}

/* ---- migrate that waits ---- */

static const struct {
    const char *info;
    const char *out;
    HmpResult result;
} ends[] = {
    { "{\"status\":\"completed\"}", "", HMP_OK },
    { "{\"status\":\"failed\",\"error-desc\":\"peer is gone\"}", "Error: peer is gone\n",
      HMP_ERROR_FAILED },
    { "{\"status\":\"failed\"}", "Error: migration failed\n", HMP_ERROR_FAILED },
    { "{\"status\":\"cancelled\"}", "Error: migration was cancelled\n", HMP_ERROR_FAILED },
    { "{\"status\":\"postcopy-paused\"}",
      "Error: migration is paused in postcopy, the guest is at the destination and needs pages "
      "that "
      "are only here\n"
      "hint: once the link is back: migrate_recover URI there, then migrate -r URI here\n",
      HMP_ERROR_FAILED },
};

static void test_migrate_waits_and_tells_the_end(void **state)
{
    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(ends); i++) {
        Fixture f;

        print_message("%s\n", ends[i].info);
        set_up(&f, 0);
        canned(&f, "query-migrate", "{\"status\":\"setup\"}");
        begin(&f, "migrate unix:/s");
        settle();
        assert_true(hmp_is_busy(f.hmp));
        assert_string_equal(f.progress->str, "s");
        canned(&f, "query-migrate", "{\"status\":\"active\"}");
        emit_status(&f, "active");
        settle();
        assert_true(hmp_is_busy(f.hmp));
        canned(&f, "query-migrate", ends[i].info);
        emit_status(&f, "active");
        assert_int_equal(finish(&f), ends[i].result);
        assert_string_equal(f.out->str, ends[i].out);
        assert_true(g_str_has_prefix(f.progress->str, "sa"));
        assert_true(g_str_has_suffix(f.progress->str, "."));
        tear_down(&f);
    }
}

static void test_migrate_looks_again_without_events(void **state)
{
    Fixture f;

    (void)state;
    set_up(&f, 0);
    canned(&f, "query-migrate", "{\"status\":\"active\"}");
    begin(&f, "migrate unix:/s");
    settle();
    canned(&f, "query-migrate", "{\"status\":\"completed\"}");
    assert_int_equal(finish(&f), HMP_OK);
    tear_down(&f);
}

static void test_refused_migrate_does_not_wait(void **state)
{
    Fixture f;

    (void)state;
    set_up(&f, 0);
    canned(&f, "migrate", "!There's a migration process in progress");
    begin(&f, "migrate unix:/s");
    assert_int_equal(finish(&f), HMP_ERROR_FAILED);
    assert_string_equal(f.out->str, "Error: There's a migration process in progress\n");
    assert_null(strstr(f.fake.log->str, "query-migrate"));
    assert_string_equal(f.progress->str, "");
    tear_down(&f);
}

static const struct {
    const char *info, *history, *out;
} failures[] = {
    { "{\"status\":\"failed\",\"error-desc\":\"no way\"}",
      "{\"outcome\":\"migration to unix:/s failed: no way; the guest goes on here\\nhint: look\"}",
      "Error: no way; the guest goes on here\nhint: look\n" },
    { "{\"status\":\"failed\",\"error-desc\":\"no way\"}",
      "{\"outcome\":\"nobody confirmed it (no way)\"}", "Error: nobody confirmed it (no way)\n" },
    { "{\"status\":\"failed\",\"error-desc\":\"no way\"}", "{\"outcome\":\"\"}",
      "Error: no way\n" },
    { "{\"status\":\"cancelled\"}",
      "{\"outcome\":\"migration to unix:/s cancelled; the guest goes on here\"}",
      "Error: migration to unix:/s cancelled; the guest goes on here\n" },
};

static void test_a_failure_says_where_the_guest_is(void **state)
{
    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(failures); i++) {
        Fixture f;

        set_up(&f, 0);
        canned(&f, "query-migrate", failures[i].info);
        canned(&f, "x-query-migrate-history", failures[i].history);
        begin(&f, "migrate unix:/s");
        assert_int_equal(finish(&f), HMP_ERROR_FAILED);
        assert_string_equal(f.out->str, failures[i].out);
        tear_down(&f);
    }
}

/* The reason of a line that failed is its error's own, whatever else it printed. */
static void test_a_reason_is_the_errors_own(void **state)
{
    (void)state;
    for (unsigned json = 0; json < 2; json++) {
        Fixture f;

        set_up(&f, HMP_BATCH | (json ? HMP_JSON : 0));
        canned(&f, "query-migrate", "{\"status\":\"active\"}");
        canned(&f, "x-query-migrate-history",
               "{\"verdict\":\"will not finish: too busy\",\"advice\":\"slow it down\"}");
        begin(&f, "migrate unix:/s");
        settle();
        canned(&f, "query-migrate", "{\"status\":\"failed\",\"error-desc\":\"no way\"}");
        canned(&f, "x-query-migrate-history",
               "{\"outcome\":\"migration to unix:/s failed: no way; the guest goes on here\\nhint: "
               "look\"}");
        assert_int_equal(finish(&f), HMP_ERROR_FAILED);
        assert_string_equal(hmp_failure(f.hmp), "no way; the guest goes on here");
        begin(&f, "bogus");
        assert_int_equal(finish(&f), HMP_ERROR_SYNTAX);
        assert_string_equal(hmp_failure(f.hmp), "unknown command: 'bogus'");
        tear_down(&f);
    }
}

static void test_a_verdict_is_told_and_taken_back(void **state)
{
    Fixture f;

    (void)state;
    set_up(&f, 0);
    canned(&f, "query-migrate", "{\"status\":\"active\"}");
    canned(&f, "x-query-migrate-history", "{\"verdict\":\"not yet clear\",\"advice\":\"\"}");
    begin(&f, "migrate unix:/s");
    settle();
    assert_string_equal(f.out->str, "");
    canned(&f, "x-query-migrate-history",
           "{\"verdict\":\"will not finish: too busy\",\"advice\":\"slow it down\"}");
    for (int i = 0; i < 3; i++) {
        emit_status(&f, "active");
        settle();
    }
    assert_string_equal(f.out->str, "will not finish: too busy\nhint: slow it down\n");
    canned(&f, "x-query-migrate-history", "{\"verdict\":\"will finish\",\"advice\":\"\"}");
    for (int i = 0; i < 3; i++) {
        emit_status(&f, "active");
        settle();
    }
    assert_string_equal(f.out->str, "will not finish: too busy\nhint: slow it down\nwill finish\n");
    canned(&f, "query-migrate", "{\"status\":\"completed\"}");
    assert_int_equal(finish(&f), HMP_OK);
    tear_down(&f);
}

static void test_too_late_to_cancel_ends_the_line_only(void **state)
{
    Fixture f;

    (void)state;
    set_up(&f, 0);
    canned(&f, "query-migrate", "{\"status\":\"active\"}");
    canned(&f, "migrate_cancel", "!the guest was handed over already");
    begin(&f, "migrate unix:/s");
    settle();
    assert_true(hmp_waits_for_migration(f.hmp));
    assert_true(hmp_interrupt(f.hmp));
    assert_int_equal(finish(&f), HMP_ERROR_FAILED);
    assert_string_equal(f.out->str, "Error: the guest was handed over already\n"
                                    "hint: it goes on in the background; info migrate shows it\n");
    assert_true(g_str_has_suffix(f.progress->str, "."));
    assert_false(hmp_waits_for_migration(f.hmp));
    tear_down(&f);
}

static void test_quit_asks_a_person_once(void **state)
{
    static const struct {
        unsigned flags;
        const char *line, *info, *out;
        unsigned quits; /* so far */
    } steps[] = {
        { HMP_PERSON, "quit", "{\"status\":\"active\"}",
          "a migration runs: quit again to cancel it and end the guest\n", 0 },
        { HMP_PERSON, "info status", "{\"status\":\"active\"}", NULL, 0 },
        { HMP_PERSON, "q", "{\"status\":\"active\"}",
          "a migration runs: quit again to cancel it and end the guest\n", 0 },
        { HMP_PERSON, "quit", "{\"status\":\"active\"}", "", 1 },
        { HMP_PERSON, "quit", "{\"status\":\"completed\"}", "", 1 },
        { HMP_PERSON, "quit", "{}", "", 1 },
        { HMP_PERSON, "quit", "{\"status\":\"setup\"}", "", 1 },
        { 0, "quit", "{\"status\":\"active\"}", "", 1 },
    };
    Fixture f = { 0 };

    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(steps); i++) {
        if (i == 0 || i > 3) {
            set_up(&f, steps[i].flags);
        }
        canned(&f, "query-migrate", steps[i].info);
        begin(&f, steps[i].line);
        assert_int_equal(finish(&f), HMP_OK);
        if (steps[i].out) {
            assert_string_equal(f.out->str, steps[i].out);
        }
        assert_int_equal(f.quits, steps[i].quits);
        if (i >= 3) {
            tear_down(&f);
        }
    }
}

/* Only where the destination has said that it has the guest, and only a person. */
static void test_cont_f_asks_a_person_where_the_owner_is_known(void **state)
{
    static const char there[] = "{\"owner\":\"peer (confirmed)\",\"evidence\":\"it runs there\"}";
    static const struct {
        unsigned flags;
        const char *owner;
        bool asks;
    } rows[] = {
        { HMP_PERSON, there, true },
        { HMP_PERSON, "{\"owner\":\"unknown (commit sent)\",\"evidence\":\"no answer\"}", false },
        { HMP_PERSON, "{\"owner\":\"here\",\"evidence\":\"it never left\"}", false },
        { 0, there, false },
    };

    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        Fixture f = { 0 };

        set_up(&f, rows[i].flags);
        canned(&f, "x-query-owner", rows[i].owner);
        canned(&f, "cont", "{}");
        begin(&f, "cont -f");
        assert_int_equal(finish(&f), HMP_OK);
        assert_int_equal(strstr(f.out->str, "cont -f again runs it here") != NULL, rows[i].asks);
        assert_int_equal(strstr(f.out->str, "it runs there") != NULL, rows[i].asks);
        begin(&f, "cont -f");
        assert_int_equal(finish(&f), HMP_OK);
        assert_null(strstr(f.out->str, "cont -f again"));
        tear_down(&f);
    }
}

static void test_interrupt_asks_to_cancel_and_waits_on(void **state)
{
    Fixture f;

    (void)state;
    set_up(&f, 0);
    assert_false(hmp_interrupt(f.hmp));
    canned(&f, "query-migrate", "{\"status\":\"active\"}");
    canned(&f, "migrate_cancel", "{}");
    begin(&f, "migrate unix:/s");
    settle();
    assert_true(hmp_interrupt(f.hmp));
    settle();
    canned(&f, "query-migrate", "{\"status\":\"cancelled\"}");
    emit_status(&f, "cancelled");
    assert_int_equal(finish(&f), HMP_ERROR_FAILED);
    assert_non_null(strstr(f.fake.log->str, "migrate_cancel {}\n"));
    tear_down(&f);
}

static void test_lines_that_wait_for_none_cannot_be_interrupted(void **state)
{
    Fixture f;

    (void)state;
    set_up(&f, HMP_BATCH);
    begin(&f, "migrate -d unix:/s");
    assert_false(hmp_interrupt(f.hmp));
    finish(&f);
    begin(&f, "wait completed");
    assert_false(hmp_interrupt(f.hmp));
    tear_down(&f);
}

static void test_monitor_that_cannot_wait_says_so(void **state)
{
    Fixture f;

    (void)state;
    set_up(&f, HMP_NO_WAIT);
    begin(&f, "migrate unix:/s");
    assert_false(hmp_interrupt(f.hmp));
    assert_int_equal(finish(&f), HMP_OK);
    assert_string_equal(f.out->str,
                        "terminal does not allow synchronous migration, continuing detached\n");
    assert_null(strstr(f.fake.log->str, "query-migrate"));
    tear_down(&f);
}

static void test_wait_fails_when_the_backend_stops_answering(void **state)
{
    Fixture f;

    (void)state;
    set_up(&f, 0);
    canned(&f, "query-migrate", "!connection lost");
    begin(&f, "migrate unix:/s");
    assert_int_equal(finish(&f), HMP_ERROR_FAILED);
    assert_string_equal(f.out->str, "Error: connection lost\n");
    assert_string_equal(f.progress->str, ".");
    tear_down(&f);
}

/* ---- batches ---- */

static const Row batch_rows[] = {
    { "# comment", "", NULL, HMP_OK },
    { "  # comment", "", NULL, HMP_OK },
    { "echo", "\n", NULL, HMP_OK },
    { "echo  a \"b\"  # c ", "a \"b\"  # c \n", NULL, HMP_OK },
    { "sleep 0", "", NULL, HMP_OK },
    { "sleep 0.001", "", NULL, HMP_OK },
    { "sleep 1us", "", NULL, HMP_OK },
    { "sleep 0.001s", "", NULL, HMP_OK },
    { "sleep 0min", "", NULL, HMP_OK },
    { "sleep", "Number expected\n" TRY("sleep"), NULL, HMP_ERROR_SYNTAX },
    { "sleep -1", "Bad number\n" TRY("sleep"), NULL, HMP_ERROR_SYNTAX },
    { "sleep 1x", "Unknown unit suffix\n" TRY("sleep"), NULL, HMP_ERROR_SYNTAX },
    { "wait", STRING_EXPECTED("wait"), NULL, HMP_ERROR_SYNTAX },
    { "wait complete", UNKNOWN("complete"), NULL, HMP_ERROR_SYNTAX, "did you mean 'completed'?" },
    { "wait none", "", "query-migrate {}", HMP_OK },
};

static void test_batch_lines(void **state)
{
    (void)state;
    check_rows(batch_rows, G_N_ELEMENTS(batch_rows), HMP_BATCH);
}

static const WaitRow waits[] = {
    { "there already", "wait completed", "{\"status\":\"completed\"}", "", HMP_OK },
    { "ended otherwise", "wait completed", "{\"status\":\"failed\",\"error-desc\":\"no route\"}",
      "Error: waited for 'completed', but migration ended as 'failed': no route\n",
      HMP_ERROR_FAILED },
    { "too late", "wait active", "{\"status\":\"completed\"}",
      "Error: waited for 'active', but migration ended as 'completed'\n", HMP_ERROR_FAILED },
    { "no time left", "wait completed 0", "{\"status\":\"active\"}",
      "Error: waited 0 s for 'completed', migration is 'active'\n", HMP_ERROR_TIMEOUT },
    { "no migration in time", "wait completed 1ms", "{}",
      "Error: waited 0.001 s for 'completed', migration is 'none'\n", HMP_ERROR_TIMEOUT },
};

static void test_wait_ends_at_once_where_it_can(void **state)
{
    (void)state;
    check_waits(waits, G_N_ELEMENTS(waits));
}

static void test_wait_sees_a_state_that_is_gone_again(void **state)
{
    Fixture f;

    (void)state;
    set_up(&f, HMP_BATCH);
    begin(&f, "wait device 1000");
    settle();
    assert_true(hmp_is_busy(f.hmp));
    canned(&f, "query-migrate", "{\"status\":\"completed\"}");
    emit_status(&f, "device");
    emit_status(&f, "completed");
    assert_int_equal(finish(&f), HMP_OK);
    tear_down(&f);
}

/* ---- JSON ---- */

#define V          "{ \"migmon\": 1, "
#define KIND(kind) ", \"kind\": \"" kind "\" } }\n"

static const struct {
    const char *line, *command, *reply, *out;
} json_rows[] = {
    { "stop", "stop", "{}", V "\"command\": \"stop\", \"return\": { } }\n" },
    { "info name", "query-name", "{\"name\":\"a\"}",
      V "\"command\": \"info name\", \"return\": { \"name\": \"a\" } }\n" },
    { "echo hi", NULL, NULL, V "\"command\": \"echo hi\", \"return\": \"hi\\n\" }\n" },
    { "stop", "stop", "!no\nhint: because",
      V "\"command\": \"stop\", \"error\": { \"class\": \"GenericError\", \"desc\": \"no\", "
        "\"hint\": \"because\"" KIND("failed") },
    { "stopp", NULL, NULL,
      V "\"command\": \"stopp\", \"error\": { \"class\": \"CommandNotFound\", \"desc\": "
        "\"unknown command: 'stopp'\", \"hint\": \"did you mean 'stop'?\"" KIND("syntax") },
    { "migrate", NULL, NULL,
      V "\"command\": \"migrate\", \"error\": { \"class\": \"GenericError\", \"desc\": "
        "\"migrate: string expected\"" KIND("syntax") },
    { "help \"a", NULL, NULL,
      V "\"command\": \"help \\\"a\", \"error\": { \"class\": \"GenericError\", \"desc\": "
        "\"unterminated string\"" KIND("syntax") },
    { "guest_verify", "x-guest-verify",
      "{\"ok\":false,\"faults\":1,\"pages-checked\":3,\"pages-written\":2,\"steps\":9}",
      V "\"command\": \"guest_verify\", \"return\": { \"ok\": false, \"faults\": 1, "
        "\"pages-checked\": 3, \"pages-written\": 2, \"steps\": 9 }, \"error\": { \"class\": "
        "\"GenericError\", \"desc\": \"verify: FAILED, 1 faults, 3 pages checked, 2 written, 9 "
        "steps\"" KIND("verify") },
    { "assert running == on", "query-status", "{\"running\":false}",
      V
      "\"command\": \"assert running == on\", \"return\": { \"field\": \"running\", \"value\": "
      "false }, \"error\": { \"class\": \"GenericError\", \"desc\": \"assertion failed: running == "
      "on, but it is false\"" KIND("assert") },
    { "# nothing", NULL, NULL, "" },
};

static void test_json_is_one_object_a_line(void **state)
{
    Fixture f;

    (void)state;
    set_up(&f, HMP_JSON | HMP_BATCH);
    for (size_t i = 0; i < G_N_ELEMENTS(json_rows); i++) {
        print_message("[%s]\n", json_rows[i].line);
        if (json_rows[i].command) {
            canned(&f, json_rows[i].command, json_rows[i].reply);
        }
        begin(&f, json_rows[i].line);
        finish(&f);
        assert_string_equal(f.out->str, json_rows[i].out);
    }
    hmp_set_place(f.hmp, "a.hmp:7");
    begin(&f, "echo");
    finish(&f);
    assert_string_equal(f.out->str, V "\"place\": \"a.hmp:7\", \"command\": \"echo\", "
                                      "\"return\": \"\\n\" }\n");
    hmp_set_place(f.hmp, NULL);
    canned(&f, "query-migrate", "{\"status\":\"completed\"}");
    canned(&f, "x-query-migrate-history", "{\"outcome\":\"done\"}");
    canned(&f, "x-query-owner", "{\"owner\":\"here\"}");
    f.fake.warning = "careful";
    begin(&f, "info migrate");
    assert_int_equal(finish(&f), HMP_OK);
    assert_string_equal(f.out->str, V
                        "\"command\": \"info migrate\", \"return\": { \"status\": \"completed\" }, "
                        "\"x-query-migrate-history\": { \"outcome\": \"done\" }, "
                        "\"x-query-owner\": { \"owner\": \"here\" }, "
                        "\"warnings\": [ \"careful\" ] }\n");
    begin(&f, "migrate unix:/s");
    assert_int_equal(finish(&f), HMP_OK);
    assert_string_equal(f.out->str, V "\"command\": \"migrate unix:/s\", \"return\": "
                                      "{ \"status\": \"completed\" } }\n");
    tear_down(&f);
}

/* ---- the life of a line ---- */

static void test_freed_monitor_forgets_its_line(void **state)
{
    static const char *const lines[] = { "stop", "migrate unix:/s", "wait completed 100",
                                         "sleep 100" };

    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(lines); i++) {
        for (int settled = 0; settled < 2; settled++) {
            Fixture f;

            print_message("[%s]\n", lines[i]);
            set_up(&f, HMP_BATCH);
            canned(&f, "query-migrate", "{\"status\":\"active\"}");
            f.fake.hold = "stop";
            begin(&f, lines[i]);
            if (settled) {
                settle();
            }
            hmp_free(g_steal_pointer(&f.hmp));
            emit_status(&f, "completed");
            settle();
            if (f.fake.held) {
                backend_reply_return(f.fake.held, NULL);
            }
            settle();
            assert_int_equal(f.done, -1);
            tear_down(&f);
        }
    }
}

static void free_when_done(HmpResult result, void *data)
{
    Fixture *f = data;

    hmp_free(g_steal_pointer(&f->hmp));
    f->done = (int)result;
}

static void test_owner_may_free_the_monitor_in_done(void **state)
{
    static const char *const lines[] = { "help",          "bogus",   "stop", "migrate unix:/s",
                                         "wait active 0", "sleep 0", "" };

    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(lines); i++) {
        Fixture f;

        set_up(&f, HMP_BATCH);
        canned(&f, "query-migrate", "{\"status\":\"completed\"}");
        hmp_execute(f.hmp, lines[i], free_when_done, &f);
        RUN_UNTIL(f.done >= 0);
        assert_null(f.hmp);
        tear_down(&f);
    }
}

static void next_line(HmpResult result, void *data)
{
    Fixture *f = data;

    assert_int_equal(result, HMP_OK);
    hmp_execute(f->hmp, "info name", on_done, f);
}

static void test_done_may_give_the_next_line(void **state)
{
    static const char *const lines[] = { "echo a", "stop", "migrate unix:/s" };

    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(lines); i++) {
        Fixture f;

        set_up(&f, HMP_BATCH);
        canned(&f, "query-migrate", "{\"status\":\"completed\"}");
        canned(&f, "query-name", "{\"name\":\"b\"}");
        hmp_execute(f.hmp, lines[i], next_line, &f);
        assert_int_equal(finish(&f), HMP_OK);
        assert_true(g_str_has_suffix(f.out->str, "b\n"));
        tear_down(&f);
    }
}

static void test_monitor_on_a_session_of_somebody_else(void **state)
{
    Fixture f;

    (void)state;
    set_up(&f, 0);
    BackendSession *session = backend_session_new(&f.fake.base, NULL, NULL);
    Hmp *second =
        hmp_new_with_session(command_table, &f.fake.base, session, &callbacks, &f, HMP_NO_WAIT);

    assert_ptr_equal(second->session, session);
    assert_ptr_not_equal(f.hmp->session, session);
    canned(&f, "query-name", "{\"name\":\"b\"}");
    hmp_execute(second, "info name", on_done, &f);
    finish(&f);
    assert_string_equal(f.out->str, "b\n");
    hmp_free(second);
    backend_session_close(session);
    tear_down(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_migrate_waits_and_tells_the_end),
        cmocka_unit_test(test_migrate_looks_again_without_events),
        cmocka_unit_test(test_refused_migrate_does_not_wait),
        cmocka_unit_test(test_a_failure_says_where_the_guest_is),
        cmocka_unit_test(test_a_reason_is_the_errors_own),
        cmocka_unit_test(test_a_verdict_is_told_and_taken_back),
        cmocka_unit_test(test_too_late_to_cancel_ends_the_line_only),
        cmocka_unit_test(test_quit_asks_a_person_once),
        cmocka_unit_test(test_cont_f_asks_a_person_where_the_owner_is_known),
        cmocka_unit_test(test_interrupt_asks_to_cancel_and_waits_on),
        cmocka_unit_test(test_lines_that_wait_for_none_cannot_be_interrupted),
        cmocka_unit_test(test_monitor_that_cannot_wait_says_so),
        cmocka_unit_test(test_wait_fails_when_the_backend_stops_answering),
        cmocka_unit_test(test_batch_lines),
        cmocka_unit_test(test_wait_ends_at_once_where_it_can),
        cmocka_unit_test(test_wait_sees_a_state_that_is_gone_again),
        cmocka_unit_test(test_json_is_one_object_a_line),
        cmocka_unit_test(test_freed_monitor_forgets_its_line),
        cmocka_unit_test(test_owner_may_free_the_monitor_in_done),
        cmocka_unit_test(test_done_may_give_the_next_line),
        cmocka_unit_test(test_monitor_on_a_session_of_somebody_else),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
