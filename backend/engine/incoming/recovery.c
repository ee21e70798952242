/*
 * Recovery of a postcopy at the destination. After the connection has died the guest runs until it
 * needs a missing page, and waits for it. A new connection has no header: the source asks which
 * pages have come, sends RESUME, and the pages that are waited for are requested again.
 */
#include "backend/engine/incoming/incoming-internal.h"

#include "backend/base/error.h"
#include "backend/stream/postcopy.h"
#include "backend/stream/return-path.h"

/* ---- the pause ---- */

static void close_connection(Incoming *in)
{
    pthread_mutex_lock(&in->lock);
    transport_shutdown(in->config.transport);
    pthread_mutex_unlock(&in->lock);
    pthread_mutex_lock(&in->answer_lock);
    atomic_store(&in->link_up, false);
    pthread_mutex_unlock(&in->answer_lock);
    incoming_drop_channel(in);
    g_clear_pointer(&in->prefetch, prefetch_free);
    in->run.count = 0;
}

static void enter_pause(Incoming *in, const GError *reason)
{
    Migration *m = in->migration;
    g_autofree char *why = reason != NULL ? mig_error_first_line(reason) : g_strdup("no reason");
    g_autofree char *text = g_strdup_printf(
        "migration from %s is paused in postcopy: %s; the guest is here and waits where it needs "
        "one of the %" PRIu64
        " pages still at the source. migrate_recover URI here, then migrate -r URI "
        "at the source",
        m->peer, why, page_faults_missing(in->faults));

    migration_set_outcome(m, text);
    if (!migration_move(m, MIGRATION_POSTCOPY_ACTIVE, MIGRATION_POSTCOPY_PAUSED)) {
        migration_move(m, MIGRATION_POSTCOPY_RECOVER, MIGRATION_POSTCOPY_PAUSED);
    }
}

static Transport *await_transport(Incoming *in)
{
    MIG_LOCK(&in->lock);

    while (in->next == NULL && !in->quit) {
        pthread_cond_wait(&in->wake, &in->lock);
    }
    return in->quit ? NULL : g_steal_pointer(&in->next);
}

static bool use_connection(Incoming *in, Transport *transport, GError **error)
{
    /* Both locks: while the pointer changes no thread may write to the old transport or shut it
     * down. */
    pthread_mutex_lock(&in->answer_lock);
    pthread_mutex_lock(&in->lock);
    Transport *old = in->config.transport;
    in->config.transport = transport;
    if (in->quit) {
        transport_shutdown(transport);
    }
    pthread_mutex_unlock(&in->lock);
    in->asked_block = SIZE_MAX;
    pthread_mutex_unlock(&in->answer_lock);
    transport_free(old);

    in->n_pings = 0;
    in->attempt_seen = false;
    stream_reader_resume(in->reader);
    in->prefetch = prefetch_new(transport, error);
    return in->prefetch != NULL && incoming_fault(in, "dst-recover", error);
}

bool postcopy_await_connection(Incoming *in, const GError *reason)
{
    Transport *transport;

    /* Claimed pages that are still in the gathered run must be placed: they cannot be claimed
     * again. */
    postcopy_flush(in, NULL);
    close_connection(in);
    enter_pause(in, reason);
    while ((transport = await_transport(in)) != NULL) {
        g_autoptr(GError) error = NULL;

        migration_move(in->migration, MIGRATION_POSTCOPY_PAUSED, MIGRATION_POSTCOPY_RECOVER);
        if (use_connection(in, transport, &error)) {
            return true;
        }
        close_connection(in);
        enter_pause(in, error);
    }
    return false;
}

/* ---- agreeing on the received pages ---- */

static bool send_bitmap(Incoming *in, const StreamRecord *record, GError **error)
{
    ReturnPathMessage message = { .type = RETURN_RECV_BITMAP };
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    size_t block;

    if (!postcopy_decode_recv_bitmap(record->data, record->length, message.block, error) ||
        !incoming_find_block(in, message.block, &block, error) ||
        !incoming_fault(in, "dst-recover-bitmap", error)) {
        return false;
    }
    return_path_encode(&message, bytes);
    return_path_encode_bitmap(page_faults_received(in->faults, block), bytes);
    return incoming_send(in, bytes, error);
}

static bool refuse_stranger(GError **error)
{
    g_set_error_literal(error, MIG_ERROR, MIG_ERROR_FORMAT,
                        "the source that has come is not the one that the rest of this guest's RAM "
                        "is at");
    mig_error_hint(error, "another guest's postcopy may be paused too: look at which address "
                          "migrate -r was given there");
    return false;
}

bool recovery_take_name(Incoming *in, uint32_t value, GError **error)
{
    if (!in->runs) {
        in->attempt = value;
        return true;
    }
    in->attempt_seen = value == in->attempt;
    return in->attempt_seen || refuse_stranger(error);
}

static bool go_on(Incoming *in, GError **error)
{
    Migration *m = in->migration;

    if (in->attempt != 0 && !in->attempt_seen) {
        return refuse_stranger(error);
    }
    if (!incoming_fault(in, "dst-recover-resume", error)) {
        return false;
    }
    incoming_take_channel(in); /* the source may open the channel as soon as it has the answer */
    if (!incoming_answer(in, RETURN_RESUME_ACK, 1, error)) {
        return false;
    }
    migration_move(m, MIGRATION_POSTCOPY_RECOVER, MIGRATION_POSTCOPY_ACTIVE);
    migration_set_outcome(m, "the migration goes on in postcopy");
    incoming_link_up(in);
    page_faults_repeat(in->faults);
    return true;
}

bool recovery_take_command(Incoming *in, const StreamRecord *record, GError **error)
{
    bool recovers = migration_get_status(in->migration) == MIGRATION_POSTCOPY_RECOVER;

    if (recovers && record->command == COMMAND_RECV_BITMAP) {
        return send_bitmap(in, record, error);
    }
    if (recovers && record->command == COMMAND_POSTCOPY_RESUME) {
        return go_on(in, error);
    }
    return postcopy_take_command(in, record, error);
}

/* ---- from outside ---- */

bool incoming_source_has_left(Incoming *in)
{
    MIG_LOCK(&in->lock);

    return in->config.transport != NULL && transport_peer_has_left(in->config.transport);
}

bool incoming_recover(Incoming *in, Transport *transport)
{
    MIG_LOCK(&in->lock);

    if (in->next != NULL || migration_get_status(in->migration) != MIGRATION_POSTCOPY_PAUSED) {
        return false;
    }
    in->next = transport;
    pthread_cond_broadcast(&in->wake);
    return true;
}

bool incoming_add_channel(Incoming *in, Transport *transport, GError **error)
{
    MIG_LOCK(&in->lock);

    if (!in->takes_channel || in->urgent != NULL || in->quit) {
        return mig_fail(error, MIG_ERROR_FORMAT, "a channel of pages that nothing is known of");
    }
    in->urgent = urgent_receiver_new(in, transport, error);
    if (in->urgent == NULL) {
        /* The source takes the pages written to that channel as delivered. Only a recovery, which
         * compares the received pages, sends them again. */
        transport_shutdown(in->config.transport);
    }
    return in->urgent != NULL;
}
