/*
 * monitor/options.c: what the command line says, and what it must not say.
 */
#include "tests/unit/test.h"

#include <string.h>

#include "monitor/options.h"

static bool parse(const char *line, Options *ret, GError **error)
{
    g_auto(GStrv) words = NULL;
    int count;

    assert_true(g_shell_parse_argv(line, &count, &words, NULL));
    return options_parse(count, words, ret, error);
}

static const struct {
    const char *line;
    const char *error; /* a part of it */
} refused[] = {
    { "migmon --bogus", "--bogus" },
    { "migmon -x", "-x" },
    { "migmon info", "'info' is no option; a command goes with -c" },
    { "migmon -c", "-c" },
    { "migmon -m 1x", "--memory: '1x' is not a size" },
    { "migmon -m -1", "--memory: '-1' is not a size" },
    { "migmon -m 0", "--memory: '0' is not a positive multiple of 4 KiB" },
    { "migmon -m 4097B", "--memory: '4097B' is not a positive multiple of 4 KiB" },
    { "migmon -m 99999999999G", "--memory: '99999999999G' is not a size that fits" },
    { "migmon --smp 0", "--smp: '0' is not a number from 1 to 1024" },
    { "migmon --smp 2x", "--smp: '2x' is not a number" },
    { "migmon --smp ''", "--smp: '' is not a number" },
    { "migmon --completion", "--completion" },
    { "migmon --tracker fast", "--tracker: 'fast' is not async or sync" },
};

static void test_bad_options_are_named(void **state)
{
    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(refused); i++) {
        g_auto(Options) options = { 0 };
        g_autoptr(GError) error = NULL;

        print_message("%s\n", refused[i].line);
        assert_false(parse(refused[i].line, &options, &error));
        assert_non_null(strstr(error->message, refused[i].error));
    }
}

static const struct {
    const char *text;
    uint64_t bytes;
} sizes[] = {
    { "1", 1u << 20 }, { "128M", 128u << 20 }, { "1.5G", UINT64_C(3) << 29 },
    { "4096B", 4096 }, { "64k", 65536 },
};

static void test_memory_is_in_mib_without_a_suffix(void **state)
{
    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(sizes); i++) {
        g_auto(Options) options = { 0 };
        g_autofree char *line = g_strdup_printf("migmon -m %s", sizes[i].text);

        assert_true(parse(line, &options, NULL));
        assert_true(options.memory == sizes[i].bytes);
    }
}

static void test_defaults(void **state)
{
    g_auto(Options) options = { 0 };

    (void)state;
    assert_true(parse("migmon", &options, NULL));
    assert_true(options.memory == 128u << 20);
    assert_int_equal(options.smp, 2);
    assert_null(options.machine);
    assert_null(options.commands);
    assert_false(options.paused || options.interactive || options.json || options.trace_requests);
    assert_false(options_serve_sockets(&options));
}

static void test_everything_at_once(void **state)
{
    g_auto(Options) options = { 0 };

    (void)state;
    assert_true(
        parse("migmon --memory=2G --smp 4 --machine none --ram-file r --ram-id pc.ram --name n "
              "--uuid u --incoming defer -S -c 'info status' -c 'quit' --batch f "
              "--interactive --monitor unix:a --monitor tcp:h:1 --qmp unix:b --json "
              "--trace-requests --tracker sync",
              &options, NULL));
    assert_true(options.memory == UINT64_C(2) << 30);
    assert_int_equal(options.smp, 4);
    assert_string_equal(options.machine, "none");
    assert_string_equal(options.ram_file, "r");
    assert_string_equal(options.ram_id, "pc.ram");
    assert_string_equal(options.name, "n");
    assert_string_equal(options.uuid, "u");
    assert_string_equal(options.incoming, "defer");
    assert_string_equal(options.commands[0], "info status");
    assert_string_equal(options.commands[1], "quit");
    assert_null(options.commands[2]);
    assert_string_equal(options.batch_file, "f");
    assert_string_equal(options.monitors[1], "tcp:h:1");
    assert_string_equal(options.qmps[0], "unix:b");
    assert_string_equal(options.tracker, "sync");
    assert_true(options.paused && options.interactive && options.json && options.trace_requests);
    assert_true(options_serve_sockets(&options));
}

static void test_a_text_is_the_bytes_it_is(void **state)
{
    g_auto(Options) options = { 0 };
    char program[] = "migmon", option[] = "--ram-file", path[] = "/tmp/\xff\xfe";
    char *argv[] = { program, option, path, NULL };

    (void)state;
    assert_true(options_parse(3, argv, &options, NULL));
    assert_string_equal(options.ram_file, path);
}

static void test_help_names_every_option_of_the_interface(void **state)
{
    static const char *const names[] = {
        "--memory",         "--smp",         "--machine",    "--ram-file", "--ram-id",
        "--name",           "--uuid",        "--incoming",   "--paused",   "--command",
        "--batch",          "--interactive", "--monitor",    "--qmp",      "--json",
        "--trace-requests", "--tracker",     "--completion", "--version",  "--help"
    };
    g_autofree char *help = options_help();

    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        assert_non_null(strstr(help, names[i]));
    }
}

static void collect_row(const OptionRow *row, void *data)
{
    assert_non_null(row->help);
    assert_true(row->repeats <= (row->argument != NULL));
    g_ptr_array_add(data, (void *)row->name);
}

static void test_shells_complete_every_row(void **state)
{
    static const char *const shells[] = { "bash", "zsh" };
    g_autoptr(GPtrArray) names = g_ptr_array_new();

    (void)state;
    options_for_each(collect_row, names);
    assert_true(names->len > 20);
    for (size_t i = 0; i < G_N_ELEMENTS(shells); i++) {
        g_autofree char *line = g_strconcat("migmon --completion ", shells[i], NULL);
        g_autofree char *text = NULL;
        g_auto(Options) options = { 0 };

        assert_true(parse(line, &options, NULL));
        assert_true(options_text(&options, &text, NULL));
        for (guint k = 0; k < names->len; k++) {
            assert_non_null(strstr(text, g_ptr_array_index(names, k)));
        }
        assert_non_null(strstr(text, "async sync"));
    }
}

static void test_what_only_prints_says_so(void **state)
{
    g_auto(Options) nothing = { 0 }, version = { 0 }, unknown = { 0 };
    g_autofree char *text = NULL, *none = NULL;
    g_autoptr(GError) error = NULL;

    (void)state;
    assert_true(parse("migmon", &nothing, NULL));
    assert_false(options_text(&nothing, &none, NULL));
    assert_true(parse("migmon --version", &version, NULL));
    assert_true(options_text(&version, &text, NULL));
    assert_true(g_str_has_prefix(text, "migmon "));
    assert_true(parse("migmon --completion fish", &unknown, NULL));
    assert_true(options_text(&unknown, &none, &error));
    assert_null(none);
    assert_string_equal(error->message, "--completion: 'fish' is not bash or zsh");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_options_are_named),
        cmocka_unit_test(test_memory_is_in_mib_without_a_suffix),
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_everything_at_once),
        cmocka_unit_test(test_a_text_is_the_bytes_it_is),
        cmocka_unit_test(test_help_names_every_option_of_the_interface),
        cmocka_unit_test(test_shells_complete_every_row),
        cmocka_unit_test(test_what_only_prints_says_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
