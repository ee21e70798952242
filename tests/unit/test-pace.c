/*
 * pace.c, in time that the test makes: batch sizes, waits, where bytes are counted, rates and
 * passes.
 */
#include "tests/unit/test.h"

#include "backend/base/clock.h"
#include "backend/engine/outgoing/pace.h"

#define MiB    ((uint64_t)1 << 20)
#define SECOND INT64_C(1000000)

typedef struct {
    EventQueue *events;
    LiveSettings settings;
    Migration *migration;
    Pace pace;
} Fixture;

static void ignore_event(const EngineEvent *event, void *data)
{
    (void)event, (void)data;
}

static int set_up(void **state)
{
    Fixture *f = g_new0(Fixture, 1);

    mig_clock_fake(SECOND, SECOND);
    f->events = event_queue_new(ignore_event, NULL);
    f->migration = migration_new(f->events, true, "peer");
    pace_init(&f->pace, f->migration, &f->settings);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    Fixture *f = *state;

    migration_unref(f->migration);
    event_queue_free(f->events);
    g_free(f);
    mig_clock_real();
    return 0;
}

static void test_batches(void **state)
{
    static const struct {
        uint64_t limit;
        size_t most, expected;
    } rows[] = {
        { 0, 16 * MiB, 16 * MiB }, /* no limit: what the caller takes */
        { 0, SIZE_MAX, SIZE_MAX },
        { 50 * MiB, 16 * MiB, MiB }, /* 20 ms of it */
        { 1000 * MiB, SIZE_MAX, PACE_BATCH },
        { 1000 * MiB, 256 * 1024, 256 * 1024 },
        { 1, 2 * MiB, 64 * 1024 },
    };
    Fixture *f = *state;

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        atomic_store(&f->settings.max_bandwidth, rows[i].limit);
        assert_int_equal(pace_batch(&f->pace, rows[i].most), rows[i].expected);
    }
}

static void test_waits_for_the_limit_of_the_phase(void **state)
{
    Fixture *f = *state;

    assert_int_equal(pace_wait_us(&f->pace), 0);
    atomic_store(&f->settings.max_bandwidth, 10 * MiB);
    assert_int_equal(pace_wait_us(&f->pace), 0);
    pace_count(&f->pace, 10 * MiB); /* counted, but not against the limit */
    assert_int_equal(pace_wait_us(&f->pace), 0);
    pace_spend(&f->pace, 10 * MiB);
    assert_int_equal(pace_wait_us(&f->pace), PACE_LOOK_US);
    mig_clock_advance(SECOND - 20000);
    assert_in_range(pace_wait_us(&f->pace), 1, 20000);
    mig_clock_advance(20000);
    assert_int_equal(pace_wait_us(&f->pace), 0);

    pace_spend(&f->pace, 10 * MiB);
    f->pace.limit = &f->settings.max_postcopy_bandwidth;
    assert_int_equal(pace_wait_us(&f->pace), 0);
    assert_int_equal(pace_batch(&f->pace, MiB), MiB);
}

static void test_bytes_count_for_the_phase(void **state)
{
    Fixture *f = *state;
    MigCounters *c = &f->migration->counters;

    pace_count(&f->pace, 50000); /* not RAM */
    f->pace.phase_bytes = &c->precopy_bytes;
    pace_count(&f->pace, 1);
    f->pace.phase_bytes = &c->downtime_bytes;
    pace_count(&f->pace, 20);
    f->pace.phase_bytes = &c->postcopy_bytes;
    pace_count(&f->pace, 300);
    pace_count_beside(&f->pace, 4000);
    assert_int_equal(atomic_load(&c->precopy_bytes), 1);
    assert_int_equal(atomic_load(&c->downtime_bytes), 20);
    assert_int_equal(atomic_load(&c->postcopy_bytes), 300);
    assert_int_equal(atomic_load(&c->transferred), 54321);
}

static void test_rates_of_a_window(void **state)
{
    Fixture *f = *state;
    MigCounters *c = &f->migration->counters;

    atomic_store(&f->settings.downtime_limit, 300);
    pace_count(&f->pace, MiB);
    pace_count_pages(&f->pace, (RamBatch){ .normal = 200, .zero = 50, .packed = 6 });
    mig_clock_advance(SECOND / 20);
    pace_update(&f->pace, 7 * MiB);
    assert_int_equal(atomic_load(&c->remaining), 7 * MiB);
    assert_int_equal(atomic_load(&c->bandwidth), 0); /* too short to say */
    mig_clock_advance(SECOND / 5);
    pace_update(&f->pace, 6 * MiB);
    assert_int_equal(atomic_load(&c->bandwidth), 4 * MiB);
    assert_int_equal(atomic_load(&c->pages_per_second), 1024);
    assert_int_equal(atomic_load(&c->threshold), (uint64_t)(4.0 * MiB * 0.3));
    assert_int_equal(atomic_load(&c->normal_pages), 200);
    assert_int_equal(atomic_load(&c->zero_pages), 50);

    atomic_store(&f->settings.avail_switchover_bandwidth, 100 * MiB);
    pace_update(&f->pace, 6 * MiB);
    assert_int_equal(atomic_load(&c->bandwidth), 4 * MiB); /* the window has begun anew */
    assert_int_equal(atomic_load(&c->threshold), 30 * MiB);
}

