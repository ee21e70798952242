/* commands/help.c and topics.c: everything that has a name can be asked about. */
#include "tests/unit/hmp-fake.h"

#include "commands/topics.h"

static void test_everything_has_a_meaning_and_help(void **state)
{
    Fixture f;
    const char *name;

    (void)state;
    set_up(&f, 0);
    for (int kind = 0; kind < TOPIC__COUNT; kind++) {
        for (size_t i = 0; (name = topic_name((TopicKind)kind, i)) != NULL; i++) {
            g_autofree char *line = g_strconcat("help ", name, NULL);
            g_autofree char *head =
                g_strdup_printf("%s (%s) -- %s\n", name, topic_kind_title((TopicKind)kind),
                                topic_summary((TopicKind)kind, name));

            print_message("[%s]\n", line);
            assert_true(*topic_summary((TopicKind)kind, name) != '\0');
            begin(&f, line);
            assert_int_equal(finish(&f), HMP_OK);
            assert_non_null(strstr(f.out->str, head));
        }
    }
    tear_down(&f);
}

static const struct {
    const char *line, *part;
} rows[] = {
    { "help downtime-limit", "  unit: ms\n" },
    { "help downtime-limit", "  default: 300 ms\n" },
    { "help downtime-limit", "  range: 0 ms to 2000000 ms\n" },
    { "help downtime-limit", "  side: source\n" },
    { "help downtime-limit", "  since: QEMU 2.8\n" },
    { "help downtime-limit", "  this build: supported\n" },
    { "help max-bandwidth", "  range: 0 (no limit) or more\n" },
    { "help x-handover", "  since: migmon only; QEMU does not have it\n" },
    { "help mode", "  values: normal, cpr-reboot\n" },
    { "help block", "  deprecated: block migration is deprecated" },
    { "help MIGRATION", "  data: status (MigrationStatus)\n" },
    { "help postcopy-active", "  needs: the capability postcopy-ram" },
    /* One name, two things. */
    { "help colo", "colo (state of a migration) -- " },
    { "help colo", "colo (state of the guest) -- " },
    /* Words behind the name are passed over, as for commands. */
    { "help mode x y", "mode (migration parameter) -- " },
    { "help migrate", "\n  uri: where the destination listens\n" },
};

static void test_help_tells_what_the_tables_know(void **state)
{
    Fixture f;

    (void)state;
    set_up(&f, 0);
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        print_message("[%s]\n", rows[i].line);
        begin(&f, rows[i].line);
        assert_int_equal(finish(&f), HMP_OK);
        assert_non_null(strstr(f.out->str, rows[i].part));
    }
    tear_down(&f);
}

#define NOT_KNOWN(name) "unknown command: '" name "'\n"

static const Row unknown_rows[] = {
    { "help max_bandwith", NOT_KNOWN("max_bandwith"), NULL, HMP_ERROR_SYNTAX,
      "did you mean 'max-bandwidth'?" },
    { "help multifdd", NOT_KNOWN("multifdd"), NULL, HMP_ERROR_SYNTAX, "did you mean 'multifd'?" },
    { "help complete", NOT_KNOWN("complete"), NULL, HMP_ERROR_SYNTAX, "did you mean 'completed'?" },
    { "help resume", NOT_KNOWN("resume"), NULL, HMP_ERROR_SYNTAX, "did you mean 'RESUME'?" },
    { "help migrate_capabilities", NOT_KNOWN("migrate_capabilities"), NULL, HMP_ERROR_SYNTAX,
      "did you mean 'info migrate_capabilities'?" },
    { "help info max-bandwidth", NOT_KNOWN("info max-bandwidth"), NULL, HMP_ERROR_SYNTAX },
};

static void test_unknown_names_are_looked_for_everywhere(void **state)
{
    (void)state;
    check_rows(unknown_rows, G_N_ELEMENTS(unknown_rows), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_everything_has_a_meaning_and_help),
        cmocka_unit_test(test_help_tells_what_the_tables_know),
        cmocka_unit_test(test_unknown_names_are_looked_for_everywhere),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
