/* tui/config.c and tui/plain.c: settings with line numbers, sentences in ASCII. */
#include "tests/unit/dashboard-test.h"

#include "tui/config.h"
#include "tui/plain.h"

static const struct {
    const char *text, *error;
} files[] = {
    { "", NULL },
    { "# nothing\n\n  theme = mono \ncolor=16\nrefresh = 50\nmouse = off", NULL },
    { "theme = mono\nthem = mono\n", "file:2: 'them' is not a setting" },
    { "\n\nrefresh = 49\n", "file:3: refresh: '49' is not one of 50..60000" },
    { "refresh = 60001", "file:1: refresh: '60001' is not one of 50..60000" },
    { "refresh = fast", "file:1: refresh: 'fast' is not one of 50..60000" },
    { "bell", "file:1: 'bell' is not key = value" },
    { "bell = yes", "file:1: bell: 'yes' is not one of on|off" },
};

static void test_files(void **state)
{
    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autoptr(GError) error = NULL;
        TuiConfig config;

        config_init(&config);
        assert_int_equal(config_parse(&config, "file", files[i].text, &error), !files[i].error);
        if (files[i].error) {
            assert_string_equal(error->message, files[i].error);
        }
    }
}

static void test_values(void **state)
{
    TuiConfig config;

    (void)state;
    config_init(&config);
    assert_int_equal(config.refresh_ms, 100);
    assert_true(config_parse(&config, "file", files[1].text, NULL));
    assert_int_equal(config.theme, 2);
    assert_int_equal(config.colors, 16);
    assert_int_equal(config.refresh_ms, 50);
    assert_false(config.mouse);
}

static void test_every_key_has_help(void **state)
{
    const char *values, *help;
    unsigned n = 0;

    (void)state;
    while (config_key(n, &values, &help)) {
        assert_true(*values && *help);
        n++;
    }
    assert_true(n > 5);
}

static void test_sentences(void **state)
{
    Board board;
    PlainState plain = { 0 };

    (void)state;
    board_init(&board, 80, 24);
    g_autofree char *first = plain_say(&plain, board.model);
    g_autofree char *second = plain_say(&plain, board.model);

    assert_string_equal(first, "There was no migration yet.\nThe guest is here: it was started "
                               "here.\nThe guest's state here is running.\n");
    assert_string_equal(second, "");
    feed(&board, 1, "active");
    g_autofree char *third = plain_say(&plain, board.model);

    assert_string_equal(third, "The migration to tcp:peer:4444 is active.\n");
    feed(&board, 3, "active");
    g_autofree char *fourth = plain_say(&plain, board.model);

    assert_string_equal(
        fourth,
        "Pass 1 ended: 156.3 MiB were dirtied again, 240.0 MiB are to go, 23.6 MiB fit into "
        "the pause.\nIt is 50 percent of the way, sends 59.6 MiB a second; the guest "
        "dirties 52.7 MiB a second.\n");
    feed(&board, 12, "completed");
    g_autofree char *last = plain_say(&plain, board.model);

    assert_non_null(strstr(last, "is completed after 12.0 seconds with a pause of 48 ms.\n"));
    plain_clear(&plain);
    board_clear(&board);
}

static void test_only_printable_ascii(void **state)
{
    Board board;
    PlainState plain = { 0 };

    (void)state;
    board_init(&board, 80, 24);
    take(&board, "x-query-owner", "{\"owner\":\"h\\u00e9re\",\"evidence\":\"a\\u001b[31mb\\tc\"}");
    g_autofree char *said = plain_say(&plain, board.model);

    for (const char *c = said; *c; c++) {
        assert_true(*c == '\n' || (*c >= 32 && *c <= 126));
    }
    plain_clear(&plain);
    board_clear(&board);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_every_key_has_help),
        cmocka_unit_test(test_sentences),
        cmocka_unit_test(test_only_printable_ascii),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
