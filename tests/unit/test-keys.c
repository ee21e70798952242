/* tui/keys.c: bytes of terminals as keys, whole and in pieces. */
#include "tests/unit/test.h"

#include <string.h>

#include "tui/keys.h"

static const struct {
    const char *what, *bytes;
    uint32_t code;
    size_t used;
    int x, y;
} rows[] = {
    { "a letter", "q", 'q', 1 },
    { "a letter of two bytes", "\xc3\xa9", 0xe9, 2 },
    { "no UTF-8",
      "\xff"
      "a",
      KEY_NONE, 1 },
    { "Enter", "\r", KEY_ENTER, 1 },
    { "arrow", "\033[A", KEY_UP, 3 },
    { "arrow of a keypad", "\033OD", KEY_LEFT, 3 },
    { "arrow with Shift", "\033[1;2C", KEY_RIGHT, 6 },
    { "Page Down", "\033[6~", KEY_PAGE_DOWN, 4 },
    { "F2 of xterm", "\033OQ", KEY_F2, 3 },
    { "F2 of rxvt", "\033[12~", KEY_F2, 5 },
    { "F2 of the Linux console", "\033[[B", KEY_F2, 4 },
    { "Shift-Tab", "\033[Z", KEY_BACK_TAB, 3 },
    { "press", "\033[<0;12;5M", KEY_MOUSE, 10, 11, 4 },
    { "release", "\033[<0;12;5m", KEY_NONE, 10 },
    { "wheel", "\033[<65;1;1M", KEY_WHEEL_DOWN, 10, 0, 0 },
    { "huge numbers", "\033[<0;99999999999999;5M", KEY_MOUSE, 22, 9999, 4 },
    { "escape, then a key", "\033x", KEY_ESCAPE, 1 },
    { "not known", "\033[99~", KEY_NONE, 5 },
    { "broken off", "\033[1\n", KEY_NONE, 3 },
};

static void test_keys(void **state)
{
    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        size_t n = strlen(rows[i].bytes);
        UiKey key;

        print_message("%s\n", rows[i].what);
        assert_int_equal(keys_decode((const uint8_t *)rows[i].bytes, n, false, &key), rows[i].used);
        assert_int_equal(key.code, rows[i].code);
        if (key.code >= KEY_MOUSE) {
            assert_int_equal(key.x, rows[i].x);
            assert_int_equal(key.y, rows[i].y);
        }
    }
}

static void test_pieces_wait_for_the_rest(void **state)
{
    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        for (size_t n = 0; n < rows[i].used; n++) {
            UiKey key;
            const uint8_t *bytes = (const uint8_t *)rows[i].bytes;

            assert_int_equal(keys_decode(bytes, n, false, &key), 0);
            assert_true(n == 0 || keys_decode(bytes, n, true, &key) > 0);
        }
    }
}

static void test_lone_escape(void **state)
{
    UiKey key;

    (void)state;
    assert_int_equal(keys_decode((const uint8_t *)"\033", 1, true, &key), 1);
    assert_int_equal(key.code, KEY_ESCAPE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_pieces_wait_for_the_rest),
        cmocka_unit_test(test_lone_escape),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
