/*
 * Reports of recorded attempts, in every format: what is told of one that completed, was cancelled,
 * failed, arrived; and the command that writes them.
 */
#include "tests/unit/hmp-fake.h"

#include <glib/gstdio.h>
#include <unistd.h>

#include "commands/report/document.h"
#include "commands/report/report.h"

#define NOW INT64_C(1795166000000000)

static json_object *recorded(const char *name)
{
    g_autofree char *file = g_strconcat(name, ".json", NULL);
    g_autofree char *path = g_build_filename(g_getenv("MIGMON_TEST_DATA"), "report", file, NULL);
    json_object *replies = json_object_from_file(path);

    assert_non_null(replies);
    return replies;
}

static char *make(const char *name, ReportFormat format)
{
    json_object *replies = recorded(name);
    char *text = report_make(replies, format, NOW);

    json_object_put(replies);
    return text;
}

static void assert_has(const char *text, const char *part)
{
    if (!strstr(text, part)) {
        print_error("'%s' is not in:\n%s\n", part, text);
        fail();
    }
}

/* ---- what is told ---- */

static void test_answers(void **state)
{
    static const struct {
        const char *name;
        const char *answers[ANSWER__COUNT];
    } rows[] = {
        { "completed",
          { "Yes, after 3.0 s.",
            "41.1 ms, within the limit of 300 ms; most of it, 39.9 ms (97 %), was: last RAM.",
            "bandwidth limit: 77 % of its time. 202.5 MiB/s were sent on average, max-bandwidth "
            "allows 200.0 MiB/s (the pause is not held to that).",
            "peer (confirmed): the destination confirmed that it has the guest; run state on this "
            "side: postmigrate.",
            "A higher max-bandwidth makes it shorter, if the link has more to give." } },
        { "cancelled",
          { "No, it was cancelled after 3.0 s.",
            "There was none: the guest was not stopped for the switchover.",
            "max-bandwidth: 28.7 MiB/s were sent on average, max-bandwidth "
            "allows 30.0 MiB/s. More passes would not have helped: about 62.4 MiB stay dirty "
            "however many passes are made; 293.0 KiB fit into the limit of 10 ms.",
            "here: the migration ended before the guest was handed over; run state on this side: "
            "running.",
            "auto-converge slows the guest by about 99 %; or postcopy-ram moves it as it is." } },
        { "failed",
          { "No, it failed at once: Failed to connect to '127.0.0.1:1': Connection refused.",
            "There was none: the guest was not stopped for the switchover.",
            "Nothing: it did not come to moving RAM.",
            "here: the migration ended before the guest was handed over; run state on this side: "
            "running.",
            "What the reason above names." } },
        { "incoming",
          { "No, it failed after 3.0 s: stream ended too early: after section 2 (ram), offset "
            "90319236.",
            "This side does not see it: the source's report has it.",
            "Not known here: 28.5 MiB/s came in on average; the source's report says what held it "
            "back.",
            "none: nothing has arrived here completely; nothing runs here; run state on this side: "
            "inmigrate.",
            "What the reason above names." } },
    };

    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        json_object *replies = recorded(rows[i].name);
        ReportFacts facts;

        report_facts_read(&facts, replies);
        for (int k = 0; k < ANSWER__COUNT; k++) {
            g_autofree char *answer = report_answer(&facts, (ReportAnswer)k);

            assert_string_equal(answer, rows[i].answers[k]);
        }
        report_facts_clear(&facts);
        json_object_put(replies);
    }
}

/* The whole page; tests/data/report has it, to be looked at when it changes. */
static void check_page(const char *name, ReportFormat format)
{
    g_autofree char *text = make(name, format);
    g_autofree char *file = g_strconcat(name, report_format_ending(format), NULL);
    g_autofree char *path = g_build_filename(g_getenv("MIGMON_TEST_DATA"), "report", file, NULL);
    g_autofree char *expected = NULL;

    if (g_getenv("MIGMON_RECORD")) {
        assert_true(g_file_set_contents(path, text, -1, NULL));
    }
    assert_true(g_file_get_contents(path, &expected, NULL, NULL));
    assert_string_equal(text, expected);
}

