/*
 * Run control and plain queries of the engine. Main thread.
 */
#include "backend/engine/engine-internal.h"

#include "backend/base/error.h"

/* ---- stop and cont ---- */

/*
 * The threads of a migration stop and start the guest too, so a run state read here may be out of
 * date. Each step names the state that it leaves; if the state has changed meanwhile, the command
 * starts again from the beginning.
 */

/* Emits STOP or RESUME before the reply of the present command. */
static void announce(Engine *e, EngineEventType type)
{
    event_post(e->events, type, NULL);
    event_queue_drain(e->events);
}

static void wish_autostart(Engine *e, bool autostart)
{
    e->autostart = autostart;
    if (e->incoming != NULL) {
        incoming_set_autostart(e->incoming, autostart);
    }
}

void engine_stop(Engine *e, BackendSession *session, json_object *args, BackendReply *reply)
{
    bool done = false;

    (void)session, (void)args;
    while (!done) {
        done = true;
        switch (guest_run_state(e->guest)) {
        case RUN_STATE_INMIGRATE:
            wish_autostart(e, false);
            done = guest_run_state(e->guest) == RUN_STATE_INMIGRATE;
            break;
        case RUN_STATE_FINISH_MIGRATE:
            if (e->outgoing != NULL) {
                outgoing_keep_stopped(e->outgoing);
            }
            done = guest_run_state(e->guest) == RUN_STATE_FINISH_MIGRATE;
            break;
        case RUN_STATE_RUNNING:
            done = guest_change(e->guest, RUN_STATE_RUNNING, RUN_STATE_PAUSED);
            if (done) {
                announce(e, ENGINE_EVENT_STOP);
            }
            break;
        default:
            break;
        }
    }
    backend_reply_return(reply, NULL);
}

static void refuse_second_copy(Engine *e, Owner owner, const char *evidence, BackendReply *reply)
{
    GError *error = g_error_new(MIG_ERROR, MIG_ERROR_GENERIC,
                                "the guest may run elsewhere: owner is %s", owner_name(owner));

    mig_error_hint(&error, "%s (%s)", evidence, e->last->peer);
    mig_error_hint(
        &error, "cont -f runs it here all the same; two running copies destroy each other's data");
    backend_reply_error(reply, error);
}

/* The operator answers for the other copy, if there is one. What is known of it must not be lost.
 */
static void note_taken_back(Migration *m, const char *known)
{
    g_autofree char *evidence =
        g_strdup_printf("cont -f took it back; another copy may run at %s: %s", m->peer, known);
    g_autofree char *text = g_strdup_printf(
        "migration %s %s: cont -f runs the guest here as it was when it was handed over. Another "
        "copy may run (%s); the two can never be joined again",
        m->outgoing ? "to" : "from", m->peer, known);

    migration_set_owner(m, OWNER_HERE, evidence);
    migration_set_outcome(m, text);
}

/* Starts the guest from @state, which no migration thread leaves by itself. False: the state has
 * changed, try again. */
static bool cont_standing(Engine *e, RunState state, bool force, BackendReply *reply)
{
    g_autofree char *evidence = NULL;
    Owner owner = e->last != NULL ? migration_get_owner(e->last, &evidence) : OWNER_HERE;

    if (owner != OWNER_HERE && !force) {
        refuse_second_copy(e, owner, evidence, reply);
        return true;
    }
    GError *error = NULL;
    if (guest_is_empty(e->guest)) {
        error = g_error_new_literal(MIG_ERROR, MIG_ERROR_GENERIC,
                                    "the guest's memory here was given back (release-ram): there "
                                    "is nothing left to run");
        mig_error_hint(&error, "migrate_incoming takes the guest back from where it is");
        backend_reply_error(reply, error);
        return true;
    }
    if (!guest_claim_ram(e->guest, &error)) {
        mig_error_hint(&error, "the guest that runs in it would be destroyed, so -f does not help");
        backend_reply_error(reply, error);
        return true;
    }
    if (!guest_change(e->guest, state, RUN_STATE_RUNNING)) {
        return false;
    }
    if (owner != OWNER_HERE) {
        note_taken_back(e->last, evidence);
    }
    announce(e, ENGINE_EVENT_RESUME);
    backend_reply_return(reply, NULL);
    return true;
}

/* Force works only on a source that waits for the verdict; before the commit the operator uses
 * migrate_cancel. */
