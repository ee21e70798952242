/*
 * Postcopy at the destination: commands of the stream up to the start of the guest, pages placed
 * while it runs, and the end.
 *
 * Runs on the destination's thread, except the requests, which come from the thread that handles
 * faults. The guest runs from POSTCOPY_RUN on. After that a lost connection affects it only through
 * missing pages.
 */
#include "backend/engine/incoming/incoming-internal.h"

#include <string.h>

#include "backend/base/clock.h"
#include "backend/base/error.h"
#include "backend/stream/postcopy.h"
#include "backend/stream/return-path.h"

/* Limit for the wait for pages of the other channel after EOF. */
#define LAST_PAGES_US (30 * G_USEC_PER_SEC)
#define LOOK_US       (100 * 1000)

static const uint8_t zero_page[MIG_PAGE_SIZE];

/* ---- requests ---- */

/* On the fault handler's thread. Requests that cannot be sent now are sent after the recovery. */
static void request_pages(void *data, size_t block, size_t first, size_t count)
{
    Incoming *in = data;
    size_t n;
    RamBlock *const *blocks = guest_blocks(in->config.guest, &n);
    ReturnPathMessage message = {
        .start = (uint64_t)first * MIG_PAGE_SIZE,
        .length = (uint32_t)(count * MIG_PAGE_SIZE),
    };
    g_autoptr(GByteArray) bytes = g_byte_array_new();

    incoming_fault(in, "dst-postcopy-request", NULL);
    /* Check before locking. The thread that answers the source may hold the lock until the source
     * reads, and a thread that stops the guest waits for this thread to report blocked vCPUs. */
    if (!atomic_load(&in->link_up)) {
        return;
    }
    MIG_LOCK(&in->answer_lock);
    if (!atomic_load(&in->link_up)) {
        return;
    }
    message.type = block == in->asked_block ? RETURN_REQ_PAGES : RETURN_REQ_PAGES_ID;
    g_strlcpy(message.block, blocks[block]->idstr, sizeof message.block);
    in->asked_block = block;
    return_path_encode(&message, bytes);
    struct iovec iov = { bytes->data, bytes->len };
    if (!transport_write_all(in->config.transport, &iov, 1, NULL, NULL)) {
        atomic_store(&in->link_up, false); /* the reading thread sees the broken connection too */
    }
}

void incoming_link_up(Incoming *in)
{
    MIG_LOCK(&in->answer_lock);
    atomic_store(&in->link_up, true);
}

void incoming_take_channel(Incoming *in)
{
    MIG_LOCK(&in->lock);
    in->takes_channel = incoming_has(in, CAPABILITY_POSTCOPY_PREEMPT);
}

/* ---- commands ---- */

static bool refuse_order(const StreamRecord *record, GError **error)
{
    return mig_fail(error, MIG_ERROR_FORMAT, "postcopy command %d at the wrong time",
                    record->command);
}

static bool take_advise(Incoming *in, const StreamRecord *record, GError **error)
{
    if (!incoming_has(in, CAPABILITY_POSTCOPY_RAM)) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_UNSUPPORTED,
                    "RAM postcopy is disabled but have %zu byte advise", record->length);
        mig_error_hint(error, "migrate_set_capability postcopy-ram on here too");
        return false;
    }
    if (!page_faults_possible(in->config.guest, error) ||
        !postcopy_check_advise(record->data, record->length,
                               page_faults_page_sizes(in->config.guest), error)) {
        return false;
    }
    in->advised = true;
    return true;
}

bool incoming_find_block(Incoming *in, const char *idstr, size_t *ret, GError **error)
{
    if (guest_find_block(in->config.guest, idstr, ret) == NULL) {
        return mig_fail(error, MIG_ERROR_FORMAT, "Can't find block %s", idstr);
    }
    return true;
}

