/*
 * The migration commands of the engine. Main thread.
 *
 * Order of the checks is QEMU's: the shape of the arguments (schema), uri against channels, the
 * address, the state of this side, then whatever starting finds. An attempt gets a record
 * (Migration) once nothing but starting it can go wrong, so that a refused command leaves no trace.
 */
#include "backend/engine/engine-internal.h"

#include <string.h>
#include <unistd.h>

#include "backend/base/error.h"
#include "backend/base/fd.h"
#include "backend/base/inherited-fd.h"
#include "backend/info.h"

#define DRAIN_SECONDS 2 /* after the guest has arrived: for the source to close */

bool engine_migration_runs(const Engine *e)
{
    return e->last != NULL && !migration_status_is_over(migration_get_status(e->last)) &&
           (e->outgoing != NULL || e->incoming != NULL);
}

/* The newest attempt is the one that people ask about. */
static void set_last(Engine *e, Migration *m)
{
    migration_unref(e->last);
    e->last = migration_ref(m);
}

/* ---- addresses ---- */

static Address *address_from_arguments(json_object *args, const char *command, GError **error)
{
    json_object *uri = json_object_object_get(args, "uri");
    json_object *channels = json_object_object_get(args, "channels");
    size_t n = channels != NULL ? json_object_array_length(channels) : 0;

    if (uri != NULL && n > 0) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC,
                    "'uri' and 'channels' arguments are mutually exclusive; exactly one of the two "
                    "should be present in '%s' qmp command ",
                    command);
        return NULL;
    }
    if (uri == NULL && n == 0) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC,
                    "neither 'uri' or 'channels' argument are specified in '%s' qmp command ",
                    command);
        return NULL;
    }
    if (n > 1) {
        g_set_error_literal(error, MIG_ERROR, MIG_ERROR_GENERIC,
                            "Channel list has more than one entries");
        return NULL;
    }
    if (uri != NULL) {
        return address_from_uri(json_object_get_string(uri), error);
    }
    return address_from_json(json_object_object_get(json_object_array_get_idx(channels, 0), "addr"),
                             error);
}

/* A descriptor that getfd gave to this session. */
static bool take_named_fd(BackendSession *session, const Address *address, MigFd *ret_fd,
                          GError **error)
{
    if (address->kind != ADDRESS_FD) {
        return true;
    }
    *ret_fd = backend_session_take_named_fd(session, address->path);
    if (*ret_fd < 0) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC,
                    "File descriptor named '%s' has not been found", address->path);
        mig_error_hint(error, "pass it on this monitor with getfd (SCM_RIGHTS) first");
        return false;
    }
    return true;
}

/* ---- the end of an attempt ---- */

static void stop_listening(Engine *e)
{
    g_clear_pointer(&e->listener, listener_free);
    g_clear_pointer(&e->incoming_address, address_free);
}

static gboolean on_drain_timeout(void *data)
{
    Engine *e = data;

    e->drain_timer = 0;
    incoming_shutdown(e->incoming); /* the thread ends, ENGINE_EVENT_ENDED comes */
    return G_SOURCE_REMOVE;
}

void engine_migration_completed(Engine *e, Migration *m)
{
    if (e->incoming != NULL && m == incoming_record(e->incoming) && e->drain_timer == 0) {
        e->drain_timer = g_timeout_add_seconds(DRAIN_SECONDS, on_drain_timeout, e);
    }
}

static void reap_incoming(Engine *e)
{
    bool arrived = guest_run_state(e->guest) != RUN_STATE_INMIGRATE;

    if (e->drain_timer != 0) {
        g_source_remove(e->drain_timer);
        e->drain_timer = 0;
    }
    if (incoming_has_dropped(e->incoming)) {
        e->holds_departed = false;
    }
    incoming_free(g_steal_pointer(&e->incoming));
    if (e->listener == NULL) {
        return;
    }
    if (arrived || !listener_is_reusable(e->listener)) {
        stop_listening(e);
    } else {
        listener_set_busy(e->listener, false);
    }
}

