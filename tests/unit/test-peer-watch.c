/*
 * When a peer counts as silent: looks at a made-up clock.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "backend/engine/outgoing/peer-watch.h"

#define LIMIT_MS 1000u

typedef struct {
    PeerWatch watch;
    int64_t now_us;
    uint64_t moved;
} Fixture;

/* Looks for @ms at the peer, which moves @moved bytes between two looks; whether it was silent. */
static bool look_for(Fixture *f, int64_t ms, bool owes, uint64_t moved)
{
    bool silent = false;

    for (int64_t left = ms * 1000; left > 0; left -= PEER_WATCH_STEP_US) {
        f->now_us += PEER_WATCH_STEP_US;
        f->moved += moved;
        silent = peer_watch_look(&f->watch, (PeerLook){ owes, f->moved }, f->now_us, LIMIT_MS);
    }
    return silent;
}

static void test_silent_when_it_owes_and_does_nothing(void **state)
{
    Fixture f = { 0 };

    (void)state;
    assert_false(look_for(&f, 1000, true, 0));
    assert_true(look_for(&f, 50, true, 0));
}

static void test_each_byte_counts(void **state)
{
    Fixture f = { 0 };

    (void)state;
    assert_false(look_for(&f, 60000, true, 1));
    assert_false(look_for(&f, 950, true, 0));
    assert_false(look_for(&f, 50, true, 1));
    assert_false(look_for(&f, 950, true, 0));
    assert_true(look_for(&f, 50, true, 0));
}

static void test_who_owes_nothing_is_not_silent(void **state)
{
    Fixture f = { 0 };

    (void)state;
    assert_false(look_for(&f, 60000, false, 0));
    assert_false(look_for(&f, 950, true, 0));
}

static void test_a_process_that_was_stopped_itself_blames_nobody(void **state)
{
    Fixture f = { 0 };

    (void)state;
    assert_false(look_for(&f, 500, true, 0));
    f.now_us += 60000 * 1000;
    assert_false(look_for(&f, 50, true, 0));
    assert_false(look_for(&f, 50, true, 1));
}

static void test_no_limit(void **state)
{
    PeerWatch watch = { 0 };

    (void)state;
    for (int64_t now = 0; now < 100000000; now += PEER_WATCH_STEP_US) {
        assert_false(peer_watch_look(&watch, (PeerLook){ .owes = true }, now, 0));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_silent_when_it_owes_and_does_nothing),
        cmocka_unit_test(test_each_byte_counts),
        cmocka_unit_test(test_who_owes_nothing_is_not_silent),
        cmocka_unit_test(test_a_process_that_was_stopped_itself_blames_nobody),
        cmocka_unit_test(test_no_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
