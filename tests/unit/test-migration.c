/*
 * The record of an attempt: legal moves only, who loses a race looks again, and what query-migrate
 * shows in each status.
 */
#include "tests/unit/test.h"

#include "backend/base/clock.h"
#include "backend/engine/attempt/migration.h"

static GPtrArray *seen; /* names of statuses in the order of their events */

static void note_event(const EngineEvent *event, void *data)
{
    (void)data;
    if (event->type == ENGINE_EVENT_STATUS) {
        g_ptr_array_add(seen, (char *)migration_status_name(event->status));
    }
}

static void test_moves_are_announced_in_order(void **state)
{
    EventQueue *events = event_queue_new(note_event, NULL);
    Migration *m = migration_new(events, true, "peer");

    (void)state;
    seen = g_ptr_array_new();
    assert_true(migration_move(m, MIGRATION_NONE, MIGRATION_SETUP));
    assert_false(migration_move(m, MIGRATION_ACTIVE, MIGRATION_CANCELLING));
    assert_true(migration_move(m, MIGRATION_SETUP, MIGRATION_ACTIVE));
    assert_false(migration_move(m, MIGRATION_SETUP, MIGRATION_FAILED));
    assert_true(migration_move(m, MIGRATION_ACTIVE, MIGRATION_CANCELLING));
    assert_false(migration_move(m, MIGRATION_ACTIVE, MIGRATION_COMPLETED));
    assert_true(migration_move(m, MIGRATION_CANCELLING, MIGRATION_CANCELLED));
    event_queue_drain(events);

    const char *const expected[] = { "setup", "active", "cancelling", "cancelled" };
    assert_int_equal(seen->len, G_N_ELEMENTS(expected));
    for (guint i = 0; i < seen->len; i++) {
        assert_string_equal(g_ptr_array_index(seen, i), expected[i]);
    }
    g_ptr_array_unref(seen);
    migration_unref(m);
    event_queue_free(events);
}

static void test_info_shows_what_the_status_has(void **state)
{
    static const struct {
        MigrationStatus moves[3];
        bool ram, downtime, expected_downtime, error;
    } rows[] = {
        { { MIGRATION_SETUP }, false, false, false, false },
        { { MIGRATION_SETUP, MIGRATION_ACTIVE }, true, false, true, false },
        { { MIGRATION_SETUP, MIGRATION_ACTIVE, MIGRATION_COMPLETED }, true, true, false, false },
        { { MIGRATION_SETUP, MIGRATION_ACTIVE, MIGRATION_FAILED }, false, false, false, true },
    };

    (void)state;
    seen = g_ptr_array_new();
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        EventQueue *events = event_queue_new(note_event, NULL);
        Migration *m = migration_new(events, true, "peer");
        MigrationStatus now = MIGRATION_NONE;
        g_autofree char *error = NULL;
        MigInfo info = { 0 };

        for (int k = 0; k < 3 && rows[i].moves[k] != MIGRATION_NONE; k++) {
            assert_true(migration_move(m, now, rows[i].moves[k]));
            now = rows[i].moves[k];
        }
        migration_set_error(m, "first");
        migration_set_error(m, "second");
        migration_fill_info(m, &info, &error);
        assert_int_equal(info.status, now);
        assert_int_equal(info.has_ram, rows[i].ram);
        assert_int_equal(info.has_downtime, rows[i].downtime);
        assert_int_equal(info.has_expected_downtime, rows[i].expected_downtime);
        if (rows[i].error) {
            assert_string_equal(info.error_desc, "first");
        } else {
            assert_null(info.error_desc);
        }
        migration_unref(m);
        event_queue_free(events);
    }
    g_ptr_array_unref(seen);
}

static void test_downtime_is_from_the_stop_to_the_end(void **state)
{
    EventQueue *events = event_queue_new(note_event, NULL);
    Migration *m;
    MigInfo info = { 0 };
    g_autofree char *error = NULL;

    (void)state;
    seen = g_ptr_array_new();
    mig_clock_fake(1000000, 5000000);
    m = migration_new(events, true, "peer");
    migration_move(m, MIGRATION_NONE, MIGRATION_SETUP);
    mig_clock_advance(2000);
    migration_note_setup(m);
    migration_move(m, MIGRATION_SETUP, MIGRATION_ACTIVE);
    mig_clock_advance(500000);
    migration_mark(m, MARK_STOP);
    mig_clock_advance(1000);
    migration_mark(m, MARK_STOPPED);
    mig_clock_advance(36000);
    migration_move(m, MIGRATION_ACTIVE, MIGRATION_COMPLETED);
    mig_clock_advance(9000000); /* what happens after the end does not count */
    migration_fill_info(m, &info, &error);
    assert_int_equal(info.setup_time, 2);
    assert_int_equal(info.downtime, 37);
    assert_int_equal(info.total_time, 539);

    json_object *history = migration_history_to_json(m, false),
                *downtime = json_object_object_get(history, "downtime");
    assert_int_equal(json_object_get_int64(json_object_object_get(downtime, "stop-us")), 1000);
    assert_int_equal(json_object_get_int64(json_object_object_get(downtime, "commit-us")), 36000);
    assert_int_equal(json_object_get_int64(json_object_object_get(downtime, "total-us")), 37000);
    json_object_put(history);
    mig_clock_real();
    migration_unref(m);
    event_queue_free(events);
    g_ptr_array_unref(seen);
}

