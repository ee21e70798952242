/*
 * The history that is put together from somebody else's events and answers.
 */
#include "tests/unit/test.h"

#include <string.h>

#include "backend/attach/history.h"
#include "backend/base/clock.h"

static json_object *look(unsigned sync, uint64_t transferred, uint64_t remaining, uint64_t rate)
{
    json_object *info = json_object_new_object(), *ram = json_object_new_object();

    json_object_object_add(ram, "dirty-sync-count", json_object_new_int((int)sync));
    json_object_object_add(ram, "transferred", json_object_new_uint64(transferred));
    json_object_object_add(ram, "remaining", json_object_new_uint64(remaining));
    json_object_object_add(ram, "dirty-pages-rate", json_object_new_uint64(rate));
    json_object_object_add(ram, "normal", json_object_new_uint64(transferred / 4096));
    json_object_object_add(ram, "duplicate", json_object_new_uint64(0));
    json_object_object_add(ram, "page-size", json_object_new_int(4096));
    json_object_object_add(ram, "total", json_object_new_int(256 << 20));
    json_object_object_add(ram, "mbps", json_object_new_double(8.0));
    json_object_object_add(info, "ram", ram);
    return info;
}

static void see_with_limit(History *history, json_object *info, int limit_ms)
{
    json_object *parameters = json_object_new_object();

    json_object_object_add(parameters, "downtime-limit", json_object_new_int(limit_ms));
    history_seen(history, info, parameters);
    json_object_put(parameters);
}

static void see(History *history, unsigned sync, uint64_t transferred, uint64_t remaining,
                uint64_t rate)
{
    json_object *info = look(sync, transferred, remaining, rate);

    see_with_limit(history, info, 300);
    json_object_put(info);
}

static json_object *member(History *history, json_object **ret_whole, const char *name)
{
    *ret_whole = history_to_json(history);
    return json_object_object_get(*ret_whole, name);
}

static void check_text(History *history, const char *name, const char *wanted)
{
    json_object *whole, *value = member(history, &whole, name);

    assert_string_equal(json_object_get_string(value), wanted);
    json_object_put(whole);
}

static void check_count(History *history, const char *name, size_t wanted)
{
    json_object *whole, *value = member(history, &whole, name);

    assert_int_equal(json_object_array_length(value), wanted);
    json_object_put(whole);
}

static void test_nothing_at_first(void **state)
{
    History *history = history_new();

    (void)state;
    assert_true(history_is_over(history));
    assert_string_equal(history_last_status(history), "none");
    check_text(history, "direction", "none");
    check_text(history, "outcome", "");
    check_count(history, "states", 0);
    history_free(history);
}

static void test_states_and_the_next_attempt(void **state)
{
    static const char *const moves[] = { "setup", "active", "active", "cancelling", "cancelled" };
    History *history = history_new();

    (void)state;
    history_set_peer(history, "unix:/a");
    for (size_t i = 0; i < G_N_ELEMENTS(moves); i++) {
        history_status(history, moves[i], 1000000 + (int64_t)i);
        assert_int_equal(history_is_over(history), i == 4);
    }
    check_count(history, "states", 4); /* the same one twice is one */
    check_text(history, "direction", "outgoing");
    check_text(history, "peer", "unix:/a");
    history_set_outcome(history, "cancelled");
    history_status(history, "setup", 2000000);
    check_count(history, "states", 1);
    check_text(history, "outcome", ""); /* it belonged to the first */
    history_free(history);
}

static void test_passes_end_when_the_syncs_grow(void **state)
{
    History *history = history_new();
    json_object *whole, *passes, *pass;

    (void)state;
    history_status(history, "active", 1);
    see(history, 1, 0, 100 << 20, 0);
    see(history, 1, 50 << 20, 50 << 20, 0);
    check_count(history, "passes", 0);
    see(history, 2, 100 << 20, 30 << 20, 1000);
    see(history, 3, 130 << 20, 20 << 20, 1000);
    passes = member(history, &whole, "passes");
    assert_int_equal(json_object_array_length(passes), 2);
    pass = json_object_array_get_idx(passes, 0);
    assert_int_equal(json_object_get_int64(json_object_object_get(pass, "pass")), 1);
    assert_int_equal(json_object_get_int64(json_object_object_get(pass, "bytes")), 100 << 20);
    assert_int_equal(json_object_get_int64(json_object_object_get(pass, "remaining-bytes")),
                     30 << 20);
    pass = json_object_array_get_idx(passes, 1);
    assert_int_equal(json_object_get_int64(json_object_object_get(pass, "bytes")), 30 << 20);
    /* A rate of 0 so soon after the first sync was not measured. */
    see(history, 4, 140 << 20, 20 << 20, 0);
    check_count(history, "passes", 3);
    json_object_put(whole);
    passes = member(history, &whole, "passes");
    pass = json_object_array_get_idx(passes, 2);
    assert_null(json_object_object_get(pass, "dirtied-pages"));
    pass = json_object_array_get_idx(passes, 1);
    assert_non_null(json_object_object_get(pass, "dirtied-pages"));
    /* The pages sent in the pause are a pass too. */
    history_status(history, "completed", 2);
    see(history, 4, 160 << 20, 0, 0);
    see(history, 4, 160 << 20, 0, 0);
    check_count(history, "passes", 4);
    /* 8 Mbit/s for 300 ms. */
    assert_int_equal(json_object_get_int64(json_object_object_get(whole, "threshold-bytes")),
                     300000);
    json_object_put(whole);
    history_free(history);
}

