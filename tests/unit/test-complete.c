/* completion/: a line and a cursor in, words out. */
#include "tests/unit/test.h"

#include <string.h>
#include <glib/gstdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "backend/guest/guest.h"
#include "backend/tables/capabilities.h"
#include "backend/tables/parameters.h"
#include "completion/complete.h"

static const char *const history[] = { "tcp:hera:4444", "unix:/a b", "tcp:hades:1", "tcp:hera:4444",
                                       NULL };
static const CompletionEnv prompt_env = { .history_uris = history };
static const char *const variables[] = { "dir", "dirty", "uri", NULL };
static const CompletionEnv batch_env = { .batch = true, .variables = variables };

/* The texts with blanks between them, '~' behind one that is not final. */
static char *listed(const Completion *completion)
{
    GString *out = g_string_new(NULL);

    for (guint i = 0; i < completion->candidates->len; i++) {
        const Candidate *c = g_ptr_array_index(completion->candidates, i);

        g_string_append_printf(out, "%s%s%s", i ? " " : "", c->text, c->final ? "" : "~");
    }
    return g_string_free(out, FALSE);
}

static const struct {
    const char *line;
    size_t start;
    const char *words;
} rows[] = {
    /* commands */
    { "migr", 0,
      "migrate migrate_cancel migrate_check migrate_continue migrate_incoming migrate_pause "
      "migrate_recover "
      "migrate_set_capability migrate_set_parameter migrate_start_postcopy migrate_to" },
    { "migrate_set_", 0, "migrate_set_capability migrate_set_parameter" },
    { "migrate_set_c", 0, "migrate_set_capability" },
    { "  q", 2, "q qemu quit" },
    { "?", 0, "?" },
    { "MIGR", 0, "" },
    { "wai", 0, "" },
    { "info", 0, "info" },
    { "info ", 5,
      "dirty_rate guest history migrate migrate_capabilities migrate_parameters "
      "migration_threads name objects snapshots "
      "status target uuid vcpu_dirty_limit version" },
    { "info  mig", 6, "migrate migrate_capabilities migrate_parameters migration_threads" },
    { "info migrate ", 13, "" },
    { "info/mig", 8, "" },
    { "help migrate_c", 5, "migrate_cancel migrate_check migrate_continue" },
    { "help max-b", 5, "max-bandwidth" },
    { "help validate", 5, "validate-uuid" },
    { "help postmi", 5, "postmigrate" },
    { "help MIGRATION_P", 5, "MIGRATION_PASS" },
    { "help info max", 10, "" },
    { "migrate_continue pre", 17, "pre-switchover" },
    { "migrate_continue ", 17, "pre-switchover" },
    { "savevm ", 7, "~" },
    { "set_vcpu_dirty_limit ", 21, "~" },
    { "? info mig", 7, "migrate migrate_capabilities migrate_parameters migration_threads" },
    { "help migrate ", 13, "" },
    { "help help migr", 14, "" },
    { "help bogus ", 11, "" },
    { "bogus ", 6, "" },
    { "stop ", 5, "" },
    { "# mig", 5, "" },
    /* names and values */
    { "migrate_set_capability x", 23, "x-colo x-ignore-shared x-sparse-ram xbzrle" },
    { "migrate_set_capability xb", 23, "xbzrle" },
    { "migrate_set_capability nosuch", 23, "" },
    { "migrate_set_capability xbzrle ", 30, "off on" },
    { "migrate_set_capability xbzrle of", 30, "off" },
    { "report - ", 9, "json markdown svg text" },
    { "report -", 7, "--format" },
    { "report --f", 7, "--format" },
    { "report --format ", 16, "json markdown svg text" },
    { "report --format m", 16, "markdown" },
    { "report --format=", 16, "json markdown svg text" },
    { "report --format=s", 16, "svg" },
    { "report --format=\"s", 16, "\"svg\"" },
    { "report --format= ", 17, "" },
    { "report --format svg --", 20, "" },
    { "report --format svg - ", 22, "" },
    { "report --bogus ", 15, "" },
    { "report - --f", 9, "" },
    { "report -- - j", 12, "json" },
    { "migrate_set_capability xbzrle on ", 33, "" },
    { "migrate_set_parameter max-b", 22, "max-bandwidth" },
    { "migrate_set_parameter mode ", 27, "cpr-reboot normal" },
    { "migrate_set_parameter multifd-compression z", 42, "zlib zstd" },
    { "migrate_set_parameter cpu-throttle-tailslow o", 44, "off on" },
    { "migrate_set_parameter max-bandwidth ", 36, "0 128M" },
    { "migrate_set_parameter max-bandwidth 5", 36, "5 5B 5G 5K 5M 5T" },
    { "migrate_set_parameter max-bandwidth 5M", 36, "5M" },
    { "migrate_set_parameter max-bandwidth x", 36, "" },
    { "migrate_set_parameter downtime-limit ", 37, "0 2000000 300" },
    { "migrate_set_parameter downtime-limit 2", 37, "2" },
    { "migrate_set_parameter downtime-limit 2000001", 37, "" },
    { "migrate_set_parameter multifd-channels ", 39, "1 2 255" },
    { "migrate_set_parameter tls-creds ", 32, "" },
    { "migrate_set_parameter nosuch ", 29, "" },
    /* flags and addresses */
    { "migrate -", 8, "-b -d -i -r" },
    { "migrate -d -", 11, "-b -i -r" },
    { "migrate -dr -", 12, "-b -i" },
    { "migrate unix:/s -", 16, "-b -d -i -r" },
    { "migrate -x ", 11, "" },
    { "migrate ", 8,
      "\"unix:/a b\" -b -d -i -r exec:~ fd:~ file:~ tcp:~ tcp:hades:1 tcp:hera:4444 unix:~ "
      "vsock:~" },
    { "migrate -d tcp:", 11, "tcp:~ tcp:hades:1 tcp:hera:4444" },
    { "migrate tcp:he", 8, "tcp:hera:4444" },
    { "migrate r", 8, "" },
    { "migrate_incoming t", 17, "tcp:~ tcp:hades:1 tcp:hera:4444" },
    { "migrate x y", 11, "" },
    { "cont -", 5, "-f" },
    { "cont ", 5, "-f" },
    { "cont -f ", 8, "" },
    { "cont x", 5, "" },
    { "migrate -d tcp:x ", 17, "" },
    /* quotes */
    { "migrate \"tcp:ha", 8, "\"tcp:hades:1\"" },
    { "migrate \"tcp:ha\"", 8, "\"tcp:hades:1\"" },
    { "migrate \"exe", 8, "\"exec:~" },
    { "migrate \"unix:/a ", 8, "\"unix:/a b\"" },
    { "migrate \"tcp:\\q", 15, "" },
    { "migrate \"tcp:\\", 14, "" },
    { "migrate_set_capability \"xbzrle\" ", 32, "off on" },
    { "migrate_set_parameter \"mode\" n", 29, "normal" },
    { "migrate_set_capability \"xb", 23, "\"xbzrle\"" },
};

