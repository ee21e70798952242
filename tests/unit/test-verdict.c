/*
 * Will it finish? Rows of pass borders and what they mean.
 */
#include "tests/unit/test.h"

#include <string.h>

#include "backend/tables/verdict.h"

#define MIB UINT64_C(1048576)
#define S   1000000

static const struct {
    const char *what;
    VerdictFacts facts;
    VerdictKind kind;
    const char *text;   /* beginning */
    const char *advice; /* beginning */
} rows[] = {
    { "nothing measured yet", { 100 * MIB, 0, 100 * MIB, 0, 0, 300 }, VERDICT_OPEN, "", "" },
    { "the first border fits already",
      { 10 * MIB, 500 * MIB, 10 * MIB, 5 * S, 100 * MIB, 300 },
      VERDICT_FITS,
      "will finish: pause 0.1 s, limit 0.3 s",
      "" },
    { "each pass leaves half",
      { 50 * MIB, 100 * MIB, 50 * MIB, S, 100 * MIB, 300 },
      VERDICT_CONVERGES,
      "should finish: pause 0.5 s now, limit 0.3 s, less after each pass",
      "" },
    { "as much as before",
      { 290 * MIB, 300 * MIB, 290 * MIB, 3 * S, 100 * MIB, 300 },
      VERDICT_NEVER,
      "will not finish: dirtied 96.7 MiB/s, sent 100.0 MiB/s; pause 2.9 s, limit 0.3 s",
      "migrate_set_parameter downtime-limit 3500" },
    { "more than before",
      { 300 * MIB, 100 * MIB, 300 * MIB, S, 100 * MIB, 300 },
      VERDICT_NEVER,
      "will not finish",
      "migrate_set_parameter downtime-limit 3500" },
    /* A sync is made as soon as what is left would fit; then it can be a little more again. */
    { "a short pass close to the limit",
      { 31 * MIB, 5 * MIB, 1 * MIB, S / 20, 100 * MIB, 300 },
      VERDICT_CONVERGES,
      "should finish: pause 0.31 s now, limit 0.30 s",
      "" },
    { "a limit that is long enough",
      { 300 * MIB, 300 * MIB, 300 * MIB, S, 100 * MIB, 3500 },
      VERDICT_FITS,
      "will finish",
      "" },
    { "short pauses get small steps",
      { 40 * MIB, 40 * MIB, 40 * MIB, S, 100 * MIB, 300 },
      VERDICT_NEVER,
      "will not finish",
      "migrate_set_parameter downtime-limit 450" },
};

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *text = verdict_text(&rows[i].facts);
        g_autofree char *advice = verdict_advice(&rows[i].facts);

        print_message("%s: %s\n", rows[i].what, text);
        assert_int_equal(verdict_of(&rows[i].facts), rows[i].kind);
        assert_true(g_str_has_prefix(text, rows[i].text));
        assert_true(g_str_has_prefix(advice, rows[i].advice));
        assert_int_equal(text[0] == '\0', rows[i].text[0] == '\0');
        assert_int_equal(advice[0] == '\0', rows[i].advice[0] == '\0');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_rows) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
