/* tui/canvas.c: what is drawn where, and what never reaches a terminal. */
#include "tests/unit/test.h"

#include <string.h>

#include "tui/canvas.h"

static const struct {
    const char *what, *text;
    int x;
    bool ascii;
    const char *shown;
} texts[] = {
    { "plain", "abc", 0, false, "abc" },
    { "cut at the right", "abcdefghijkl", 0, false, "abcdefghij" },
    { "cut at the left", "abcdef", -2, false, "cdef" },
    { "outside", "abc", 10, false, "" },
    { "control characters", "a\033[1m\tb", 0, false, "a\\x1b[1m\\x" },
    { "C1 control",
      "a\xc2\x9b"
      "b",
      0, false, "aU+009Bb" },
    { "broken UTF-8", "a\xff\xc3", 0, false, "a\\xff\\xc3" },
    { "wide", "漢字", 0, false, "漢字" },
    { "wide at the edge", "abcdefghi漢", 0, false, "abcdefghi" },
    { "combining left out", "e\xcc\x81x", 0, false, "ex" },
    { "direction override shown",
      "a\xe2\x80\xae"
      "b",
      0, false, "aU+202Eb" },
    { "look-alikes", "─█▲…✓", 0, true, "-#^~+" },
    { "nothing alike", "é漢", 0, true, "???" },
};

static void test_text(void **state)
{
    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autoptr(Canvas) canvas = canvas_new(10, 1, texts[i].ascii);
        g_autofree char *wanted = g_strconcat(texts[i].shown, "\n", NULL);

        canvas_text(canvas, canvas_area(canvas), texts[i].x, 0, STYLE_NORMAL, texts[i].text);
        g_autofree char *shown = canvas_to_text(canvas);

        print_message("%s\n", texts[i].what);
        assert_string_equal(shown, wanted);
    }
}

static void test_wide_characters_leave_no_halves(void **state)
{
    g_autoptr(Canvas) canvas = canvas_new(4, 1, false);
    Rect area = canvas_area(canvas);

    (void)state;
    canvas_text(canvas, area, 0, 0, STYLE_NORMAL, "漢字");
    canvas_text(canvas, area, 1, 0, STYLE_NORMAL, "x");
    assert_int_equal(canvas_row(canvas, 0)[0].ch, ' ');
    assert_int_equal(canvas_row(canvas, 0)[1].ch, 'x');
    canvas_text(canvas, area, 2, 0, STYLE_NORMAL, "y");
    assert_int_equal(canvas_row(canvas, 0)[3].ch, ' ');
}

static void test_area_clips(void **state)
{
    g_autoptr(Canvas) canvas = canvas_new(6, 3, false);

    (void)state;
    canvas_fill(canvas, (Rect){ -3, -3, 5, 5 }, STYLE_BAR, '#');
    canvas_text(canvas, (Rect){ 3, 1, 2, 1 }, 0, 0, STYLE_NORMAL, "abcdef");
    canvas_text(canvas, (Rect){ 3, 1, 2, 1 }, 0, 1, STYLE_NORMAL, "below");
    canvas_frame(canvas, (Rect){ 5, 2, 9, 9 }, STYLE_FRAME, "far");
    g_autofree char *shown = canvas_to_text(canvas);

    assert_string_equal(shown, "##\n## ab\n     ┌\n");
}

static void test_fit(void **state)
{
    static const struct {
        const char *text;
        int width;
        const char *fitted;
    } rows[] = { { "abc", 3, "abc" }, { "abcd", 3, "ab…" }, { "漢字x", 4, "漢…" },
                 { "abc", 0, "" },    { "abc", -5, "" },    { "abc", 1, "…" } };

    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *fitted = canvas_fit(rows[i].text, rows[i].width);

        assert_string_equal(fitted, rows[i].fitted);
    }
}

static void test_any_size(void **state)
{
    static const int sizes[] = { -1, 0, 1, 2, 3, 80, 5000 };

    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(sizes); i++) {
        g_autoptr(Canvas) canvas = canvas_new(sizes[i], 2, false);
        Rect inside = canvas_frame(canvas, canvas_area(canvas), STYLE_FRAME, "title");

        assert_in_range(canvas_width(canvas), 1, 1000);
        assert_true(inside.w >= 0 && inside.h >= 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),       cmocka_unit_test(test_wide_characters_leave_no_halves),
        cmocka_unit_test(test_area_clips), cmocka_unit_test(test_fit),
        cmocka_unit_test(test_any_size),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
