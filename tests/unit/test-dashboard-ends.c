/* The dashboard of a migration between two attached ends: both in the header and in the events. */
#include "tests/unit/dashboard-test.h"

#include "tui/ui-internal.h"

#define SOURCE                                                                                     \
    "{\"side\":\"source\",\"version\":\"QEMU "                                                     \
    "7.2.22\",\"run-state\":\"running\",\"status\":\"active\"}"

static void test_both_ends_are_shown(void **state)
{
    Board board;

    (void)state;
    board_init(&board, 110, 24);
    feed(&board, 1, "active");
    take(&board, "x-query-target",
         "{\"ends\":[" SOURCE ",{\"side\":\"destination\",\"version\":\"QEMU 10.0.2\","
         "\"run-state\":\"inmigrate\",\"status\":\"active\"}]}");
    assert_shows(&board, "256.0 MiB  QEMU 7.2.22 → QEMU 10.0.2");
    assert_shows(&board, "guest is here  source: running, active  destination: inmigrate, active");
    assert_hides(&board, "it was started here"); /* the ends are the evidence */
    board_clear(&board);
}

static void test_trouble_and_error_of_an_end(void **state)
{
    Board board;

    (void)state;
    board_init(&board, 110, 24);
    feed(&board, 1, "failed");
    take(&board, "x-query-target",
         "{\"ends\":[" SOURCE ",{\"side\":\"destination\",\"version\":\"QEMU 10.0.2\","
         "\"run-state\":\"inmigrate\",\"status\":\"failed\",\"error-desc\":\"no room\"}]}");
    assert_shows(&board, "destination: inmigrate, failed (no room)");
    take(&board, "x-query-target",
         "{\"ends\":[" SOURCE ",{\"side\":\"destination\",\"version\":\"QEMU 10.0.2\","
         "\"trouble\":\"has not answered for 3.0 "
         "s\",\"run-state\":\"inmigrate\",\"status\":\"active\"}]}");
    assert_shows(&board, "destination: has not answered for 3.0 s");
    board_clear(&board);
}

static void test_events_of_the_destination(void **state)
{
    static const char *const rows[][2] = {
        { "{\"side\":\"destination\",\"event\":\"MIGRATION\",\"data\":{\"status\":\"active\"}}",
          "destination: migration: active" },
        { "{\"side\":\"destination\",\"event\":\"RESUME\"}", "destination: the guest runs there" },
        { "{\"side\":\"destination\",\"event\":\"STOP\"}", "destination: the guest stopped there" },
    };
    Board board;

    (void)state;
    board_init(&board, 110, 24);
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        json_object *data = json_tokener_parse(rows[i][0]);

        model_event(board.model, "X_PEER", data, SECOND, WALL);
        json_object_put(data);
        assert_shows(&board, rows[i][1]);
    }
    board_clear(&board);
}

static void test_nonsense_about_ends(void **state)
{
    static const char *const replies[] = {
        "7",  "[]", "{\"ends\":7}", "{\"ends\":[7]}", "{\"ends\":[{\"side\":7,\"version\":[]}]}",
        "{}",
    };
    Board board;

    (void)state;
    board_init(&board, 80, 24);
    for (size_t i = 0; i < G_N_ELEMENTS(replies); i++) {
        take(&board, "x-query-target", replies[i]);
        canvas_free(ui_draw(board.ui));
    }
    assert_shows(&board, "it was started here"); /* nothing is attached again */
    board_clear(&board);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_ends_are_shown),
        cmocka_unit_test(test_trouble_and_error_of_an_end),
        cmocka_unit_test(test_events_of_the_destination),
        cmocka_unit_test(test_nonsense_about_ends),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
