/* The dashboard's screen as text, at several sizes and states; keys and what they do. */
#include "tests/unit/dashboard-test.h"
#include "tests/unit/patience.h"

#include "tui/keys.h"
#include "tui/ui-internal.h"

/* ---- pictures ---- */

static void test_nothing_yet(void **state)
{
    Board board;

    (void)state;
    board_init(&board, 80, 24);
    assert_shows(&board, " migmon  web1, 256.0 MiB");
    assert_shows(&board, "no migration yet; press : and type migrate URI");
    assert_shows(&board, " ● guest is here, running  it was started here");
    assert_shows(&board, "nothing has happened yet");
    board_clear(&board);
}

static void test_essentials_at_40_by_12(void **state)
{
    Board board;

    (void)state;
    board_init(&board, 40, 12);
    for (unsigned i = 0; i <= 9; i++) {
        feed(&board, i, "active");
    }
    g_autofree char *shown = screen(&board);

    assert_non_null(strstr(shown, " migmon  web1, 256.0 MiB        00:09.0\n"
                                  " ▶ active  → to tcp:peer:4444\n"
                                  " ● guest is here, running  it was starte\n"
                                  "─ 1 Progress ───────────────────────────\n"
                                  "████████▏··  73 % of the way, pass 4\n"));
    assert_non_null(strstr(shown, "─ 8 Events ──"));
    board_clear(&board);
}

static void test_one_line_below_that(void **state)
{
    static const int sizes[][2] = { { 39, 12 }, { 40, 11 }, { 1, 1 }, { 200, 1 }, { 1, 50 } };
    Board board;

    (void)state;
    board_init(&board, 80, 24);
    feed(&board, 9, "active");
    for (size_t i = 0; i < G_N_ELEMENTS(sizes); i++) {
        ui_resize(board.ui, sizes[i][0], sizes[i][1]);
        assert_shows(&board, sizes[i][0] == 1 ? "a" : "active pass 4  to go");
        assert_hides(&board, "Progress");
    }
    board_clear(&board);
}

static void test_everything_at_80_by_24(void **state)
{
    Board board;

    (void)state;
    board_init(&board, 80, 24);
    for (unsigned i = 0; i <= 14; i++) {
        feed(&board, i, "active");
    }
    assert_shows(&board, "79 % of the way, pass 5");
    assert_shows(&board, "60.0 MiB left after the last pass, 23.6 MiB fit into the pause");
    assert_shows(&board, "pause limit 300 ms");
    assert_shows(&board, "┃ fits");
    assert_shows(&board, "● dirtied 54.7 MiB/s");
    assert_shows(&board, "   4  60.0 MiB   39.1 MiB    █████┃█▍···");
    assert_shows(&board, "·░■123■9");
    assert_shows(&board, "pass 4 ended: 39.1 MiB dirtied again, 60.0 MiB to go");
    assert_shows(&board, "?help qleave ccancel :cmd");
    feed(&board, 15, "completed");
    assert_shows(&board, " ✓ completed");
    assert_shows(&board, "pause was 48 ms (limit 300 ms)");
    assert_shows(&board, "last RAM   38.0 ms  confirm     800 us");
    board_clear(&board);
}

static void test_each_pane_in_full_size(void **state)
{
    static const struct {
        const char *key, *text;
    } panes[] = {
        { "1", "% of the way, pass 5" }, { "2", "┄ limit 80.0 MiB/s" },
        { "3", "┃ = 23.6 MiB: fits" },   { "4", "1-9 dirty again, and how often it was sent" },
        { "5", "main       1.1 GiB" },   { "6", "no guest was handed over" },
        { "7", "max-bandwidth" },        { "8", "pass 1 ended: 156.3 MiB dirtied again" },
        { "9", "output of commands" },
    };
    static const int sizes[][2] = { { 80, 24 }, { 160, 48 }, { 500, 200 } };
    Board board;

    (void)state;
    board_init(&board, 80, 24);
    for (unsigned i = 0; i <= 14; i++) {
        feed(&board, i, "active");
    }
    for (size_t s = 0; s < G_N_ELEMENTS(sizes); s++) {
        ui_resize(board.ui, sizes[s][0], sizes[s][1]);
        for (size_t i = 0; i < G_N_ELEMENTS(panes); i++) {
            press(&board, panes[i].key);
            assert_shows(&board, panes[i].text);
            press(&board, panes[i].key);
            assert_shows(&board, "1 Progress");
            press_code(&board, KEY_ESCAPE);
        }
    }
    board_clear(&board);
}