static void test_candidates(void **state)
{
    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(Completion) c = complete_line(rows[i].line, strlen(rows[i].line), &prompt_env);
        g_autofree char *words = listed(c);

        print_message("[%s]\n", rows[i].line);
        assert_string_equal(words, rows[i].words);
        if (c->candidates->len > 0) {
            assert_int_equal(c->start, rows[i].start);
        }
    }
}

static const char *text_of(const Completion *c, guint i)
{
    return ((const Candidate *)g_ptr_array_index(c->candidates, i))->text;
}

static bool offers(const Completion *c, const char *text)
{
    for (guint i = 0; i < c->candidates->len; i++) {
        if (strcmp(text_of(c, i), text) == 0) {
            return true;
        }
    }
    return false;
}

static void test_all_names_are_offered(void **state)
{
    g_autoptr(Completion) parameters = complete_line("migrate_set_parameter ", 22, NULL);
    g_autoptr(Completion) capabilities = complete_line("migrate_set_capability ", 23, NULL);
    MigCapabilities known = 0;

    (void)state;
    for (size_t i = 0; i < param_count; i++) {
        assert_true(offers(parameters, param_table[i].name));
    }
    for (guint i = 0; i < parameters->candidates->len; i++) {
        assert_non_null(param_find(text_of(parameters, i)));
    }
    for (guint i = 0; i < capabilities->candidates->len; i++) {
        MigCapability id;

        assert_true(capability_find(text_of(capabilities, i), &id));
        known |= CAPABILITY_BIT(id);
    }
    for (int id = 0; id < CAPABILITY__COUNT; id++) {
        assert_true(capability_is_on(known, (MigCapability)id));
    }
    for (guint i = 1; i < parameters->candidates->len; i++) {
        const Candidate *left = g_ptr_array_index(parameters->candidates, i - 1);
        const Candidate *right = g_ptr_array_index(parameters->candidates, i);

        assert_true(strcmp(left->text, right->text) < 0);
        assert_non_null(right->note);
    }
}

