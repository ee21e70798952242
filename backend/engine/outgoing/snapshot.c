/*
 * Background snapshot: the guest as it was at one moment, written while it runs on.
 *
 * Runs on the outgoing thread, in place of precopy and handover. The guest is held once: its
 * devices are saved into memory and its RAM is write-protected. Then it runs again, and
 * memory/snapshot.h returns each page once, as it was at that moment. The stream has the pages
 * first, no END of the RAM section, then the devices of the moment. The guest never leaves: there
 * is no handover, and a failure or a cancel at any point does not touch it.
 */
#include "backend/engine/outgoing/outgoing-internal.h"

#include <inttypes.h>

#include "backend/base/error.h"
#include "backend/guest/memory/snapshot.h"

#define ROOM_PAGES 512u /* most pages copied for one batch */

typedef struct {
    GByteArray *devices;
    char *description;
    RamSnapshot *ram;
    uint8_t *room; /* pages of the batch that is being written */
} Moment;

static void moment_clear(Moment *moment)
{
    g_clear_pointer(&moment->devices, g_byte_array_unref);
    g_clear_pointer(&moment->description, g_free);
    g_clear_pointer(&moment->ram, ram_snapshot_free);
    g_clear_pointer(&moment->room, g_free);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Moment, moment_clear)

/* ---- the moment ---- */

static void save_devices(Outgoing *o, Moment *moment, RunState state)
{
    g_autoptr(StreamWriter) writer = stream_writer_new();
    int n;

    moment->description = devices_save(writer, o->config.guest, o->config.timer, state);
    moment->devices = g_byte_array_new();
    const struct iovec *iov = stream_writer_iov(writer, &n);
    for (int i = 0; i < n; i++) {
        g_byte_array_append(moment->devices, iov[i].iov_base, (guint)iov[i].iov_len);
    }
}

/* The index of the block's first page in all RAM. */
static uint64_t first_page(const Outgoing *o, size_t block)
{
    uint64_t base = 0;
    size_t n;
    RamBlock *const *blocks = guest_blocks(o->config.guest, &n);

    for (size_t i = 0; i < block; i++) {
        base += blocks[i]->n_pages;
    }
    return base;
}

/* Sets the displayed map of RAM: all pages are dirty, none was sent. */
static void draw_map(Outgoing *o, const Moment *moment)
{
    size_t n;
    RamBlock *const *blocks = guest_blocks(o->config.guest, &n);

    for (size_t i = 0; i < n; i++) {
        g_autoptr(DirtyMap) all = dirty_map_new(blocks[i]->n_pages);

        dirty_map_set(all, 0, blocks[i]->n_pages);
        ram_map_recount(&o->migration->ram_map, first_page(o, i), ram_snapshot_data(moment->ram, i),
                        all);
    }
}

/* The guest is held. */
static bool take_moment_held(Outgoing *o, Moment *moment, RunState state, GError **error)
{
    size_t n;
    RamBlock *const *blocks = guest_blocks(o->config.guest, &n);

    migration_mark(o->migration, MARK_STOPPED);
    if (!outgoing_fault(o, "src-stopped", error)) {
        return false;
    }
    save_devices(o, moment, state);
    migration_mark(o->migration, MARK_DEVICES);
    if (!outgoing_fault(o, "src-moment-saved", error)) {
        return false;
    }
    moment->ram = ram_snapshot_new(blocks, n, error);
    return moment->ram != NULL;
}

static bool take_moment(Outgoing *o, Moment *moment, GError **error)
{
    Migration *m = o->migration;
    RunState state;
    bool ok;

    migration_mark(m, MARK_STOP);
    guest_hold(o->config.guest);
    state = guest_run_state(o->config.guest);
    if (state == RUN_STATE_RUNNING) {
        migration_post(m, ENGINE_EVENT_STOP, 0, NULL);
    }
    ok = take_moment_held(o, moment, state, error);
    guest_unhold(o->config.guest);
    migration_mark(m, MARK_OVER);
    if (state == RUN_STATE_RUNNING) {
        migration_post(m, ENGINE_EVENT_RESUME, 0, NULL);
    }
    return ok && outgoing_fault(o, "src-moment", error);
}

/* ---- the pages ---- */

static void put_item(Outgoing *o, SnapshotItem item, size_t block, size_t page, const uint8_t *at,
                     RamBatch *batch)
{
    if (item == SNAPSHOT_ZERO || ram_page_is_zero(at)) {
        stream_put_zero_page(o->writer, (unsigned)block, page * MIG_PAGE_SIZE);
        batch->zero++;
    } else {
        stream_put_page(o->writer, (unsigned)block, page * MIG_PAGE_SIZE, at);
        batch->normal++;
    }
}

