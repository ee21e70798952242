/*
 * The switchover: stop the guest, send the rest, hand the guest over.
 *
 * The commit is the end of the stream (EOF). Before EOF is offered to the transport every failure
 * gives the guest back. After it the guest may run at the destination, and this side resumes it
 * only when the destination reports that it refused it.
 *
 * With a return path the commit waits for PONG(HANDOVER_PING). The destination sends it when
 * everything before the PING is loaded, so that only EOF is missing. This is valid in QEMU's
 * format, and a QEMU destination answers it too.
 */
#include "backend/engine/outgoing/outgoing-internal.h"

#include "backend/base/error.h"
#include "backend/engine/attempt/pings.h"
#include "backend/engine/attempt/shared-ram.h"

void outgoing_stop_guest(Outgoing *o)
{
    Migration *m = o->migration;

    migration_mark(m, MARK_STOP);
    o->state_before = guest_stop(o->config.guest, RUN_STATE_FINISH_MIGRATE);
    migration_mark(m, MARK_STOPPED);
    o->ran = o->state_before == RUN_STATE_RUNNING;
    if (o->ran) {
        migration_post(m, ENGINE_EVENT_STOP, 0, NULL);
    }
    o->stopped = true;
    o->pace.phase_bytes = &m->counters.downtime_bytes;
}

void outgoing_resume_guest(Outgoing *o)
{
    g_autoptr(GError) error = NULL;

    if (!o->stopped) {
        return;
    }
    if (!o->ran) {
        guest_stop(o->config.guest, o->state_before);
    } else if (!guest_claim_ram(o->config.guest, &error)) {
        /* Its memory was offered to the destination, and another process has claimed it. */
        guest_stop(o->config.guest, RUN_STATE_PAUSED);
        migration_post(o->migration, ENGINE_EVENT_NOTICE, 0, error->message);
    } else if (atomic_load(&o->keep_stopped)) {
        guest_stop(o->config.guest, RUN_STATE_PAUSED);
    } else {
        guest_start(o->config.guest);
        migration_post(o->migration, ENGINE_EVENT_RESUME, 0, NULL);
        /* "stop" came after the check above: the operator saw a guest that was paused. */
        if (atomic_load(&o->keep_stopped) &&
            guest_change(o->config.guest, RUN_STATE_RUNNING, RUN_STATE_PAUSED)) {
            migration_post(o->migration, ENGINE_EVENT_STOP, 0, NULL);
        }
    }
}

static bool wait_until_loaded(Outgoing *o, GError **error)
{
    if (o->return_path == NULL || !o->config.parameters.x_handover) {
        return true;
    }
    stream_put_ping(o->writer, HANDOVER_PING);
    if (!outgoing_flush(o, error) || !outgoing_fault(o, "src-ping", error)) {
        return false;
    }
    wait_clock_begin(&o->waits.answer);
    bool loaded = source_return_path_wait_pong(o->return_path, HANDOVER_PING, error);
    wait_clock_end(&o->waits.answer);
    if (!loaded) {
        g_prefix_error(error, "waiting until the destination has loaded everything: ");
        return false;
    }
    migration_mark(o->migration, MARK_LOADED);
    return true;
}

/*
 * Writes EOF and the description after it. False with the error: no byte of them left this process,
 * the decision is open again and the guest belongs here.
 */
static bool commit(Outgoing *o, const char *description, GError **error)
{
    int open = DECISION_OPEN, committed = DECISION_COMMITTED;
    size_t accepted = 0, bytes;
    int n;

    if (!outgoing_check(o, error) || !outgoing_fault(o, "src-before-eof", error)) {
        return false;
    }
    stream_put_eof(o->writer);
    stream_put_vmdescription(o->writer, description);
    bytes = o->last_bytes = stream_writer_pending(o->writer);
    /* With room for the byte of EOF its write cannot block; a cancel that comes before it wins. */
    if (!transport_wait_writable(o->transport, error)) {
        return false;
    }
    if (!atomic_compare_exchange_strong(&o->decision, &open, DECISION_COMMITTED)) {
        return outgoing_check(o, error); /* a cancel came first */
    }

    if (outgoing_has(o, CAPABILITY_X_IGNORE_SHARED)) {
        shared_ram_yield(o->config.guest);
    }
    outgoing_watch_for(o, WATCH_COMMITTED);
    migration_set_owner(o->migration, OWNER_UNKNOWN,
                        "the end of the stream was sent, no answer yet");
    struct iovec *iov = stream_writer_iov(o->writer, &n);
    bool ok = transport_write_all(o->transport, iov, n, &accepted, error);
    if (!ok && accepted == 0) {
        outgoing_watch_for(o, WATCH_NOTHING);
        atomic_compare_exchange_strong(&o->decision, &committed, DECISION_OPEN);
        g_prefix_error(error, "sending the end of the stream: ");
        return false;
    }
    outgoing_watch_for(o, WATCH_NOTHING); /* what follows has limits of its own */
    g_clear_error(error); /* EOF is the first byte: a lost description does not matter */
    stream_writer_reset(o->writer);
    pace_count(&o->pace, bytes);
    return true;
}

/* ---- after the commit: set status, owner and outcome ---- */

/* Called before the final status, so that no guest can arrive in this memory meanwhile, and after
 * the end of the pause. Memory that another process took over in place is not dropped. */
static void release_ram(Outgoing *o)
{
    g_autoptr(GError) error = NULL;

    if (migration_get_status(o->migration) != MIGRATION_POSTCOPY_ACTIVE) {
        migration_mark(o->migration,
                       MARK_OVER); /* in postcopy the pause was over when the guest ran there */
    }
    if (!guest_empty(o->config.guest, &error)) {
        migration_post(o->migration, ENGINE_EVENT_NOTICE, 0, error->message);
    }
}

