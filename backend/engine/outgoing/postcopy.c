/*
 * Postcopy at the source: the guest moves with its devices, the rest of its RAM is pushed behind
 * it; pages that the guest waits for go first.
 *
 * The commit is the last byte of the package: the destination acts on a package only when it has
 * all of it, and its last command starts the guest. While any byte of the package is still here the
 * guest belongs here; after that this side does not run it by itself. PONG(PING_LOADED) confirms
 * that the guest runs at the destination. A SHUT with a failure before that PONG gives the guest
 * back: the destination sends it only when it did not start the guest.
 */
#include "backend/engine/outgoing/outgoing-internal.h"

#include "backend/base/error.h"
#include "backend/engine/attempt/pings.h"
#include "backend/stream/postcopy.h"

#define PUSH_BATCH  ((size_t)256 * 1024) /* a requested page waits for one batch at most */
#define MAX_ANSWERS 64                   /* requested pages in one PART */

/* ---- the switch ---- */

static bool discard(Outgoing *o, GError **error)
{
    size_t n;
    RamBlock *const *blocks = guest_blocks(o->config.guest, &n);

    for (size_t i = 0; i < n; i++) {
        postcopy_put_discards(o->writer, blocks[i]->idstr, ram_sender_dirty(o->ram, i));
        if (!outgoing_flush(o, error)) {
            return false;
        }
    }
    stream_put_ping(o->writer, PING_DISCARDED);
    if (!outgoing_flush(o, error) || !outgoing_fault(o, "src-postcopy-discard", error)) {
        return false;
    }
    if (!o->config.parameters.x_handover) {
        return true;
    }
    /* A destination that cannot discard pages fails here, before the guest has left. */
    wait_clock_begin(&o->waits.answer);
    bool done = source_return_path_wait_pong(o->return_path, PING_DISCARDED, error);
    wait_clock_end(&o->waits.answer);
    return done;
}

static void put_package(Outgoing *o)
{
    g_autoptr(StreamWriter) content = stream_writer_new();

    stream_put_command(content, COMMAND_POSTCOPY_LISTEN, NULL, 0);
    g_free(devices_save(content, o->config.guest, o->config.timer, o->state_before));
    stream_put_ping(content, PING_LOADED);
    stream_put_command(content, COMMAND_POSTCOPY_RUN, NULL, 0);
    postcopy_put_package(o->writer, content);
}

/* Offers the package to the transport. False with the error: its last byte never left this
 * process. */
static bool commit(Outgoing *o, GError **error)
{
    int open = DECISION_OPEN, committed = DECISION_COMMITTED;
    size_t accepted = 0, bytes = stream_writer_pending(o->writer);
    int n;

    if (!outgoing_check(o, error) || !outgoing_fault(o, "src-postcopy-package", error) ||
        !transport_wait_writable(o->transport, error)) {
        return false;
    }
    if (!atomic_compare_exchange_strong(&o->decision, &open, DECISION_COMMITTED)) {
        return outgoing_check(o, error); /* a cancel came first */
    }

    migration_set_owner(o->migration, OWNER_UNKNOWN,
                        "the package that starts it at the destination was sent, no answer yet");
    struct iovec *iov = stream_writer_iov(o->writer, &n);
    if ((!outgoing_fault(o, "src-postcopy-commit", error) ||
         !transport_write_all(o->transport, iov, n, &accepted, error)) &&
        accepted < bytes) {
        stream_writer_reset(o->writer);
        atomic_compare_exchange_strong(&o->decision, &committed, DECISION_OPEN);
        g_prefix_error(error, "sending the package: ");
        return false;
    }
    g_clear_error(error);
    stream_writer_reset(o->writer);
    pace_count(&o->pace, bytes);
    return true;
}

/* False with the error: the guest belongs here. */
static bool switch_over(Outgoing *o, GError **error)
{
    Migration *m = o->migration;

    outgoing_watch_for(o, WATCH_NOTHING);
    /* As in QEMU the status changes first, unless the guest waits for the operator in between. */
    if (!outgoing_has(o, CAPABILITY_PAUSE_BEFORE_SWITCHOVER) &&
        !migration_move(m, MIGRATION_ACTIVE, MIGRATION_POSTCOPY_ACTIVE)) {
        return outgoing_check(o, error);
    }
    outgoing_stop_guest(o);
    o->pace.phase_bytes = NULL; /* no RAM until the guest has left */
    auto_converge_end(&o->converge);
    ram_sender_set_encoder(o->ram, NULL);
    if (!outgoing_fault(o, "src-stopped", error) ||
        !outgoing_pre_switchover(o, MIGRATION_POSTCOPY_ACTIVE, error)) {
        return false;
    }
    outgoing_watch_for(o, WATCH_PAUSED);
    if (!outgoing_sync(o, error)) {
        return false;
    }
    migration_mark(m, MARK_SYNCED);
    if (!discard(o, error)) {
        return false;
    }
    migration_mark(m, MARK_RAM);
    put_package(o);
    outgoing_watch_package(o);
    if (!commit(o, error)) {
        return false;
    }
    migration_mark(m, MARK_DEVICES);
    migration_note_postcopy(m);
    o->pace.limit = &o->config.settings->max_postcopy_bandwidth;
    o->pace.phase_bytes = &m->counters.postcopy_bytes;
    atomic_store(&o->left, true);
    outgoing_watch_for(o, WATCH_RUNNING);
    if (atomic_load(&o->pause_wanted)) {
        outgoing_pause(o);
    }
    return true;
}

