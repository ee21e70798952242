/*
 * Recovery of a postcopy at the source. After the connection has died all state is kept. The
 * operator gives a new connection (migrate with resume), both sides agree on the pages that have
 * arrived, and the postcopy resumes. This may happen again; a failure on the way leads back to
 * postcopy-paused.
 */
#include "backend/engine/outgoing/outgoing-internal.h"

#include "backend/base/error.h"
#include "backend/stream/postcopy.h"

/* ---- connections ---- */

static void close_connection(Outgoing *o)
{
    Transport *old;

    if (o->urgent != NULL) {
        urgent_sender_shutdown(o->urgent);
    }
    transport_shutdown(o->transport);

    pthread_mutex_lock(&o->lock);
    SourceReturnPath *return_path = g_steal_pointer(&o->return_path);
    pthread_mutex_unlock(&o->lock);
    source_return_path_free(return_path); /* joins its thread, which uses the transport */

    pthread_mutex_lock(&o->lock);
    UrgentSender *urgent = g_steal_pointer(&o->urgent);
    old = g_steal_pointer(&o->transport);
    pthread_mutex_unlock(&o->lock);
    urgent_sender_free(urgent);
    transport_free(old);
    stream_writer_reset(o->writer);
    page_requests_clear(o->requests);
}

static bool open_connection(Outgoing *o, Connector *connector, GError **error)
{
    Transport *t = connector_open(connector, error);
    UrgentSender *urgent = NULL;

    if (t == NULL) {
        return false;
    }
    if (!transport_is_two_way(t)) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_UNSUPPORTED, "%s goes one way only",
                    transport_name(t));
        transport_free(t);
        return false;
    }
    if (outgoing_has(o, CAPABILITY_POSTCOPY_PREEMPT) &&
        (urgent = urgent_sender_open(connector, outgoing_fault_on, o, error)) == NULL) {
        transport_free(t);
        return false;
    }
    pthread_mutex_lock(&o->lock);
    /* A thread that ended this attempt before there was a transport to shut down has cancelled the
     * connector, under this lock. */
    bool cancelled = connector_is_cancelled(connector);
    if (!cancelled) {
        o->transport = t;
        o->urgent = urgent;
    }
    pthread_mutex_unlock(&o->lock);
    if (cancelled) {
        urgent_sender_free(urgent);
        transport_free(t);
        return mig_fail(error, MIG_ERROR_CANCELLED, "connecting to the destination was cancelled");
    }
    return true;
}

/* ---- agreeing on the arrived pages ---- */

static bool ask_for_bitmap(Outgoing *o, size_t block, const char *idstr, DirtyMap *received,
                           GError **error)
{
    source_return_path_expect_bitmap(o->return_path, idstr, received);
    postcopy_put_recv_bitmap(o->writer, idstr);
    bool asked = outgoing_flush(o, error) && outgoing_fault(o, "src-recover-bitmap", error);
    wait_clock_begin(&o->waits.answer);
    bool answered = asked && source_return_path_wait_bitmap(o->return_path, error);
    wait_clock_end(&o->waits.answer);
    if (!answered) {
        g_prefix_error(error, "asking which pages have arrived: ");
        return false;
    }
    ram_sender_begin_again(o->ram, block, received);
    return true;
}

static bool agree(Outgoing *o, DirtyMap **received, GError **error)
{
    size_t n;
    RamBlock *const *blocks = guest_blocks(o->config.guest, &n);

    SourceReturnPath *return_path = source_return_path_new(o->transport, o->requests, error);
    pthread_mutex_lock(&o->lock);
    o->return_path = return_path;
    pthread_mutex_unlock(&o->lock);
    if (return_path == NULL || !outgoing_fault(o, "src-recover", error) ||
        !urgent_sender_at_open(o->urgent, error)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (!ask_for_bitmap(o, i, blocks[i]->idstr, received[i], error)) {
            return false;
        }
    }
    stream_put_ping(o->writer, o->attempt);
    stream_put_command(o->writer, COMMAND_POSTCOPY_RESUME, NULL, 0);
    bool asked = outgoing_flush(o, error) && outgoing_fault(o, "src-recover-resume", error);
    wait_clock_begin(&o->waits.answer);
    bool answered = asked && source_return_path_wait_resume_ack(o->return_path, error);
    wait_clock_end(&o->waits.answer);
    if (!answered) {
        g_prefix_error(error, "waiting for the destination to go on: ");
        return false;
    }
    return true;
}

/* Runs on the new connection. False with the error: back to the pause. */
static bool recover(Outgoing *o, GError **error)
{
    size_t n;
    RamBlock *const *blocks = guest_blocks(o->config.guest, &n);
    DirtyMap **received = g_new0(DirtyMap *, n);

    migration_move(o->migration, MIGRATION_POSTCOPY_PAUSED, MIGRATION_POSTCOPY_RECOVER);
    outgoing_watch_for(o, WATCH_PAUSED); /* the guest waits for its pages */
    for (size_t i = 0; i < n; i++) {
        received[i] = dirty_map_new(blocks[i]->n_pages);
    }
    bool ok = agree(o, received, error);
    if (!ok) {
        close_connection(o); /* joins the thread that may still write into the maps */
    }
    for (size_t i = 0; i < n; i++) {
        dirty_map_free(received[i]);
    }
    g_free(received);
    return ok;
}

