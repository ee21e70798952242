/*
 * monitor/script.c: the lines of a batch and where they stand.
 */
#include "tests/unit/test.h"

#include <fcntl.h>
#include <glib.h>
#include <string.h>
#include <unistd.h>

#include "monitor/script.h"

static unsigned ready;

static void on_ready(void *data)
{
    (void)data;
    ready++;
}

/* What @script gives, "WHERE=LINE" joined by '|', until the end, an error or a wait. */
static char *drain(Script *script)
{
    GString *out = g_string_new(NULL);

    for (;;) {
        g_autofree char *line = NULL;
        g_autofree char *where = NULL;
        g_autoptr(GError) error = NULL;

        switch (script_next(script, &line, &where, &error)) {
        case SCRIPT_LINE:
            g_string_append_printf(out, "%s=%s|", where, line);
            continue;
        case SCRIPT_WAIT:
            g_string_append(out, "wait");
            break;
        case SCRIPT_END:
            g_string_append(out, "end");
            break;
        case SCRIPT_ERROR:
            g_string_append_printf(out, "%s!%s", where, error->message);
            break;
        }
        return g_string_free(out, FALSE);
    }
}

static char *drain_bytes(const char *bytes, size_t length)
{
    g_autoptr(Script) script = script_new();
    g_autoptr(GError) error = NULL;
    g_autofree char *path = NULL;
    g_autofree char *result = NULL;
    g_autofree char *short_result = NULL;
    int fd = g_file_open_tmp("script-XXXXXX", &path, NULL);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, length), length);
    close(fd);
    assert_true(script_add_file(script, path, &error));
    unlink(path);
    result = drain(script);
    /* The temporary name is not part of what is compared. */
    g_auto(GStrv) parts = g_strsplit(result, path, -1);
    short_result = g_strjoinv("F", parts);
    return g_steal_pointer(&short_result);
}

static const struct {
    const char *what;
    const char *bytes;
    size_t length; /* 0 = strlen */
    const char *result;
} rows[] = {
    { "empty", "", 0, "end" },
    { "one line", "a\n", 0, "F:1=a|end" },
    { "no newline at the end", "a\nb", 0, "F:1=a|F:2=b|end" },
    { "blank lines count", "\n\na\n", 0, "F:1=|F:2=|F:3=a|end" },
    { "CR LF", "a\r\nb\r\n", 0, "F:1=a|F:2=b|end" },
    { "CR inside stays", "a\rb\n", 0, "F:1=a\rb|end" },
    { "NUL byte", "ok\na\0b\n", 7,
      "F:1=ok|F:2!line holds a NUL byte (lines have up to 4095 bytes)" },
};

static void test_lines_of_a_file(void **state)
{
    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *result = NULL;

        print_message("%s\n", rows[i].what);
        result =
            drain_bytes(rows[i].bytes, rows[i].length > 0 ? rows[i].length : strlen(rows[i].bytes));
        assert_string_equal(result, rows[i].result);
    }
}

static void test_a_long_line_is_an_error_and_not_cut(void **state)
{
    static const size_t lengths[] = { 4095, 4096, 4097, 100000 };

    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(lengths); i++) {
        for (unsigned ends = 0; ends < 3; ends++) {
            g_autofree char *text = g_strnfill(lengths[i] + 2, 'x');
            g_autofree char *result = NULL;
            size_t length = lengths[i] + ends;

            if (ends > 0) {
                memcpy(text + lengths[i], ends == 1 ? "\n" : "\r\n", ends);
            }
            result = drain_bytes(text, length);
            if (lengths[i] <= 4095) {
                assert_true(g_str_has_prefix(result, "F:1=xxx"));
                assert_true(g_str_has_suffix(result, "|end"));
            } else {
                assert_string_equal(result, "F:1!line is longer than 4095 bytes");
            }
        }
    }
}