static void test_each_multifd_channel_has_a_row(void **state)
{
    Board board;

    (void)state;
    board_init(&board, 80, 24);
    for (unsigned i = 0; i <= 14; i++) {
        feed(&board, i, "active");
    }
    take(&board, "x-query-migrate-history",
         "{\"direction\":\"outgoing\",\"peer\":\"tcp:p:1\",\"states\":[],\"passes\":[],"
         "\"channels\":[{\"name\":\"multifd 0\",\"bytes\":1048576,\"bytes-per-second\":2097152,"
         "\"state\":\"active\"},{\"name\":\"multifd 1\",\"bytes\":3145728,"
         "\"bytes-per-second\":4096,\"state\":\"sync\"}]}");
    model_sample(board.model);
    press(&board, "5");
    assert_shows(&board, "all        1.1 GiB");
    assert_shows(&board, "multifd 0  1.0 MiB     2.0 MiB/s     active");
    assert_shows(&board, "multifd 1  3.0 MiB     4.0 KiB/s     sync");
    board_clear(&board);
}

static void test_ascii_is_ascii(void **state)
{
    Board board;

    (void)state;
    board_init(&board, 120, 40);
    ui_set_style(board.ui, true, GRAPH_BRAILLE);
    for (unsigned i = 0; i <= 14; i++) {
        feed(&board, i, "active");
    }
    for (const char *keys = "123456789?x:"; *keys; keys++) {
        g_autofree char *shown = screen(&board);

        for (const char *c = shown; *c; c++) {
            assert_true(*c == '\n' || (*c >= 32 && *c <= 126));
        }
        press(&board, (char[]){ *keys, '\0' });
    }
    board_clear(&board);
}

/* Two models that were told the same draw the same, and drawing changes nothing. */
static void test_replay_is_identical(void **state)
{
    Board a, b;

    (void)state;
    board_init(&a, 100, 30);
    board_init(&b, 100, 30);
    for (unsigned i = 0; i <= 20; i++) {
        feed(&a, i, i == 20 ? "completed" : "active");
        feed(&b, i, i == 20 ? "completed" : "active");
        g_autoptr(Canvas) first = ui_draw(a.ui);
        g_autoptr(Canvas) again = ui_draw(a.ui);
        g_autoptr(Canvas) other = ui_draw(b.ui);

        assert_true(canvas_equal(first, again));
        assert_true(canvas_equal(first, other));
    }
    board_clear(&a);
    board_clear(&b);
}

static void test_peer_text_cannot_reach_the_terminal(void **state)
{
    Board board;

    (void)state;
    board_init(&board, 80, 24);
    take(&board, "query-name", "{\"name\":\"\\u001b]0;x\\u0007\\u009b\"}");
    ui_output(board.ui, "\033[2Jhello");
    press(&board, "9");
    g_autofree char *shown = screen(&board);

    assert_null(strpbrk(shown, "\033\007"));
    assert_non_null(strstr(shown, "\\x1b[2Jhello"));
    board_clear(&board);
}

/* ---- progress ---- */

static void test_progress_never_runs_backwards(void **state)
{
    Board board;
    double before = 0;

    (void)state;
    board_init(&board, 80, 24);
    for (unsigned i = 0; i <= 40; i++) {
        feed(&board, i, "active");
        assert_true(model_now(board.model)->progress >= before);
        before = model_now(board.model)->progress;
        assert_true(before < 0.995);
    }
    feed(&board, 41, "completed");
    assert_true(model_now(board.model)->progress == 1);
    board_clear(&board);
}

/* ---- keys ---- */

static void test_cancel_asks_first(void **state)
{
    Board board;

    (void)state;
    board_init(&board, 80, 24);
    press(&board, "c");
    assert_shows(&board, "c: no migration is under way");
    feed(&board, 1, "active");
    press(&board, "c");
    assert_shows(&board, "The guest goes on here. What was sent so far is lost.");
    press(&board, "n");
    assert_string_equal(board.log->str, "");
    press(&board, "cy");
    assert_string_equal(board.log->str, "execute migrate_cancel\n");
    board_clear(&board);
}

