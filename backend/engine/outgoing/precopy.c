/*
 * Precopy: send RAM in passes until what is left fits into the downtime limit.
 *
 * Runs on the outgoing thread. The pages come from the ram sender, the bytes
 * go out through outgoing_flush(), and the decision to switch over is the
 * return. Limits are read at each batch, so a changed parameter takes effect
 * with the next one.
 *
 * A pass begins and ends with a dirty sync. A sync is made when nothing is left or when what is
 * left would fit: then the pages written meanwhile decide whether it still does.
 */
#include "backend/engine/outgoing/outgoing-internal.h"

#include "backend/base/clock.h"
#include "backend/base/error.h"

#define WINDOW_US    (100 * 1000)
#define MAX_SLEEP_US (100 * 1000) /* then look whether the peer is still there */
#define MAX_BATCH    (2u << 20)
#define MIN_BATCH    (64u << 10)

/* ---- figures ---- */

static uint64_t remaining_bytes(const Outgoing *o)
{
    return MIG_PAGE_SIZE * (o->snapshot != NULL ? ram_snapshot_remaining(o->snapshot)
                                                : ram_sender_remaining(o->ram));
}

static uint64_t switchover_bandwidth(const Outgoing *o)
{
    uint64_t given = atomic_load(&o->config.settings->switchover_bandwidth);

    return given != 0 ? given : atomic_load(&o->migration->counters.bandwidth);
}

static void update_threshold(Outgoing *o)
{
    MigCounters *c = &o->migration->counters;
    uint64_t limit_ms = atomic_load(&o->config.settings->downtime_limit);

    atomic_store(&c->downtime_limit, limit_ms);
    atomic_store(&c->threshold,
                 (uint64_t)((double)switchover_bandwidth(o) * (double)limit_ms / 1000.0));
}

void outgoing_update_window(Outgoing *o)
{
    MigCounters *c = &o->migration->counters;
    int64_t now = mig_clock_now_us();
    int64_t span = now - o->window.start_us;

    atomic_store(&c->remaining, remaining_bytes(o));
    if (span >= WINDOW_US) {
        atomic_store(&c->bandwidth, (uint64_t)((double)o->window.bytes * 1e6 / (double)span));
        atomic_store(&c->pages_per_second,
                     (uint64_t)((double)o->window.pages * 1e6 / (double)span));
        o->window = (RateWindow){ .start_us = now };
    }
    update_threshold(o);
}

/* ---- passes ---- */

static void begin_pass(Outgoing *o, int64_t now)
{
    o->pass = (MigPass){
        .number = atomic_load(&o->migration->counters.sync_count),
        .start_us = now,
    };
}

static void end_pass(Outgoing *o, int64_t now, uint64_t dirtied)
{
    MigCounters *c = &o->migration->counters;
    int64_t span = MAX(now - o->pass.start_us, 1);
    uint64_t bandwidth = switchover_bandwidth(o);

    o->pass.end_us = now;
    o->pass.dirtied_pages = dirtied;
    o->pass.remaining_bytes = remaining_bytes(o);
    migration_add_pass(o->migration, &o->pass);
    outgoing_account_waits(o);
    atomic_store(&c->dirty_rate, (uint64_t)((double)dirtied * 1e6 / (double)span));
    if (bandwidth != 0) {
        atomic_store(&c->expected_downtime,
                     (int64_t)((double)o->pass.remaining_bytes * 1000.0 / (double)bandwidth));
    }
}

void outgoing_end_pass(Outgoing *o)
{
    end_pass(o, mig_clock_now_us(), 0);
    atomic_store(&o->migration->counters.remaining, 0);
}