void outgoing_handed_over(Outgoing *o, Owner owner, const char *evidence)
{
    Migration *m = o->migration;
    bool release = outgoing_has(o, CAPABILITY_RELEASE_RAM) && owner == OWNER_PEER &&
                   !outgoing_has(o, CAPABILITY_X_IGNORE_SHARED);
    g_autofree char *text = g_strdup_printf("migration to %s completed: %s%s", m->peer, evidence,
                                            release ? "; the memory here was given back" : "");

    migration_set_owner(m, owner, evidence);
    if (release) {
        release_ram(o);
    }
    guest_stop(o->config.guest, RUN_STATE_POSTMIGRATE);
    migration_set_outcome(m, text);
    migration_end(m, MIGRATION_COMPLETED);
}

static void came_back(Outgoing *o, const char *evidence, const GError *error)
{
    Migration *m = o->migration;
    g_autofree char *text = g_strdup_printf("migration to %s failed: %s; the guest %s here",
                                            m->peer, error->message, o->ran ? "goes on" : "stays");

    outgoing_resume_guest(o);
    migration_set_owner(m, OWNER_HERE, evidence);
    g_autofree char *first_line = mig_error_first_line(error);
    migration_set_error(m, first_line);
    migration_set_outcome(m, text);
    migration_end(m, MIGRATION_FAILED);
}

void outgoing_refused(Outgoing *o, const GError *error)
{
    came_back(o, "the destination said that it did not take the guest", error);
}

static void lost(Outgoing *o, const GError *error)
{
    Migration *m = o->migration;
    g_autofree char *why = mig_error_first_line(error);
    g_autofree char *evidence = g_strdup_printf("the end of the stream was sent, then: %s", why);
    g_autofree char *text = g_strdup_printf(
        "migration to %s: the guest was handed over but nobody confirmed it (%s); it stands here "
        "with all its memory. Look at the destination: if it does not run there, cont -f runs it "
        "here",
        m->peer, why);

    migration_set_owner(m, OWNER_UNKNOWN, evidence);
    guest_stop(o->config.guest, RUN_STATE_POSTMIGRATE);
    migration_set_error(m, evidence);
    migration_set_outcome(m, text);
    migration_end(m, MIGRATION_FAILED);
}

static void await_verdict(Outgoing *o)
{
    int64_t timeout_ms = (int64_t)atomic_load(&o->config.settings->x_handover_timeout);
    g_autoptr(GError) error = NULL;

    wait_clock_begin(&o->waits.answer);
    Verdict verdict = source_return_path_wait_verdict(o->return_path, timeout_ms * 1000, &error);
    wait_clock_end(&o->waits.answer);
    outgoing_account_waits(o);
    switch (verdict) {
    case VERDICT_OK:
        if (outgoing_fault(o, "src-shut", &error)) {
            outgoing_handed_over(o, OWNER_PEER, "the destination confirmed that it has the guest");
        } else {
            lost(o, error);
        }
        break;
    case VERDICT_REFUSED:
        outgoing_refused(o, error);
        break;
    case VERDICT_LOST:
        outgoing_prefer_stall(o, &error);
        lost(o, error);
        break;
    }
}

static void finish_one_way(Outgoing *o)
{
    g_autoptr(GError) error = NULL;

    transport_set_finish_timeout(
        o->transport,
        (uint32_t)MIN(atomic_load(&o->config.settings->x_handover_timeout), G_MAXINT));
    bool finished = (!outgoing_has(o, CAPABILITY_X_IGNORE_SHARED) ||
                     shared_ram_save(o->config.guest, &error)) &&
                    transport_finish(o->transport, &error);

    outgoing_account_waits(o);
    if (!finished && outgoing_to_file(o)) {
        came_back(o, "the file is not safe, and nobody has loaded it", error);
    } else if (!finished && transport_undelivered(o->transport) >= o->last_bytes) {
        came_back(o, "the end of the stream was read by nobody", error);
    } else if (!finished) {
        lost(o, error);
    } else if (outgoing_to_file(o)) {
        outgoing_handed_over(o, OWNER_NONE,
                             "all is written and safe; it runs where this is loaded");
    } else {
        outgoing_handed_over(o, OWNER_UNKNOWN, "all is written; nothing comes back on this way");
    }
}

bool outgoing_switchover(Outgoing *o, GError **error)
{
    g_autofree char *description = NULL;

    outgoing_watch_for(o, WATCH_NOTHING);
    outgoing_stop_guest(o);
    if (!outgoing_fault(o, "src-stopped", error) ||
        !outgoing_pre_switchover(o, MIGRATION_DEVICE, error)) {
        return false;
    }
    outgoing_watch_for(o, WATCH_PAUSED);
    if (!outgoing_last_pass(o, error) || !outgoing_fault(o, "src-ram-end", error)) {
        return false;
    }
    o->pace.phase_bytes = NULL; /* device state is no RAM */
    description = devices_save(o->writer, o->config.guest, o->config.timer, o->state_before);
    if (!outgoing_flush(o, error)) {
        return false;
    }
    migration_mark(o->migration, MARK_DEVICES);
    if (!outgoing_fault(o, "src-devices", error) || !wait_until_loaded(o, error) ||
        !commit(o, description, error)) {
        return false;
    }
    /* The guest left: a failure injected here is a failure of the link. */
    if (!outgoing_fault(o, "src-after-eof", NULL)) {
        transport_shutdown(o->transport);
    }
    if (o->return_path != NULL) {
        await_verdict(o);
    } else {
        finish_one_way(o);
    }
    return true;
}