static void test_bandwidth_and_pause(void **state)
{
    Board board;

    (void)state;
    board_init(&board, 80, 24);
    feed(&board, 1, "active");
    press(&board, "+-d99999999\r");
    assert_shows(&board, "Parameter 'downtime_limit'");
    press_code(&board, 21);
    press(&board, "500\r");
    assert_string_equal(board.log->str, "execute migrate_set_parameter max-bandwidth 104857600B\n"
                                        "execute migrate_set_parameter max-bandwidth 67108864B\n"
                                        "execute migrate_set_parameter downtime-limit 500\n");
    take(&board, "query-migrate-parameters", "{\"max-bandwidth\":0}");
    press(&board, "+");
    assert_shows(&board, "+: max-bandwidth is not limited");
    board_clear(&board);
}

/* From the first row of the settings, where the cursor stands. */
static void go_down_to(Board *board, const char *name)
{
    for (unsigned row = 0; !g_str_equal(settings_name(board->ui, row), name); row++) {
        press_code(board, KEY_DOWN);
    }
}

static void test_a_value_is_replaced_or_edited(void **state)
{
    static const struct {
        const char *keys;
        const char *line; /* NULL = a question */
    } rows[] = {
        { "500\r", "500" },   /* the first character replaces */
        { "\r", "300" },      /* the present value */
        { "\b2s\r", "2000" }, /* Backspace takes all of it */
        { "1.5s\r", "1500" }, { "400ms\r", "400" }, { "0\r", "0" },
        { "3000\r", "3000" }, /* ten times as long */
        { "3001\r", NULL },   { "300s\r", NULL },   { "5min\r", NULL },
    };

    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        for (int pane = 0; pane < 2; pane++) { /* the key, and the row of the settings */
            g_autofree char *line =
                g_strdup_printf("execute migrate_set_parameter downtime-limit %s\n", rows[i].line);
            Board board;

            board_init(&board, 80, 24);
            take(&board, "query-migrate-parameters", "{\"downtime-limit\":300}");
            feed(&board, 1, "active");
            if (pane == 1) {
                press_code(&board, KEY_F2);
                go_down_to(&board, "downtime-limit");
                press(&board, "\r");
            } else {
                press(&board, "d");
            }
            press(&board, rows[i].keys);
            if (rows[i].line == NULL) {
                assert_shows(&board, "The guest may pause for 3");
                assert_string_equal(board.log->str, "");
                press(&board, "n");
                assert_shows(&board, "nothing was changed");
                assert_string_equal(board.log->str, "");
            } else {
                assert_string_equal(board.log->str, line);
            }
            board_clear(&board);
        }
    }

    Board board;

    board_init(&board, 80, 24);
    feed(&board, 1, "active");
    press(&board, "d");
    press_code(&board, KEY_RIGHT); /* to be edited */
    press(&board, "5\ry");
    assert_string_equal(board.log->str, "execute migrate_set_parameter downtime-limit 3005\n");
    board_clear(&board);
}

static void test_settings_are_checked_and_shown(void **state)
{
    Board board;

    (void)state;
    board_init(&board, 80, 24);
    press_code(&board, KEY_F2);
    assert_shows(&board, "max-bandwidth              80.0 MiB/s");
    go_down_to(&board, "max-bandwidth");
    press(&board, "\r");
    press_code(&board, 21);
    press(&board, "1G\r");
    assert_string_equal(board.log->str, "execute migrate_set_parameter max-bandwidth 1G\n");
    g_string_truncate(board.log, 0);
    press(&board, "\r");
    press(&board, "x\r");
    assert_string_equal(board.log->str, "");
    press_code(&board, KEY_ESCAPE);
    for (unsigned row = 0; row < settings_count(board.ui); row++) {
        press_code(&board, KEY_UP);
    }
    go_down_to(&board, "events");
    press(&board, "\r");
    assert_string_equal(board.log->str, "execute migrate_set_capability events off\n");
    for (int i = 0; i < 100; i++) {
        press_code(&board, KEY_PAGE_DOWN);
    }
    press(&board, "\r");
    assert_shows(&board, "has no effect in this build");
    board_clear(&board);
}

static void test_what_cannot_be_done_says_why(void **state)
{
    Board board;

    (void)state;
    board_init(&board, 80, 30);
    press(&board, "?");
    assert_shows(&board, "switch to postcopy (");
    assert_shows(&board, "cancel the migration (asks first) (no migration is under way)");
    press(&board, "q");
    assert_string_equal(board.log->str, "");
    press(&board, "q");
    assert_string_equal(board.log->str, "leave\n");
    board_clear(&board);
}

