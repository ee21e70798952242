/*
 * Precopy: send RAM in passes until what is left fits into the downtime limit; then, while the
 * guest is paused, the last pass.
 *
 * Runs on the outgoing thread. The lane sends the pages, the pace limits them, and the return is
 * the decision to switch over. Limits are read for each batch, so a changed parameter takes effect
 * with the next one.
 *
 * A pass begins and ends with a dirty sync. A sync is made when nothing is left, or when the rest
 * would fit into the downtime limit: then the pages written meanwhile decide whether it still does.
 *
 * Bytes that are sent but lie in buffers on the way belong to the rest: they go before the last
 * pages, so the pause is longer by their time. On a slow link they may alone be more than the limit
 * allows; then the guest runs until the destination has taken most of them.
 */
#include "backend/engine/outgoing/outgoing-internal.h"

#include "backend/base/clock.h"
#include "backend/base/error.h"

/* While bytes of a pass are still on the way: the time between two looks, and the share of the
 * downtime limit that they may keep. */
#define TAKEN_STEP_US  (5 * 1000)
#define ON_WAY_DIVISOR 8

/* ---- passes ---- */

static void end_pass(Outgoing *o, uint64_t dirtied, uint64_t left_bytes)
{
    PassEnd end = { dirtied, ram_sender_take_fresh(o->ram), left_bytes, outgoing_remaining(o) };

    outgoing_account_waits(o);
    pace_end_pass(&o->pace, &end);
}

void outgoing_end_pass(Outgoing *o)
{
    end_pass(o, 0, outgoing_remaining(o));
    atomic_store(&o->migration->counters.remaining, 0);
}

bool outgoing_sync(Outgoing *o, GError **error)
{
    MigCounters *c = &o->migration->counters;
    uint64_t dirtied, left_bytes = outgoing_remaining(o);

    if (!ram_sender_sync(o->ram, &dirtied, error)) {
        return false;
    }
    if (atomic_load(&c->sync_count) > 0) {
        end_pass(o, dirtied, left_bytes);
    }
    auto_converge_sync(&o->converge, dirtied * MIG_PAGE_SIZE, atomic_load(&c->transferred),
                       mig_clock_now_us());
    pace_begin_pass(&o->pace, outgoing_remaining(o));
    migration_post(o->migration, ENGINE_EVENT_PASS, o->pace.pass.number, NULL);
    return true;
}

/* ---- sending ---- */

/* Ends a ram body that the lane does not end by itself. */
static bool end_body(Outgoing *o, GError **error)
{
    return LANE_CALL(o->lane, sync, error) && outgoing_end_body(o, error);
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
        if (outgoing_has(o, CAPABILITY_X_IGNORE_SHARED)) {
            stream_put_ram_address(o->writer, 0); /* as in QEMU's machine none */
        }
        if (!LANE_CALL(o->lane, begin_block, i, error)) {
            return false;
        }
    }
    return end_body(o, error) && outgoing_fault(o, "src-ram-setup", error);
}

bool outgoing_wait_for_limiter(Outgoing *o, GError **error)
{
    for (;;) {
        int64_t wait = pace_wait_us(&o->pace);

        if (!outgoing_check(o, error)) {
            return false;
        }
        if (wait == 0) {
            return true;
        }
        MIG_LOCK(&o->lock);
        if (!outgoing_is_cancelled(o)) {
            wait_clock_begin(&o->waits.limiter);
            mig_cond_wait_until(&o->wake, &o->lock, g_get_monotonic_time() + wait);
            wait_clock_end(&o->waits.limiter);
        }
    }
}

/* Pages count for the phase in which the guest is, as in QEMU. */
static void choose_phase(Outgoing *o)
{
    MigCounters *c = &o->migration->counters;
    bool runs = guest_run_state(o->config.guest) == RUN_STATE_RUNNING;

    o->pace.phase_bytes = runs ? &c->precopy_bytes : &c->downtime_bytes;
}

static bool send_part(Outgoing *o, GError **error)
{
    choose_phase(o);
    if (!outgoing_wait_for_limiter(o, error) || !LANE_CALL(o->lane, part, error)) {
        return false;
    }
    pace_update(&o->pace, outgoing_remaining(o));
    if (pace_count_is_due(&o->pace)) {
        pace_note_count(&o->pace, ram_sender_count_written(o->ram));
    }
    return outgoing_fault(o, "src-pass-1", error);
}

