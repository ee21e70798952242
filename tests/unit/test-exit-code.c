/*
 * monitor/exit-code.c: which exit status says what. Scripts rely on each row.
 */
#include "tests/unit/test.h"

#include "monitor/exit-code.h"

static const struct {
    const char *what;
    ExitFacts facts;
    ExitCode code;
} rows[] = {
    { "nothing was migrated", { HMP_OK, NULL, "none", "here", false }, 0 },
    { "a line was not understood", { HMP_ERROR_SYNTAX, NULL, NULL, NULL, false }, 1 },
    { "bad line after a good migration",
      { HMP_ERROR_SYNTAX, "completed", "outgoing", "peer (confirmed)", true },
      1 },
    { "refused, nothing was migrated", { HMP_ERROR_FAILED, NULL, "none", "here", false }, 3 },
    { "refused after a good migration",
      { HMP_ERROR_FAILED, "completed", "outgoing", "peer (confirmed)", true },
      3 },
    { "refused while one waits for its peer",
      { HMP_ERROR_FAILED, "setup", "incoming", "none", false },
      3 },
    { "verification", { HMP_ERROR_VERIFY, "completed", "incoming", "here", true }, 10 },
    { "a wait ran out", { HMP_ERROR_TIMEOUT, "active", "outgoing", "here", true }, 8 },
    { "an assertion", { HMP_ERROR_ASSERT, NULL, NULL, NULL, false }, 9 },
    { "an assertion about a migration that failed",
      { HMP_ERROR_ASSERT, "failed", "outgoing", "here", true },
      9 },
    { "completed", { HMP_OK, "completed", "outgoing", "peer (confirmed)", true }, 0 },
    { "completed into a file", { HMP_OK, "completed", "outgoing", "none", true }, 0 },
    { "completed through a child",
      { HMP_OK, "completed", "outgoing", "unknown (commit sent)", true },
      0 },
    { "arrived", { HMP_OK, "completed", "incoming", "here", true }, 0 },
    { "never connected", { HMP_ERROR_FAILED, "failed", "outgoing", "here", false }, 2 },
    { "never connected, detached", { HMP_OK, "failed", "outgoing", "here", false }, 2 },
    { "failed, guest here", { HMP_ERROR_FAILED, "failed", "outgoing", "here", true }, 4 },
    { "failed, detached", { HMP_OK, "failed", "outgoing", "here", true }, 4 },
    { "failed, guest at the peer", { HMP_OK, "failed", "outgoing", "peer (confirmed)", true }, 6 },
    { "failed, owner unknown", { HMP_OK, "failed", "outgoing", "unknown (commit sent)", true }, 7 },
    { "failed, guest lost", { HMP_ERROR_FAILED, "failed", "outgoing", "none", true }, 7 },
    { "paused in postcopy",
      { HMP_OK, "postcopy-paused", "outgoing", "peer (confirmed)", true },
      6 },
    { "paused in postcopy, guest here",
      { HMP_ERROR_FAILED, "postcopy-paused", "incoming", "here", true },
      6 },
    { "paused before anybody said that it runs",
      { HMP_OK, "postcopy-paused", "outgoing", "unknown (commit sent)", true },
      7 },
    { "did not arrive", { HMP_OK, "failed", "incoming", "none", true }, 4 },
    { "arrived, then failed", { HMP_OK, "failed", "incoming", "here", true }, 6 },
    { "arrived or not", { HMP_OK, "failed", "incoming", "unknown (commit sent)", true }, 7 },
    { "cancelled", { HMP_ERROR_FAILED, "cancelled", "outgoing", "here", true }, 5 },
    { "cancelled, detached", { HMP_OK, "cancelled", "outgoing", "here", false }, 5 },
    { "cancelled, owner unknown",
      { HMP_OK, "cancelled", "outgoing", "unknown (commit sent)", true },
      7 },
    { "cancelled, guest lost", { HMP_OK, "cancelled", "outgoing", "none", true }, 7 },
    { "the backend says no owner", { HMP_OK, "failed", "outgoing", NULL, true }, 4 },
};

static void test_exit_code_says_what_became_of_it(void **state)
{
    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        print_message("%s\n", rows[i].what);
        assert_int_equal(exit_code_for(&rows[i].facts), rows[i].code);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exit_code_says_what_became_of_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