static void test_whole_pages(void **state)
{
    (void)state;
    check_page("completed", REPORT_TEXT);
    check_page("completed", REPORT_MARKDOWN);
    check_page("cancelled", REPORT_TEXT);
    check_page("failed", REPORT_MARKDOWN);
    check_page("incoming", REPORT_TEXT);
}

static void test_json_has_answers_and_replies(void **state)
{
    g_autofree char *text = make("completed", REPORT_JSON);
    json_object *o = json_tokener_parse(text), *replies = recorded("completed");

    (void)state;
    assert_non_null(o);
    assert_int_equal(json_object_get_int(json_object_object_get(o, "migmon-report")), 1);
    assert_string_equal(json_object_get_string(json_object_object_get(o, "finished")),
                        "Yes, after 3.0 s.");
    assert_true(json_object_equal(json_object_object_get(o, "replies"), replies));

    json_object *setting = json_object_array_get_idx(json_object_object_get(o, "settings"), 0);
    assert_string_equal(json_object_to_json_string_ext(setting, JSON_C_TO_STRING_PLAIN |
                                                                    JSON_C_TO_STRING_NOSLASHESCAPE),
                        "{\"name\":\"max-bandwidth\",\"value\":\"200.0 MiB/s\","
                        "\"default\":\"128.0 MiB/s\"}");
    json_object_put(replies);
    json_object_put(o);
}

/* ---- pictures ---- */

static void count_element(GMarkupParseContext *context, const char *name, const char **names,
                          const char **values, void *data, GError **error)
{
    (void)context, (void)names, (void)values, (void)error;
    g_hash_table_insert(data, g_strdup(name),
                        GUINT_TO_POINTER(GPOINTER_TO_UINT(g_hash_table_lookup(data, name)) + 1));
}

/* Well-formed, and so many elements of that name. */
static unsigned elements(const char *svg, const char *name)
{
    static const GMarkupParser parser = { .start_element = count_element };
    g_autoptr(GHashTable) counts = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    GMarkupParseContext *context = g_markup_parse_context_new(&parser, 0, counts, NULL);
    g_autoptr(GError) error = NULL;

    if (!g_markup_parse_context_parse(context, svg, -1, &error) ||
        !g_markup_parse_context_end_parse(context, &error)) {
        print_error("%s\n", error->message);
        fail();
    }
    g_markup_parse_context_free(context);
    return GPOINTER_TO_UINT(g_hash_table_lookup(counts, name));
}

static void test_svg(void **state)
{
    static const struct {
        const char *name;
        unsigned curves;
    } rows[] = { { "completed", 4 }, { "cancelled", 4 }, { "failed", 0 }, { "incoming", 1 } };

    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *svg = make(rows[i].name, REPORT_SVG);

        print_message("%s\n", rows[i].name);
        assert_int_equal(elements(svg, "polyline"), rows[i].curves);
        assert_int_equal(elements(svg, "desc"), 1);
        assert_has(svg, "Did it finish?");
    }
    g_autofree char *svg = make("completed", REPORT_SVG);
    assert_has(svg, "<title>throughput in bytes/s</title>");
    assert_has(svg, ">max-bandwidth</text>");
    assert_has(svg, ">300.0 MiB</text>");
    assert_has(svg, ">2 s</text>");
    assert_has(svg, "Where the pause of 41.1 ms went");
    assert_has(svg, ">39.9 ms (97 %)</text>");
}