static void check_forecast(History *history, const char *wanted)
{
    json_object *whole, *forecast = member(history, &whole, "forecast");
    json_object *verdict = json_object_object_get(forecast, "verdict");

    assert_string_equal(json_object_get_string(verdict), wanted);
    json_object_put(whole);
}

/* The same forecast as for a migration of the engine, from what query-migrate tells. */
static void test_a_forecast_is_made_of_what_is_seen(void **state)
{
    History *history = history_new();
    uint64_t sent = 0;

    (void)state;
    mig_clock_fake(1, 1);
    history_status(history, "active", 1);
    for (unsigned pass = 1; pass <= 6; pass++) {
        see(history, pass, sent, 40 << 20, 10000);
        sent += 1 << 20;
        mig_clock_advance(1000000);
    }
    check_forecast(history, "will-not-finish");
    see(history, 7, sent, 4096, 1);
    check_forecast(history, "will-finish");
    history_free(history);
    mig_clock_real();
}

/* What a destination answers has no RAM in it, what a strange one answers may be anything. */
static void test_answers_without_figures(void **state)
{
    static const char *const rows[] = { "{}", "{\"status\":\"active\"}", "{\"ram\":7}",
                                        "{\"ram\":{}}", "{\"ram\":{\"dirty-sync-count\":\"x\"}}" };
    History *history = history_new();

    (void)state;
    history_set_incoming(history, true);
    history_status(history, "active", 1);
    for (size_t i = 0; i < 3; i++) {
        json_object *info = json_tokener_parse(rows[i]);

        history_seen(history, info, NULL);
        json_object_put(info);
    }
    assert_true(history_is_incoming(history));
    check_text(history, "direction", "incoming");
    for (size_t i = 3; i < G_N_ELEMENTS(rows); i++) {
        json_object *info = json_tokener_parse(rows[i]);

        history_seen(history, info, NULL);
        json_object_put(info);
    }
    check_count(history, "passes", 0);
    history_free(history);
}

/* Until the next state; a wait for the end does not take the pause for it. */
static void test_resuming(void **state)
{
    History *history = history_new();
    json_object *answer;

    (void)state;
    history_status(history, "active", 1);
    history_status(history, "postcopy-paused", 2);
    history_set_resuming(history);
    history_status(history, "postcopy-paused", 3);
    answer = history_to_json(history);
    assert_true(json_object_get_boolean(json_object_object_get(answer, "resuming")));
    json_object_put(answer);
    history_status(history, "postcopy-recover", 4);
    answer = history_to_json(history);
    assert_null(json_object_object_get(answer, "resuming"));
    json_object_put(answer);
    history_free(history);
}

/* A figure that no link has must not come out as a small one. */
static void test_products_saturate(void **state)
{
    History *history = history_new();
    json_object *info = look(1, 1, 1, 1), *ram = json_object_object_get(info, "ram"), *whole;

    (void)state;
    json_object_object_add(ram, "mbps", json_object_new_double(1e300));
    see_with_limit(history, info, 2000000);
    json_object *value = member(history, &whole, "threshold-bytes");
    assert_true(json_object_get_uint64(value) == UINT64_MAX);
    json_object_put(whole);
    json_object_put(info);
    history_free(history);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_at_first),
        cmocka_unit_test(test_products_saturate),
        cmocka_unit_test(test_states_and_the_next_attempt),
        cmocka_unit_test(test_passes_end_when_the_syncs_grow),
        cmocka_unit_test(test_a_forecast_is_made_of_what_is_seen),
        cmocka_unit_test(test_answers_without_figures),
        cmocka_unit_test(test_resuming),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
