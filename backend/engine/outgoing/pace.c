/*
 * See pace.h.
 */
#include "backend/engine/outgoing/pace.h"

#include "backend/base/clock.h"

#define WINDOW_US (100 * 1000)
#define MIN_BATCH ((size_t)64 << 10)

void pace_init(Pace *pace, Migration *migration, const LiveSettings *settings)
{
    *pace = (Pace){
        .migration = migration,
        .settings = settings,
        .limit = &settings->max_bandwidth,
        .phase_bytes = &migration->counters.precopy_bytes,
    };
    pace_begin(pace);
    rate_limiter_init(&pace->limiter, atomic_load(pace->limit), pace->window.start_us);
}

void pace_begin(Pace *pace)
{
    pace->window.start_us = mig_clock_now_us();
    pace->window.bytes = pace->window.pages = 0;
}

int64_t pace_wait_us(Pace *pace)
{
    int64_t now = mig_clock_now_us();

    rate_limiter_set_rate(&pace->limiter, atomic_load(pace->limit), now);
    return MIN(rate_limiter_wait_us(&pace->limiter, now), PACE_LOOK_US);
}

size_t pace_batch(const Pace *pace, size_t most)
{
    uint64_t rate = atomic_load(pace->limit);

    return rate == 0 ? most : (size_t)CLAMP(rate / 50, MIN_BATCH, MIN(most, PACE_BATCH));
}

void pace_spend(Pace *pace, size_t bytes)
{
    rate_limiter_account(&pace->limiter, bytes, mig_clock_now_us());
}

void pace_count(Pace *pace, size_t bytes)
{
    atomic_fetch_add(pace->phase_bytes, bytes);
    pace_count_beside(pace, bytes);
}

void pace_count_beside(Pace *pace, size_t bytes)
{
    atomic_fetch_add(&pace->migration->counters.transferred, bytes);
    pace->window.bytes += bytes;
    pace->pass.bytes += bytes;
}

void pace_count_pages(Pace *pace, RamBatch batch)
{
    uint64_t pages = batch.normal + batch.zero + batch.packed;

    atomic_fetch_add(&pace->migration->counters.normal_pages, batch.normal);
    atomic_fetch_add(&pace->migration->counters.zero_pages, batch.zero);
    pace->pass.pages += pages;
    pace->pass.zero_pages += batch.zero;
    pace->window.pages += pages;
}

/* The expected bandwidth during the pause. */
static uint64_t switchover_bandwidth(const Pace *pace)
{
    uint64_t given = atomic_load(&pace->settings->avail_switchover_bandwidth);

    return given != 0 ? given : atomic_load(&pace->migration->counters.bandwidth);
}

void pace_update(Pace *pace, uint64_t remaining_bytes)
{
    MigCounters *c = &pace->migration->counters;
    int64_t span = mig_clock_now_us() - pace->window.start_us;
    uint64_t limit_ms = atomic_load(&pace->settings->downtime_limit);

    atomic_store(&c->remaining, remaining_bytes);
    if (span >= WINDOW_US) {
        atomic_store(&c->bandwidth, (uint64_t)((double)pace->window.bytes * 1e6 / (double)span));
        atomic_store(&c->pages_per_second,
                     (uint64_t)((double)pace->window.pages * 1e6 / (double)span));
        pace_begin(pace);
    }
    atomic_store(&c->downtime_limit, limit_ms);
    atomic_store(&c->threshold,
                 (uint64_t)((double)switchover_bandwidth(pace) * (double)limit_ms / 1000.0));
}

void pace_end_pass(Pace *pace, uint64_t dirtied, uint64_t remaining_bytes)
{
    MigCounters *c = &pace->migration->counters;
    MigPass *pass = &pace->pass;
    uint64_t bandwidth = switchover_bandwidth(pace);

    pass->end_us = mig_clock_now_us();
    pass->dirtied_pages = dirtied;
    pass->remaining_bytes = remaining_bytes;
    migration_add_pass(pace->migration, pass);
    atomic_store(&c->dirty_rate,
                 (uint64_t)((double)dirtied * 1e6 / (double)MAX(pass->end_us - pass->start_us, 1)));
    if (bandwidth != 0) {
        atomic_store(&c->expected_downtime,
                     (int64_t)((double)remaining_bytes * 1000.0 / (double)bandwidth));
    }
}

void pace_begin_pass(Pace *pace, uint64_t remaining_bytes)
{
    MigCounters *c = &pace->migration->counters;

    pace->pass = (MigPass){
        .number = atomic_fetch_add(&c->sync_count, 1) + 1,
        .start_us = mig_clock_now_us(),
    };
    atomic_store(&c->remaining, remaining_bytes);
}
