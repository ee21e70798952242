/*
 * auto-converge.c: which periods make a step, and how large it is. The times
 * are given, nothing waits.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "backend/engine/auto-converge.h"

#define S   INT64_C(1000000)
#define MIB (UINT64_C(1) << 20)

static Guest *new_guest(void)
{
    const GuestOptions options = { .machine = "none", .memory = MIB };
    Guest *guest = guest_new(&options, NULL);

    assert_non_null(guest);
    return guest;
}

static void init_settings(LiveSettings *s)
{
    atomic_init(&s->throttle_threshold, 50);
    atomic_init(&s->throttle_initial, 20);
    atomic_init(&s->throttle_increment, 10);
    atomic_init(&s->throttle_max, 99);
    atomic_init(&s->throttle_tailslow, 0);
}

static const struct {
    const char *what;
    unsigned initial, increment, max, tailslow, now;
    uint64_t dirtied, allowed;
    unsigned next;
} steps[] = {
    { "the first step", 20, 10, 99, 0, 0, 100, 50, 20 },
    { "a further step", 20, 10, 99, 0, 20, 100, 50, 30 },
    { "the last step stops at the maximum", 20, 10, 99, 0, 95, 100, 50, 99 },
    { "at the maximum", 20, 10, 60, 0, 60, 100, 50, 60 },
    { "a maximum that was lowered meanwhile", 20, 10, 40, 0, 60, 100, 50, 40 },
    { "tailslow: far from it takes the whole step", 20, 10, 99, 1, 20, 100, 50, 30 },
    { "tailslow: close to it takes what is missing", 20, 10, 99, 1, 90, 100, 50, 95 },
    { "tailslow: almost there", 20, 10, 99, 1, 96, 100, 90, 96 },
    { "tailslow: the first step is the first step", 25, 10, 99, 1, 0, 100, 90, 25 },
};

static void test_steps(void **state)
{
    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(steps); i++) {
        LiveSettings s = { 0 };

        print_message("%s\n", steps[i].what);
        atomic_init(&s.throttle_initial, steps[i].initial);
        atomic_init(&s.throttle_increment, steps[i].increment);
        atomic_init(&s.throttle_max, steps[i].max);
        atomic_init(&s.throttle_tailslow, steps[i].tailslow);
        assert_int_equal(auto_converge_next(&s, steps[i].now, steps[i].dirtied, steps[i].allowed),
                         steps[i].next);
    }
}

/* Each sync: seconds since the one before, MiB found dirty, MiB sent, percentage after it. */
static const struct {
    double seconds;
    uint64_t dirtied, sent;
    unsigned percent;
} syncs[] = {
    { 0, 500, 0, 0 },                         /* the first one begins the first period */
    { 2, 51, 100, 0 },                        /* too much once: not yet */
    { 2, 51, 100, 20 },                       /* twice: slowed down */
    { 2, 50, 100, 20 },                       /* just what is allowed does not count */
    { 2, 60, 100, 20 },  { 2, 10, 100, 20 },  /* what lies between does not take back what was
                                                 counted */
    { 2, 60, 100, 30 },  { 0.4, 90, 10, 30 }, /* too short: part of a longer period */
    { 0.4, 90, 10, 30 }, { 0.4, 1, 500, 30 }, /* 181 of 520 in all */
    { 0.4, 90, 10, 30 }, { 0.4, 90, 10, 30 }, { 0.4, 90, 10, 30 }, { 1.5, 90, 10, 40 },
};

static void test_periods(void **state)
{
    g_autoptr(Guest) guest = new_guest();
    _Atomic uint64_t percent = 0;
    LiveSettings s = { 0 };
    int64_t now = 7 * S;
    uint64_t sent = 0;
    AutoConverge c = { CONVERGE_BY_THROTTLE, guest, &s, &percent, false, 0, 0, 0, 0 };

    (void)state;
    init_settings(&s);
    for (size_t i = 0; i < G_N_ELEMENTS(syncs); i++) {
        print_message("sync %zu\n", i);
        now += (int64_t)(syncs[i].seconds * (double)S);
        sent += syncs[i].sent * MIB;
        auto_converge_sync(&c, syncs[i].dirtied * MIB, sent, now);
        assert_int_equal(atomic_load(&percent), syncs[i].percent);
    }
    auto_converge_end(&c);
    assert_int_equal(atomic_load(&percent), 0);
    auto_converge_end(&c);
    /* Over is over. */
    for (int i = 0; i < 5; i++) {
        now += 2 * S;
        auto_converge_sync(&c, 500 * MIB, sent, now);
    }
    assert_int_equal(atomic_load(&percent), 0);
}

static void test_parameters_count_while_it_runs(void **state)
{
    g_autoptr(Guest) guest = new_guest();
    _Atomic uint64_t percent = 0;
    LiveSettings s = { 0 };
    AutoConverge c = { CONVERGE_BY_THROTTLE, guest, &s, &percent, false, 0, 0, 0, 0 };

    (void)state;
    init_settings(&s);
    atomic_store(&s.throttle_threshold, 100);
    for (int i = 0; i < 9; i++) {
        auto_converge_sync(&c, 90 * MIB, (uint64_t)i * 100 * MIB, 2 * i * S);
    }
    assert_int_equal(atomic_load(&percent), 0);
    atomic_store(&s.throttle_threshold, 80);
    atomic_store(&s.throttle_initial, 33);
    for (int i = 9; i < 11; i++) {
        auto_converge_sync(&c, 90 * MIB, (uint64_t)i * 100 * MIB, 2 * i * S);
    }
    assert_int_equal(atomic_load(&percent), 33);
}

static void test_without_the_capability_nothing_happens(void **state)
{
    g_autoptr(Guest) guest = new_guest();
    _Atomic uint64_t percent = 0;
    LiveSettings s = { 0 };
    AutoConverge c = { CONVERGE_BY_NOTHING, guest, &s, &percent, false, 0, 0, 0, 0 };

    (void)state;
    init_settings(&s);
    for (int i = 0; i < 20; i++) {
        auto_converge_sync(&c, 500 * MIB, 0, 2 * i * S);
    }
    assert_int_equal(atomic_load(&percent), 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_steps),
        cmocka_unit_test(test_periods),
        cmocka_unit_test(test_parameters_count_while_it_runs),
        cmocka_unit_test(test_without_the_capability_nothing_happens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
