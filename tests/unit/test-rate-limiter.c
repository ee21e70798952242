/*
 * rate-limiter.c, in time that the test makes: each row is a sender with its
 * rate, batch and lateness, and the bytes it may send are counted in every
 * window of 100 ms that begins with a batch.
 */
#include "tests/unit/test.h"

#include <glib.h>
#include <stdbool.h>

#include "backend/base/rate-limiter.h"

#define SECOND INT64_C(1000000)
#define WINDOW (SECOND / 10)
#define MiB    UINT64_C(1048576)

typedef struct {
    int64_t at;
    uint64_t bytes;
} Batch;

static const struct {
    const char *what;
    uint64_t rate, batch;
    int64_t late; /* each wake-up comes up to so many us too late */
    int64_t send; /* a batch takes so long */
    int64_t idle; /* and once a second the sender does nothing for so long */
} senders[] = {
    { "punctual", 100 * MiB, 256 * 1024, 0, 0, 0 },
    { "late", 100 * MiB, 256 * 1024, 120, 20, 0 },
    { "very late", 100 * MiB, 64 * 1024, 3000, 0, 0 },
    { "fast", 10240 * MiB, MiB, 60, 30, 0 },
    { "small batches", 50 * MiB, 4104, 80, 1, 0 },
    { "slow", 64 * 1024, 256 * 1024, 100, 0, 0 },
    { "pauses", 100 * MiB, 256 * 1024, 100, 0, 300000 },
    { "one byte a second", 1, 1, 10, 0, 0 },
};

/* Runs row @row for @duration; the batches sent, in order. */
static GArray *run_sender(size_t row, RateLimiter *limiter, int64_t start, int64_t duration)
{
    GArray *sent = g_array_new(FALSE, FALSE, sizeof(Batch));
    g_autoptr(GRand) random = g_rand_new_with_seed(7);
    int64_t now = start, next_idle = start + SECOND;

    while (now < start + duration) {
        int64_t wait = rate_limiter_wait_us(limiter, now);

        assert_true(wait >= 0);
        if (wait > 0) {
            now += wait + (senders[row].late > 0
                               ? g_rand_int_range(random, 0, (gint32)senders[row].late)
                               : 0);
            continue;
        }
        Batch batch = { now, senders[row].batch };
        g_array_append_val(sent, batch);
        now += senders[row].send;
        rate_limiter_account(limiter, batch.bytes, now);
        if (senders[row].idle > 0 && now >= next_idle) {
            now += senders[row].idle;
            next_idle += SECOND;
        }
    }
    return sent;
}

static void assert_windows(const GArray *sent, uint64_t rate)
{
    uint64_t sum = 0;
    guint first = 0;

    for (guint i = 0; i < sent->len; i++) {
        const Batch *batch = &g_array_index(sent, Batch, i);

        while (g_array_index(sent, Batch, first).at <= batch->at - WINDOW) {
            sum -= g_array_index(sent, Batch, first++).bytes;
        }
        /* What was sent before this batch in its window must have left room. */
        assert_true(sum == 0 || sum < MAX(rate / 10, 1) + 1);
        sum += batch->bytes;
    }
}

static void test_no_window_holds_more_than_the_rate_and_a_batch(void **state)
{
    (void)state;
    for (size_t row = 0; row < G_N_ELEMENTS(senders); row++) {
        RateLimiter limiter;

        print_message("%s\n", senders[row].what);
        rate_limiter_init(&limiter, senders[row].rate, 123);
        g_autoptr(GArray) sent = run_sender(row, &limiter, 123, 10 * SECOND);
        assert_windows(sent, senders[row].rate);
    }
}

static void test_late_senders_reach_the_rate(void **state)
{
    (void)state;
    for (size_t row = 0; row < G_N_ELEMENTS(senders); row++) {
        RateLimiter limiter;
        uint64_t total = 0, due = senders[row].rate * 10;

        if (senders[row].idle > 0 || senders[row].rate < MiB) {
            continue;
        }
        print_message("%s\n", senders[row].what);
        rate_limiter_init(&limiter, senders[row].rate, 0);
        g_autoptr(GArray) sent = run_sender(row, &limiter, 0, 10 * SECOND);
        for (guint i = 0; i < sent->len; i++) {
            total += g_array_index(sent, Batch, i).bytes;
        }
        assert_true(total >= due / 100 * 96);
        assert_true(total <= due + due / 100 + senders[row].batch);
    }
}

static void test_no_limit_never_waits(void **state)
{
    RateLimiter limiter;

    (void)state;
    rate_limiter_init(&limiter, 0, 0);
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(rate_limiter_wait_us(&limiter, i), 0);
        rate_limiter_account(&limiter, UINT64_C(1) << 40, i);
    }
}

static void test_a_new_limit_counts_at_once(void **state)
{
    RateLimiter limiter;

    (void)state;
    rate_limiter_init(&limiter, 0, 0);
    rate_limiter_account(&limiter, 100 * MiB, 1000);
    assert_int_equal(rate_limiter_wait_us(&limiter, 1000), 0);

    /* What went out in this window counts against the new limit... */
    rate_limiter_set_rate(&limiter, MiB, 2000);
    int64_t wait = rate_limiter_wait_us(&limiter, 2000);
    assert_true(wait > 0 && wait <= WINDOW + 1000);
    assert_int_equal(rate_limiter_wait_us(&limiter, 2000 + wait), 0);

    /* ...and lifting it ends every wait. */
    rate_limiter_account(&limiter, 100 * MiB, 2000 + wait);
    assert_true(rate_limiter_wait_us(&limiter, 2000 + wait) > 90 * SECOND);
    rate_limiter_set_rate(&limiter, 0, 3000 + wait);
    assert_int_equal(rate_limiter_wait_us(&limiter, 3000 + wait), 0);
}

static void test_debt_shrinks_with_a_higher_rate(void **state)
{
    RateLimiter limiter;

    (void)state;
    rate_limiter_init(&limiter, 1000, 0);
    rate_limiter_account(&limiter, 100000, 0);
    assert_int_equal(rate_limiter_wait_us(&limiter, 0), 100 * SECOND);
    rate_limiter_set_rate(&limiter, 100000, 0);
    int64_t wait = rate_limiter_wait_us(&limiter, 0);
    assert_int_equal(wait, SECOND);
    rate_limiter_set_rate(&limiter, 100000, 0);
    assert_int_equal(rate_limiter_wait_us(&limiter, 0), wait);
}

static void test_extremes_do_not_overflow(void **state)
{
    RateLimiter limiter;
    const int64_t far = INT64_MAX / 2000;

    (void)state;
    rate_limiter_init(&limiter, 1, 0);
    for (int i = 0; i < 10; i++) {
        rate_limiter_account(&limiter, INT64_MAX, far);
    }
    assert_true(rate_limiter_wait_us(&limiter, far) > 0);
    rate_limiter_set_rate(&limiter, UINT64_MAX, far);
    assert_true(rate_limiter_wait_us(&limiter, far) >= 0);
    rate_limiter_account(&limiter, 1, far + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_window_holds_more_than_the_rate_and_a_batch),
        cmocka_unit_test(test_late_senders_reach_the_rate),
        cmocka_unit_test(test_no_limit_never_waits),
        cmocka_unit_test(test_a_new_limit_counts_at_once),
        cmocka_unit_test(test_debt_shrinks_with_a_higher_rate),
        cmocka_unit_test(test_extremes_do_not_overflow),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
