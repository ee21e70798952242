/* tui/progress.c: replies in, one line out. */
#include "tests/unit/test.h"

#include <string.h>

#include "tui/progress.h"

#define ACTIVE                                                                                     \
    "{\"status\":\"active\",\"total-time\":4120,\"ram\":{\"remaining\":432013312,"                 \
    "\"mbps\":8589.934592,\"dirty-sync-count\":3,\"page-size\":4096,\"transferred\":9}}"
#define PASSES                                                                                     \
    "{\"threshold-bytes\":32505856,\"elapsed-ms\":4000,\"passes\":["                               \
    "{\"pass\":1,\"duration-ms\":2000,\"dirtied-pages\":1},"                                       \
    "{\"pass\":2,\"duration-ms\":1000,\"dirtied-pages\":53760}]}"

static const struct {
    const char *what, *info, *history;
    int width;
    const char *line;
} lines[] = {
    { "all there is", ACTIVE, PASSES, 200,
      "active pass 3  to go 412.0 MiB (threshold 31.0 MiB)  1.0 GiB/s  dirty 210.0 MiB/s "
      "(pass 2: 210.0 MiB dirtied again)  4.1 s" },
    { "a wide terminal", ACTIVE, PASSES, 100,
      "active pass 3  to go 412.0 MiB (threshold 31.0 MiB)  1.0 GiB/s  dirty 210.0 MiB/s  4.1 s" },
    { "80 columns", ACTIVE, PASSES, 80,
      "active pass 3  to go 412.0 MiB  1.0 GiB/s  dirty 210.0 MiB/s" },
    { "half of it", ACTIVE, PASSES, 40, "active pass 3  to go 412.0 MiB" },
    { "what matters most", ACTIVE, PASSES, 30, "active pass 3  to go 412.0 MiB" },
    { "less", ACTIVE, PASSES, 28, "active  to go 412.0 MiB" },
    { "hardly any room", ACTIVE, PASSES, 7, "active" },
    { "less than a word", ACTIVE, PASSES, 3, "act" },
    { "no room", ACTIVE, PASSES, 0, "" },
    { "nonsense", ACTIVE, PASSES, -1, "" },
    { "no history", ACTIVE, NULL, 100, "active pass 3  to go 412.0 MiB  1.0 GiB/s  4.1 s" },
    { "before the first byte", "{\"status\":\"setup\",\"total-time\":300}", "{\"passes\":[]}", 80,
      "setup  300 ms" },
    { "hours", "{\"status\":\"active\",\"total-time\":3723000}", NULL, 80, "active  1:02:03 h" },
    { "time of the history", "{\"status\":\"active\"}", "{\"elapsed-ms\":1500}", 80,
      "active  1.5 s" },
    { "a verdict", "{\"status\":\"active\",\"total-time\":2000}",
      "{\"verdict\":\"will not finish: the guest writes faster\"}", 80,
      "active  2.0 s  will not finish" },
    { "a verdict without room", "{\"status\":\"active\",\"total-time\":2000}",
      "{\"verdict\":\"will finish in about 3.0 s: pause\"}", 20, "active  2.0 s" },
    { "a verdict with a time", "{\"status\":\"active\"}",
      "{\"verdict\":\"will finish in about 3.0 s: pause about 80 ms\"}", 80,
      "active  will finish in about 3.0 s" },
    { "no verdict yet", "{\"status\":\"active\"}",
      "{\"verdict\":\"not yet clear (31 %): the next pass\"}", 80, "active  not yet clear" },
    { "nothing known", "{}", NULL, 80, "starting" },
    { "a pass of no length", ACTIVE,
      "{\"passes\":[{\"pass\":1,\"duration-ms\":0,\"dirtied-pages\":9}]}", 100,
      "active pass 3  to go 412.0 MiB  1.0 GiB/s  4.1 s" },
    { "figures that make no sense",
      "{\"status\":\"active\",\"ram\":{\"remaining\":-5,\"mbps\":-1.5,\"dirty-sync-count\":0}}",
      "{\"passes\":7}", 80, "active pass 1  to go 0 B" },
};

static void test_line_fits_and_keeps_what_matters(void **state)
{
    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(lines); i++) {
        json_object *info = json_tokener_parse(lines[i].info);
        json_object *history = lines[i].history ? json_tokener_parse(lines[i].history) : NULL;
        g_autofree char *line = progress_line(info, history, lines[i].width);

        print_message("%s\n", lines[i].what);
        assert_string_equal(line, lines[i].line);
        json_object_put(info);
        json_object_put(history);
    }
}

static void test_no_width_is_exceeded(void **state)
{
    json_object *info = json_tokener_parse(ACTIVE);
    json_object *history = json_tokener_parse(PASSES);

    (void)state;
    for (int width = 0; width < 150; width++) {
        g_autofree char *line = progress_line(info, history, width);

        assert_true(strlen(line) <= (size_t)width);
        assert_null(strchr(line, '%'));
    }
    json_object_put(info);
    json_object_put(history);
}

static const struct {
    const char *what, *info, *history, *owner, *summary;
} summaries[] = {
    { "completed",
      "{\"status\":\"completed\",\"total-time\":4120,\"downtime\":120,"
      "\"ram\":{\"transferred\":1610612736,\"dirty-sync-count\":4}}",
      PASSES, "{\"owner\":\"peer (confirmed)\",\"evidence\":\"it said so\"}",
      "completed: 4.1 s in all, downtime 120 ms, 1.5 GiB sent in 2 passes; "
      "guest: peer (confirmed) (it said so)" },
    { "failed", "{\"status\":\"failed\",\"error-desc\":\"no route\"}", NULL,
      "{\"owner\":\"here\",\"evidence\":\"\"}", "failed (no route); guest: here" },
    { "one pass only", "{\"status\":\"cancelled\"}", "{\"passes\":[{\"pass\":1}]}", NULL,
      "cancelled in 1 pass" },
    { "the oldest rows are dropped", "{\"status\":\"completed\"}",
      "{\"passes\":[{\"pass\":8},{\"pass\":9}]}", NULL, "completed in 9 passes" },
    { "nobody saw the passes", "{\"status\":\"completed\",\"ram\":{\"dirty-sync-count\":3}}",
      "{\"passes\":[]}", NULL, "completed, 0 B sent, 3 dirty syncs" },
    { "arrived", "{\"status\":\"completed\"}", "{\"elapsed-ms\":900}", NULL,
      "completed: 900 ms in all" },
    { "nothing known", "{}", NULL, NULL, "no migration" },
};

static void test_summary_says_where_the_guest_is(void **state)
{
    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(summaries); i++) {
        json_object *info = json_tokener_parse(summaries[i].info);
        json_object *history =
            summaries[i].history ? json_tokener_parse(summaries[i].history) : NULL;
        json_object *owner = summaries[i].owner ? json_tokener_parse(summaries[i].owner) : NULL;
        g_autofree char *line = progress_summary(info, history, owner);

        print_message("%s\n", summaries[i].what);
        assert_string_equal(line, summaries[i].summary);
        json_object_put(info);
        json_object_put(history);
        json_object_put(owner);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_line_fits_and_keeps_what_matters),
        cmocka_unit_test(test_no_width_is_exceeded),
        cmocka_unit_test(test_summary_says_where_the_guest_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
