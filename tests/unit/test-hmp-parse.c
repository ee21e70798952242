/* commands/hmp/parse.c, expression.c, suggest.c: the grammar of a line. */
#include "tests/unit/test.h"

#include <string.h>

#include "backend/base/error.h"
#include "commands/hmp/parse.h"
#include "commands/hmp/suggest.h"

/* ---- words ---- */

static const struct {
    const char *line;
    WordStatus status;
    const char *text;
    size_t start, end;
} words[] = {
    { "", WORD_END, "", 0, 0 },
    { " \t ", WORD_END, "", 3, 3 },
    { "abc", WORD_OK, "abc", 0, 3 },
    { "  abc  def", WORD_OK, "abc", 2, 5 },
    { "ab\"cd x", WORD_OK, "ab\"cd", 0, 5 },
    { "'a b'", WORD_OK, "'a", 0, 2 },
    { "\\n", WORD_OK, "\\n", 0, 2 },
    { "\"\"", WORD_OK, "", 0, 2 },
    { "\"a b\" c", WORD_OK, "a b", 0, 5 },
    { "\"a\"\"b\"", WORD_OK, "a", 0, 3 },
    { "\"a\"b", WORD_OK, "a", 0, 3 },
    { "\"\\n\\r\\\\\\'\\\"\"", WORD_OK, "\n\r\\'\"", 0, 12 },
    { "\"", WORD_UNTERMINATED, "", 0, 1 },
    { "\"abc", WORD_UNTERMINATED, "abc", 0, 4 },
    { "\"a\\\"", WORD_UNTERMINATED, "a\"", 0, 4 },
    { "\"a\\q\"", WORD_BAD_ESCAPE, "a", 0, 4 },
    { "\"a\\", WORD_BAD_ESCAPE, "a", 0, 3 },
};

static void test_word_is_split_as_hmp_does(void **state)
{
    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(words); i++) {
        g_auto(Word) word = { 0 };

        print_message("[%s]\n", words[i].line);
        assert_int_equal(word_read(words[i].line, &word), words[i].status);
        assert_string_equal(word.text, words[i].text);
        assert_int_equal(word.start - words[i].line, words[i].start);
        assert_int_equal(word.end - words[i].line, words[i].end);
    }
}

static void test_long_word_is_not_cut(void **state)
{
    g_autofree char *line = g_strnfill(5000, 'h');
    g_auto(Word) word = { 0 };

    (void)state;
    assert_int_equal(word_read(line, &word), WORD_OK);
    assert_int_equal(strlen(word.text), 5000);
}

/* ---- heads ---- */

static const struct {
    const char *line;
    const char *command; /* NULL = unknown */
    const char *rest;
} heads[] = {
    { "migrate -d x", "migrate", " -d x" },
    { "  stop", "stop|s", "" },
    { "s", "stop|s", "" },
    { "stop/x", "stop|s", "/x" },
    { "info", "info", "" },
    { "info ", "info", " " },
    { "info  status x", "status", " x" },
    { "info bogus x", NULL, " x" },
    { "info /x", NULL, "/x" },
    { "migr", NULL, "" },
    { "MIGRATE x", NULL, " x" },
    { "stop|s", NULL, "" },
    { "", NULL, "" },
    { "/", NULL, "/" },
};

static void test_head_finds_the_command(void **state)
{
    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(heads); i++) {
        LineHead head;

        print_message("[%s]\n", heads[i].line);
        line_head_read(command_table, heads[i].line, &head);
        assert_string_equal(head.end, heads[i].rest);
        assert_int_equal(head.command != NULL, heads[i].command != NULL);
        if (head.command) {
            assert_string_equal(head.command->name, heads[i].command);
        }
    }
}

static void test_table_is_sorted_and_complete(void **state)
{
    (void)state;
    for (size_t i = 0; command_table[i]; i++) {
        const Command *row = command_table[i];

        assert_true(i == 0 || strcmp(command_table[i - 1]->name, row->name) < 0);
        assert_non_null(row->params);
        assert_non_null(row->help);
        assert_non_null(row->run);
        for (const ArgSpec *spec = row->args; spec && spec->name; spec++) {
            assert_non_null(spec->help);
            assert_false(spec->repeatable || spec->value);
        }
        for (const ArgSpec *spec = row->options; spec && spec->name; spec++) {
            assert_non_null(spec->help);
            assert_int_equal(spec->value == NULL, spec->kind == ARG_FLAG);
            assert_true(spec->kind != ARG_REST && spec->kind != ARG_COMMAND);
            assert_null(strpbrk(spec->name, "=_ "));
        }
    }
}

