/*
 * The commands of postcopy: start, pause, recover and resume. Main thread.
 */
#include "backend/engine/engine-internal.h"

#include "backend/base/error.h"
#include "backend/base/fd.h"

void engine_start_postcopy(Engine *e, BackendSession *session, json_object *args,
                           BackendReply *reply)
{
    (void)session, (void)args;
    if (!capability_is_on(e->capabilities, CAPABILITY_POSTCOPY_RAM) &&
        !capability_is_on(e->capabilities, CAPABILITY_DIRTY_BITMAPS)) {
        backend_reply_failure(
            reply, "Enable postcopy with migrate_set_capability before the start of migration");
        return;
    }
    if (engine_status_of(e, true) == MIGRATION_NONE) {
        backend_reply_failure(reply, "Postcopy must be started after migration has been started");
        return;
    }
    if (e->outgoing != NULL && engine_migration_runs(e)) {
        outgoing_start_postcopy(e->outgoing);
    }
    backend_reply_return(reply, NULL);
}

/* ---- pause ---- */

static bool can_pause(MigrationStatus status)
{
    return status == MIGRATION_POSTCOPY_ACTIVE || status == MIGRATION_POSTCOPY_RECOVER;
}

void engine_pause(Engine *e, BackendSession *session, json_object *args, BackendReply *reply)
{
    (void)session, (void)args;
    if (e->outgoing != NULL && engine_migration_runs(e) &&
        (can_pause(engine_status_of(e, true)) ||
         engine_status_of(e, true) == MIGRATION_POSTCOPY_PAUSED)) {
        /* In postcopy-paused this ends a connection attempt, if there is one. */
        if (outgoing_pause(e->outgoing)) {
            backend_reply_return(reply, NULL);
            return;
        }
    }
    if (engine_in_postcopy(e) && can_pause(engine_status_of(e, false))) {
        incoming_pause(e->incoming);
        backend_reply_return(reply, NULL);
        return;
    }
    backend_reply_failure(reply, "migrate-pause is currently only supported during postcopy-active "
                                 "or postcopy-recover state");
}

/* ---- recovery ---- */

void engine_recover(Engine *e, BackendSession *session, json_object *args, BackendReply *reply)
{
    g_autoptr(GError) address_error = NULL;
    g_autoptr(Address) address = address_from_uri(
        json_object_get_string(json_object_object_get(args, "uri")), &address_error);
    g_auto(MigFd) fd = -1;
    GError *error = NULL;
    Facts facts = engine_facts(e);

    facts.address = address;
    facts.address_error = address_error;
    if (!rules_allow(RULE_RECOVER, &facts, &error) ||
        !engine_take_named_fd(session, address, &fd, &error)) {
        backend_reply_error(reply, error);
        return;
    }
    engine_stop_listening(e);
    engine_listen(e, address, mig_fd_steal(&fd), reply);
}

void engine_resume(Engine *e, BackendSession *session, json_object *args, BackendReply *reply)
{
    g_autoptr(Address) address = NULL;
    g_auto(MigFd) fd = -1;
    GError *error = NULL;

    address = engine_address_from_arguments(args, "migrate", &error);
    if (address == NULL || !engine_take_named_fd(session, address, &fd, &error)) {
        backend_reply_error(reply, error);
        return;
    }
    Connector *connector = connector_new(address, fd, &error);
    if (connector == NULL) {
        backend_reply_error(reply, error);
        return;
    }
    connector_use_tls(connector, engine_tls_client(e, address));
    mig_fd_steal(&fd);
    if (!outgoing_resume(e->outgoing, connector, &error)) {
        backend_reply_error(reply, error);
        return;
    }
    backend_reply_return(reply, NULL);
}
