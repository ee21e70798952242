/*
 * clock.c: the clock that tests can replace.
 */
#include "tests/unit/test.h"

#include <glib.h>

#include "backend/base/clock.h"

static void test_real_clock_is_the_systems(void **state)
{
    (void)state;
    int64_t before = g_get_monotonic_time(), wall_before = g_get_real_time();
    int64_t now = mig_clock_now_us(), wall = mig_clock_wall_us();

    assert_true(now >= before && now <= g_get_monotonic_time());
    assert_true(wall >= wall_before);
}

static void test_fake_clock_moves_only_by_hand(void **state)
{
    (void)state;
    mig_clock_fake(1000, 5000);
    assert_int_equal(mig_clock_now_us(), 1000);
    assert_int_equal(mig_clock_wall_us(), 5000);
    assert_int_equal(mig_clock_now_us(), 1000);
    mig_clock_advance(250);
    mig_clock_advance(0);
    assert_int_equal(mig_clock_now_us(), 1250);
    assert_int_equal(mig_clock_wall_us(), 5250);
    mig_clock_real();
    assert_true(mig_clock_wall_us() > 1000000);
}

static gpointer advance_often(gpointer data)
{
    (void)data;
    for (int i = 0; i < 1000; i++) {
        mig_clock_advance(1);
    }
    return NULL;
}

static void test_fake_clock_is_for_all_threads(void **state)
{
    GThread *threads[3];
    int64_t last = 0;

    (void)state;
    mig_clock_fake(0, 0);
    for (size_t i = 0; i < G_N_ELEMENTS(threads); i++) {
        threads[i] = g_thread_new("advance", advance_often, NULL);
    }
    for (int i = 0; i < 1000; i++) {
        int64_t now = mig_clock_now_us();
        assert_true(now >= last);
        last = now;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(threads); i++) {
        g_thread_join(threads[i]);
    }
    assert_int_equal(mig_clock_now_us(), 3000);
    mig_clock_real();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_real_clock_is_the_systems),
        cmocka_unit_test(test_fake_clock_moves_only_by_hand),
        cmocka_unit_test(test_fake_clock_is_for_all_threads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
