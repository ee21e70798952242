/*
 * Real and fake clocks. The fake values are atomics, so threads under test may
 * read them while the test advances them.
 */
#include "backend/base/clock.h"

#include <glib.h>
#include <stdatomic.h>
#include <stdbool.h>

static _Atomic bool faked;
static _Atomic int64_t fake_now, fake_wall;

int64_t mig_clock_now_us(void)
{
    return atomic_load(&faked) ? atomic_load(&fake_now) : g_get_monotonic_time();
}

int64_t mig_clock_wall_us(void)
{
    return atomic_load(&faked) ? atomic_load(&fake_wall) : g_get_real_time();
}

void mig_clock_fake(int64_t now_us, int64_t wall_us)
{
    atomic_store(&fake_now, now_us);
    atomic_store(&fake_wall, wall_us);
    atomic_store(&faked, true);
}

void mig_clock_advance(int64_t us)
{
    g_assert(atomic_load(&faked) && us >= 0);
    atomic_fetch_add(&fake_now, us);
    atomic_fetch_add(&fake_wall, us);
}

void mig_clock_real(void)
{
    atomic_store(&faked, false);
}