/* The guest may leave again while its arrival's thread still waits for the source to close. */
static void reap_arrived(Engine *e)
{
    if (e->incoming != NULL && guest_run_state(e->guest) != RUN_STATE_INMIGRATE &&
        migration_status_is_over(migration_get_status(incoming_record(e->incoming)))) {
        reap_incoming(e);
    }
}

/* Of an attempt that is over: its thread is on its last line. */
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
        reap_incoming(e);
    }
    if (e->outgoing != NULL && m == outgoing_record(e->outgoing)) {
        reap_outgoing(e);
    }
}

/* ---- outgoing ---- */

static Owner last_owner(const Engine *e)
{
    g_autofree char *evidence = NULL;

    return e->last != NULL ? migration_get_owner(e->last, &evidence) : OWNER_HERE;
}

static bool may_migrate(Engine *e, BackendSession *session, json_object *args, GError **error)
{
    engine_warn_disks(session, args);
    if (json_object_get_boolean(json_object_object_get(args, "resume"))) {
        g_set_error_literal(error, MIG_ERROR, MIG_ERROR_GENERIC,
                            "Cannot resume if there is no paused migration");
        return false;
    }
    if (engine_migration_runs(e)) {
        g_set_error_literal(error, MIG_ERROR, MIG_ERROR_GENERIC,
                            "There's a migration process in progress");
        mig_error_hint(error, "info migrate shows it, migrate_cancel ends it");
        return false;
    }
    if (guest_run_state(e->guest) == RUN_STATE_INMIGRATE) {
        g_set_error_literal(error, MIG_ERROR, MIG_ERROR_GENERIC,
                            "Guest is waiting for an incoming migration");
        return false;
    }
    if (guest_run_state(e->guest) == RUN_STATE_POSTMIGRATE || last_owner(e) != OWNER_HERE) {
        g_set_error_literal(error, MIG_ERROR, MIG_ERROR_GENERIC,
                            "Can't migrate the vm that was paused due to previous migration");
        mig_error_hint(error, "owner is %s; migrate_incoming takes the guest back from where it is",
                       owner_name(last_owner(e)));
        return false;
    }
    return engine_refuse_migration(e, args, error);
}

/* What can fail at once; the record then says failed, as QEMU does for files, descriptors and
 * children. */