/* ---- arguments ---- */

static const Command flagged = {
    .name = "try|t",
    .args = (const ArgSpec[]){ { "d", ARG_FLAG, .optional = true, .help = "" },
                               { "r", ARG_FLAG, .optional = true, .help = "" },
                               { "uri", ARG_URI, .help = "" },
                               { 0 } },
};

static const struct {
    const char *text;
    const char *result; /* "d", "r" for flags, then the word; or the error */
} flag_rows[] = {
    { " x", "|x" },
    { " -d x", "d|x" },
    { " -r -d x", "dr|x" },
    { " -dr x", "dr|x" },
    { " x -d", "d|x" },
    { " -r x -d", "dr|x" },
    { " x -rd ", "dr|x" },
    { " \"-d\"", "|-d" },
    { " \"\"", "|" },
    { " -dx", "d|x" },
    { " -d-rx", "dr|x" },
    { " -dx y", "try|t: extraneous characters at the end of line" },
    { " -d -d x", "try|t: unsupported option -d" },
    { " -d x -d", "try|t: extraneous characters at the end of line" },
    { " x -q", "try|t: extraneous characters at the end of line" },
    { " -q x", "try|t: unsupported option -q" },
    { " --detach x", "try|t: unsupported option --" },
    { " -", "try|t: unsupported option -" },
    { " x y", "try|t: extraneous characters at the end of line" },
    { "", "try|t: string expected" },
    { " -d", "try|t: string expected" },
    { " \"x", "try|t: string expected\nhint: unterminated string" },
    { " \"x\\", "try|t: string expected\nhint: unterminated string" },
    { " \"x\\q\"", "try|t: string expected\nhint: unsupported escape code: '\\q'" },
    { " exec:cat > f", "try|t: extraneous characters at the end of line\n"
                       "hint: a value with blanks goes between double quotes: \"exec:cat ...\"" },
};

static void test_flags_stand_before_or_behind(void **state)
{
    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(flag_rows); i++) {
        g_autoptr(GError) error = NULL;
        Arg *args = args_parse(&flagged, flag_rows[i].text, &error);
        g_autofree char *result = NULL;

        print_message("[%s]\n", flag_rows[i].text);
        result = args ? g_strdup_printf("%s%s|%s", args_find(args, "d")->present ? "d" : "",
                                        args_find(args, "r")->present ? "r" : "",
                                        args_find(args, "uri")->text)
                      : g_strdup(error->message);
        assert_string_equal(result, flag_rows[i].result);
        args_free(args);
    }
}

static const Command typed = {
    .name = "typed",
    .args = (const ArgSpec[]){ { "on", ARG_BOOL, .help = "" },
                               { "number", ARG_INTEGER32, .help = "" },
                               { "time", ARG_SECONDS, .optional = true, .help = "" },
                               { "rest", ARG_REST, .optional = true, .help = "" },
                               { 0 } },
};

static const struct {
    const char *text;
    const char *error; /* NULL = fine */
    bool on;
    int64_t number;
    double seconds;
    const char *rest;
} typed_rows[] = {
    { "on 1", NULL, true, 1, 0, NULL },
    { "off 0x10 1.5", NULL, false, 16, 1.5, NULL },
    { "on 010 250ms  a \"b\"  ", NULL, true, 8, 0.25, "a \"b\"  " },
    { "on 1+2*3 2us", NULL, true, 7, 2e-6, NULL },
    { "on 4294967295 0", NULL, true, 4294967295, 0, NULL },
    { "on 4294967296", "'typed' has failed: integer is for 32-bit values" },
    { "ON 1", "Expected 'on' or 'off'" },
    { "yes 1", "Expected 'on' or 'off'" },
    { "", "Expected 'on' or 'off'" },
    { "\"on\" 1", "Expected 'on' or 'off'" },
    { "on", "unexpected end of expression" },
    { "on 1 x", "Number expected" },
    { "on 3 -2", NULL, true, 1, 0, NULL }, /* an expression goes on as long as it can */
    { "on -1", "'typed' has failed: integer is for 32-bit values" },
    { "on 1 (2", "Number expected" },
    { "on 1 2h", "Unknown unit suffix" },
    { "on 1 inf", "Bad number" },
    { "on 1 nan", "Bad number" },
};

