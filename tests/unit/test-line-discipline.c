/*
 * monitor/server/line-discipline.c: bytes of a client, lines and echo.
 */
#include "tests/unit/test.h"

#include <string.h>

#include "monitor/server/line-discipline.h"

/* Lines are separated by '|' in @lines; what was typed and not ended is dropped. */
static const struct {
    const char *what;
    const char *typed;
    size_t length; /* 0 = strlen */
    const char *lines;
    const char *echo;
} rows[] = {
    { "LF", "info\n", 0, "info|", "info\r\n" },
    { "CR", "info\r", 0, "info|", "info\r\n" },
    { "CR LF is one end", "a\r\nb\r\n", 0, "a|b|", "a\r\nb\r\n" },
    { "CR NUL of telnet", "a\r\0b\r\0", 6, "a|b|", "a\r\nb\r\n" },
    { "LF LF are two", "a\n\n", 0, "a||", "a\r\n\r\n" },
    { "LF CR are two", "a\n\r", 0, "a||", "a\r\n\r\n" },
    { "backspace", "ab\bc\n", 0, "ac|", "ab\b \bc\r\n" },
    { "delete", "ab\177\n", 0, "a|", "ab\b \b\r\n" },
    { "backspace at the start", "\ba\n", 0, "a|", "a\r\n" },
    { "backspace takes a whole character", "\xc3\xa9\b\n", 0, "|", "\xc3\xa9\b \b\r\n" },
    { "^U", "abc\025d\n", 0, "d|", "abc\b \b\b \b\b \bd\r\n" },
    { "^W", "ab cd \027e\n", 0, "ab e|", "ab cd \b \b\b \b\b \be\r\n" },
    { "^C, ^D and tab mean nothing", "a\003\004\tb\n", 0, "ab|", "ab\r\n" },
    { "cursor keys", "a\033[A\033[1;5Cb\033OP\n", 0, "ab|", "ab\r\n" },
    { "escape before the end of line", "a\033\n", 0, "a|", "a\r\n" },
    { "telnet WILL",
      "\xff\xfb\x01"
      "a\n",
      0, "a|", "a\r\n" },
    { "telnet subnegotiation",
      "\xff\xfa\x18\x01\xff\xff\xff\xf0"
      "a\n",
      0, "a|", "a\r\n" },
    { "telnet NOP",
      "a\xff\xf1"
      "b\n",
      0, "ab|", "ab\r\n" },
    { "telnet in the middle of CR LF", "a\r\xff\xf1\nb\n", 0, "a|b|", "a\r\nb\r\n" },
    { "nothing complete", "abc", 0, "", "abc" },
};

static void feed(LineDiscipline *line, const char *bytes, size_t length, GString *lines,
                 GString *echo)
{
    for (size_t i = 0; i < length; i++) {
        if (line_discipline_feed(line, (uint8_t)bytes[i], echo)) {
            g_string_append_printf(lines, "%s|", line->line->str);
            line_discipline_next(line);
        }
    }
}

static void test_lines_and_echo(void **state)
{
    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        LineDiscipline line;
        g_autoptr(GString) lines = g_string_new(NULL);
        g_autoptr(GString) echo = g_string_new(NULL);

        print_message("%s\n", rows[i].what);
        line_discipline_init(&line);
        feed(&line, rows[i].typed, rows[i].length > 0 ? rows[i].length : strlen(rows[i].typed),
             lines, echo);
        assert_string_equal(lines->str, rows[i].lines);
        assert_string_equal(echo->str, rows[i].echo);
        line_discipline_clear(&line);
    }
}

static void test_a_line_is_bounded_and_says_so(void **state)
{
    LineDiscipline line;
    g_autoptr(GString) echo = g_string_new(NULL);

    (void)state;
    line_discipline_init(&line);
    for (unsigned i = 0; i < LINE_MAX_BYTES; i++) {
        line_discipline_feed(&line, 'x', echo);
    }
    assert_false(line.too_long);
    line_discipline_feed(&line, 'x', echo);
    assert_true(line.too_long);
    assert_int_equal(line.line->len, LINE_MAX_BYTES);
    assert_int_equal(echo->len, LINE_MAX_BYTES);
    assert_true(line_discipline_feed(&line, '\n', echo));
    assert_true(line.too_long);
    line_discipline_next(&line);
    assert_false(line.too_long);
    line_discipline_clear(&line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines_and_echo),
        cmocka_unit_test(test_a_line_is_bounded_and_says_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