static bool start_outgoing(Engine *e, Migration *m, const Address *address, MigFd *fd,
                           GError **error)
{
    g_autoptr(DirtyTracker) tracker = NULL;
    g_autoptr(Connector) connector = NULL;
    size_t n;
    RamBlock *const *blocks = guest_blocks(e->guest, &n);

    if (guest_n_vcpus(e->guest) > 0) {
        tracker = dirty_tracker_new(e->tracker_kind, blocks, n, error);
        if (tracker == NULL) {
            return false;
        }
    }
    connector = connector_new(address, *fd, error);
    if (connector == NULL) {
        return false;
    }
    mig_fd_steal(fd);
    const OutgoingConfig config = {
        .guest = e->guest,
        .settings = &e->settings,
        .timer = &e->timer,
        .migration = m,
        .predecessor = e->outgoing,
        .connector = g_steal_pointer(&connector),
        .tracker = g_steal_pointer(&tracker),
        .return_path = capability_is_on(e->capabilities, CAPABILITY_RETURN_PATH),
        .handover = e->parameters.x_handover != 0,
        .validate_uuid = capability_is_on(e->capabilities, CAPABILITY_VALIDATE_UUID),
        .to_file = address->kind == ADDRESS_FILE,
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
    g_autoptr(Address) address = address_from_arguments(args, "migrate", &error);
    g_auto(MigFd) fd = -1;

    if (address == NULL || !may_migrate(e, session, args, &error) ||
        !take_named_fd(session, address, &fd, &error)) {
        backend_reply_error(reply, error);
        return;
    }

    g_autofree char *peer = address_to_uri(address);
    g_autoptr(Migration) m = migration_new(e->events, true, peer);
    reap_arrived(e);
    if (e->cont_reply != NULL) {
        engine_settle_cont(e); /* it waited for the attempt before this one, which is over */
    }
    set_last(e, m);
    migration_set_owner(m, OWNER_HERE, "it has not been handed over"); /* may_migrate() made sure */
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
    /* QEMU does nothing on a destination; but a source that went silent must not hold it for ever.
     */
    if (e->incoming != NULL && guest_run_state(e->guest) == RUN_STATE_INMIGRATE) {
        incoming_shutdown(e->incoming);
    }
    event_queue_drain(e->events);
    backend_reply_return(reply, NULL);
}

/* ---- incoming ---- */

static void notice(Engine *e, const char *text)
{
    event_post(e->events, ENGINE_EVENT_NOTICE, NULL, 0, text);
}

/* The newest incoming attempt; until a source comes it stands in setup. The owner of what is in
 * memory here does not change by listening. */
static Migration *new_incoming_attempt(Engine *e, const char *peer)
{
    g_autofree char *evidence = NULL;
    Migration *m = migration_new(e->events, false, peer);

    if (e->last != NULL) {
        Owner owner = migration_get_owner(e->last, &evidence);
        migration_set_owner(m, owner, evidence);
    } else {
        migration_set_owner(m, OWNER_NONE, "this side waits for a guest");
    }
    set_last(e, m);
    migration_move(m, MIGRATION_NONE, MIGRATION_SETUP);
    return m;
}

static void on_channel(Listener *l, ChannelType type, Transport *transport, void *data)
{
    Engine *e = data;
    g_autoptr(Migration) m = NULL;
    g_autoptr(GError) error = NULL;

    g_assert(type == CHANNEL_MAIN);
    listener_set_busy(l, true);
    incoming_free(g_steal_pointer(&e->incoming));
    if (e->last != NULL && !e->last->outgoing && migration_get_status(e->last) == MIGRATION_SETUP) {
        m = migration_ref(e->last);
        migration_note_begin(m);
    } else {
        m = new_incoming_attempt(e, transport_name(transport));
    }
    migration_move(m, MIGRATION_SETUP, MIGRATION_ACTIVE);
    const IncomingConfig config = {
        .guest = e->guest,
        .timer = &e->timer,
        .migration = m,
        .transport = transport,
    };
    e->incoming = incoming_new(&config, e->autostart, &error);
    if (e->incoming == NULL) {
        migration_set_error(m, error->message);
        migration_move(m, MIGRATION_ACTIVE, MIGRATION_FAILED);
        listener_set_busy(l, false);
    }
}

static void on_listener_notice(Listener *l, const char *text, void *data)
{
    (void)l;
    notice(data, text);
}

static void on_listener_ready(Listener *l, const GError *error, void *data)
{
    Engine *e = data;
    BackendReply *reply = g_steal_pointer(&e->incoming_reply);

    if (error != NULL) {
        if (reply == NULL) {
            g_autofree char *uri = address_to_uri(e->incoming_address);
            g_autofree char *text = g_strdup_printf("--incoming %s: %s", uri, error->message);

            notice(e, text);
            json_object *o = json_object_new_object();
            json_object_object_add(o, "text", json_object_new_string(text));
            backend_emit(&e->base, &(BackendEvent){ .name = "X_INCOMING_FAILED",
                                                    .data = o,
                                                    .time_us = g_get_real_time(),
                                                    .hidden = true });
            json_object_put(o);
        } else {
            backend_reply_error(reply, g_error_copy(error));
        }
        stop_listening(e);
        return;
    }
    if (e->last == NULL || e->last->outgoing ||
        migration_status_is_over(migration_get_status(e->last))) {
        g_autofree char *uri = address_to_uri(e->incoming_address);
        migration_unref(new_incoming_attempt(e, uri));
    }
    (void)l;
    if (guest_run_state(e->guest) == RUN_STATE_POSTMIGRATE) {
        /* The guest went out and shall come back: what is here is dropped when it does. */
        guest_stop(e->guest, RUN_STATE_INMIGRATE);
        e->holds_departed = true;
        e->autostart = true;
    }
    event_queue_drain(e->events);
    if (reply != NULL) {
        backend_reply_return(reply, NULL);
    }
}

void engine_listen(Engine *e, const Address *address, int fd, BackendReply *reply)
{
    static const ListenerCallbacks callbacks = {
        .channel = on_channel,
        .notice = on_listener_notice,
    };

    e->incoming_address = address_copy(address);
    e->incoming_reply = reply;
    e->listener = listener_new(address, fd, &callbacks, on_listener_ready, e);
}

/* migrate-incoming takes a number as a descriptor that this process was started with, a name as one
 * of getfd's. */
static bool take_incoming_fd(BackendSession *session, const Address *address, MigFd *ret_fd,
                             GError **error)
{
    if (address->kind != ADDRESS_FD || !g_ascii_isdigit(address->path[0])) {
        return take_named_fd(session, address, ret_fd, error);
    }
    *ret_fd = inherited_fd_take(address->path, error);
    return *ret_fd >= 0;
}

void engine_migrate_incoming(Engine *e, BackendSession *session, json_object *args,
                             BackendReply *reply)
{
    RunState state = guest_run_state(e->guest);
    g_autoptr(Address) address = NULL;
    g_auto(MigFd) fd = -1;
    GError *error = NULL;

    reap_arrived(e);
    if (e->incoming_address != NULL || (e->incoming != NULL && engine_migration_runs(e))) {
        backend_reply_failure(reply, "The incoming migration has already been started");
        return;
    }
    if (state != RUN_STATE_INMIGRATE && state != RUN_STATE_POSTMIGRATE) {
        if (e->last != NULL && !e->last->outgoing) {
            backend_reply_failure(reply, "The incoming migration has already been started");
        } else {
            backend_reply_failure(reply, "'-incoming' was not specified on the command line");
        }
        return;
    }
    if (state == RUN_STATE_POSTMIGRATE && last_owner(e) == OWNER_UNKNOWN &&
        migration_get_status(e->last) == MIGRATION_FAILED) {
        error = g_error_new_literal(MIG_ERROR, MIG_ERROR_GENERIC,
                                    "the guest was handed over but nobody confirmed it: "
                                    "its memory here may be the only copy");
        mig_error_hint(&error,
                       "look at the destination; if it does not run there, cont -f runs it here");
        backend_reply_error(reply, error);
        return;
    }
    address = address_from_arguments(args, "migrate-incoming", &error);
    if (address == NULL || !engine_refuse_tls(e->parameters.tls_creds, &error) ||
        !take_incoming_fd(session, address, &fd, &error)) {
        backend_reply_error(reply, error);
        return;
    }
    engine_listen(e, address, mig_fd_steal(&fd), reply);
}

bool engine_stop_waiting(Engine *e)
{
    if (!e->holds_departed || e->incoming != NULL) {
        return false;
    }
    stop_listening(e);
    e->holds_departed = false;
    return true;
}

void engine_migrate_clear(Engine *e)
{
    if (e->drain_timer != 0) {
        g_source_remove(e->drain_timer);
    }
    stop_listening(e);
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

static json_object *listening_addresses(const Engine *e)
{
    json_object *list;
    const GPtrArray *addresses;

    if (e->listener == NULL || !listener_is_reusable(e->listener)) {
        return NULL;
    }
    addresses = listener_addresses(e->listener);
    list = json_object_new_array();
    for (guint i = 0; i < addresses->len; i++) {
        json_object_array_add(list, address_to_socket_address(g_ptr_array_index(addresses, i)));
    }
    return list;
}

void engine_query_migrate(Engine *e, BackendSession *session, json_object *args,
                          BackendReply *reply)
{
    MigInfo info = { 0 };
    g_autofree char *error = NULL;

    (void)session, (void)args;
    if (e->last != NULL) {
        migration_fill_info(e->last, &info, &error);
    }
    info.socket_address = listening_addresses(e);
    backend_reply_return(reply, mig_info_to_json(&info));
    json_object_put(info.socket_address);
}
