/*
 * The migration commands of the engine. Main thread.
 *
 * From the dispatch in engine.c on, migrate passes through five files: this one, facts.c,
 * address-uri.c or address-json.c, rules.c, and connector.c. An attempt gets a record (Migration)
 * only after all checks have passed, so that a refused command leaves no trace.
 */
#include "backend/engine/engine-internal.h"

#include "backend/base/error.h"
#include "backend/base/fd.h"
#include "backend/engine/attempt/shared-ram.h"
#include "backend/tables/info.h"

/* ---- the end of an attempt ---- */

/* The attempt is over and its thread is about to return, so the join is short. */
static void reap_outgoing(Engine *e)
{
    outgoing_free(g_steal_pointer(&e->outgoing));
    if (e->cont_reply != NULL) {
        engine_settle_cont(e);
    }
}

void engine_migration_ended(Engine *e, Migration *m)
{
    if (e->incoming != NULL && m == incoming_record(e->incoming)) {
        engine_reap_incoming(e);
    }
    if (e->outgoing != NULL && m == outgoing_record(e->outgoing)) {
        reap_outgoing(e);
    }
}

/* ---- outgoing ---- */

/* The steps that can fail at once. The record then has status failed, as in QEMU for files,
 * descriptors and children. */
static bool start_outgoing(Engine *e, Migration *m, const Address *address, MigFd *fd,
                           GError **error)
{
    g_autoptr(DirtyTracker) tracker = NULL;
    g_autoptr(Connector) connector = NULL;

    /* A snapshot sends each page once, and shared RAM is not sent; neither needs a tracker. */
    if (guest_n_vcpus(e->guest) > 0 &&
        !capability_is_on(e->capabilities, CAPABILITY_BACKGROUND_SNAPSHOT) &&
        !(capability_is_on(e->capabilities, CAPABILITY_X_IGNORE_SHARED) &&
          shared_ram_is_all(e->guest))) {
        tracker = dirty_share_join(e->dirty, error);
        if (tracker == NULL) {
            return false;
        }
    }
    connector = connector_new(address, *fd, error);
    if (connector == NULL) {
        return false;
    }
    connector_use_tls(connector, engine_tls_client(e, address));
    mig_fd_steal(fd);
    const OutgoingConfig config = {
        .guest = e->guest,
        .settings = &e->settings,
        .timer = &e->timer,
        .migration = m,
        .predecessor = e->outgoing,
        .connector = g_steal_pointer(&connector),
        .tracker = g_steal_pointer(&tracker),
        .capabilities = e->capabilities,
        .parameters = e->parameters,
        .to_child = address->kind == ADDRESS_EXEC,
        .limit = e->limit,
    };
    Outgoing *outgoing = outgoing_new(&config, error);
    if (outgoing == NULL) {
        return false;
    }
    e->outgoing = outgoing;
    return true;
}

void engine_migrate(Engine *e, BackendSession *session, json_object *args, BackendReply *reply)
{
    GError *error = NULL;

    if (json_object_get_boolean(json_object_object_get(args, "resume")) &&
        engine_is_paused(e, true)) {
        engine_resume(e, session, args, reply);
        return;
    }
    g_autoptr(GError) address_error = NULL;
    g_autoptr(Address) address = engine_address_from_arguments(args, "migrate", &address_error);
    g_auto(MigFd) fd = -1;
    Facts facts = engine_facts(e);

    facts.address = address;
    facts.address_error = address_error;
    facts.resume = json_object_get_boolean(json_object_object_get(args, "resume"));
    facts.disks = address != NULL && engine_warn_disks(session, args);
    if (!rules_allow(RULE_START, &facts, &error) ||
        !engine_take_named_fd(session, address, &fd, &error)) {
        backend_reply_error(reply, error);
        return;
    }

    g_autofree char *peer = address_to_uri(address);
    g_autoptr(Migration) m = migration_new(e->events, true, peer);
    engine_reap_arrived(e);
    if (e->cont_reply != NULL) {
        engine_settle_cont(e); /* of the attempt before this one, which is over */
    }
    engine_set_last(e, m);
    migration_set_owner(m, OWNER_HERE, "it has not been handed over"); /* as the rules checked */
    migration_move(m, MIGRATION_NONE, MIGRATION_SETUP);
    if (!start_outgoing(e, m, address, &fd, &error)) {
        g_autofree char *first_line = mig_error_first_line(error);
        migration_set_error(m, first_line);
        migration_move(m, MIGRATION_SETUP, MIGRATION_FAILED);
        event_queue_drain(e->events);
        backend_reply_error(reply, error);
        return;
    }
    event_queue_drain(e->events);
    backend_reply_return(reply, NULL);
}

void engine_migrate_cancel(Engine *e, BackendSession *session, json_object *args,
                           BackendReply *reply)
{
    GError *error = NULL;

    (void)session, (void)args;
    if (e->outgoing != NULL && engine_migration_runs(e) && !outgoing_cancel(e->outgoing, &error)) {
        backend_reply_error(reply, error);
        return;
    }
    if (engine_in_postcopy(e) && guest_run_state(e->guest) != RUN_STATE_INMIGRATE) {
        error = g_error_new_literal(MIG_ERROR, MIG_ERROR_GENERIC,
                                    "postcopy cannot be cancelled: the guest is here and needs "
                                    "the pages that are still at the source");
        mig_error_hint(&error, engine_is_paused(e, false)
                                   ? "migrate_recover URI here, then migrate -r URI at the source"
                                   : "migrate_pause interrupts it");
        backend_reply_error(reply, error);
        return;
    }
    /* QEMU does nothing on a destination. Here a cancel ends the attempt, so that a silent source
     * cannot block the destination for ever. */
    if (e->incoming != NULL && guest_run_state(e->guest) == RUN_STATE_INMIGRATE) {
        incoming_shutdown(e->incoming);
    }
    event_queue_drain(e->events);
    backend_reply_return(reply, NULL);
}

void engine_migrate_clear(Engine *e)
{
    if (e->drain_timer != 0) {
        g_source_remove(e->drain_timer);
    }
    engine_stop_listening(e);
    g_clear_pointer(&e->early_channels, g_ptr_array_unref);
    if (e->outgoing != NULL && !outgoing_cancel(e->outgoing, NULL)) {
        outgoing_abandon(e->outgoing);
    }
    outgoing_free(g_steal_pointer(&e->outgoing));
    incoming_free(g_steal_pointer(&e->incoming));
    if (e->incoming_reply != NULL) {
        backend_reply_failure(g_steal_pointer(&e->incoming_reply), "migmon is quitting");
    }
    if (e->cont_reply != NULL) {
        backend_reply_failure(g_steal_pointer(&e->cont_reply), "migmon is quitting");
    }
}

/* ---- query ---- */

void engine_query_migrate(Engine *e, BackendSession *session, json_object *args,
                          BackendReply *reply)
{
    MigInfo info = { 0 };
    g_autofree char *error = NULL;

    (void)session, (void)args;
    if (e->incoming != NULL) {
        incoming_note_faults(e->incoming);
    }
    if (e->last != NULL) {
        migration_fill_info(e->last, &info, &error);
    }
    engine_fill_dirty_limit(e, &info);
    if (!capability_is_on(e->capabilities, CAPABILITY_POSTCOPY_BLOCKTIME)) {
        info.has_blocktime = info.has_vcpu_blocktime = false;
    }
    info.socket_address = engine_listening_addresses(e);
    info.has_socket_address = info.socket_address != NULL;
    backend_reply_return(reply, mig_info_to_json(&info));
    json_object_put(info.socket_address);
    json_object_put(info.vcpu_blocktime);
}
