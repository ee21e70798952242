/*
 * Attaching and detaching monitors, and their events. Events of the source
 * are emitted as events of this backend; events of the destination are
 * emitted as X_PEER.
 */
#include <string.h>

#include "backend/attach/attach-internal.h"
#include "backend/base/error.h"
#include "backend/base/json.h"

static void forget_target(Managed *m)
{
    g_clear_pointer(&m->target, json_object_put);
}

G_GNUC_PRINTF(2, 3)
static void emit_notice(Managed *m, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    backend_emit_notice(&m->base, text, false, g_get_real_time());
}

/* ---- events of an end ---- */

/* More events than that in the time of connecting: the oldest are dropped. */
enum { MAX_EARLY = 1000 };

static void early_free(void *data)
{
    BackendEvent *event = data;

    g_free((char *)event->name);
    json_object_put(event->data);
    g_free(event);
}

/* Another client of ours may already use this end, and wait for what the event says. */
static void keep_early(End *end, const BackendEvent *event)
{
    BackendEvent *kept = g_new0(BackendEvent, 1);

    *kept = *event;
    kept->name = g_strdup(event->name);
    kept->data = json_object_get(event->data);
    g_queue_push_tail(&end->early, kept);
    if (g_queue_get_length(&end->early) > MAX_EARLY) {
        early_free(g_queue_pop_head(&end->early));
    }
}

static void on_event(const BackendEvent *event, void *data)
{
    End *end = data;
    Managed *m = end->managed;
    json_object *status = NULL;

    if (end->connecting != NULL) { /* the first look has not been reported yet */
        keep_early(end, event);
        return;
    }
    if (end->side == SIDE_SOURCE) {
        backend_emit(&m->base, event);
        if (strcmp(event->name, "MIGRATION") == 0 &&
            json_object_object_get_ex(event->data, "status", &status)) {
            settle_status(m, json_object_get_string(status), event->time_us);
        }
        return;
    }

    json_object *told = json_object_new_object();
    json_add_text(told, "side", side_name(end->side));
    json_add_text(told, "event", event->name);
    if (event->data != NULL) {
        json_object_object_add(told, "data", json_object_get(event->data));
    }
    backend_emit(&m->base,
                 &(BackendEvent){
                     .name = "X_PEER", .data = told, .time_us = event->time_us, .hidden = true });
    json_object_put(told);
}

static void on_seen(json_object *info, void *data)
{
    End *end = data;

    if (end->side == SIDE_SOURCE && end->peer != NULL) {
        history_seen(end->managed->history, info, qmp_peer_parameters(end->peer));
    }
}

static void on_notice(const char *text, void *data)
{
    End *end = data;

    emit_notice(end->managed, "%s", text);
}

/* ---- the commands of its human monitor ---- */

/* "name|alias arguments -- help" */
static json_object *read_help(const char *text)
{
    json_object *list = json_object_new_array();
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

    for (char **line = lines; *line != NULL; line++) {
        size_t n = strcspn(*line, " \r");

        if (n > 0 && strstr(*line, " -- ") != NULL && g_ascii_islower(**line)) {
            g_autofree char *names = g_strndup(*line, n);
            g_auto(GStrv) each = g_strsplit(names, "|", -1);

            for (char **name = each; *name != NULL; name++) {
                json_object_array_add(list, json_object_new_string(*name));
            }
        }
    }
    return list;
}

static void on_help(json_object *value, const GError *error, void *data)
{
    End *end = data;

    if (error == NULL && end->peer != NULL && json_object_is_type(value, json_type_string)) {
        json_object_put(end->commands);
        end->commands = read_help(json_object_get_string(value));
        forget_target(end->managed);
    }
}

static void ask_help(End *end)
{
    json_object *args = json_object_new_object();

    json_add_text(args, "command-line", "help");
    qmp_peer_ask(end->peer, "human-monitor-command", args, -1, on_help, end);
    json_object_put(args);
}

/* ---- attaching ---- */

/* Begins the history: the source may be in the middle of a migration or wait for a guest. */
static void begin_history(Managed *m)
{
    QmpPeer *source = managed_source(m);
    const char *status = qmp_peer_status(source);

    history_free(m->history);
    m->history = history_new();
    /* Only a source reports what it sends. */
    history_set_incoming(m->history, strcmp(qmp_peer_run_state(source), "inmigrate") == 0 ||
                                         (strcmp(status, "completed") == 0 &&
                                          json_member(qmp_peer_info(source), "ram") == NULL));
    if (strcmp(status, "none") != 0) {
        history_status(m->history, status, g_get_real_time());
        on_seen(qmp_peer_info(source), &m->ends[SIDE_SOURCE]);
    }
}

static void tell_status(Managed *m)
{
    json_object *told = json_object_new_object();

    json_add_text(told, "status", history_last_status(m->history));
    backend_emit(&m->base, &(BackendEvent){ .name = "MIGRATION",
                                            .data = told,
                                            .time_us = g_get_real_time(),
                                            .hidden = true });
    json_object_put(told);
}