/* ---- the pause ---- */

static void tell_pause(Outgoing *o, const GError *reason)
{
    Migration *m = o->migration;
    g_autofree char *why = reason != NULL ? mig_error_first_line(reason) : g_strdup("no reason");
    bool all_sent = ram_sender_remaining(o->ram) == 0;
    g_autofree char *text = g_strdup_printf(
        "migration to %s is paused in postcopy: %s; %s. On the destination: migrate_recover "
        "URI, then here: migrate -r URI%s",
        m->peer, why,
        o->confirmed ? "the guest runs there and needs pages that are only here"
                     : "whether the guest runs there is not known; all of it is still here",
        all_sent ? ". All pages were sent: if the destination has completed, nothing is left to do "
                   "here but quit"
                 : "");

    migration_set_outcome(m, text);
}

/* Waits for the operator. Returns the connector of the next attempt; NULL = given up. */
static Connector *wait_for_operator(Outgoing *o)
{
    MIG_LOCK(&o->lock);

    while (o->recovery == NULL && !o->abandoned) {
        pthread_cond_wait(&o->wake, &o->lock);
    }
    return o->abandoned ? NULL : o->recovery;
}

/* The attempt with o->recovery is over. */
static void drop_connector(Outgoing *o)
{
    pthread_mutex_lock(&o->lock);
    Connector *connector = g_steal_pointer(&o->recovery);
    pthread_mutex_unlock(&o->lock);
    connector_free(connector);
}

static void give_up(Outgoing *o)
{
    Migration *m = o->migration;

    guest_stop(o->config.guest, RUN_STATE_POSTMIGRATE);
    migration_set_owner(m, OWNER_UNKNOWN,
                        o->confirmed ? "the destination had confirmed that it runs there, and the "
                                       "connection was given up"
                                     : "it left in postcopy and the connection was given up");
    migration_set_error(m, "the operator gave up waiting in postcopy");
    migration_move(m, MIGRATION_POSTCOPY_PAUSED, MIGRATION_FAILED);
}

bool outgoing_recover(Outgoing *o, const GError *reason)
{
    Migration *m = o->migration;
    Connector *connector;

    close_connection(o);
    outgoing_watch_again(o, WATCH_NOTHING);
    /* The reason is set first: a client that sees the status may query it at once. */
    tell_pause(o, reason);
    migration_move(m, MIGRATION_POSTCOPY_ACTIVE, MIGRATION_POSTCOPY_PAUSED);
    while ((connector = wait_for_operator(o)) != NULL) {
        g_autoptr(GError) error = NULL;
        bool connected = open_connection(o, connector, &error);
        bool ok = connected && recover(o, &error);

        outgoing_prefer_stall(o, &error);
        drop_connector(o);
        outgoing_watch_again(o, ok ? WATCH_RUNNING : WATCH_NOTHING);
        if (ok) {
            o->confirmed = true;
            migration_set_owner(m, OWNER_PEER, "the destination goes on with it");
            migration_move(m, MIGRATION_POSTCOPY_RECOVER, MIGRATION_POSTCOPY_ACTIVE);
            return true;
        }
        tell_pause(o, error);
        if (connected) {
            migration_move(m, MIGRATION_POSTCOPY_RECOVER, MIGRATION_POSTCOPY_PAUSED);
        }
    }
    give_up(o);
    return false;
}

/* ---- from outside ---- */

bool outgoing_resume(Outgoing *o, Connector *connector, GError **error)
{
    g_autoptr(Connector) own = connector;
    MIG_LOCK(&o->lock);

    if (o->recovery != NULL) {
        g_set_error_literal(error, MIG_ERROR, MIG_ERROR_GENERIC,
                            "the source is connecting to the destination already");
        mig_error_hint(error, "migrate_pause ends that attempt");
        return false;
    }
    o->recovery = g_steal_pointer(&own);
    pthread_cond_broadcast(&o->wake);
    return true;
}

bool outgoing_is_resuming(Outgoing *o)
{
    MIG_LOCK(&o->lock);
    return o->recovery != NULL;
}

bool outgoing_pause(Outgoing *o)
{
    /* Before the guest has left there is nothing to pause: a shutdown of the connection would end
     * the migration. The outgoing thread checks @pause_wanted when the guest has left. A second
     * request shuts down at once: with a peer that reads nothing, and too late for a cancel,
     * nothing else would end the write. */
    bool asked = atomic_exchange(&o->pause_wanted, true);
    if (!atomic_load(&o->left) && !asked) {
        return true;
    }

    MIG_LOCK(&o->lock);

    if (o->recovery != NULL) {
        connector_cancel(o->recovery);
    }
    if (o->urgent != NULL) {
        urgent_sender_shutdown(o->urgent);
    }
    if (o->transport == NULL) {
        return o->recovery != NULL;
    }
    transport_shutdown(o->transport);
    return true;
}