/* Counts the sync, ends the pass before it and begins the next. */
bool outgoing_sync(Outgoing *o, GError **error)
{
    MigCounters *c = &o->migration->counters;
    bool first = atomic_load(&c->sync_count) == 0;
    uint64_t dirtied;

    if (!ram_sender_sync(o->ram, &dirtied, error)) {
        return false;
    }

    int64_t now = mig_clock_now_us();
    if (!first) {
        end_pass(o, now, dirtied);
    }
    auto_converge_sync(&o->converge, dirtied * MIG_PAGE_SIZE, atomic_load(&c->transferred), now);
    uint64_t count = atomic_fetch_add(&c->sync_count, 1) + 1;
    begin_pass(o, now);
    atomic_store(&c->remaining, remaining_bytes(o));
    event_post(o->migration->events, ENGINE_EVENT_PASS, o->migration, count, NULL);
    return true;
}

void outgoing_count_batch(Outgoing *o, RamBatch batch)
{
    MigCounters *c = &o->migration->counters;

    atomic_fetch_add(&c->normal_pages, batch.normal);
    atomic_fetch_add(&c->zero_pages, batch.zero);
    o->pass.pages += batch.normal + batch.zero + batch.packed;
    o->pass.zero_pages += batch.zero;
    o->window.pages += batch.normal + batch.zero + batch.packed;
}

/* ---- sending ---- */

/* The end of a ram body. */
static bool end_body(Outgoing *o, GError **error)
{
    if (o->multifd != NULL && !outgoing_multifd_sync(o, error)) {
        return false;
    }
    stream_put_ram_eos(o->writer);
    stream_put_footer(o->writer, RAM_SECTION_ID);
    return outgoing_flush(o, error);
}

bool outgoing_put_ram_setup(Outgoing *o, GError **error)
{
    size_t n;
    RamBlock *const *blocks = guest_blocks(o->config.guest, &n);

    atomic_store(&o->migration->counters.total, guest_ram_size(o->config.guest));
    stream_put_section_start(o->writer, RAM_SECTION_ID, "ram", 0, RAM_SECTION_VERSION);
    stream_put_ram_total(o->writer, guest_ram_size(o->config.guest));
    for (size_t i = 0; i < n; i++) {
        stream_put_ram_block(o->writer, blocks[i]->idstr, blocks[i]->size);
        if (o->config.ignore_shared) {
            stream_put_ram_address(o->writer, 0); /* where QEMU's machine none has its block too */
        }
        if (o->mapped != NULL && !outgoing_mapped_place(o, i, error)) {
            return false;
        }
    }
    return end_body(o, error) && outgoing_fault(o, "src-ram-setup", error);
}

/* Waits until the limiter lets more through; false when cancelled meanwhile. */
bool outgoing_wait_for_limiter(Outgoing *o, GError **error)
{
    for (;;) {
        int64_t now = mig_clock_now_us();

        rate_limiter_set_rate(&o->limiter, atomic_load(&o->config.settings->max_bandwidth), now);
        if (!outgoing_check(o, error)) {
            return false;
        }

        int64_t wait = rate_limiter_wait_us(&o->limiter, now);
        if (wait == 0) {
            return true;
        }
        MIG_LOCK(&o->lock);
        if (!outgoing_is_cancelled(o)) {
            wait_clock_begin(&o->limiter_wait);
            mig_cond_wait_until(&o->wake, &o->lock,
                                g_get_monotonic_time() + MIN(wait, MAX_SLEEP_US));
            wait_clock_end(&o->limiter_wait);
        }
    }
}

/* About 20 ms of the limit, so that it is kept smoothly. */
size_t outgoing_batch_size(const Outgoing *o)
{
    uint64_t rate = atomic_load(&o->config.settings->max_bandwidth);

    return rate == 0 ? MAX_BATCH : (size_t)CLAMP(rate / 50, MIN_BATCH, MAX_BATCH);
}

static void account(Outgoing *o, size_t bytes)
{
    rate_limiter_account(&o->limiter, bytes, mig_clock_now_us());
    outgoing_update_window(o);
}

bool outgoing_flush_part(Outgoing *o, GError **error)
{
    size_t bytes = stream_writer_pending(o->writer);

    if (!outgoing_flush(o, error)) {
        return false;
    }
    account(o, bytes);
    return true;
}