/* Pages are copied into the room first, so the guest may write to its memory again at once. */
static RamBatch fill(Outgoing *o, Moment *moment, bool *ret_end)
{
    size_t max_bytes = pace_batch(&o->pace, PACE_BATCH);
    RamBatch batch = { 0 };
    size_t block, page;

    while (batch.normal < ROOM_PAGES && stream_writer_room(o->writer) > 0 &&
           stream_writer_pending(o->writer) < max_bytes) {
        uint8_t *at = moment->room + batch.normal * MIG_PAGE_SIZE;
        SnapshotItem item = ram_snapshot_next(moment->ram, &block, &page, at);

        if (item == SNAPSHOT_END) {
            *ret_end = true;
            break;
        }
        put_item(o, item, block, page, at, &batch);
        ram_map_sent(&o->migration->ram_map, first_page(o, block) + page, 1);
    }
    return batch;
}

static bool send_pages(Outgoing *o, Moment *moment, GError **error)
{
    bool end = false;

    pace_begin(&o->pace);
    o->pace.phase_bytes = &o->migration->counters.precopy_bytes;
    outgoing_begin_waits(o);
    while (!end) {
        if (!outgoing_wait_for_limiter(o, error)) {
            return false;
        }
        outgoing_begin_part(o);
        pace_count_pages(&o->pace, fill(o, moment, &end));
        if (!outgoing_end_part(o, error)) {
            return false;
        }
        pace_update(&o->pace, ram_snapshot_remaining(moment->ram) * MIG_PAGE_SIZE);
        if (!outgoing_fault(o, "src-pass-1", error)) {
            return false;
        }
    }
    return ram_snapshot_is_whole(moment->ram, error) && outgoing_fault(o, "src-ram-end", error);
}

/* ---- the end ---- */

static bool finish(Outgoing *o, Moment *moment, GError **error)
{
    o->pace.phase_bytes = NULL; /* device state is no RAM */
    stream_put_bytes(o->writer, moment->devices->data, moment->devices->len);
    if (!outgoing_flush(o, error) || !outgoing_fault(o, "src-devices", error)) {
        return false;
    }
    if (!outgoing_fault(o, "src-before-eof", error)) {
        return false;
    }
    stream_put_eof(o->writer);
    stream_put_vmdescription(o->writer, moment->description);
    if (!outgoing_flush(o, error) || !outgoing_fault(o, "src-after-eof", error)) {
        return false;
    }
    outgoing_watch_for(o, WATCH_NOTHING); /* what follows has a limit of its own */
    transport_set_finish_timeout(
        o->transport,
        (uint32_t)MIN(atomic_load(&o->config.settings->x_handover_timeout), G_MAXINT));
    return transport_finish(o->transport, error) && outgoing_fault(o, "src-finished", error);
}

static bool completed(Outgoing *o, const Moment *moment, GError **error)
{
    int open = DECISION_OPEN;
    Migration *m = o->migration;

    if (!atomic_compare_exchange_strong(&o->decision, &open, DECISION_COMMITTED)) {
        return outgoing_check(o, error);
    }
    g_autofree char *text = g_strdup_printf(
        "migration to %s completed: it holds the guest as it was when the snapshot began "
        "(%" PRIu64 " pages were put aside for it at the most); the guest itself never left",
        m->peer, ram_snapshot_peak(moment->ram));

    migration_set_owner(m, OWNER_HERE, "a snapshot of it was written, it never left");
    migration_set_outcome(m, text);
    migration_end(m, MIGRATION_COMPLETED);
    return true;
}

/* A destination behind a socket would run the snapshot while the guest runs here. */
static bool check_target(Outgoing *o, GError **error)
{
    if (o->config.to_child || !transport_is_two_way(o->transport)) {
        return true;
    }
    g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC,
                "a background snapshot cannot go to %s: a destination there would run a second "
                "copy of the guest",
                transport_name(o->transport));
    mig_error_hint(error, "write it to file:PATH or exec:COMMAND");
    return false;
}

bool outgoing_background_snapshot(Outgoing *o, GError **error)
{
    g_auto(Moment) moment = { .room = g_malloc(ROOM_PAGES * MIG_PAGE_SIZE) };

    if (!check_target(o, error) || !outgoing_put_ram_setup(o, error)) {
        return false;
    }
    migration_note_setup(o->migration);
    if (!migration_move(o->migration, MIGRATION_SETUP, MIGRATION_ACTIVE)) {
        return outgoing_check(o, error);
    }
    if (!take_moment(o, &moment, error)) {
        return false;
    }
    draw_map(o, &moment);
    return send_pages(o, &moment, error) && finish(o, &moment, error) &&
           completed(o, &moment, error);
}