static void test_passes(void **state)
{
    Fixture *f = *state;
    MigCounters *c = &f->migration->counters;

    atomic_store(&f->settings.avail_switchover_bandwidth, 10 * MiB);
    pace_begin_pass(&f->pace, 8 * MiB);
    assert_int_equal(f->pace.pass.number, 1);
    assert_int_equal(atomic_load(&c->remaining), 8 * MiB);
    pace_count(&f->pace, 100);
    pace_count_pages(&f->pace, (RamBatch){ .normal = 2, .zero = 3 });
    assert_false(pace_count_is_due(&f->pace));
    mig_clock_advance(SECOND / 2);
    assert_true(pace_count_is_due(&f->pace));
    pace_note_count(&f->pace, 3);
    assert_false(pace_count_is_due(&f->pace)); /* before twice that time */
    atomic_fetch_add(&c->limiter_us, 7);
    atomic_fetch_add(&c->busy_us, 8);
    atomic_store(&c->cpu_throttle, 20);
    pace_update(&f->pace, 2 * MiB);
    pace_end_pass(&f->pace, &(PassEnd){ 50, 3, 2 * MiB, 5 * MiB });
    assert_int_equal(f->migration->passes->len, 1);

    const MigPass *pass = &g_array_index(f->migration->passes, MigPass, 0);
    assert_int_equal(pass->bytes, 100);
    assert_int_equal(pass->pages, 5);
    assert_int_equal(pass->zero_pages, 3);
    assert_int_equal(pass->end_us - pass->start_us, SECOND / 2);
    assert_int_equal(pass->dirtied_pages, 50);
    assert_int_equal(pass->remaining_bytes, 5 * MiB);
    assert_int_equal(pass->left_bytes, 2 * MiB);
    assert_int_equal(pass->fresh_pages, 3);
    assert_int_equal(pass->n_counts, 1);
    assert_int_equal(pass->counts[0].us, SECOND / 2);
    assert_int_equal(pass->counts[0].pages, 3);
    assert_int_equal(pass->threshold_bytes, atomic_load(&c->threshold));
    assert_int_equal(pass->throttle, 20);
    assert_int_equal(pass->limiter_us, 7);
    assert_int_equal(pass->work_us, 8);
    assert_int_equal(pass->link_us + pass->receiver_us, 0);
    assert_int_equal(atomic_load(&c->dirty_rate), 0); /* half a second is too short to say */
    assert_int_equal(atomic_load(&c->expected_downtime), 500);

    pace_begin_pass(&f->pace, 0);
    assert_int_equal(f->pace.pass.number, 2);
    assert_int_equal(f->pace.pass.bytes, 0);
    atomic_fetch_add(&c->limiter_us, 1);
    pace_end_pass(&f->pace, &(PassEnd){ 0 });
    assert_int_equal(g_array_index(f->migration->passes, MigPass, 1).limiter_us, 1);
    mig_clock_advance(SECOND);
    pace_end_pass(&f->pace, &(PassEnd){ .dirtied = 100, .remaining_bytes = 0 });
    assert_int_equal(atomic_load(&c->dirty_rate), 100);
    pace_begin_pass(&f->pace, 0);
    mig_clock_advance(SECOND / 100);
    pace_end_pass(&f->pace,
                  &(PassEnd){ .dirtied = 1000, .remaining_bytes = 0 }); /* a very short pass */
    assert_int_equal(atomic_load(&c->dirty_rate), 100);
    pace_begin_pass(&f->pace, 0);
    mig_clock_advance(SECOND - SECOND / 100);
    pace_end_pass(&f->pace, &(PassEnd){ .dirtied = 0, .remaining_bytes = 0 });
    assert_int_equal(atomic_load(&c->dirty_rate), 1000);
}

static uint64_t some_unread(void *data)
{
    return *(uint64_t *)data;
}

/* What only fills a buffer on the way is not the speed of the link, and goes before the rest. */
static void test_bytes_on_the_way(void **state)
{
    Fixture *f = *state;
    MigCounters *c = &f->migration->counters;
    uint64_t unread = 0;

    f->pace.unread = some_unread;
    f->pace.unread_data = &unread;
    pace_begin(&f->pace);
    pace_count(&f->pace, 5 * MiB);
    unread = 4 * MiB;
    mig_clock_advance(SECOND);
    pace_update(&f->pace, 0);
    assert_int_equal(atomic_load(&c->bandwidth), MiB);
    unread = 3 * MiB;
    mig_clock_advance(SECOND);
    pace_update(&f->pace, 0);
    assert_int_equal(atomic_load(&c->bandwidth), MiB);
    pace_begin_pass(&f->pace, 0);
    pace_end_pass(&f->pace, &(PassEnd){ .dirtied = 0, .remaining_bytes = 2 * MiB });
    assert_int_equal(atomic_load(&c->expected_downtime), 5000);
}

static void test_products_of_settings_saturate(void **state)
{
    Fixture *f = *state;
    MigCounters *c = &f->migration->counters;

    atomic_store(&f->settings.avail_switchover_bandwidth, UINT64_MAX);
    atomic_store(&f->settings.downtime_limit, 2000000);
    pace_update(&f->pace, 0);
    assert_true(atomic_load(&c->threshold) == UINT64_MAX);
    atomic_store(&f->settings.avail_switchover_bandwidth, 1);
    pace_begin_pass(&f->pace, 0);
    pace_end_pass(&f->pace, &(PassEnd){ .dirtied = 0, .remaining_bytes = UINT64_MAX });
    assert_true(atomic_load(&c->expected_downtime) == INT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_batches, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_waits_for_the_limit_of_the_phase, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bytes_count_for_the_phase, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_rates_of_a_window, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_passes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bytes_on_the_way, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_products_of_settings_saturate, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
