/*
 * shown.c: text of strangers as a person may see it.
 */
#include "tests/unit/test.h"

#include <inttypes.h>
#include <stdbool.h>

#include "backend/base/shown.h"

static const struct {
    const char *text, *line;
    const char *lines, *message; /* NULL = like line */
} rows[] = {
    { "", "" },
    { "plain text, also \\x1b", "plain text, also \\x1b" },
    { "\033]0;title\a", "\\x1b]0;title\\x07" },
    { "\b\r\177", "\\x08\\x0d\\x7f" },
    { "a\nb\tc", "a\\x0ab\\x09c", "a\nb\tc", NULL },
    { "no\nhint: look\nx", "no\\x0ahint: look\\x0ax", "no\nhint: look\nx", "no\nhint: look\\x0ax" },
    { "\xc2\x9b" /* CSI of C1 */
      "31m",
      "U+009B31m" },
    { "\x9b" /* the same as a byte */
      "31m",
      "\\x9b31m" },
    { "a\u202eb\u2066c\u2069", "aU+202EbU+2066cU+2069" },
    { "\u200e\u200f\u061c", "U+200EU+200FU+061C" },
    { "a\u2028b\u2029", "aU+2028bU+2029" },
    { "\ufeffx\u200b", "U+FEFFxU+200B" }, /* invisible */
    { "\xef\xbf\xbe", "U+FFFE" },         /* no character; XML forbids it */
    { "\U000e0041", "U+E0041" },          /* a tag, invisible */
    { "gr\u00fc\u00df \u65e5\u672c \u05e9\u05dc\u05d5\u05dd \U0001f600",
      "gr\u00fc\u00df \u65e5\u672c \u05e9\u05dc\u05d5\u05dd \U0001f600" },
    { "a\u200db", "a\u200db" },                              /* a joiner moves nothing */
    { "\xff\xc3", "\\xff\\xc3" },                            /* cut short */
    { "\xc0\x8a\xed\xa0\x80", "\\xc0\\x8a\\xed\\xa0\\x80" }, /* overlong, a surrogate */
};

static void test_texts(void **state)
{
    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *line = shown_line(rows[i].text);
        g_autofree char *lines = shown_lines(rows[i].text);
        g_autofree char *message = shown_message(rows[i].text);

        assert_string_equal(line, rows[i].line);
        assert_string_equal(lines, rows[i].lines != NULL ? rows[i].lines : rows[i].line);
        assert_string_equal(message, rows[i].message != NULL ? rows[i].message : rows[i].line);
    }
}

/* No character that a terminal obeys comes through, whichever it is and wherever it stands. */
static void test_every_character(void **state)
{
    (void)state;
    for (gunichar c = 1; c <= 0x10ffff; c++) {
        char text[8] = "";

        if (c >= 0xd800 && c < 0xe000) {
            continue;
        }
        text[g_unichar_to_utf8(c, text)] = '\0';
        g_autofree char *line = shown_line(text);
        bool kept = strcmp(line, text) == 0;

        if (g_unichar_iscntrl(c) || (c >= 0x80 && c < 0xa0) || (c >= 0x202a && c <= 0x202e) ||
            (c >= 0x2066 && c <= 0x2069) || c == 0x200e || c == 0x200f || c == 0x061c) {
            assert_false(kept);
        } else if (g_unichar_isalnum(c) || g_unichar_ispunct(c)) {
            assert_true(kept);
        }
    }
}

static void test_formats(void **state)
{
    g_autoptr(GString) out = g_string_new("> ");
    (void)state;

    shown_append(out, "%s\n%5.1f%% %-4s|%*s|%.*s %c %zu %" PRIu64 " %Lf%%", "a\nb\033", 2.5, "x\n",
                 3, "y", 2, "zzz", 'c', (size_t)7, UINT64_MAX, 1.5L);
    assert_string_equal(out->str, "> a\\x0ab\\x1b\n  2.5% x\\x0a  |  y|zz c 7 18446744073709551615 "
                                  "1.500000%");
    g_autofree char *marks = shown_printf("%s%s%s", "x", "", "y"); /* the marks inside arguments */
    assert_string_equal(marks, "xy");
    g_autofree char *none = shown_printf("100%% and \n");
    assert_string_equal(none, "100% and \n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_every_character),
        cmocka_unit_test(test_formats),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