/* Whatever the command: a flag that was not begun is listed and never inserted. */
static void test_no_flag_comes_by_itself(void **state)
{
    const CompletionEnv *const envs[] = { &prompt_env, &batch_env };
    unsigned listed_only = 0;

    (void)state;
    for (size_t e = 0; e < G_N_ELEMENTS(envs); e++) {
        g_autoptr(Completion) commands = complete_line("", 0, envs[e]);

        for (guint i = 0; i < commands->candidates->len; i++) {
            g_autofree char *line = g_strconcat(text_of(commands, i), " ", NULL);
            g_autofree char *begun = g_strconcat(line, "-", NULL);
            g_autoptr(Completion) c = complete_line(line, strlen(line), envs[e]);
            g_autoptr(Completion) more = complete_line(begun, strlen(begun), envs[e]);
            bool flags = c->candidates->len > 0;

            for (guint k = 0; k < c->candidates->len; k++) {
                flags = flags && *text_of(c, k) == '-';
            }
            assert_int_equal(c->only_listed, flags);
            assert_false(more->only_listed);
            listed_only += flags;
        }
    }
    assert_true(listed_only >= 2); /* cont, at a prompt and in a batch */
}

static void test_text_behind_the_cursor_does_not_count(void **state)
{
    g_autoptr(Completion) c = complete_line("migr_set on", 4, NULL);

    (void)state;
    assert_true(c->candidates->len > 4);
    assert_int_equal(c->start, 0);
}

static const struct {
    const char *line;
    size_t start;
    const char *words;
} batch_rows[] = {
    { "sle", 0, "sleep" },
    { "wait com", 5, "completed" },
    { "wait --", 5, "--timeout" },
    { "wait --timeout 5 com", 17, "completed" },
    { "wait RES", 5, "RESUME" },
    { "wait completed ", 15, "~" },
    { "echo a b", 8, "" },
    { "on-error ", 9, "continue stop" },
    { "assert ram.tr", 7, "ram.transferred" },
    { "assert run", 7, "run-state running" },
    { "assert downtime ", 16, "!= < <= == > >=" },
    { "assert status ", 14, "!= ==" },
    { "assert running == ", 18, "false true" },
    { "assert owner != ", 16, "here lost none peer unknown" },
    { "assert status == pre", 17, "pre-switchover" },
    { "assert downtime < ", 18, "" },
    { "sleep ", 6, "~" },
    { "assert nosuch == ", 17, "" },
    { "set ", 4, "dir dirty uri" },
    { "set u", 4, "uri" },
    { "set uri ", 8, "~" },
    /* a reference anywhere */
    { "migrate $", 8, "$dir~ $dirty~ $uri~" },
    { "migrate unix:$di", 13, "$dir~ $dirty~" },
    { "migrate \"unix:${d", 14, "${dirty}~ ${dir}~" },
    { "echo $x", 5, "" },
    { "echo $$di", 9, "" },
    { "expect a\\$di", 12, "" },
};

static void test_batch_commands_only_in_batches(void **state)
{
    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(batch_rows); i++) {
        const char *line = batch_rows[i].line;
        g_autoptr(Completion) c = complete_line(line, strlen(line), &batch_env);
        g_autoptr(Completion) outside = complete_line(line, strlen(line), &prompt_env);
        g_autofree char *words = listed(c);

        print_message("[%s]\n", line);
        assert_string_equal(words, batch_rows[i].words);
        if (c->candidates->len > 0) {
            assert_int_equal(c->start, batch_rows[i].start);
        }
        if (!g_str_has_prefix(line, "migrate ")) {
            assert_int_equal(outside->candidates->len, 0);
        }
    }
}

static void test_numbers_say_what_they_mean(void **state)
{
    static const char *const lines[] = { "migrate_set_parameter max-bandwidth 5K",
                                         "migrate_set_parameter max-bandwidth 128M" };
    g_autoptr(Completion) typed = complete_line(lines[0], strlen(lines[0]), NULL);
    g_autoptr(Completion) initial = complete_line(lines[1], strlen(lines[1]) - 4, NULL);

    (void)state;
    assert_string_equal(((Candidate *)typed->candidates->pdata[0])->note, "5.0 KiB/s");
    assert_string_equal(((Candidate *)initial->candidates->pdata[0])->note, "0 (no limit), least");
    assert_string_equal(((Candidate *)initial->candidates->pdata[1])->note, "128.0 MiB/s, default");
}