/* ---- the push ---- */

/* Sets the owner from what is known about the guest at the destination. */
static void note_owner(Outgoing *o)
{
    if (!o->confirmed && source_return_path_has_pong(o->return_path, PING_LOADED)) {
        o->confirmed = true;
        migration_mark(o->migration, MARK_LOADED);
        migration_set_owner(o->migration, OWNER_PEER,
                            "the destination has loaded all but its RAM and runs it");
    }
    atomic_store(&o->migration->counters.postcopy_requests, page_requests_count(o->requests));
}

/* Sends the requested pages, without a limit. */
static bool answer_requests(Outgoing *o, GError **error)
{
    RamBatch batch = { 0 };
    size_t block, page;
    RamRun run;

    outgoing_begin_part(o);
    for (int i = 0; i < MAX_ANSWERS && page_requests_take(o->requests, &block, &page); i++) {
        if (ram_sender_take_at(o->ram, block, page, 1, &run)) {
            ram_sender_put(o->ram, o->writer, &run, &batch);
        }
    }
    pace_count_pages(&o->pace, batch);
    return outgoing_end_body(o, error) && outgoing_fault(o, "src-postcopy-request", error);
}

/* True when the next batch may be sent; false when a page is requested or something changed. */
static bool wait_for_limiter(Outgoing *o)
{
    int64_t wait = pace_wait_us(&o->pace);

    if (wait > 0) {
        page_requests_wait(o->requests, wait);
    }
    return wait == 0;
}

static bool push_batch(Outgoing *o, GError **error)
{
    outgoing_begin_part(o);
    pace_count_pages(&o->pace,
                     ram_sender_fill(o->ram, o->writer, pace_batch(&o->pace, PUSH_BATCH)));
    return outgoing_end_part(o, error) && outgoing_fault(o, "src-postcopy-push", error);
}

static bool push(Outgoing *o, GError **error)
{
    while (ram_sender_remaining(o->ram) > 0) {
        if (!outgoing_check(o, error)) {
            return false;
        }
        note_owner(o);
        if (o->urgent == NULL && page_requests_wait(o->requests, 0)) {
            if (!answer_requests(o, error)) {
                return false;
            }
        } else if (wait_for_limiter(o) && !push_batch(o, error)) {
            return false;
        }
        pace_update(&o->pace, outgoing_remaining(o));
    }
    return true;
}

static bool start_urgent(Outgoing *o, GError **error)
{
    return o->urgent == NULL || urgent_sender_start(o->urgent, o->config.guest, o->ram, o->requests,
                                                    &o->migration->counters, error);
}

/* Sends the rest of the stream, from the beginning or after a recovery. */
static bool send_rest(Outgoing *o, bool recovered, GError **error)
{
    stream_writer_forget_block(o->writer);
    if (!recovered) {
        stream_put_ping(o->writer, PING_RUNS);
    }
    if (!start_urgent(o, error) || !outgoing_flush(o, error) ||
        !outgoing_fault(o, "src-postcopy-run", error) || !push(o, error) ||
        (o->urgent != NULL && !urgent_sender_finish(o->urgent, error))) {
        return false;
    }
    stream_put_section_end(o->writer, RAM_SECTION_ID);
    stream_put_ram_eos(o->writer);
    stream_put_footer(o->writer, RAM_SECTION_ID);
    stream_put_eof(o->writer);
    if (!outgoing_flush(o, error) || !outgoing_fault(o, "src-postcopy-eof", error)) {
        return false;
    }

    int64_t timeout_ms = (int64_t)atomic_load(&o->config.settings->x_handover_timeout);
    Verdict verdict = source_return_path_wait_verdict(o->return_path, timeout_ms * 1000, error);
    note_owner(o);
    return verdict == VERDICT_OK && outgoing_fault(o, "src-shut", error);
}

/* ---- the phase ---- */

static void completed(Outgoing *o)
{
    outgoing_end_pass(o);
    outgoing_handed_over(o, OWNER_PEER, "the destination confirmed that it has all of the guest");
}

/* The destination sends its failure before its PONG for the package. The message may still be on
 * the way: this side has only seen the end of the connection. */
static bool did_not_start(Outgoing *o, GError **reason)
{
    if (!o->confirmed) {
        source_return_path_wait_verdict(o->return_path, G_USEC_PER_SEC, NULL);
        note_owner(o);
    }
    if (!source_return_path_refused(o->return_path)) {
        return false;
    }
    if (o->confirmed) {
        /* It confirmed loading; whether it started the guest since is unknown. */
        migration_set_owner(o->migration, OWNER_UNKNOWN,
                            "the destination had loaded it and has failed since");
        return false;
    }
    g_clear_error(reason);
    source_return_path_failed(o->return_path, reason);
    return true;
}

bool outgoing_postcopy(Outgoing *o, GError **error)
{
    bool recovered = false;

    if (!switch_over(o, error)) {
        return false;
    }
    for (;;) {
        g_autoptr(GError) reason = NULL;

        if (send_rest(o, recovered, &reason)) {
            completed(o);
            return true;
        }
        if (did_not_start(o, &reason)) {
            outgoing_refused(o, reason);
            return true;
        }
        outgoing_prefer_stall(o, &reason);
        if (!outgoing_recover(o, reason)) {
            return true;
        }
        recovered = true;
    }
}
