/*
 * The waits before the switchover: for the destination (capability switchover-ack) and for the
 * operator (capability pause-before-switchover).
 *
 * Runs on the outgoing thread. During the first wait the guest runs and writes, so the wait is cut
 * into short pieces and the dirty pages are synced in between. During the second the guest is
 * paused; migrate_continue, a cancel or a lost peer ends it.
 */
#include "backend/engine/outgoing/outgoing-internal.h"

#include "backend/base/error.h"

#define ACK_STEP_US (50 * 1000)
#define LOOK_US     (100 * 1000) /* then check that the peer is still there */

bool outgoing_may_switch_over(Outgoing *o)
{
    /* For a guest that is not running, a long switchover is no loss. QEMU does not wait then
     * either. */
    if (!outgoing_has(o, CAPABILITY_SWITCHOVER_ACK) || o->return_path == NULL ||
        guest_run_state(o->config.guest) != RUN_STATE_RUNNING ||
        source_return_path_wait_ack(o->return_path, 0)) {
        return true;
    }
    if (!o->ack_missed) {
        o->ack_missed = true;
        migration_post(o->migration, ENGINE_EVENT_NOTICE, 0,
                       "ready to switch over, but the destination has not said that it is "
                       "(switchover-ack must be on there too)");
    }
    source_return_path_wait_ack(o->return_path, ACK_STEP_US);
    return false;
}

bool outgoing_pre_switchover(Outgoing *o, MigrationStatus next, GError **error)
{
    Migration *m = o->migration;

    if (!outgoing_has(o, CAPABILITY_PAUSE_BEFORE_SWITCHOVER)) {
        return true;
    }
    if (!migration_move(m, MIGRATION_ACTIVE, MIGRATION_PRE_SWITCHOVER)) {
        return outgoing_check(o, error);
    }
    if (!outgoing_fault(o, "src-pre-switchover", error)) {
        return false;
    }
    while (!atomic_load(&o->go_on)) {
        if (!outgoing_check(o, error)) {
            g_prefix_error(error, "waiting for migrate-continue: ");
            return false;
        }
        MIG_LOCK(&o->lock);
        if (!atomic_load(&o->go_on) && !outgoing_is_cancelled(o)) {
            mig_cond_wait_until(&o->wake, &o->lock, g_get_monotonic_time() + LOOK_US);
        }
    }
    return migration_move(m, MIGRATION_PRE_SWITCHOVER, next) || outgoing_check(o, error);
}

void outgoing_continue(Outgoing *o)
{
    MIG_LOCK(&o->lock);
    atomic_store(&o->go_on, true);
    pthread_cond_broadcast(&o->wake);
}