static void test_guest_keys_values_and_faults(void **state)
{
    g_autoptr(Completion) keys = complete_line("guest_set ", 10, NULL);
    g_autoptr(Completion) faults = complete_line("guest_plant ", 12, NULL);
    const char *const *key = guest_set_keys();

    (void)state;
    for (guint i = 0; i < keys->candidates->len; i++) {
        assert_true(g_strv_contains(key, text_of(keys, i)));
    }
    for (unsigned i = 0; i < VERIFY__COUNT; i++) {
        assert_true(offers(faults, verify_fault_name((VerifyFault)i)));
    }
    for (guint i = 0; i < faults->candidates->len; i++) {
        VerifyFault fault;

        assert_true(verify_fault_from_name(text_of(faults, i), &fault));
    }
    for (; *key; key++) {
        assert_true(offers(keys, *key));

        g_autofree char *line = g_strdup_printf("guest_set %s ", *key);
        g_autoptr(Completion) values = complete_line(line, strlen(line), NULL);
        const char *const *known = guest_set_values(*key);

        if (known == NULL) { /* nothing to insert, but what is to be typed */
            const Candidate *form = g_ptr_array_index(values->candidates, 0);

            assert_int_equal(values->candidates->len, 1);
            assert_string_equal(form->text, "");
            assert_false(form->final);
            assert_string_equal(form->note, guest_set_form(*key));
            continue;
        }
        for (guint i = 0; i < values->candidates->len; i++) {
            assert_true(known != NULL && g_strv_contains(known, text_of(values, i)));
        }
        for (; known != NULL && *known != NULL; known++) {
            assert_true(offers(values, *known));
        }
    }
}

/* ---- files ---- */

static void make_socket(const char *folder, const char *name)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    g_snprintf(address.sun_path, sizeof address.sun_path, "%s/%s", folder, name);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    close(fd);
}

static const struct {
    const char *typed; /* DIR stands for the folder of the test */
    const char *words;
} file_rows[] = {
    { "migrate file:DIR/", "\"file:DIR/two words\" file:DIR/plain file:DIR/sub/~" },
    { "migrate file:DIR/pl", "file:DIR/plain" },
    { "migrate file:DIR/.", "file:DIR/.hidden" },
    { "migrate file:DIR/sub", "file:DIR/sub/~" },
    { "migrate \"file:DIR/sub", "\"file:DIR/sub/~" },
    { "migrate file:DIR/sub/", "file:DIR/sub/quo\"te" },
    { "migrate \"file:DIR/sub/", "\"file:DIR/sub/quo\\\"te\"" },
    { "migrate \"file:DIR/two w", "\"file:DIR/two words\"" },
    { "migrate unix:DIR/", "unix:DIR/m.sock unix:DIR/sub/~" },
    { "source DIR/", "\"DIR/two words\" DIR/plain DIR/sub/~" },
    { "migrate_incoming unix:DIR/m", "unix:DIR/m.sock" },
    { "migrate file:DIR/nosuch/", "" },
};

static char *with_folder(const char *text, const char *folder)
{
    g_auto(GStrv) parts = g_strsplit(text, "DIR", -1);

    return g_strjoinv(folder, parts);
}

static void test_file_names_are_offered_quoted(void **state)
{
    static const char *const files[] = { "plain", ".hidden", "two words", "sub/quo\"te" };
    g_autofree char *folder = g_dir_make_tmp("complete-XXXXXX", NULL);
    g_autofree char *sub = g_build_filename(folder, "sub", NULL);
    g_autofree char *sock = g_build_filename(folder, "m.sock", NULL);

    (void)state;
    assert_non_null(folder);
    assert_int_equal(g_mkdir(sub, 0700), 0);
    for (size_t i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autofree char *path = g_build_filename(folder, files[i], NULL);
        assert_true(g_file_set_contents(path, "1234", 4, NULL));
    }
    make_socket(folder, "m.sock");

    for (size_t i = 0; i < G_N_ELEMENTS(file_rows); i++) {
        g_autofree char *line = with_folder(file_rows[i].typed, folder);
        g_autofree char *expected = with_folder(file_rows[i].words, folder);
        g_autoptr(Completion) c = complete_line(line, strlen(line), &batch_env);
        g_autofree char *words = listed(c);

        print_message("[%s]\n", line);
        assert_string_equal(words, expected);
    }

    g_autofree char *line = g_strdup_printf("migrate file:%s/plain", folder);
    g_autoptr(Completion) c = complete_line(line, strlen(line), NULL);
    const Candidate *plain = g_ptr_array_index(c->candidates, 0);
    assert_string_equal(plain->note, "4 B; ,offset=N may follow");

    for (size_t i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autofree char *path = g_build_filename(folder, files[i], NULL);
        g_remove(path);
    }
    g_remove(sock);
    g_remove(sub);
    g_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_candidates),
        cmocka_unit_test(test_all_names_are_offered),
        cmocka_unit_test(test_no_flag_comes_by_itself),
        cmocka_unit_test(test_text_behind_the_cursor_does_not_count),
        cmocka_unit_test(test_batch_commands_only_in_batches),
        cmocka_unit_test(test_numbers_say_what_they_mean),
        cmocka_unit_test(test_guest_keys_values_and_faults),
        cmocka_unit_test(test_file_names_are_offered_quoted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
