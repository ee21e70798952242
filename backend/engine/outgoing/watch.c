/*
 * While the guest is paused before the commit, a thread checks whether the destination still reads
 * bytes or answers. When it does neither for x-switchover-timeout, the attempt is given up: all
 * connections are shut down, every wait of the migration ends, and the guest runs on here. Pauses
 * that an operator ends, and a guest that was paused before, have no limit.
 *
 * The thread is made before the guest stops.
 */
#include "backend/engine/outgoing/outgoing-internal.h"

#include "backend/base/error.h"
#include "backend/base/fault.h"

static void add_unread(const Transport *t, void *data)
{
    uint64_t *sum = data;

    *sum += t != NULL ? transport_progress(t).unread : 0;
}

uint64_t outgoing_unread(void *outgoing)
{
    Outgoing *o = outgoing;
    uint64_t sum = 0;
    MIG_LOCK(&o->lock);

    add_unread(o->transport, &sum);
    if (o->lane != NULL && o->lane->ops->each != NULL) {
        o->lane->ops->each(o->lane, add_unread, &sum);
    }
    return sum;
}

static void look_at(const Transport *t, void *data)
{
    PeerLook *look = data;

    if (t != NULL) {
        TransportProgress progress = transport_progress(t);

        look->owes = look->owes || progress.blocked || progress.unread > 0;
        look->moved += progress.written - progress.unread;
    }
}

/* Under the lock. */
static PeerLook look_at_peer(Outgoing *o)
{
    PeerLook look = { .owes = wait_clock_is_running(&o->waits.answer) };

    look_at(o->transport, &look);
    if (o->lane->ops->each != NULL) {
        o->lane->ops->each(o->lane, look_at, &look);
    }
    if (o->return_path != NULL) {
        look.moved += source_return_path_received(o->return_path);
    }
    return look;
}

/* Under the lock. */
static void give_up(Outgoing *o, uint64_t timeout_ms)
{
    int open = DECISION_OPEN;

    /* The package of postcopy is offered after the decision, and can be taken back until its last
     * byte is out. */
    if (!atomic_compare_exchange_strong(&o->decision, &open, DECISION_GIVEN_UP) &&
        (open != DECISION_COMMITTED || !o->watch.package)) {
        return;
    }
    o->watch.silent_ms = timeout_ms;
    o->watch.awaited_answer = wait_clock_is_running(&o->waits.answer);
    o->watch.armed = false;
    atomic_store(&o->watch.gave_up, true);
    outgoing_shut_down(o);
}

static void *watch_main(void *data)
{
    Outgoing *o = data;
    PeerWatch watch = { 0 };
    MIG_LOCK(&o->lock);

    while (!o->watch.quit) {
        uint64_t timeout_ms = atomic_load(&o->config.settings->x_switchover_timeout);
        int64_t now = g_get_monotonic_time();

        if (!o->watch.armed) {
            pthread_cond_wait(&o->wake, &o->lock);
        } else if (peer_watch_look(&watch, look_at_peer(o), now, timeout_ms)) {
            give_up(o, timeout_ms);
        } else {
            mig_cond_wait_until(&o->wake, &o->lock, now + PEER_WATCH_STEP_US);
        }
    }
    return NULL;
}

bool outgoing_watch_new(Outgoing *o, GError **error)
{
    if (o->config.to_file) {
        return true; /* there is no peer */
    }
    o->watch.thread = fault_thread_new("thread-src-watch", "mig/src/watch", watch_main, o, error);
    return o->watch.thread != NULL;
}

void outgoing_watch_begin(Outgoing *o)
{
    MIG_LOCK(&o->lock);

    o->watch.armed = o->ran;
    pthread_cond_broadcast(&o->wake);
}

void outgoing_watch_package(Outgoing *o)
{
    MIG_LOCK(&o->lock);
    o->watch.package = true;
}

void outgoing_watch_end(Outgoing *o)
{
    MIG_LOCK(&o->lock);

    o->watch.armed = false;
    o->watch.quit = true;
    pthread_cond_broadcast(&o->wake);
}

void outgoing_watch_free(Outgoing *o)
{
    outgoing_watch_end(o);
    if (o->watch.thread != NULL) {
        g_thread_join(g_steal_pointer(&o->watch.thread));
    }
}

bool outgoing_gave_up(Outgoing *o, GError **error)
{
    if (!atomic_load(&o->watch.gave_up)) {
        return false;
    }
    g_set_error(error, MIG_ERROR, MIG_ERROR_IO,
                "the destination did not answer for %g s while the guest was paused%s",
                (double)o->watch.silent_ms / 1000,
                o->watch.awaited_answer ? "" : ": it takes no more bytes");
    mig_error_hint(error, "x-switchover-timeout is how long the guest may stay paused for a "
                          "destination that does nothing");
    return true;
}
