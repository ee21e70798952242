/*
 * Requests of other threads to an outgoing migration (cancel, begin postcopy, read the settings
 * again), and fault points, which may make the same requests. A request is noted, and blocked calls
 * of the outgoing thread are ended; nothing waits here.
 */
#include "backend/engine/outgoing/outgoing-internal.h"

#include "backend/base/error.h"
#include "backend/base/fault.h"
#include "backend/transport/transport-break.h"

Migration *outgoing_record(const Outgoing *o)
{
    return o->migration;
}

void outgoing_shut_down(Outgoing *o)
{
    connector_cancel(o->config.connector);
    if (o->recovery != NULL) {
        connector_cancel(o->recovery);
    }
    lane_shutdown(o->lane);
    if (o->transport != NULL) {
        transport_shutdown(o->transport);
    }
    if (o->urgent != NULL) {
        urgent_sender_shutdown(o->urgent);
    }
    pthread_cond_broadcast(&o->wake);
    if (o->requests != NULL) {
        page_requests_wake(o->requests);
    }
}

static void shut_everything_down(Outgoing *o)
{
    MIG_LOCK(&o->lock);
    outgoing_shut_down(o);
}

static void refuse_cancel(Outgoing *o, GError **error)
{
    MigrationStatus status = migration_get_status(o->migration);

    if (status == MIGRATION_POSTCOPY_ACTIVE || status == MIGRATION_POSTCOPY_RECOVER ||
        status == MIGRATION_POSTCOPY_PAUSED) {
        g_set_error_literal(error, MIG_ERROR, MIG_ERROR_GENERIC,
                            "postcopy cannot be cancelled: the guest has left and needs the pages "
                            "that are still here");
        mig_error_hint(
            error, "%s",
            status == MIGRATION_POSTCOPY_PAUSED
                ? "migrate_recover URI on the destination, then migrate -r URI here goes "
                  "on; should the destination be lost, cont -f runs the guest here as "
                  "it was when it left"
                : "migrate_pause interrupts it");
        return;
    }
    g_set_error_literal(error, MIG_ERROR, MIG_ERROR_GENERIC,
                        "the guest was handed over already and cannot be taken back");
    mig_error_hint(error, "info migrate says where it is; cont -f runs it here by force");
}

bool outgoing_cancel(Outgoing *o, GError **error)
{
    int open = DECISION_OPEN;

    if (!atomic_compare_exchange_strong(&o->decision, &open, DECISION_CANCELLED)) {
        if (open == DECISION_COMMITTED && !outgoing_has(o, CAPABILITY_BACKGROUND_SNAPSHOT)) {
            refuse_cancel(o, error);
            return false;
        }
        return true;
    }
    migration_end(o->migration, MIGRATION_CANCELLING);
    shut_everything_down(o);
    return true;
}

void outgoing_settings_changed(Outgoing *o)
{
    MIG_LOCK(&o->lock);
    pthread_cond_broadcast(&o->wake);
    if (o->requests != NULL) {
        page_requests_wake(o->requests);
    }
}

void outgoing_start_postcopy(Outgoing *o)
{
    atomic_store(&o->start_postcopy, true);
    outgoing_settings_changed(o);
}

void outgoing_keep_stopped(Outgoing *o)
{
    atomic_store(&o->keep_stopped, true);
}

void outgoing_abandon(Outgoing *o)
{
    pthread_mutex_lock(&o->lock);
    o->abandoned = true;
    pthread_mutex_unlock(&o->lock);
    shut_everything_down(o);
}

/* ---- fault points ---- */

typedef struct {
    Outgoing *outgoing;
    Transport *transport;
} FaultPlace;

static bool act(void *data, FaultAction action)
{
    FaultPlace *place = data;

    if (action == FAULT_CANCEL) {
        outgoing_cancel(place->outgoing, NULL);
        return true;
    }
    return transport_break(place->transport, action);
}

static bool is_gone(void *data)
{
    return transport_is_shut_down(((FaultPlace *)data)->transport);
}

bool outgoing_fault_on(void *outgoing, const char *point, Transport *transport, GError **error)
{
    return fault_act(point, act, is_gone, &(FaultPlace){ outgoing, transport }, error);
}

bool outgoing_fault(Outgoing *o, const char *point, GError **error)
{
    return outgoing_fault_on(o, point, o->transport, error);
}