/* A destination chooses its words: none of them becomes markup. */
static void test_hostile_words(void **state)
{
    json_object *replies = json_tokener_parse(
        "{\"query-migrate\":{\"status\":\"failed\",\"error-desc\":\"<b>&|*\\u0001\\u001b[2J\"},"
        "\"x-query-migrate-history\":{\"direction\":\"outgoing\",\"peer\":\"tcp:<a>|b:1\","
        "\"outcome\":\"one\\nhint: look\",\"samples\":[{\"time-ms\":0,\"span-ms\":0,"
        "\"bytes-per-second\":18446744073709551615}],\"passes\":[{}],\"states\":3}}");
    g_autofree char *svg = report_make(replies, REPORT_SVG, NOW);
    g_autofree char *markdown = report_make(replies, REPORT_MARKDOWN, NOW);
    g_autofree char *text = report_make(replies, REPORT_TEXT, NOW);

    (void)state;
    assert_int_equal(elements(svg, "b"), 0);
    assert_null(strchr(svg, 1));
    assert_null(strstr(svg, "&#x1;"));
    assert_has(markdown, "tcp:\\<a\\>\\|b:1");
    assert_null(strchr(text, 27));
    assert_null(strchr(markdown, 27));
    assert_has(text, "look.");
    json_object_put(replies);
}

/* What QEMU itself tells, without any of our own requests. */
static void test_without_history(void **state)
{
    json_object *replies = json_tokener_parse(
        "{\"query-migrate\":{\"status\":\"completed\",\"total-time\":2000,\"downtime\":31,"
        "\"ram\":{\"total\":1048576,\"transferred\":2097152,\"page-size\":4096}}}");
    g_autofree char *text = report_make(replies, REPORT_TEXT, NOW);
    g_autofree char *svg = report_make(replies, REPORT_SVG, NOW);

    (void)state;
    assert_has(text, "Migration: completed\n====================\n");
    assert_has(text, "31 ms.");
    assert_has(text, "2.0 MiB sent, 1.0 MiB/s on average");
    assert_int_equal(elements(svg, "polyline"), 0);
    json_object_put(replies);
}

static void test_many_passes_are_cut_in_the_middle(void **state)
{
    json_object *replies = recorded("completed"), *passes = json_object_new_array();
    json_object *history = json_object_object_get(replies, "x-query-migrate-history");

    (void)state;
    for (int i = 1; i <= 100; i++) {
        json_object *pass = json_object_new_object();

        json_object_object_add(pass, "pass", json_object_new_int(i));
        json_object_array_add(passes, pass);
    }
    json_object_object_add(history, "passes", passes);
    g_autofree char *text = report_make(replies, REPORT_TEXT, NOW);
    assert_has(text, "\n   5 ");
    assert_has(text, "\n ...\n");
    assert_has(text, "\n  86 ");
    assert_has(text, "\n 100 ");
    assert_null(strstr(text, "\n  85 "));
    assert_has(text, "100 passes in all");
    json_object_put(replies);
}

/* ---- the command ---- */

typedef struct {
    Fixture f;
    char *dir;
} Place;

static void place_set_up(Place *p, const char *name)
{
    json_object *replies = recorded(name);

    set_up(&p->f, 0);
    p->dir = g_dir_make_tmp("migmon-report-XXXXXX", NULL);
    json_object_object_foreach (replies, request, reply) {
        canned(&p->f, request, json_object_to_json_string(reply));
    }
    json_object_put(replies);
}

static void place_tear_down(Place *p)
{
    g_autoptr(GDir) dir = g_dir_open(p->dir, 0, NULL);
    const char *name;

    while ((name = g_dir_read_name(dir))) {
        g_autofree char *path = g_build_filename(p->dir, name, NULL);
        g_remove(path);
    }
    g_rmdir(p->dir);
    g_free(p->dir);
    tear_down(&p->f);
}

/* @line has %s for the folder. */
static void run_in(Place *p, const char *line, HmpResult result, const char *output)
{
    g_auto(GStrv) parts = g_strsplit(line, "%s", -1);
    g_autofree char *text = g_strjoinv(p->dir, parts);

    begin(&p->f, text);
    assert_int_equal(finish(&p->f), result);
    assert_has(p->f.out->str, output);
}