static bool end_part(Outgoing *o, GError **error)
{
    if (!o->lane->part_is_open) {
        return true;
    }
    o->lane->part_is_open = false;
    return end_body(o, error);
}

/* True when the rest, and what is still on the way before it, fits into the downtime limit. */
static bool fits(const Outgoing *o)
{
    uint64_t threshold = atomic_load(&o->migration->counters.threshold);
    uint64_t remaining = outgoing_remaining(o);

    return remaining <= threshold && pace_unread(&o->pace) <= threshold - remaining;
}

/* True when the peer has shown no sign that it takes part: it has not answered the first PING, or
 * where nothing comes back has read nothing. */
static bool is_mute(const Outgoing *o)
{
    if (o->return_path != NULL) {
        return source_return_path_received(o->return_path) == 0;
    }
    TransportProgress progress = transport_progress(o->transport);
    return !transport_is_two_way(o->transport) && progress.unread >= progress.written;
}

/* Everything is sent, and the peer takes nothing of it since @since_us. One that was there is
 * waited for, as x-stall-timeout allows; one that was never there is given up. */
static bool give_up_mute(const Outgoing *o, int64_t since_us, GError **error)
{
    uint64_t limit_ms = atomic_load(&o->config.settings->x_switchover_timeout);

    if (limit_ms == 0 || g_get_monotonic_time() - since_us < (int64_t)limit_ms * 1000 ||
        !is_mute(o)) {
        return false;
    }
    g_set_error(error, MIG_ERROR, MIG_ERROR_IO,
                "the destination did not answer for %g s: it takes nothing",
                (double)limit_ms / 1000);
    mig_error_hint(error, "everything is sent; x-switchover-timeout is how long a destination that "
                          "never answered is waited for");
    return true;
}

/* Waits until the destination has taken nearly all of a pass. The guest runs. */
static bool wait_until_taken(Outgoing *o, GError **error)
{
    const MigCounters *c = &o->migration->counters;
    int64_t since_us = g_get_monotonic_time();
    uint64_t unread, before = 0;

    while ((unread = pace_unread(&o->pace)) > atomic_load(&c->threshold) / ON_WAY_DIVISOR &&
           !atomic_load(&o->start_postcopy)) {
        if (unread != before) {
            before = unread;
            since_us = g_get_monotonic_time();
        }
        if (!outgoing_check(o, error) || give_up_mute(o, since_us, error)) {
            return false;
        }
        MIG_LOCK(&o->lock);
        if (!outgoing_is_cancelled(o) && !atomic_load(&o->start_postcopy)) {
            mig_cond_wait_until(&o->wake, &o->lock, g_get_monotonic_time() + TAKEN_STEP_US);
        }
    }
    return true;
}

bool outgoing_precopy(Outgoing *o, GError **error)
{
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

    if (o->config.parameters.mode !=
        0) { /* cpr-reboot: the guest stops before its pages are sent */
        return outgoing_check(o, error);
    }

    pace_begin(&o->pace);
    outgoing_begin_waits(o);

    do {
        do {
            if (!send_part(o, error)) {
                return false;
            }
            if (atomic_load(&o->start_postcopy) && outgoing_may_switch_over(o)) {
                return outgoing_check(o, error);
            }
        } while (outgoing_remaining(o) > 0 && !fits(o));
        if (!end_part(o, error) || !wait_until_taken(o, error) || !outgoing_sync(o, error) ||
            !outgoing_fault(o, "src-pass-end", error)) {
            return false;
        }
    } while (!fits(o) || !outgoing_may_switch_over(o));
    return outgoing_check(o, error);
}

bool outgoing_last_pass(Outgoing *o, GError **error)
{
    if (!outgoing_sync(o, error)) {
        return false;
    }
    migration_mark(o->migration, MARK_SYNCED);
    auto_converge_end(&o->converge); /* the guest is paused; it resumes at full speed */
    stream_put_section_end(o->writer, RAM_SECTION_ID);
    while (ram_sender_remaining(o->ram) > 0) {
        if (!LANE_CALL(o->lane, last, error) || !outgoing_check(o, error)) {
            return false;
        }
    }
    if (!LANE_CALL(o->lane, end, error) || !end_body(o, error)) {
        return false;
    }
    migration_mark(o->migration, MARK_RAM);
    outgoing_end_pass(o);
    return true;
}