static void test_sources_follow_one_another(void **state)
{
    g_autoptr(Script) script = script_new();
    g_autofree char *result = NULL;
    int ends[2];

    (void)state;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], "c\nd", 3), 3);
    close(ends[1]);
    script_add_command(script, "a");
    script_add_command(script, "b");
    script_add_fd(script, ends[0], "<stdin>");
    result = drain(script);
    assert_string_equal(result, "-c 1=a|-c 2=b|wait"); /* a pipe is asked through the loop */
    for (unsigned turns = 0; turns < 2; turns++) {
        g_autofree char *more = NULL;

        ready = 0;
        script_when_ready(script, on_ready, NULL);
        g_main_context_iteration(NULL, TRUE);
        assert_int_equal(ready, 1);
        more = drain(script);
        assert_string_equal(more, turns == 0 ? "<stdin>:1=c|wait" : "<stdin>:2=d|end");
    }
    close(ends[0]);
}

static void test_a_file_that_is_not_there(void **state)
{
    g_autoptr(Script) script = script_new();
    g_autoptr(GError) error = NULL;
    g_autofree char *folder = g_dir_make_tmp("script-XXXXXX", NULL);
    g_autofree char *missing = g_build_filename(folder, "missing", NULL);
    g_autofree char *not_there =
        g_strdup_printf("Could not open '%s': No such file or directory", missing);
    g_autofree char *no_file = g_strdup_printf("Could not read '%s': Is a directory", folder);

    (void)state;
    assert_false(script_add_file(script, missing, &error));
    assert_string_equal(error->message, not_there);
    g_clear_error(&error);
    assert_false(script_insert_file(script, missing, &error));
    assert_string_equal(error->message, not_there);
    g_clear_error(&error);
    assert_false(script_add_file(script, folder, &error));
    assert_string_equal(error->message, no_file);
    rmdir(folder);
}

static char *write_file(const char *text)
{
    char *path = NULL;
    int fd = g_file_open_tmp("script-XXXXXX", &path, NULL);

    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
    return path;
}

static void next_is(Script *script, const char *expected)
{
    g_autofree char *line = NULL, *where = NULL;
    g_autoptr(GError) error = NULL;

    assert_int_equal(script_next(script, &line, &where, &error), SCRIPT_LINE);
    assert_string_equal(line, expected);
}

static void test_an_inserted_file_comes_before_the_rest(void **state)
{
    g_autofree char *outer = write_file("a\nb\n"), *inner = write_file("x\ny");
    g_autoptr(Script) script = script_new();
    g_autofree char *rest = NULL, *expected = NULL;

    (void)state;
    script_add_command(script, "first");
    assert_true(script_add_file(script, outer, NULL));
    next_is(script, "first");
    next_is(script, "a");
    assert_true(script_insert_file(script, inner, NULL));
    next_is(script, "x");
    rest = drain(script);
    expected = g_strdup_printf("%s:2=y|%s:2=b|end", inner, outer);
    assert_string_equal(rest, expected);
    unlink(outer);
    unlink(inner);
}

static void test_files_nest_only_so_deep(void **state)
{
    g_autofree char *path = write_file("again\n");
    g_autoptr(Script) script = script_new();
    g_autoptr(GError) error = NULL;

    (void)state;
    script_add_command(script, "first");
    next_is(script, "first");
    for (unsigned i = 0; i < SCRIPT_MAX_DEPTH; i++) {
        assert_true(script_insert_file(script, path, NULL));
        next_is(script, "again");
    }
    assert_false(script_insert_file(script, path, &error));
    assert_string_equal(error->message, "files are nested deeper than 16");
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines_of_a_file),
        cmocka_unit_test(test_a_long_line_is_an_error_and_not_cut),
        cmocka_unit_test(test_sources_follow_one_another),
        cmocka_unit_test(test_a_file_that_is_not_there),
        cmocka_unit_test(test_an_inserted_file_comes_before_the_rest),
        cmocka_unit_test(test_files_nest_only_so_deep),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