static bool take_discard(Incoming *in, const StreamRecord *record, GError **error)
{
    g_autoptr(GArray) ranges = g_array_new(FALSE, FALSE, sizeof(PostcopyRange));
    char idstr[256];
    size_t n, block;

    if (!in->advised || in->faults != NULL || !in->has_block_list) {
        return refuse_order(record, error);
    }
    if (!postcopy_decode_discard(record->data, record->length, idstr, ranges, error) ||
        !incoming_find_block(in, idstr, &block, error)) {
        return false;
    }
    const RamBlock *ram = guest_blocks(in->config.guest, &n)[block];
    for (guint i = 0; i < ranges->len; i++) {
        const PostcopyRange *range = &g_array_index(ranges, PostcopyRange, i);

        if (range->start >= ram->size || range->length > ram->size - range->start) {
            return mig_fail(error, MIG_ERROR_FORMAT,
                            "discard of 0x%" PRIx64 " bytes at 0x%" PRIx64
                            " goes beyond RAM block '%s' of 0x%" PRIx64,
                            range->length, range->start, idstr, ram->size);
        }
        if (!placer_discard(in->placer, block, range->start / MIG_PAGE_SIZE,
                            range->length / MIG_PAGE_SIZE, error)) {
            return false;
        }
    }
    return true;
}

static bool take_listen(Incoming *in, const StreamRecord *record, GError **error)
{
    size_t n;

    if (!in->advised || in->faults != NULL || !in->has_block_list || !in->return_path ||
        !transport_is_two_way(in->config.transport)) {
        return refuse_order(record, error);
    }
    if (!placer_flush(in->placer, error) || !incoming_fault(in, "dst-postcopy-listen", error)) {
        return false;
    }
    PageFaults *faults = page_faults_new(in->config.guest, request_pages, in);
    guest_blocks(in->config.guest, &n);
    for (size_t i = 0; i < n; i++) {
        placer_give_seen(in->placer, i, page_faults_received(faults, i));
    }
    if (!page_faults_start(faults, error)) {
        page_faults_free(faults);
        g_prefix_error(error, "Postcopy is not possible here: ");
        return false;
    }
    in->faults = faults;
    in->asked_block = SIZE_MAX;
    incoming_take_channel(in);
    incoming_link_up(in);
    atomic_store(&in->migration->counters.remaining, page_faults_missing(faults) * MIG_PAGE_SIZE);
    migration_move(in->migration, MIGRATION_ACTIVE, MIGRATION_POSTCOPY_ACTIVE);
    return true;
}

/* The source takes the answer inside the package as proof that the guest is about to start. All of
 * the package is here, so the guest starts even if the answer cannot be sent: the connection is
 * lost then, and another one can resume. */
bool postcopy_take_ping(Incoming *in, uint32_t value, GError **error)
{
    if (!in->runs && !device_loader_is_complete(in->devices, error)) {
        return false;
    }
    incoming_answer(in, RETURN_PONG, value, NULL);
    return true;
}

static bool take_run(Incoming *in, const StreamRecord *record, GError **error)
{
    if (in->faults == NULL || in->runs) {
        return refuse_order(record, error);
    }
    if (!device_loader_is_complete(in->devices, error) ||
        !incoming_fault(in, "dst-postcopy-run", error)) {
        return false;
    }
    in->runs = true;
    prefetch_limit_silence(in->prefetch, 0); /* from here on a lost source is waited for */
    guest_fill(in->config.guest);
    incoming_start_guest(in, "it was started here; the rest of its RAM comes behind it");
    incoming_fault(in, "dst-postcopy-runs", NULL);
    return true;
}

bool postcopy_take_command(Incoming *in, const StreamRecord *record, GError **error)
{
    switch (record->command) {
    case COMMAND_POSTCOPY_ADVISE:
        return take_advise(in, record, error);
    case COMMAND_POSTCOPY_RAM_DISCARD:
        return take_discard(in, record, error);
    case COMMAND_PACKAGED: /* its contents follow */
        return in->advised ? incoming_fault(in, "dst-postcopy-package", error)
                           : refuse_order(record, error);
    case COMMAND_POSTCOPY_LISTEN:
        return take_listen(in, record, error);
    case COMMAND_POSTCOPY_RUN:
        return take_run(in, record, error);
    default:
        return mig_fail(
            error, MIG_ERROR_FORMAT,
            "command %d of the stream is not supported by this build, or not at this time",
            record->command);
    }
}

/* ---- pages ---- */

bool postcopy_flush(Incoming *in, GError **error)
{
    PageRun *run = &in->run;
    int count = run->count;

    run->count = 0;
    if (count == 0) {
        return true;
    }
    if (!page_faults_place(in->faults, run->block, run->first, run->iov, count, error)) {
        return false;
    }
    incoming_note_placed(in);
    return true;
}