static void assert_begins(const Place *p, const char *name, const char *text)
{
    g_autofree char *path = g_build_filename(p->dir, name, NULL);
    g_autofree char *content = NULL;

    assert_true(g_file_get_contents(path, &content, NULL, NULL));
    assert_true(g_str_has_prefix(content, text));
}

static void test_command_writes_files(void **state)
{
    Place p;

    (void)state;
    place_set_up(&p, "completed");
    run_in(&p, "report", HMP_OK, "Did it finish?\nYes, after 3.0 s.");
    run_in(&p, "report - markdown", HMP_OK, "# Migration of web1");
    run_in(&p, "report %s/a.md", HMP_OK, "/a.md (markdown, ");
    run_in(&p, "report %s/b.JSON", HMP_OK, "(json, ");
    run_in(&p, "report %s/c.svg", HMP_OK, "(svg, ");
    run_in(&p, "report %s/d.log text", HMP_OK, "(text, ");
    assert_begins(&p, "a.md", "# Migration of web1");
    assert_begins(&p, "b.JSON", "{");
    assert_begins(&p, "c.svg", "<?xml");
    assert_begins(&p, "d.log", "Migration of web1");
    run_in(&p, "report %s/d.log markdown", HMP_OK, "(markdown, ");
    assert_begins(&p, "d.log", "# Migration of web1");
    place_tear_down(&p);
}

static void test_command_refuses(void **state)
{
    Place p;

    (void)state;
    place_set_up(&p, "failed");
    run_in(&p, "report %s/x.pdf", HMP_ERROR_SYNTAX,
           "the name 'x.pdf' does not say which format the report is to have\nhint: let it end in");
    run_in(&p, "report %s/x", HMP_ERROR_SYNTAX, "the name 'x' does not say");
    run_in(&p, "report %s/x.md pdf", HMP_ERROR_SYNTAX,
           "'pdf' is no format of a report, which are: text, markdown, json, svg");
    run_in(&p, "report %s/no/such/folder.md", HMP_ERROR_FAILED, "the report was not written: ");
    run_in(&p, "report /dev/null text", HMP_ERROR_FAILED, "/dev/null is no regular file");
    run_in(&p, "report %s text", HMP_ERROR_FAILED, "is no regular file");
    canned(&p.f, "query-migrate", "{}");
    run_in(&p, "report %s/x.md", HMP_ERROR_FAILED, "there is nothing to report");
    canned(&p.f, "query-migrate", "!the other side is gone");
    run_in(&p, "report %s/x.md", HMP_ERROR_FAILED, "the other side is gone");

    g_autoptr(GDir) dir = g_dir_open(p.dir, 0, NULL);
    assert_null(g_dir_read_name(dir)); /* not a byte, not a name */
    place_tear_down(&p);
}

static void test_document_wraps_and_aligns(void **state)
{
    g_autoptr(Document) d = document_new("T");

    (void)state;
    document_table(d, "<a", ">b", NULL);
    document_row(d, "x", "10", NULL);
    document_row(d, "é", "9", NULL);
    document_paragraph(d, "1234567890 1234567890 1234567890 1234567890 1234567890 1234567890 "
                          "1234567890 1234567890\nnext");
    g_autofree char *text = document_to_text(d);
    assert_string_equal(text, "T\n=\n\na   b\nx  10\né   9\n\n"
                              "1234567890 1234567890 1234567890 1234567890 1234567890 1234567890 "
                              "1234567890\n1234567890\nnext\n");
    g_autofree char *markdown = document_to_markdown(d);
    assert_has(markdown, "| a | b |\n|---|---:|\n| x | 10 |\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_whole_pages),
        cmocka_unit_test(test_json_has_answers_and_replies),
        cmocka_unit_test(test_svg),
        cmocka_unit_test(test_hostile_words),
        cmocka_unit_test(test_without_history),
        cmocka_unit_test(test_many_passes_are_cut_in_the_middle),
        cmocka_unit_test(test_command_writes_files),
        cmocka_unit_test(test_command_refuses),
        cmocka_unit_test(test_document_wraps_and_aligns),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