static void test_typed_values(void **state)
{
    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(typed_rows); i++) {
        g_autoptr(GError) error = NULL;
        Arg *args = args_parse(&typed, typed_rows[i].text, &error);

        print_message("[%s]\n", typed_rows[i].text);
        assert_int_equal(args == NULL, typed_rows[i].error != NULL);
        if (!args) {
            assert_string_equal(error->message, typed_rows[i].error);
            continue;
        }
        assert_int_equal(args_find(args, "on")->on, typed_rows[i].on);
        assert_int_equal(args_find(args, "number")->integer, typed_rows[i].number);
        assert_float_equal(args_find(args, "time")->seconds, typed_rows[i].seconds, 1e-9);
        if (typed_rows[i].rest) {
            assert_string_equal(args_find(args, "rest")->text, typed_rows[i].rest);
        } else {
            assert_false(args_find(args, "rest")->present);
        }
        args_free(args);
    }
}

/* ---- expressions ---- */

static const struct {
    const char *text;
    int64_t value;
    const char *error; /* NULL = fine */
    const char *rest;
} expressions[] = {
    { "10", 10, NULL, "" },
    { " 0x1f ", 31, NULL, "" },
    { "010", 8, NULL, "" },
    { "1 + 2", 3, NULL, "" },
    { "2*3+4", 10, NULL, "" },
    { "1|2+4", 7, NULL, "" },
    { "1+6&3", 3, NULL, "" }, /* & binds tighter than + here: 1 + (6 & 3) */
    { "6^3*2", 0, NULL, "" },
    { "(1+2)*3", 9, NULL, "" },
    { "-5", -5, NULL, "" },
    { "- -5", 5, NULL, "" },
    { "~0", -1, NULL, "" },
    { "'a'", 97, NULL, "" },
    { "7/2 x", 3, NULL, "x" },
    { "7%4", 3, NULL, "" },
    { "5k", 5, NULL, "k" },
    { "9223372036854775807+1", INT64_MIN, NULL, "" },
    { "(-9223372036854775807-1)/-1", INT64_MIN, NULL, "" },
    { "(-9223372036854775807-1)%-1", 0, NULL, "" },
    { "18446744073709551615", -1, NULL, "" },
    { "18446744073709551616", 0, "number too large", NULL },
    { "", 0, "unexpected end of expression", NULL },
    { "1+", 0, "unexpected end of expression", NULL },
    { "abc", 0, "invalid char 'a' in expression", NULL },
    { "1/0", 0, "division by zero", NULL },
    { "1%0", 0, "division by zero", NULL },
    { "(1", 0, "')' expected", NULL },
    { "$rip", 0, "unknown register", NULL },
    { "'", 0, "character constant expected", NULL },
    { "'ab'", 0, "missing terminating ' character", NULL },
};

static void test_expressions(void **state)
{
    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(expressions); i++) {
        const char *at = expressions[i].text;
        g_autoptr(GError) error = NULL;
        int64_t value = 0;

        print_message("[%s]\n", at);
        assert_int_equal(expression_read(&at, &value, &error), expressions[i].error == NULL);
        if (expressions[i].error) {
            assert_string_equal(error->message, expressions[i].error);
        } else {
            assert_int_equal(value, expressions[i].value);
            assert_string_equal(at, expressions[i].rest);
        }
    }
}

static void test_deep_nesting_is_refused(void **state)
{
    static const char openers[] = "(-~+";

    (void)state;
    for (size_t i = 0; i < sizeof openers - 1; i++) {
        g_autofree char *text = g_strnfill(1000000, openers[i]);
        g_autoptr(GError) error = NULL;
        const char *at = text;
        int64_t value;

        assert_false(expression_read(&at, &value, &error));
        assert_string_equal(error->message, "expression is nested too deeply");
    }
}