static void on_ready(const GError *error, void *data)
{
    End *end = data;
    Managed *m = end->managed;
    BackendReply *reply = g_steal_pointer(&end->connecting);

    forget_target(m);
    if (reply == NULL) { /* it has reconnected */
        if (!m->observe) {
            ask_help(end);
        }
        return;
    }
    if (error != NULL) {
        GError *told = g_error_copy(error);

        g_prefix_error(&told, "the %s could not be attached: ", side_name(end->side));
        managed_drop_end(m, end->side);
        backend_reply_error(reply, told);
        return;
    }
    if (end->side == SIDE_SOURCE) {
        begin_history(m);
    }
    if (!m->observe) {
        ask_help(end);
    }
    backend_reply_return(reply, json_object_get(managed_target(m)));
    for (BackendEvent *event; (event = g_queue_pop_head(&end->early)) != NULL;) {
        on_event(event, end);
        early_free(event);
    }
    if (end->side == SIDE_SOURCE && !history_is_over(m->history)) {
        tell_status(m); /* a migration is running: commands that wait for one need its status */
    }
}

static const QmpPeerCallbacks peer_callbacks = {
    .ready = on_ready,
    .event = on_event,
    .seen = on_seen,
    .notice = on_notice,
};

void managed_drop_end(Managed *m, Side side)
{
    End *end = &m->ends[side];
    QmpPeer *peer = g_steal_pointer(&end->peer);

    if (side == SIDE_SOURCE) {
        settle_clear(m);
        managed_set_uri(m, ""); /* belongs to a migration of that guest */
    }
    if (peer != NULL && restore_forget(&m->restore, side)) {
        emit_notice(m,
                    "%s keeps the settings that migrate_to made there: it is let go of "
                    "before they could be put back",
                    qmp_peer_title(peer));
    }
    g_clear_pointer(&end->commands, json_object_put);
    g_queue_clear_full(&end->early, early_free);
    forget_target(m);
    qmp_peer_free(peer);
    if (end->connecting != NULL) {
        backend_reply_error(
            g_steal_pointer(&end->connecting),
            g_error_new(MIG_ERROR, MIG_ERROR_CANCELLED, "the connection was given up"));
    }
}

/* The guest of this process is moving, so no other source may replace it. */
static bool engine_is_busy(const Managed *m)
{
    return managed_source(m) == NULL && m->engine_busy;
}

/* A monitor serves one client: if @address is attached as the other side, that is detached. */
static void drop_same(Managed *m, Side side, const char *address)
{
    QmpPeer *peer = m->ends[side].peer;
    g_autofree char *uri =
        *address == '/' ? g_strconcat("unix:", address, NULL) : g_strdup(address);

    if (peer != NULL && strcmp(qmp_peer_address(peer), uri) == 0) {
        managed_drop_end(m, side);
    }
}

void managed_connect(Managed *m, BackendSession *session, json_object *args, BackendReply *reply)
{
    const char *which = json_text(args, "side");
    Side side = strcmp(which, "destination") == 0 ? SIDE_DESTINATION : SIDE_SOURCE;
    const QmpPeerOptions options = {
        .side = side_name(side),
        .times = m->times,
        .observe = m->observe,
    };
    End *end = &m->ends[side];
    GError *error = NULL;

    (void)session;
    if (settle_first(m, managed_connect, args, reply)) {
        return;
    }
    if (m->moving != NULL || (side == SIDE_SOURCE && engine_is_busy(m))) {
        backend_reply_failure(reply, "a migration is under way; migrate_cancel ends it");
        return;
    }
    QmpPeer *peer =
        qmp_peer_new(json_text(args, "address"), &options, &peer_callbacks, end, &error);
    if (peer == NULL) {
        backend_reply_error(reply, error); /* the present end stays attached */
        return;
    }
    managed_drop_end(m, side); /* the new peer connects from the main loop, so after this */
    drop_same(m, !side, json_text(args, "address"));
    end->peer = peer;
    end->connecting = reply;
}

void managed_disconnect(Managed *m, BackendSession *session, json_object *args, BackendReply *reply)
{
    const char *which = json_text(args, "side");
    bool any = false;

    (void)session;
    if (settle_first(m, managed_disconnect, args, reply)) {
        return;
    }
    if (m->moving != NULL) {
        backend_reply_failure(reply, "migrate_to is at work: every step of it ends before long");
        return;
    }
    for (int side = SIDE__COUNT; side-- > 0;) {
        if (m->ends[side].peer != NULL &&
            (*which == '\0' || strcmp(which, side_name((Side)side)) == 0)) {
            any = true;
            managed_drop_end(m, (Side)side);
        }
    }
    if (any) {
        backend_reply_return(reply, NULL);
    } else {
        backend_reply_failure(reply, "nothing is attached");
    }
}