/* Some of the dirty pages as a PART of their own. */
static bool put_part(Outgoing *o, GError **error)
{
    stream_put_section_part(o->writer, RAM_SECTION_ID);
    outgoing_count_batch(o, ram_sender_fill(o->ram, o->writer, outgoing_batch_size(o)));
    stream_put_ram_eos(o->writer);
    stream_put_footer(o->writer, RAM_SECTION_ID);
    return outgoing_flush_part(o, error);
}

/* Some of the dirty pages over channels of their own, in the PART of the pass. */
static bool hand_over_pages(Outgoing *o, GError **error)
{
    bool limited = atomic_load(&o->config.settings->max_bandwidth) != 0;
    size_t bytes;

    if (!o->part_is_open) {
        stream_put_section_part(o->writer, RAM_SECTION_ID);
        o->part_is_open = true;
    }
    if (!outgoing_multifd_pages(o, limited ? outgoing_batch_size(o) : 0, &bytes, error)) {
        return false;
    }
    account(o, bytes);
    return true;
}

static bool send_part(Outgoing *o, GError **error)
{
    if (o->mapped != NULL) {
        return outgoing_mapped_part(o, error);
    }
    return o->multifd != NULL ? hand_over_pages(o, error) : put_part(o, error);
}

static bool end_part(Outgoing *o, GError **error)
{
    if (!o->part_is_open) {
        return true;
    }
    o->part_is_open = false;
    return end_body(o, error);
}

bool outgoing_precopy(Outgoing *o, GError **error)
{
    const MigCounters *c = &o->migration->counters;

    if (o->config.tracker != NULL && !dirty_tracker_start(o->config.tracker, error)) {
        g_prefix_error(error, "starting dirty tracking: ");
        return false;
    }
    if (!outgoing_put_ram_setup(o, error) || !outgoing_sync(o, error)) {
        return false;
    }
    migration_note_setup(o->migration);
    if (!migration_move(o->migration, MIGRATION_SETUP, MIGRATION_ACTIVE)) {
        return outgoing_check(o, error);
    }

    if (o->config.stop_first) {
        return outgoing_check(o, error);
    }

    /* Rates are those of the passes: connecting is over. */
    o->window = (RateWindow){ .start_us = mig_clock_now_us() };
    outgoing_begin_waits(o);

    do {
        do {
            if (!outgoing_wait_for_limiter(o, error) || !send_part(o, error) ||
                !outgoing_fault(o, "src-pass-1", error)) {
                return false;
            }
            if (atomic_load(&o->start_postcopy) && outgoing_may_switch_over(o)) {
                return outgoing_check(o, error);
            }
        } while (remaining_bytes(o) > atomic_load(&c->threshold));
        if (!end_part(o, error) || !outgoing_sync(o, error) ||
            !outgoing_fault(o, "src-pass-end", error)) {
            return false;
        }
    } while (remaining_bytes(o) > atomic_load(&c->threshold) || !outgoing_may_switch_over(o));
    return outgoing_check(o, error);
}

static bool send_last(Outgoing *o, GError **error)
{
    size_t bytes;

    if (o->multifd != NULL) {
        return outgoing_multifd_pages(o, 0, &bytes, error);
    }
    if (o->mapped != NULL) {
        return outgoing_mapped_part(o, error);
    }
    outgoing_count_batch(o, ram_sender_fill(o->ram, o->writer, MAX_BATCH));
    return outgoing_flush(o, error);
}

bool outgoing_last_pass(Outgoing *o, GError **error)
{
    if (!outgoing_sync(o, error)) {
        return false;
    }
    migration_mark(o->migration, MARK_SYNCED);
    auto_converge_end(&o->converge); /* it stands: whoever lets it go on gets it at full speed */
    stream_put_section_end(o->writer, RAM_SECTION_ID);
    while (ram_sender_remaining(o->ram) > 0) {
        if (!send_last(o, error) || !outgoing_check(o, error)) {
            return false;
        }
    }
    if (!outgoing_mapped_end(o, error) || !end_body(o, error)) {
        return false;
    }
    migration_mark(o->migration, MARK_RAM);
    outgoing_end_pass(o);
    return true;
}