/* ---- long options ---- */

static const Command optioned = {
    .name = "go",
    .params = "[-d] file [how]",
    .args = (const ArgSpec[]){ { "d", ARG_FLAG, .optional = true, .help = "" },
                               { "file", ARG_STRING, .help = "" },
                               { "how", ARG_STRING, .optional = true, .help = "" },
                               { 0 } },
    .options =
        (const ArgSpec[]){ { "count", ARG_INTEGER, .value = "N", .help = "" },
                           { "host", ARG_STRING, .value = "HOST", .repeatable = true, .help = "" },
                           { "fast", ARG_FLAG, .help = "" },
                           { "how", ARG_STRING, .value = "HOW", .help = "" },
                           { "after", ARG_SECONDS, .value = "TIME", .help = "" },
                           { "really", ARG_BOOL, .value = "on|off", .help = "" },
                           { 0 } },
};

static const struct {
    const char *text;
    const char *result; /* what was given, in the order of the rows; or the error */
} option_rows[] = {
    { " x", "file=x" },
    { " --fast x", "file=x fast" },
    { " --count 5 x", "file=x count=5" },
    { " --count=5 x", "file=x count=5" },
    { " --count=0x10 x", "file=x count=16" },
    { " --count -3 x", "file=x count=-3" },
    { " --count \"2 + 3\" x", "file=x count=5" },
    { " --after=500ms --really on x", "file=x after=0.5 really=on" },
    { " --host a --host=b x", "file=x host=a,b" },
    { " --host a --fast --host b --host \"c d\" x y", "file=x how=y host=a,b,c d fast" },
    { " --host=\"\" x", "file=x host=" },
    { " --host --fast x", "file=x host=--fast" },
    { " -d --fast x", "d file=x fast" },
    { " --fast -d x", "d file=x fast" },
    { " --fast x y -d", "d file=x how=y fast" },
    { " --how slow x", "file=x how=slow" },
    { " --how=slow x y", "go: extraneous characters at the end of line" },
    { " -- --fast", "file=--fast" },
    { " --fast -- -d", "file=-d fast" },
    { " -- x -d", "file=x how=-d" },
    { " -- x y -d", "go: extraneous characters at the end of line" },
    { " -d -- -- --", "d file=-- how=--" },
    { " \"--fast\"", "file=--fast" },
    { " x --fast", "file=x how=--fast" }, /* behind a word it is a word */
    { " x y --fast", "go: extraneous characters at the end of line" },
    { " --fast", "go: string expected" },
    { " --", "go: string expected" },
    { " --fast --fast x", "go: option --fast is given twice" },
    { " --count 1 --count 2 x", "go: option --count is given twice" },
    { " --fast=on x", "go: option --fast takes no value" },
    { " --count", "go: option --count needs a value" },
    { " --count= 5 x", "go: option --count needs a value" },
    { " --count 5x y", "go: --count: invalid value '5x'" },
    { " --count x y", "go: --count: invalid char 'x' in expression" },
    { " --really maybe x", "go: --really: Expected 'on' or 'off'" },
    { " --after soon x", "go: --after: Number expected" },
    { " --host \"a", "go: string expected" },
    { " --fest x", "go: unsupported option --fest" },
    { " --=5 x", "go: unsupported option --" },
    { " --fas x", "go: unsupported option --fas" }, /* not shortened */
};

static void append(GString *out, const char *format, ...)
{
    va_list args;

    g_string_append(out, out->len > 0 ? " " : "");
    va_start(args, format);
    g_string_append_vprintf(out, format, args);
    va_end(args);
}

static char *given(const Arg *args)
{
    GString *out = g_string_new(NULL);

    if (args_find(args, "d")->present) {
        append(out, "d");
    }
    append(out, "file=%s", args_find(args, "file")->text);
    if (args_find(args, "how")->present) {
        append(out, "how=%s", args_find(args, "how")->text);
    }
    if (args_find(args, "count")->present) {
        append(out, "count=%d", (int)args_find(args, "count")->integer);
    }
    if (args_find(args, "host")->present) {
        append(out, "host=");
        for (const Arg *host = args_find(args, "host"); host; host = args_next(host)) {
            const Arg *next = args_next(host);

            g_string_append_printf(out, "%s%s", host->text, next ? "," : "");
        }
    }
    if (args_find(args, "fast")->present) {
        append(out, "fast");
    }
    if (args_find(args, "after")->present) {
        append(out, "after=%g", args_find(args, "after")->seconds);
    }
    if (args_find(args, "really")->present) {
        append(out, "really=%s", args_find(args, "really")->on ? "on" : "off");
    }
    return g_string_free(out, FALSE);
}