static void test_freeze_and_go_back(void **state)
{
    Board board;

    (void)state;
    board_init(&board, 80, 24);
    for (unsigned i = 1; i <= 10; i++) {
        feed(&board, i, "active");
    }
    press(&board, " ");
    feed(&board, 11, "active");
    feed(&board, 12, "completed");
    assert_shows(&board, "FROZEN at 00:10.0");
    for (int i = 0; i < 5; i++) {
        press_code(&board, KEY_LEFT);
    }
    assert_shows(&board, "FROZEN at 00:05.0");
    assert_shows(&board, "pass 1 ended");
    assert_hides(&board, "pass 2 ended");
    press_code(&board, KEY_HOME);
    assert_shows(&board, "FROZEN at 00:01.0");
    press_code(&board, KEY_END);
    assert_shows(&board, "completed");
    press(&board, " ");
    assert_hides(&board, "FROZEN");
    board_clear(&board);
}

static void test_filter_and_search(void **state)
{
    Board board;

    (void)state;
    board_init(&board, 80, 24);
    for (int i = 0; i < 30; i++) {
        model_log(board.model, i % 2 ? LEVEL_ERROR : LEVEL_INFO, i, WALL, "entry %d of %s", i,
                  i % 3 ? "rome" : "oslo");
    }
    press(&board, "8/oslo\r");
    assert_shows(&board, "entry 27 of oslo");
    assert_hides(&board, "of rome");
    press(&board, "/");
    press_code(&board, 21);
    press(&board, "!OSLO\r");
    assert_hides(&board, "of oslo");
    press(&board, "/");
    press_code(&board, 21);
    press(&board, "[\r");
    assert_shows(&board, "missing terminating ]");
    press_code(&board, KEY_ESCAPE);
    press(&board, "/");
    press_code(&board, 21);
    press(&board, "\rlll");
    assert_shows(&board, "entry 29");
    assert_hides(&board, "entry 28");
    press(&board, "ls");
    press(&board, "entry 3 \rn");
    assert_shows(&board, "entry 3 of");
    board_clear(&board);
}

static void test_mouse(void **state)
{
    Board board;

    (void)state;
    board_init(&board, 80, 24);
    for (unsigned i = 1; i <= 10; i++) {
        feed(&board, i, "active");
    }
    ui_key(board.ui, &(UiKey){ KEY_MOUSE, 1, 23 });
    assert_shows(&board, "Keys; any key closes");
    press(&board, "n");
    ui_key(board.ui, &(UiKey){ KEY_MOUSE, 10, 10 });
    ui_key(board.ui, &(UiKey){ KEY_MOUSE, 10, 10 });
    assert_shows(&board, "FROZEN at 00:02.0");
    ui_key(board.ui, &(UiKey){ KEY_MOUSE, 10, 22 });
    assert_true(ui_is_command(board.ui));
    board_clear(&board);
}

static void test_command_line(void **state)
{
    Board board;

    (void)state;
    board_init(&board, 80, 24);
    press(&board, ":");
    assert_true(ui_is_command(board.ui));
    ui_command_line(board.ui, "info mig", 8);
    assert_shows(&board, ": info mig");
    ui_command_line(board.ui, "\xff\xfe", 1); /* half a character may be there while one types */
    assert_shows(&board, ": \\xff\\xfe");
    g_autofree char *wide = g_strnfill(300, 'w');

    ui_command_line(board.ui, wide, 300);
    assert_shows(&board, "www");
    ui_output(board.ui, "first\nsecond\n");
    assert_shows(&board, "second");
    ui_end_command(board.ui);
    assert_false(ui_is_command(board.ui));
    board_clear(&board);
}

/* ---- any keys at any size ---- */

/* query-migrate of an attempt that failed or was cancelled has no figures any more. */
static void test_an_end_does_not_erase_the_figures(void **state)
{
    Board board;

    (void)state;
    board_init(&board, 160, 48);
    for (unsigned i = 0; i < 12; i++) {
        feed(&board, i, "active");
    }
    take(&board, "query-migrate", "{\"status\":\"cancelled\"}");
    model_sample(board.model);
    assert_shows(&board, "× cancelled");
    assert_shows(&board, "880.0 MiB sent, 176.0 MiB to go");
    assert_shows(&board, "pass 3");
    assert_hides(&board, "sent 0 B/s");
    assert_hides(&board, "dirtied 0 B/s");
    board_clear(&board);
}

