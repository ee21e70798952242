/*
 * A thread checks whether the destination still takes bytes or answers. When it does neither for
 * too long, all connections are shut down and every wait of the migration ends:
 *
 *     the guest runs            x-stall-timeout       the attempt fails; in postcopy it is paused
 *     paused, before the commit x-switchover-timeout  the attempt fails, the guest runs on here
 *     paused, after the commit  x-handover-timeout    the owner is unknown
 *
 * While the guest runs an answer does not count, only bytes that are taken. Pauses that an operator
 * ends have no limit.
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
    bool answers = o->watch.phase != WATCH_RUNNING;
    PeerLook look = { .owes = answers && wait_clock_is_running(&o->waits.answer) };

    look_at(o->transport, &look);
    if (o->lane->ops->each != NULL) {
        o->lane->ops->each(o->lane, look_at, &look);
    }
    if (answers && o->return_path != NULL) {
        look.moved += source_return_path_received(o->return_path);
    }
    return look;
}

static uint64_t timeout_ms(const Outgoing *o)
{
    const LiveSettings *settings = o->config.settings;

    switch (o->watch.phase) {
    case WATCH_RUNNING:
        return atomic_load(&settings->x_stall_timeout);
    case WATCH_PAUSED:
        return atomic_load(&settings->x_switchover_timeout);
    case WATCH_COMMITTED:
        return atomic_load(&settings->x_handover_timeout);
    case WATCH_NOTHING:
        break;
    }
    return 0;
}

/* Under the lock: whether the attempt can still end here. */
static bool may_give_up(Outgoing *o)
{
    int open = DECISION_OPEN;

    if (o->watch.phase == WATCH_COMMITTED) {
        return true;
    }
    /* The package of postcopy is offered after the decision, and can be taken back until its last
     * byte is out. Once the guest has left, only the connection is given up. */
    return atomic_compare_exchange_strong(&o->decision, &open, DECISION_GIVEN_UP) ||
           (open == DECISION_COMMITTED && (o->watch.package || atomic_load(&o->left)));
}

/* Under the lock. */
static void give_up(Outgoing *o, uint64_t silent_ms)
{
    WatchPhase phase = o->watch.phase;

    o->watch.phase = WATCH_NOTHING;
    if (!may_give_up(o)) {
        return;
    }
    o->watch.silent_ms = silent_ms;
    o->watch.awaited_answer = wait_clock_is_running(&o->waits.answer);
    atomic_store(&o->watch.gave_up, phase);
    outgoing_shut_down(o);
}

static void *watch_main(void *data)
{
    Outgoing *o = data;
    PeerWatch watch = { 0 };
    WatchPhase phase = WATCH_NOTHING;
    MIG_LOCK(&o->lock);

    while (!o->watch.quit) {
        uint64_t limit_ms = timeout_ms(o);
        int64_t now = g_get_monotonic_time();

        if (phase != o->watch.phase) {
            phase = o->watch.phase;
            watch = (PeerWatch){ 0 };
        }
        if (limit_ms == 0) {
            watch = (PeerWatch){ 0 };
            pthread_cond_wait(&o->wake, &o->lock);
        } else if (peer_watch_look(&watch, look_at_peer(o), now, limit_ms)) {
            give_up(o, limit_ms);
        } else {
            mig_cond_wait_until(&o->wake, &o->lock, now + PEER_WATCH_STEP_US);
        }
    }
    return NULL;
}

bool outgoing_watch_new(Outgoing *o, GError **error)
{
    if (outgoing_to_file(o)) {
        return true; /* there is no peer */
    }
    o->watch.phase = WATCH_RUNNING;
    o->watch.thread = fault_thread_new("thread-src-watch", "mig/src/watch", watch_main, o, error);
    return o->watch.thread != NULL;
}

void outgoing_watch_for(Outgoing *o, WatchPhase phase)
{
    MIG_LOCK(&o->lock);

    o->watch.phase = phase == WATCH_PAUSED && !o->ran ? WATCH_RUNNING : phase;
    o->watch.package = false;
    pthread_cond_broadcast(&o->wake);
}

void outgoing_watch_package(Outgoing *o)
{
    MIG_LOCK(&o->lock);
    o->watch.package = true;
}

void outgoing_watch_free(Outgoing *o)
{
    pthread_mutex_lock(&o->lock);
    o->watch.quit = true;
    pthread_cond_broadcast(&o->wake);
    pthread_mutex_unlock(&o->lock);
    if (o->watch.thread != NULL) {
        g_thread_join(g_steal_pointer(&o->watch.thread));
    }
}

void outgoing_watch_again(Outgoing *o, WatchPhase phase)
{
    atomic_store(&o->watch.gave_up, WATCH_NOTHING);
    outgoing_watch_for(o, phase);
}

bool outgoing_prefer_stall(Outgoing *o, GError **error)
{
    GError *stall = NULL;

    if (!outgoing_gave_up(o, &stall)) {
        return false;
    }
    g_clear_error(error);
    *error = stall;
    return true;
}

bool outgoing_gave_up(Outgoing *o, GError **error)
{
    WatchPhase phase = (WatchPhase)atomic_load(&o->watch.gave_up);
    double s = phase != WATCH_NOTHING ? (double)o->watch.silent_ms / 1000 : 0;

    switch (phase) {
    case WATCH_NOTHING:
        return false;
    case WATCH_RUNNING:
        g_set_error(error, MIG_ERROR, MIG_ERROR_IO, "the destination took no byte for %g s", s);
        mig_error_hint(error, "x-stall-timeout is how long a destination may take nothing while "
                              "the guest runs");
        return true;
    case WATCH_PAUSED:
        g_set_error(error, MIG_ERROR, MIG_ERROR_IO,
                    "the destination did not answer for %g s while the guest was paused%s", s,
                    o->watch.awaited_answer ? "" : ": it takes no more bytes");
        mig_error_hint(error, "x-switchover-timeout is how long the guest may stay paused for a "
                              "destination that does nothing");
        return true;
    case WATCH_COMMITTED:
        g_set_error(error, MIG_ERROR, MIG_ERROR_IO,
                    "the destination took no byte for %g s after the hand-over", s);
        return true;
    }
    return false;
}