static bool gather(Incoming *in, size_t block, size_t page, const uint8_t *data, GError **error)
{
    PageRun *run = &in->run;

    /* Before the claim: if this failed after it, the page would be claimed but not in the run, and
     * could never be placed. */
    if (run->count == RUN_PAGES ||
        (run->count > 0 && (run->block != block || run->first + (size_t)run->count != page))) {
        if (!postcopy_flush(in, error)) {
            return false;
        }
    }
    if (!page_faults_claim(in->faults, block, page)) {
        return true; /* a page that came twice; the guest may have changed it */
    }
    if (run->count == 0) {
        run->block = block;
        run->first = page;
    }
    run->iov[run->count++] = (struct iovec){ (void *)(uintptr_t)data, MIG_PAGE_SIZE };
    return !page_faults_is_wanted(in->faults, block, page) || postcopy_flush(in, error);
}

bool postcopy_take_page(Incoming *in, size_t block, const StreamRecord *record, GError **error)
{
    size_t page = record->offset / MIG_PAGE_SIZE;

    if (record->type == RECORD_PAGE) {
        return gather(in, block, page, record->data, error);
    }
    if (record->type != RECORD_ZERO_PAGE || record->fill != 0) {
        return mig_fail(error, MIG_ERROR_FORMAT, "a page record that has no place in postcopy");
    }
    for (size_t i = 0; i < record->n_pages; i++) {
        if (!gather(in, block, page + i, zero_page, error)) {
            return false;
        }
    }
    return true;
}

/* ---- the end ---- */

/* Pages may still be on the other channel, and that channel may still be unidentified. */
static bool await_last_pages(Incoming *in)
{
    int64_t end = g_get_monotonic_time() + LAST_PAGES_US;
    MIG_LOCK(&in->lock);

    while (page_faults_missing(in->faults) > 0 && incoming_has(in, CAPABILITY_POSTCOPY_PREEMPT) &&
           !in->quit && (in->urgent == NULL || !urgent_receiver_ended(in->urgent)) &&
           g_get_monotonic_time() < end) {
        mig_cond_wait_until(&in->wake, &in->lock, g_get_monotonic_time() + LOOK_US);
    }
    return page_faults_missing(in->faults) == 0;
}

bool postcopy_finish(Incoming *in, GError **error)
{
    if (!postcopy_flush(in, error) || !incoming_fault(in, "dst-postcopy-eof", error)) {
        return false;
    }
    if (migration_get_status(in->migration) != MIGRATION_POSTCOPY_ACTIVE) {
        return mig_fail(error, MIG_ERROR_FORMAT,
                        "the stream ends before the source said that it goes on");
    }
    if (!await_last_pages(in)) {
        return mig_fail(error, MIG_ERROR_FORMAT,
                        "the stream ends, but %" PRIu64 " pages never came",
                        page_faults_missing(in->faults));
    }
    return true;
}

/* A guest that has all of its RAM does not need its source any more; only messages are missing. */
bool postcopy_has_all(Incoming *in)
{
    return in->runs && postcopy_flush(in, NULL) && page_faults_missing(in->faults) == 0 &&
           migration_get_status(in->migration) == MIGRATION_POSTCOPY_ACTIVE;
}

void incoming_note_faults(Incoming *in)
{
    if (in->faults != NULL) {
        PageFaultStats stats;

        page_faults_stats(in->faults, &stats);
        migration_set_faults(in->migration, &stats);
    }
}

void postcopy_complete(Incoming *in)
{
    Migration *m = in->migration;
    bool runs = guest_run_state(in->config.guest) == RUN_STATE_RUNNING;
    g_autofree char *text = g_strdup_printf("migration from %s completed: the guest %s", m->peer,
                                            runs ? "runs here" : "is here, paused");

    page_faults_stop(in->faults);
    incoming_note_faults(in);
    guest_settle(in->config.guest);
    incoming_answer(in, RETURN_SHUT, 0, NULL); /* complete even if the source does not get it */
    migration_set_owner(m, OWNER_HERE, "all of it has arrived here");
    migration_set_outcome(m, text);
    migration_move(m, MIGRATION_POSTCOPY_ACTIVE, MIGRATION_COMPLETED);
    incoming_fault(in, "dst-shut", NULL);
}
