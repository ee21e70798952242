/*
 * latency.c: buckets and percentiles.
 */
#include "backend/base/latency.h"

#include "tests/unit/test.h"

static void test_a_value_lies_below_the_end_of_its_bucket_by_less_than_a_quarter(void **state)
{
    (void)state;
    for (uint64_t us = 1; us < UINT64_C(1) << 30; us += us / 7 + 1) {
        Latency latency = { 0 };
        unsigned i = 0;

        latency_add(&latency, us);
        while (latency.buckets[i] == 0) {
            i++;
        }
        assert_true(us < latency_bucket_end(i));
        assert_true(i == 0 || us >= latency_bucket_end(i - 1));
        assert_true((latency_bucket_end(i) - us) * 4 <= us + 4);
    }
}

static void test_whatever_is_longer_is_in_the_last_bucket(void **state)
{
    Latency latency = { 0 };

    (void)state;
    latency_add(&latency, UINT64_MAX);
    assert_int_equal(latency.buckets[LATENCY_BUCKETS - 1], 1);
    assert_int_equal(latency.max_us, UINT64_MAX);
}

static void test_percentiles(void **state)
{
    Latency latency = { 0 };

    (void)state;
    assert_int_equal(latency_percentile(&latency, 50), 0);
    for (int i = 0; i < 99; i++) {
        latency_add(&latency, 100);
    }
    latency_add(&latency, 9000);
    assert_in_range(latency_percentile(&latency, 50), 100, 128);
    assert_in_range(latency_percentile(&latency, 99), 100, 128);
    assert_int_equal(latency_percentile(&latency, 100), 9000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_value_lies_below_the_end_of_its_bucket_by_less_than_a_quarter),
        cmocka_unit_test(test_whatever_is_longer_is_in_the_last_bucket),
        cmocka_unit_test(test_percentiles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