static json_object *pause_of(Migration *m, json_object **ret_history)
{
    *ret_history = migration_history_to_json(m, false);
    return json_object_object_get(*ret_history, "downtime");
}

/* While the pause lasts it grows, and what it waits for has a name. */
static void test_a_pause_that_lasts(void **state)
{
    EventQueue *events = event_queue_new(note_event, NULL);
    json_object *history, *pause;
    Migration *m;

    (void)state;
    seen = g_ptr_array_new();
    mig_clock_fake(1000000, 5000000);
    m = migration_new(events, true, "peer");
    migration_move(m, MIGRATION_NONE, MIGRATION_SETUP);
    mig_clock_advance(500000);
    migration_note_setup(m);
    migration_move(m, MIGRATION_SETUP, MIGRATION_ACTIVE);
    atomic_store(&m->counters.downtime_limit, 300);
    atomic_store(&m->counters.transferred, 1000000);
    migration_mark(m, MARK_STOP);
    migration_mark(m, MARK_STOPPED);
    migration_mark(m, MARK_SYNCED);
    mig_clock_advance(250000);
    pause = pause_of(m, &history);
    assert_string_equal(json_object_get_string(json_object_object_get(pause, "waits-for")),
                        "the last RAM to be sent");
    assert_int_equal(json_object_get_int64(json_object_object_get(pause, "total-us")), 250000);
    assert_int_equal(json_object_get_int64(json_object_object_get(pause, "over-limit-us")), 0);
    json_object_put(history);
    migration_mark(m, MARK_RAM);
    migration_mark(m, MARK_DEVICES);
    mig_clock_advance(150000);
    pause = pause_of(m, &history);
    assert_string_equal(json_object_get_string(json_object_object_get(pause, "waits-for")),
                        "the destination to take and load everything");
    assert_int_equal(json_object_get_int64(json_object_object_get(pause, "over-limit-us")), 100000);
    json_object_put(history);
    mig_clock_advance(600000);
    migration_move(m, MIGRATION_ACTIVE, MIGRATION_COMPLETED);
    pause = pause_of(m, &history);
    assert_null(json_object_object_get(pause, "waits-for"));
    assert_int_equal(json_object_get_int64(json_object_object_get(pause, "total-us")), 1000000);
    json_object_put(history);

    MigInfo info = { 0 };
    g_autofree char *error = NULL;
    migration_fill_info(m, &info, &error);
    assert_int_equal((int)(info.ram.mbps * 1000), 8000); /* the setup does not count */
    mig_clock_real();
    migration_unref(m);
    event_queue_free(events);
    g_ptr_array_unref(seen);
}

static json_object *sample_at(json_object *history, size_t i)
{
    return json_object_array_get_idx(json_object_object_get(history, "samples"), i);
}

static int64_t figure(json_object *sample, const char *member)
{
    return json_object_get_int64(json_object_object_get(sample, member));
}

static Migration *running_migration(EventQueue *events)
{
    Migration *m = migration_new(events, true, "peer");

    migration_move(m, MIGRATION_NONE, MIGRATION_SETUP);
    atomic_store(&m->counters.transferred, 500); /* of the setup: in no sample */
    migration_sample(m);
    migration_move(m, MIGRATION_SETUP, MIGRATION_ACTIVE);
    return m;
}