/* Nobody knows what is dirtied before a pass has ended: nothing is drawn for it. */
static void test_dirty_rate_is_not_drawn_before_it_is_known(void **state)
{
    Board board;

    (void)state;
    board_init(&board, 80, 24);
    feed(&board, 0, "active");
    feed(&board, 2, "active");
    press(&board, "2");
    assert_shows(&board, "● dirtied ┄ limit 80.0 MiB/s"); /* no figure */
    assert_hides(&board, "●\n");
    assert_hides(&board, "●●");
    feed(&board, 4, "active");
    feed(&board, 6, "active");
    assert_shows(&board, "●●");
    board_clear(&board);
}

static void test_postcopy_key(void **state)
{
    const bool supported = capability_table[CAPABILITY_POSTCOPY_RAM].supported;
    Board board;

    (void)state;
    board_init(&board, 80, 24);
    feed(&board, 4, "active");
    press(&board, "p");
    assert_shows(&board, supported ? "p: the capability postcopy-ram is off"
                                   : "p: this build has no postcopy");
    take(&board, "query-migrate-capabilities",
         "[{\"capability\":\"postcopy-ram\",\"state\":true}]");
    press(&board, "p");
    if (supported) {
        assert_shows(&board, "a lost link stops it until recovered");
        press(&board, "y");
        assert_string_equal(board.log->str, "execute migrate_start_postcopy\n");
    }
    board_clear(&board);
}

static void test_random_keys_and_sizes(void **state)
{
    static const char *const pieces[] = { "\033[A", "\033[B",  "\033[C",         "\033[D",
                                          "\033OQ", "\033[6~", "\033[Z",         "\t",
                                          "\r",     "\033",    "\033[<0;%d;%dM", "\033[<64;%d;%dM",
                                          "\x7f" };
    g_autoptr(GRand) random = g_rand_new_with_seed(4);
    Board board;

    (void)state;
    board_init(&board, 80, 24);
    for (unsigned i = 0; i < sample_size(4000, 12000); i++) {
        char bytes[64];
        UiKey key;
        size_t used, n;

        if (g_rand_boolean(random)) {
            g_snprintf(bytes, sizeof(bytes), "%c", g_rand_int_range(random, 1, 256));
        } else {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
            g_snprintf(bytes, sizeof(bytes),
                       pieces[g_rand_int_range(random, 0, G_N_ELEMENTS(pieces))],
                       g_rand_int_range(random, 0, 520), g_rand_int_range(random, 0, 210));
#pragma GCC diagnostic pop
        }
        n = strlen(bytes);
        for (size_t at = 0; at < n; at += used) {
            used = keys_decode((const uint8_t *)bytes + at, n - at, true, &key);
            assert_true(used > 0);
            ui_key(board.ui, &key);
        }
        if (i % 7 == 0) {
            ui_resize(board.ui, g_rand_int_range(random, 0, 200), g_rand_int_range(random, 0, 70));
        }
        if (i % 50 == 0) {
            feed(&board, i / 50 % 40, i % 1000 == 950 ? "failed" : "active");
        }
        if (ui_is_command(board.ui) && i % 3 == 0) {
            ui_end_command(board.ui);
        }
        canvas_free(ui_draw(board.ui));
    }
    board_clear(&board);
}

static void test_extreme_sizes(void **state)
{
    Board board;

    (void)state;
    board_init(&board, 80, 24);
    feed(&board, 9, "active");
    int step = sample_everything() ? 1 : 3, first = 1 + (int)(sample_seed() % (guint32)step);
    for (int w = first; w <= 500; w += w < 130 ? step : 37) {
        for (int h = first; h <= 200; h += h < 50 ? step : 37) {
            ui_resize(board.ui, w, h);
            g_autoptr(Canvas) canvas = ui_draw(board.ui);

            assert_int_equal(canvas_width(canvas), w);
            assert_int_equal(canvas_height(canvas), h);
        }
    }
    board_clear(&board);
}

/* ---- the model ---- */

