/*
 * See pace.h.
 */
#include "backend/engine/outgoing/pace.h"

#include "backend/base/clock.h"
#include "backend/base/size.h"

#define WINDOW_US (100 * 1000)
#define MIN_BATCH ((size_t)64 << 10)
/* Shortest time over which a dirty rate is computed, as in QEMU. */
#define DIRTIED_US G_USEC_PER_SEC

void pace_init(Pace *pace, Migration *migration, const LiveSettings *settings)
{
    *pace = (Pace){
        .migration = migration,
        .settings = settings,
        .limit = &settings->max_bandwidth,
    };
    pace_begin(pace);
    rate_limiter_init(&pace->limiter, atomic_load(pace->limit), pace->window.start_us);
}

static void begin_window(Pace *pace, uint64_t unread)
{
    pace->window.start_us = mig_clock_now_us();
    pace->window.bytes = pace->window.pages = 0;
    pace->window.unread = unread;
}

void pace_begin(Pace *pace)
{
    begin_window(pace, pace_unread(pace));
}

uint64_t pace_unread(const Pace *pace)
{
    return pace->unread != NULL ? pace->unread(pace->unread_data) : 0;
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
    if (pace->phase_bytes != NULL) {
        atomic_fetch_add(pace->phase_bytes, bytes);
    }
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

/* Bytes that the peer took in the window, which ends with @unread. Those that only fill the buffers
 * of a connection say nothing about the link. */
static uint64_t taken(const Pace *pace, uint64_t unread)
{
    uint64_t sent = pace->window.bytes + pace->window.unread;

    return sent > unread ? sent - unread : 0;
}

void pace_update(Pace *pace, uint64_t remaining_bytes)
{
    MigCounters *c = &pace->migration->counters;
    int64_t span = mig_clock_now_us() - pace->window.start_us;
    uint64_t limit_ms = atomic_load(&pace->settings->downtime_limit);

    atomic_store(&c->remaining, remaining_bytes);
    if (span >= WINDOW_US) {
        uint64_t unread = pace_unread(pace);

        atomic_store(&c->bandwidth, saturate_u64((double)taken(pace, unread) * 1e6 / (double)span));
        atomic_store(&c->pages_per_second,
                     saturate_u64((double)pace->window.pages * 1e6 / (double)span));
        begin_window(pace, unread);
    }
    atomic_store(&c->downtime_limit, limit_ms);
    atomic_store(&c->threshold,
                 saturate_u64((double)switchover_bandwidth(pace) * (double)limit_ms / 1000.0));
}

/* Over a period of a second or more: what a pass of some milliseconds finds is no rate. */
static void update_dirty_rate(Pace *pace, uint64_t dirtied)
{
    int64_t span = mig_clock_now_us() - pace->dirtied.start_us;

    pace->dirtied.pages += dirtied;
    if (span >= DIRTIED_US) {
        atomic_store(&pace->migration->counters.dirty_rate,
                     saturate_u64((double)pace->dirtied.pages * 1e6 / (double)span));
        pace->dirtied.start_us += span;
        pace->dirtied.pages = 0;
    }
}

bool pace_count_is_due(const Pace *pace)
{
    const MigPass *pass = &pace->pass;
    unsigned n = pass->n_counts;

    if (n == PASS_COUNTS) {
        return false;
    }
    int64_t due = n == 0 ? PASS_COUNT_FIRST_US : 2 * pass->counts[n - 1].us;
    return mig_clock_now_us() - pass->start_us >= due;
}

void pace_note_count(Pace *pace, uint64_t pages)
{
    MigPass *pass = &pace->pass;

    pass->counts[pass->n_counts++] = (PassCount){ mig_clock_now_us() - pass->start_us, pages };
}

/* The counters of time, in the order of the rows of history.def. */
static void read_times(const MigCounters *c, uint64_t ret[TIME__COUNT])
{
#define MIG_TIME(id, counter, member, name) ret[TIME_##id] = atomic_load(&c->counter);
#include "backend/tables/history.def"
}

void pace_end_pass(Pace *pace, const PassEnd *end)
{
    MigCounters *c = &pace->migration->counters;
    MigPass *pass = &pace->pass;
    uint64_t bandwidth = switchover_bandwidth(pace), now_us[TIME__COUNT];

    read_times(c, now_us);
    pass->end_us = mig_clock_now_us();
    pass->dirtied_pages = end->dirtied;
    pass->fresh_pages = end->fresh;
    pass->left_bytes = end->left_bytes;
    pass->remaining_bytes = end->remaining_bytes;
    pass->threshold_bytes = atomic_load(&c->threshold);
    pass->throttle = atomic_load(&c->cpu_throttle);
    pass->link_us = now_us[TIME_LINK] - pace->began_us[TIME_LINK];
    pass->receiver_us = now_us[TIME_RECEIVER] - pace->began_us[TIME_RECEIVER];
    pass->limiter_us = now_us[TIME_LIMITER] - pace->began_us[TIME_LIMITER];
    pass->work_us = now_us[TIME_WORK] - pace->began_us[TIME_WORK];
    migration_add_pass(pace->migration, pass);
    update_dirty_rate(pace, end->dirtied);
    if (bandwidth != 0) {
        atomic_store(&c->expected_downtime,
                     saturate_i64(((double)end->remaining_bytes + (double)pace_unread(pace)) *
                                  1000.0 / (double)bandwidth));
    }
}

void pace_begin_pass(Pace *pace, uint64_t remaining_bytes)
{
    MigCounters *c = &pace->migration->counters;

    pace->pass = (MigPass){
        .number = atomic_fetch_add(&c->sync_count, 1) + 1,
        .start_us = mig_clock_now_us(),
    };
    if (pace->dirtied.start_us == 0) {
        pace->dirtied.start_us = pace->pass.start_us;
    }
    read_times(c, pace->began_us);
    atomic_store(&c->remaining, remaining_bytes);
}
