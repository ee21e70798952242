/*
 * The destination's side of the engine: listening, incoming attempts and how they end. Main thread.
 */
#include "backend/engine/engine-internal.h"

#include "backend/base/error.h"
#include "backend/base/fd.h"
#include "backend/base/inherited-fd.h"
#include "backend/tables/info.h"

/* Channels that come within this time are taken for those of one source. */
#define SAME_SOURCE_US (10 * G_USEC_PER_SEC)
#define DRAIN_SECONDS  2 /* how long the source may take to close after the guest has arrived */

void engine_stop_listening(Engine *e)
{
    engine_multifd_drop_early(e);
    g_clear_pointer(&e->listener, listener_free);
    g_clear_pointer(&e->incoming_address, address_free);
}

/* ---- the end of an attempt ---- */

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

void engine_reap_incoming(Engine *e)
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
        engine_stop_listening(e);
    } else {
        listener_set_busy(e->listener, false);
    }
}

void engine_reap_arrived(Engine *e)
{
    if (e->incoming != NULL && guest_run_state(e->guest) != RUN_STATE_INMIGRATE &&
        migration_status_is_over(migration_get_status(incoming_record(e->incoming)))) {
        engine_reap_incoming(e);
    }
}

/* ---- listening ---- */

static void notice(Engine *e, const char *text)
{
    event_post(e->events, ENGINE_EVENT_NOTICE, text);
}

/* Makes the record of an incoming attempt; it is in setup until a source connects. Listening does
 * not change who owns the guest in this memory. */
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
    engine_set_last(e, m);
    migration_move(m, MIGRATION_NONE, MIGRATION_SETUP);
    return m;
}

/* Where a source can connect, with the port that the kernel chose; NULL = nowhere. */
static char *listening_uri(const Engine *e)
{
    const GPtrArray *addresses = e->listener != NULL && listener_is_reusable(e->listener)
                                     ? listener_addresses(e->listener)
                                     : NULL;

    return addresses != NULL && addresses->len > 0 ? address_to_uri(g_ptr_array_index(addresses, 0))
                                                   : NULL;
}

/* ---- connections ---- */

static void refuse_channel(Engine *e, const Transport *transport, const char *why)
{
    g_autofree char *text =
        g_strdup_printf("dropped a connection from %s: %s", transport_name(transport), why);

    notice(e, text);
}

/* A connection that is not a main channel; @transport is taken. */
static void take_postcopy_channel(Engine *e, ChannelType type, Transport *transport)
{
    g_autoptr(Transport) own = transport;
    g_autoptr(GError) error = NULL;

    if (type == CHANNEL_RECOVERY) {
        if (!transport_is_two_way(own)) {
            refuse_channel(e, own, "it goes one way only, and a recovery needs answers");
        } else if (engine_in_postcopy(e) && incoming_recover(e->incoming, own)) {
            g_steal_pointer(&own);
        } else {
            refuse_channel(e, own, "no postcopy is paused here");
        }
    } else if (e->incoming == NULL || !incoming_add_channel(e->incoming, own, &error)) {
        refuse_channel(e, own, error != NULL ? error->message : "no migration runs");
    } else {
        g_steal_pointer(&own);
    }
}

void engine_want_channels(Engine *e)
{
    bool paused = engine_is_paused(e, false);

    listener_want(e->listener, CHANNEL_RECOVERY, paused);
    listener_want(e->listener, CHANNEL_MULTIFD,
                  capability_is_on(e->capabilities, CAPABILITY_MULTIFD)
                      ? (unsigned)e->parameters.multifd_channels
                      : 0);
    listener_want(e->listener, CHANNEL_PAGES,
                  capability_is_on(e->capabilities, CAPABILITY_POSTCOPY_PREEMPT));
    if (paused) {
        listener_set_busy(e->listener, true); /* no new source may replace the guest */
    }
}

static bool door_is_open(void *data)
{
    const Engine *e = data;

    return e->listener == NULL || listener_is_open(e->listener);
}

static void on_channel(Listener *l, ChannelType type, Transport *transport, void *data)
{
    Engine *e = data;
    g_autoptr(Migration) m = NULL;
    g_autoptr(GError) error = NULL;

    if (type == CHANNEL_MULTIFD) {
        engine_multifd_channel(e, transport);
        return;
    }
    if (type == CHANNEL_MAIN && engine_in_postcopy(e)) {
        type = CHANNEL_RECOVERY; /* a descriptor: its first bytes were not examined */
    }
    if (type != CHANNEL_MAIN) {
        take_postcopy_channel(e, type, transport);
        return;
    }
    listener_set_busy(l, true);
    incoming_free(g_steal_pointer(&e->incoming));
    if (e->last != NULL && !e->last->outgoing && migration_get_status(e->last) == MIGRATION_SETUP) {
        m = migration_ref(e->last);
        migration_note_begin(m);
    } else {
        m = new_incoming_attempt(e, transport_name(transport));
    }
    migration_note_connected(m);
    migration_move(m, MIGRATION_SETUP, MIGRATION_ACTIVE);
    g_autofree char *uri = listening_uri(e);
    const IncomingConfig config = {
        .guest = e->guest,
        .timer = &e->timer,
        .migration = m,
        .transport = transport,
        .capabilities = e->capabilities,
        .parameters = e->parameters,
        .door_is_open = door_is_open,
        .door_data = e,
        .silent_ms = listener_is_reusable(l) ? INCOMING_SILENT_MS : 0,
        .listens = uri,
    };
    e->incoming = incoming_new(&config, e->autostart, &error);
    if (e->incoming == NULL) {
        migration_set_error(m, error->message);
        migration_move(m, MIGRATION_ACTIVE, MIGRATION_FAILED);
        if (listener_is_reusable(l)) {
            listener_set_busy(l, false);
        } else {
            engine_stop_listening(e);
        }
        return;
    }
    /* The main channel of a source may come after its other channels were refused. */
    if (e->multifd_refused_us != 0 &&
        g_get_monotonic_time() - e->multifd_refused_us < SAME_SOURCE_US) {
        incoming_note_multifd(e->incoming);
    }
    e->multifd_refused_us = 0;
    engine_multifd_hand_over_early(e);
}

