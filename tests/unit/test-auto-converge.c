/*
 * auto-converge.c: which periods make a step, and how large it is. The times
 * are given, nothing waits.
 */
#include "tests/unit/test.h"

#include "backend/engine/outgoing/auto-converge.h"

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
    atomic_init(&s->throttle_trigger_threshold, 50);
    atomic_init(&s->cpu_throttle_initial, 20);
    atomic_init(&s->cpu_throttle_increment, 10);
    atomic_init(&s->max_cpu_throttle, 99);
    atomic_init(&s->cpu_throttle_tailslow, 0);
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
        atomic_init(&s.cpu_throttle_initial, steps[i].initial);
        atomic_init(&s.cpu_throttle_increment, steps[i].increment);
        atomic_init(&s.max_cpu_throttle, steps[i].max);
        atomic_init(&s.cpu_throttle_tailslow, steps[i].tailslow);
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
    AutoConverge c = {
        .means = CONVERGE_BY_THROTTLE,
        .guest = guest,
        .settings = &s,
        .percentage = &percent,
    };

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
    AutoConverge c = {
        .means = CONVERGE_BY_THROTTLE,
        .guest = guest,
        .settings = &s,
        .percentage = &percent,
    };

    (void)state;
    init_settings(&s);
    atomic_store(&s.throttle_trigger_threshold, 100);
    for (int i = 0; i < 9; i++) {
        auto_converge_sync(&c, 90 * MIB, (uint64_t)i * 100 * MIB, 2 * i * S);
    }
    assert_int_equal(atomic_load(&percent), 0);
    atomic_store(&s.throttle_trigger_threshold, 80);
    atomic_store(&s.cpu_throttle_initial, 33);
    for (int i = 9; i < 11; i++) {
        auto_converge_sync(&c, 90 * MIB, (uint64_t)i * 100 * MIB, 2 * i * S);
    }
    assert_int_equal(atomic_load(&percent), 33);
}

static void note(void *data, const char *text)
{
    (void)data;
    fail_msg("%s", text);
}

/* With vCPUs that stand: limits are set, and nothing is counted. */
static void test_the_dirty_limit_is_the_other_means(void **state)
{
    const GuestOptions options = { .machine = "stress", .memory = MIB, .smp = 2 };
    g_autoptr(Guest) guest = guest_new(&options, NULL);
    size_t n;
    RamBlock *const *blocks = guest_blocks(guest, &n);
    DirtyShare *share = dirty_share_new(NULL, blocks, n);
    DirtyLimit *limit = dirty_limit_new(guest, share, note, NULL);
    _Atomic uint64_t percent = 0;
    LiveSettings s = { 0 };
    AutoConverge c = { .means = CONVERGE_BY_LIMIT,
                       .guest = guest,
                       .limit = limit,
                       .settings = &s,
                       .percentage = &percent };
    DirtyLimitState now[2];

    (void)state;
    init_settings(&s);
    atomic_init(&s.vcpu_dirty_limit, 7);
    atomic_init(&s.x_vcpu_dirty_limit_period, 100);
    dirty_limit_set(limit, 0, 5 * MIB);
    auto_converge_sync(&c, 0, 0, 0);
    auto_converge_sync(&c, 60 * MIB, 100 * MIB, 2 * S);
    assert_false(dirty_limit_is_set_for_all(limit));
    auto_converge_sync(&c, 60 * MIB, 200 * MIB, 4 * S);
    assert_true(dirty_limit_is_set_for_all(limit));
    dirty_limit_get(limit, 0, &now[0]);
    dirty_limit_get(limit, 1, &now[1]);
    assert_int_equal(now[0].limit, 5 * MIB); /* the lower one counts */
    assert_int_equal(now[1].limit, 7 * MIB);

    atomic_store(&s.vcpu_dirty_limit, 3); /* at the next sync, whatever the period */
    auto_converge_sync(&c, 0, 200 * MIB, 4 * S + 1);
    dirty_limit_get(limit, 0, &now[0]);
    assert_int_equal(now[0].limit, 3 * MIB);
    assert_int_equal(atomic_load(&percent), 0);

    auto_converge_end(&c);
    assert_false(dirty_limit_is_set_for_all(limit));
    dirty_limit_get(limit, 0, &now[0]);
    dirty_limit_get(limit, 1, &now[1]);
    assert_int_equal(now[0].limit, 5 * MIB); /* the operator's stays */
    assert_int_equal(now[1].limit, 0);
    dirty_limit_free(limit);
    dirty_share_free(share);
}

/* What a vCPU gives at share x of its time, and how many periods pass until it is under its limit:
 * dirty pages grow with the time at first, and less and less the more of them were dirty already.
 */
static void test_shares_lead_below_the_limit_and_stay_close(void **state)
{
    static const double speeds[] = { 1e6, 2e7, 2e9, 4e9 }, sets[] = { 3e6, 8e6, 6e7, 1e12 };
    const double limit = 2e6;

    (void)state;
    for (size_t i = 0; i < 16; i++) {
        double speed = speeds[i / 4], set = sets[i % 4], rate = 0;
        uint32_t share = VCPU_WHOLE_SHARE;
        unsigned boost = 1, above = 0;

        for (unsigned period = 0; period < 60; period++) {
            double work = speed * share / VCPU_WHOLE_SHARE;

            /* 1 - 1 / (1 + x + x^2/2 + x^3/6) stands for the saturation. */
            double x = work / set;
            rate = set * (1 - 1 / (1 + x + x * x / 2 + x * x * x / 6));
            above += rate > limit;
            share = dirty_limit_next_share(share, rate, limit, &boost);
        }
        print_message("%.0e bytes/s, set %.0e: above for %u periods, then %.2f of the limit\n",
                      speed, set, above, rate / limit);
        assert_true(above <= 8);
        assert_true(rate <= limit);
        assert_true(speed < limit ? share == VCPU_WHOLE_SHARE : rate > 0.7 * limit);
    }
}

static void test_without_the_capability_nothing_happens(void **state)
{
    g_autoptr(Guest) guest = new_guest();
    _Atomic uint64_t percent = 0;
    LiveSettings s = { 0 };
    AutoConverge c = {
        .means = CONVERGE_BY_NOTHING,
        .guest = guest,
        .settings = &s,
        .percentage = &percent,
    };

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
        cmocka_unit_test(test_the_dirty_limit_is_the_other_means),
        cmocka_unit_test(test_shares_lead_below_the_limit_and_stay_close),
        cmocka_unit_test(test_without_the_capability_nothing_happens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