static void test_long_options(void **state)
{
    g_autofree char *usage = command_usage(&optioned);

    (void)state;
    assert_string_equal(usage, "[--count N] [--host HOST]... [--fast] [--how HOW] [--after TIME] "
                               "[--really on|off] [-d] file [how]");
    for (size_t i = 0; i < G_N_ELEMENTS(option_rows); i++) {
        g_autoptr(GError) error = NULL;

        print_message("[%s]\n", option_rows[i].text);
        Arg *args = args_parse(&optioned, option_rows[i].text, &error);
        if (args) {
            g_autofree char *text = given(args);

            assert_string_equal(text, option_rows[i].result);
            args_free(args);
        } else {
            g_autofree char *line = mig_error_first_line(error);

            assert_string_equal(line, option_rows[i].result);
        }
    }
}

static void test_unknown_option_is_suggested(void **state)
{
    g_autoptr(GError) error = NULL;

    (void)state;
    assert_null(args_parse(&optioned, " --cuont 5 x", &error));
    assert_non_null(strstr(error->message, "did you mean '--count'?"));
}

/* Commands without options, so all of QEMU's, know no "--". */
static void test_no_options_no_double_dash(void **state)
{
    g_autoptr(GError) error = NULL;

    (void)state;
    assert_null(args_parse(&flagged, " -- x", &error));
    assert_string_equal(error->message, "try|t: unsupported option --");
}

/* ---- suggestions ---- */

static const struct {
    const char *word;
    const char *name; /* NULL = nothing is near */
} near_rows[] = {
    { "max_bandwidth", "max-bandwidth" },
    { "MAX-BANDWIDTH", "max-bandwidth" },
    { "max-bandwith", "max-bandwidth" },
    { "max-badnwidth", "max-bandwidth" },
    { "max", "max-bandwidth" },
    { "mod", "mode" },
    { "quti", "quit" },
    { "bogus", NULL },
    { "nosuch", NULL },
    { "x", NULL },
    { "", NULL },
    { "mapped-ram", NULL },
};

static void test_suggestion_is_near_or_nothing(void **state)
{
    static const char *const names[] = { "max-postcopy-bandwidth", "max-bandwidth", "mode",
                                         "quit|q", "downtime-limit" };
    g_autofree char *long_word = g_strnfill(3000, 'm');
    Suggestion near;

    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(near_rows); i++) {
        g_autofree char *found = NULL;

        print_message("[%s]\n", near_rows[i].word);
        suggestion_init(&near, near_rows[i].word, strlen(near_rows[i].word));
        for (size_t j = 0; j < G_N_ELEMENTS(names); j++) {
            suggestion_offer(&near, names[j]);
        }
        assert_int_equal(near.name != NULL, near_rows[i].name != NULL);
        if (near.name) {
            found = g_strndup(near.name, near.name_length);
            assert_string_equal(found, near_rows[i].name);
        }
    }
    suggestion_init(&near, long_word, strlen(long_word));
    suggestion_offer(&near, long_word);
    assert_null(near.name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_word_is_split_as_hmp_does),
        cmocka_unit_test(test_long_word_is_not_cut),
        cmocka_unit_test(test_head_finds_the_command),
        cmocka_unit_test(test_table_is_sorted_and_complete),
        cmocka_unit_test(test_flags_stand_before_or_behind),
        cmocka_unit_test(test_typed_values),
        cmocka_unit_test(test_expressions),
        cmocka_unit_test(test_deep_nesting_is_refused),
        cmocka_unit_test(test_long_options),
        cmocka_unit_test(test_unknown_option_is_suggested),
        cmocka_unit_test(test_no_options_no_double_dash),
        cmocka_unit_test(test_suggestion_is_near_or_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