static void test_samples_are_taken_in_time_and_at_the_end(void **state)
{
    EventQueue *events = event_queue_new(note_event, NULL);
    Migration *m;
    json_object *history;

    (void)state;
    seen = g_ptr_array_new();
    mig_clock_fake(1000000, 5000000);
    m = running_migration(events);
    mig_clock_advance(40000);
    migration_sample(m); /* too early */
    mig_clock_advance(60000);
    atomic_store(&m->counters.transferred, 2500);
    atomic_store(&m->counters.remaining, 7000);
    atomic_store(&m->counters.dirty_rate, 3); /* pages */
    migration_sample(m);
    mig_clock_advance(20000); /* the last one comes when the end comes */
    atomic_store(&m->counters.transferred, 2510);
    migration_move(m, MIGRATION_ACTIVE, MIGRATION_FAILED);
    mig_clock_advance(1000000);
    migration_sample(m); /* over: nothing more */

    history = migration_history_to_json(m, true);
    assert_int_equal(json_object_array_length(json_object_object_get(history, "samples")), 2);
    assert_int_equal(figure(sample_at(history, 0), "time-ms"), 100);
    assert_int_equal(figure(sample_at(history, 0), "span-ms"), 100);
    assert_int_equal(figure(sample_at(history, 0), "bytes-per-second"), 20000);
    assert_int_equal(figure(sample_at(history, 0), "remaining-bytes"), 7000);
    assert_int_equal(figure(sample_at(history, 0), "dirty-bytes-per-second"), 3 * 4096);
    assert_int_equal(figure(sample_at(history, 1), "time-ms"), 120);
    assert_int_equal(figure(sample_at(history, 1), "bytes-per-second"), 500);
    assert_int_equal(figure(sample_at(history, 1), "transferred-bytes"), 2510);
    json_object_put(history);
    history = migration_history_to_json(m, false);
    assert_null(json_object_object_get(history, "samples"));
    json_object_put(history);
    mig_clock_real();
    migration_unref(m);
    event_queue_free(events);
    g_ptr_array_unref(seen);
}

/* The shares of the newest second, and of everything. */
static void test_time_is_told_by_kind(void **state)
{
    EventQueue *events = event_queue_new(note_event, NULL);
    Migration *m;
    json_object *history;

    (void)state;
    seen = g_ptr_array_new();
    mig_clock_fake(1000000, 5000000);
    m = running_migration(events);
    for (unsigned tick = 0; tick < 30; tick++) {
        mig_clock_advance(100000);
        atomic_fetch_add(tick < 15 ? &m->counters.link_us : &m->counters.limiter_us, 75000);
        atomic_fetch_add(&m->counters.busy_us, 25000);
        migration_sample(m);
    }
    history = migration_history_to_json(m, false);
    g_autofree char *newest =
        history_time_text(json_object_object_get(history, "time-last-second"));
    g_autofree char *whole = history_time_text(json_object_object_get(history, "time"));
    json_object_put(history);
    assert_string_equal(newest, "bandwidth limit 75 %, own work 25 %");
    assert_string_equal(whole, "link 38 %, bandwidth limit 38 %, own work 25 %");

    migration_move(m, MIGRATION_ACTIVE, MIGRATION_COMPLETED);
    history = migration_history_to_json(m, false);
    assert_null(json_object_object_get(history, "time-last-second"));
    assert_non_null(json_object_object_get(history, "time"));
    json_object_put(history);
    mig_clock_real();
    migration_unref(m);
    event_queue_free(events);
    g_ptr_array_unref(seen);
}

/* A long migration: the number of samples is bounded, and together they still tell how much was
 * sent. */
static void test_samples_thin_out(void **state)
{
    EventQueue *events = event_queue_new(note_event, NULL);
    Migration *m;
    json_object *history;
    size_t n;
    double sent = 0;

    (void)state;
    seen = g_ptr_array_new();
    mig_clock_fake(1000000, 5000000);
    m = running_migration(events);
    for (unsigned tick = 0; tick < 36000; tick++) { /* an hour */
        mig_clock_advance(100000);
        atomic_fetch_add(&m->counters.transferred, tick < 18000 ? 1000 : 3000);
        migration_sample(m);
    }
    migration_move(m, MIGRATION_ACTIVE, MIGRATION_COMPLETED);
    history = migration_history_to_json(m, true);
    n = json_object_array_length(json_object_object_get(history, "samples"));
    assert_in_range(n, SERIES_MAX / 2, SERIES_MAX);
    for (size_t i = 0; i < n; i++) {
        json_object *sample = sample_at(history, i);

        sent +=
            (double)figure(sample, "bytes-per-second") * (double)figure(sample, "span-ms") / 1000;
        assert_in_range(figure(sample, "bytes-per-second"), 10000, 30000);
    }
    assert_int_equal(figure(sample_at(history, n - 1), "time-ms"), 3600000);
    assert_true(sent > 71.9e6 && sent < 72.1e6); /* 18000 * 1000 + 18000 * 3000 bytes */
    json_object_put(history);
    mig_clock_real();
    migration_unref(m);
    event_queue_free(events);
    g_ptr_array_unref(seen);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_moves_are_announced_in_order),
        cmocka_unit_test(test_info_shows_what_the_status_has),
        cmocka_unit_test(test_downtime_is_from_the_stop_to_the_end),
        cmocka_unit_test(test_a_pause_that_lasts),
        cmocka_unit_test(test_samples_are_taken_in_time_and_at_the_end),
        cmocka_unit_test(test_samples_thin_out),
        cmocka_unit_test(test_time_is_told_by_kind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