static void cont_in_switchover(Engine *e, bool force, BackendReply *reply)
{
    g_autofree char *evidence = NULL;

    bool waits = e->outgoing != NULL && e->cont_reply == NULL;
    bool may_force =
        engine_is_paused(e, true) || (migration_get_owner(e->last, &evidence) == OWNER_UNKNOWN &&
                                      !migration_is_in_postcopy(e->last));

    if (!force || !waits || !may_force) {
        backend_reply_failure(reply, "Migration is not finalized yet");
        return;
    }
    e->cont_reply = reply;
    outgoing_abandon(e->outgoing); /* engine_settle_cont() follows when the thread is done */
}

void engine_settle_cont(Engine *e)
{
    BackendReply *reply = g_steal_pointer(&e->cont_reply);
    g_autofree char *evidence = NULL;
    RunState state = guest_run_state(e->guest);
    Owner owner = migration_get_owner(e->last, &evidence);

    if (owner == OWNER_PEER) {
        /* The destination's answer came while the wait for it was ended: it has the guest, so -f
         * would make a second copy. */
        refuse_second_copy(e, owner, evidence, reply);
    } else if (state == RUN_STATE_RUNNING) {
        backend_reply_return(reply, NULL); /* refused there: it runs here again */
    } else if (!cont_standing(e, state, true, reply)) {
        backend_reply_failure(reply, "Migration is not finalized yet");
    }
}

static void cont_inmigrate(Engine *e, bool force, BackendReply *reply)
{
    if (!force) {
        backend_reply_return(reply, NULL);
    } else if (!engine_stop_waiting(e)) {
        backend_reply_failure(reply, "Guest is waiting for an incoming migration");
    } else {
        /* The guest was paused here before migrate_incoming, and no source has overwritten its
         * memory. */
        cont_standing(e, RUN_STATE_INMIGRATE, true, reply);
    }
}

void engine_cont(Engine *e, BackendSession *session, json_object *args, BackendReply *reply)
{
    bool force = json_object_get_boolean(json_object_object_get(args, "x-force"));
    bool done = false;

    (void)session;
    while (!done) {
        RunState state = guest_run_state(e->guest);

        switch (state) {
        case RUN_STATE_INMIGRATE:
            if (!force) {
                wish_autostart(e, true);
                if (guest_run_state(e->guest) != RUN_STATE_INMIGRATE) {
                    continue; /* it has just arrived */
                }
            }
            cont_inmigrate(e, force, reply);
            done = true;
            break;
        case RUN_STATE_RUNNING:
            backend_reply_return(reply, NULL);
            done = true;
            break;
        case RUN_STATE_FINISH_MIGRATE:
            cont_in_switchover(e, force, reply);
            done = true;
            break;
        default:
            done = cont_standing(e, state, force, reply);
            break;
        }
    }
}

void engine_quit(Engine *e, BackendSession *session, json_object *args, BackendReply *reply)
{
    (void)session, (void)args;
    backend_reply_return(reply, NULL);
    backend_emit_shutdown(&e->base, "host-qmp-quit");
}

/* ---- queries ---- */

void engine_query_status(Engine *e, BackendSession *session, json_object *args, BackendReply *reply)
{
    RunState state = guest_run_state(e->guest);
    json_object *o = json_object_new_object();

    (void)session, (void)args;
    json_object_object_add(o, "status", json_object_new_string(run_state_name(state)));
    json_object_object_add(o, "singlestep", json_object_new_boolean(false));
    json_object_object_add(o, "running", json_object_new_boolean(state == RUN_STATE_RUNNING));
    backend_reply_return(reply, o);
}

void engine_query_name(Engine *e, BackendSession *session, json_object *args, BackendReply *reply)
{
    json_object *o = json_object_new_object();

    (void)session, (void)args;
    if (guest_name(e->guest)[0] != '\0') {
        json_object_object_add(o, "name", json_object_new_string(guest_name(e->guest)));
    }
    backend_reply_return(reply, o);
}

void engine_query_uuid(Engine *e, BackendSession *session, json_object *args, BackendReply *reply)
{
    json_object *o = json_object_new_object();

    (void)session, (void)args;
    json_object_object_add(o, "UUID", json_object_new_string(guest_uuid(e->guest)));
    backend_reply_return(reply, o);
}

void engine_query_version(Engine *e, BackendSession *session, json_object *args,
                          BackendReply *reply)
{
    json_object *o = json_object_new_object();
    json_object *qemu = json_object_new_object();

    (void)e, (void)session, (void)args;
    json_object_object_add(qemu, "micro", json_object_new_int(0));
    json_object_object_add(qemu, "minor", json_object_new_int(2));
    json_object_object_add(qemu, "major", json_object_new_int(8));
    json_object_object_add(o, "qemu", qemu);
    json_object_object_add(o, "package", json_object_new_string("migmon-" MIGMON_VERSION));
    backend_reply_return(reply, o);
}