static void on_listener_notice(Listener *l, const char *text, void *data)
{
    (void)l;
    notice(data, text);
}

/* An attempt whose source connected, and was refused before there was an Incoming, fails. */
static void fail_before_source(Engine *e, const char *why)
{
    g_autofree char *first_line = g_strndup(why, (gsize)(mig_error_hints(why) - why));
    g_autofree char *text = NULL;

    if (e->last == NULL || e->last->outgoing || migration_get_status(e->last) != MIGRATION_SETUP) {
        return;
    }
    text = g_strdup_printf("migration from %s failed: %s", e->last->peer, why);
    migration_note_connected(e->last);
    migration_set_error(e->last, first_line);
    migration_set_outcome(e->last, text);
    migration_move(e->last, MIGRATION_SETUP, MIGRATION_FAILED);
}

static void on_lost(Listener *l, const char *text, void *data)
{
    Engine *e = data;

    (void)l;
    fail_before_source(e, text);
    engine_stop_listening(e);
}

/* QEMU from 9.0 on sends nothing on the main channel before all channels have answered: then there
 * is no attempt yet that could say why it failed. */
static void on_unexpected(Listener *l, ChannelType type, void *data)
{
    Engine *e = data;

    (void)l;
    if (type != CHANNEL_MULTIFD) {
        return;
    }
    e->multifd_refused_us = g_get_monotonic_time();
    if (e->incoming != NULL) {
        if (!engine_in_postcopy(e)) {
            incoming_note_multifd(e->incoming);
        }
        return;
    }
    fail_before_source(e, INCOMING_NO_MULTIFD);
}

static bool source_has_left(void *data)
{
    const Engine *e = data;

    /* A paused postcopy waits for its own source as long as the operator likes. */
    return e->incoming != NULL && !engine_in_postcopy(e) && incoming_source_has_left(e->incoming);
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
        engine_stop_listening(e);
        return;
    }
    if (e->last == NULL || e->last->outgoing ||
        migration_status_is_over(migration_get_status(e->last))) {
        g_autofree char *uri = address_to_uri(e->incoming_address);
        migration_unref(new_incoming_attempt(e, uri));
    }
    (void)l;
    engine_want_channels(e);
    if (guest_run_state(e->guest) == RUN_STATE_POSTMIGRATE) {
        /* The guest left and may come back: its RAM here is kept until the new one arrives. */
        guest_stop(e->guest, RUN_STATE_INMIGRATE);
        engine_dirty_let_go(e);
        e->holds_departed = !guest_is_empty(e->guest);
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
        .lost = on_lost,
        .unexpected = on_unexpected,
        .busy_answer = "\0\1\0\4\0\0\0\2", /* SHUT_BUSY */
        .busy_answer_size = 8,
        .source_has_left = source_has_left,
        .tls = engine_tls_server,
    };

    e->incoming_address = address_copy(address);
    e->incoming_reply = reply;
    e->listener = listener_new(address, fd, &callbacks, on_listener_ready, e);
}

/* migrate-incoming takes a number as a descriptor that this process inherited, and a name as one of
 * getfd. */
static bool take_incoming_fd(BackendSession *session, const Address *address, int *ret_fd,
                             GError **error)
{
    if (address->kind != ADDRESS_FD || !g_ascii_isdigit(address->path[0])) {
        return engine_take_named_fd(session, address, ret_fd, error);
    }
    *ret_fd = inherited_fd_take(address->path, error);
    return *ret_fd >= 0;
}

void engine_migrate_incoming(Engine *e, BackendSession *session, json_object *args,
                             BackendReply *reply)
{
    g_autoptr(GError) address_error = NULL;
    g_autoptr(Address) address =
        engine_address_from_arguments(args, "migrate-incoming", &address_error);
    g_auto(MigFd) fd = -1;
    GError *error = NULL;

    engine_reap_arrived(e);

    Facts facts = engine_facts(e);
    facts.address = address;
    facts.address_error = address_error;
    if (!rules_allow(RULE_LISTEN, &facts, &error) ||
        !take_incoming_fd(session, address, &fd, &error)) {
        g_autofree char *uri = listening_uri(e);

        if (uri != NULL) {
            mig_error_hint(&error, "this side listens on %s: a source may connect", uri);
        }
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
    engine_stop_listening(e);
    e->holds_departed = false;
    return true;
}

json_object *engine_listening_addresses(const Engine *e)
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
