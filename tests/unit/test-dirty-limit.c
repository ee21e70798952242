/*
 * dirty/limit.c: limits of memory that somebody else watches.
 */
#include "tests/unit/test.h"

#include <stdatomic.h>

#include "backend/guest/dirty/limit.h"
#include "tests/unit/patience.h"

#define MIB (UINT64_C(1) << 20)

static void on_notice(void *data, const char *text)
{
    print_message("%s\n", text);
    atomic_store((atomic_bool *)data, true);
}

/* A limit that is changed while the memory cannot be had must not take what it has not got; when
 * the memory is free again it works. */
static void test_limits_change_while_another_watches(void **state)
{
    const GuestOptions options = { .machine = "stress", .memory = 8 * MIB, .smp = 1 };
    g_autoptr(GError) error = NULL;
    g_autoptr(Guest) guest = guest_new(&options, &error);
    atomic_bool told = false;
    DirtyLimitState now = { 0 };
    size_t n;

    (void)state;
    assert_non_null(guest);
    RamBlock *const *blocks = guest_blocks(guest, &n);
    DirtyTracker *other = dirty_tracker_new(NULL, blocks, n, &error);
    if (other == NULL || !dirty_tracker_start(other, &error)) {
        print_message("skipped: %s\n", error->message);
        dirty_tracker_free(other);
        skip();
    }
    DirtyShare *share = dirty_share_new(NULL, blocks, n);
    DirtyLimit *limit = dirty_limit_new(guest, share, on_notice, &told);

    guest_start(guest);
    /* Some of them before it finds out, some of them after. */
    for (unsigned i = 0; i < 50; i++) {
        dirty_limit_set(limit, 0, (i % 2 + 1) * MIB);
        if (i == 25) {
            WAIT_UNTIL(atomic_load(&told));
        }
    }
    dirty_tracker_free(other);
    WAIT_UNTIL((dirty_limit_get(limit, 0, &now), now.current > 0));
    guest_stop(guest, RUN_STATE_PAUSED);
    dirty_limit_free(limit);
    dirty_share_free(share);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_limits_change_while_another_watches),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