static void test_nonsense_from_the_backend(void **state)
{
    static const char *const replies[] = {
        "{}",
        "[]",
        "7",
        "null",
        "\"text\"",
        "{\"status\":7,\"ram\":[],\"passes\":{},\"states\":7,\"data\":[1,2],\"dirty\":7}",
        "{\"status\":\"active\",\"ram\":{\"remaining\":-5,\"total\":1,\"mbps\":-1e300}}",
        "{\"states\":[7],\"passes\":[7,{\"pass\":-1}],\"threshold-bytes\":99999999999999999999}",
        "{\"pages-per-cell\":0,\"data\":[1],\"dirty\":[-1],\"sent\":[99999999999]}",
        "[7,{\"capability\":7},{\"capability\":\"nope\",\"state\":true}]",
    };
    static const char *const commands[] = {
        "query-migrate",
        "x-query-migrate-history",
        "x-query-owner",
        "query-status",
        "query-name",
        "x-query-guest",
        "query-migrate-parameters",
        "query-migrate-capabilities",
        "x-query-ram-map",
        "nobody-knows",
    };
    Board board;

    (void)state;
    board_init(&board, 80, 24);
    for (size_t r = 0; r < G_N_ELEMENTS(replies); r++) {
        for (size_t c = 0; c < G_N_ELEMENTS(commands); c++) {
            json_object *reply = json_tokener_parse(replies[r]);

            model_take(board.model, commands[c], reply);
            json_object_put(reply);
            model_sample(board.model);
            press(&board, (char[]){ (char)('1' + c % 9), '\0' });
            canvas_free(ui_draw(board.ui));
        }
    }
    board_clear(&board);
}

static void test_ring_forgets_the_oldest(void **state)
{
    Board board;

    (void)state;
    board_init(&board, 80, 24);
    feed(&board, 1, "active");
    for (int i = 0; i < 40000; i++) {
        model_clock(board.model, SECOND + i, WALL);
        model_sample(board.model);
        model_log(board.model, LEVEL_INFO, i, WALL, "line %d", i);
    }
    assert_int_equal(model_end(board.model), 40001);
    assert_true(model_first(board.model) > 20000);
    assert_in_range(model_log_length(board.model), 1000, 2000);
    press(&board, " ");
    press_code(&board, KEY_HOME);
    assert_shows(&board, "FROZEN");
    board_clear(&board);
}

static void test_samples_as_json(void **state)
{
    Board board;

    (void)state;
    board_init(&board, 80, 24);
    feed(&board, 4, "active");
    g_autofree char *line = sample_to_json(model_now(board.model));
    json_object *object = json_tokener_parse(line);

    assert_non_null(object);
    assert_int_equal(json_object_get_int(json_object_object_get(object, "schema")), 1);
    assert_int_equal(json_object_get_int(json_object_object_get(object, "elapsed-ms")), 4000);
    assert_null(strchr(line, '\n'));
    json_object_put(object);
    board_clear(&board);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_yet),
        cmocka_unit_test(test_essentials_at_40_by_12),
        cmocka_unit_test(test_one_line_below_that),
        cmocka_unit_test(test_everything_at_80_by_24),
        cmocka_unit_test(test_each_pane_in_full_size),
        cmocka_unit_test(test_each_multifd_channel_has_a_row),
        cmocka_unit_test(test_ascii_is_ascii),
        cmocka_unit_test(test_replay_is_identical),
        cmocka_unit_test(test_peer_text_cannot_reach_the_terminal),
        cmocka_unit_test(test_progress_never_runs_backwards),
        cmocka_unit_test(test_cancel_asks_first),
        cmocka_unit_test(test_bandwidth_and_pause),
        cmocka_unit_test(test_a_value_is_replaced_or_edited),
        cmocka_unit_test(test_settings_are_checked_and_shown),
        cmocka_unit_test(test_what_cannot_be_done_says_why),
        cmocka_unit_test(test_freeze_and_go_back),
        cmocka_unit_test(test_filter_and_search),
        cmocka_unit_test(test_mouse),
        cmocka_unit_test(test_command_line),
        cmocka_unit_test(test_an_end_does_not_erase_the_figures),
        cmocka_unit_test(test_dirty_rate_is_not_drawn_before_it_is_known),
        cmocka_unit_test(test_postcopy_key),
        cmocka_unit_test(test_random_keys_and_sizes),
        cmocka_unit_test(test_extreme_sizes),
        cmocka_unit_test(test_nonsense_from_the_backend),
        cmocka_unit_test(test_ring_forgets_the_oldest),
        cmocka_unit_test(test_samples_as_json),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
