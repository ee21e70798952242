/*
 * See peer.h. All requests go through qmp_peer_ask(), and all replies are
 * evaluated at one place. The poll is a request like the others; it is skipped
 * when another request has just fetched the state.
 */
#include "backend/qmp/peer-internal.h"

#include <string.h>

#include "backend/base/clock.h"
#include "backend/base/error.h"
#include "backend/base/json.h"

/* Poll intervals of the migration without other queries: during a migration, and when idle without
 * events. */
#define BUSY_MS 250
#define IDLE_MS 2000

/* Sent in this order whenever the connection has come up. */
static const char *const first_questions[] = {
    "query-qmp-schema",
    "query-version",
    "query-name",
    "query-uuid",
    "query-status",
    "query-migrate-capabilities",
    "query-migrate-parameters",
    "query-migrate",
};

typedef struct {
    QmpPeer *peer;
    char *command;
    json_object *arguments;
    QmpLinkDone done;
    void *data;
} Ask;

/* ---- reporting ---- */

static void notice(QmpPeer *peer, const char *format, ...) G_GNUC_PRINTF(2, 3);

static void notice(QmpPeer *peer, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    peer->callbacks->notice(text, peer->data);
}

/* "; A; B" with the facts known in addition to the first sentence. */
static char *circumstances(const QmpPeer *peer)
{
    g_autofree char *process = qmp_peer_process(peer);
    g_autofree char *knowledge = qmp_peer_knowledge(peer);

    return g_strdup_printf("%s%s; %s", *process != '\0' ? "; " : "", process, knowledge);
}

/* ---- requests ---- */

static void schedule_poll(QmpPeer *peer);
static void look(QmpPeer *peer);

static void on_answer(json_object *value, const GError *error, void *data)
{
    Ask *ask = data;
    const SchemaCommand *command = schema_find_command(ask->command);
    g_autoptr(GError) odd = NULL;

    if (error == NULL && command != NULL && !schema_reply_fits(command->returns, value)) {
        g_set_error(&odd, MIG_ERROR, MIG_ERROR_FORMAT,
                    "the answer to '%s' is not of the kind that the schema says", ask->command);
        error = odd;
        value = NULL;
    }
    if (error == NULL && !ask->peer->freed) {
        bool noted = peer_note_reply(ask->peer, ask->command, ask->arguments, value);

        if (strcmp(ask->command, "query-migrate") == 0) {
            schedule_poll(ask->peer);
        } else if (!noted && !g_str_has_prefix(ask->command, "query-")) {
            look(ask->peer); /* the command may have changed the migration */
        }
    }
    if (ask->done != NULL) {
        ask->done(value, error, ask->data);
    }
    json_object_put(ask->arguments);
    g_free(ask->command);
    g_free(ask);
}

typedef struct {
    QmpLinkDone done;
    void *data;
    GError *error;
} Refusal;

static void unref(QmpPeer *peer)
{
    if (--peer->refs == 0) {
        g_free(peer);
    }
}

/* Reports the errors of refused requests; none may be reported after the peer is freed. */
static gboolean deliver_refusals(void *data)
{
    QmpPeer *peer = data;
    Refusal *refusal;

    peer->refusing = 0;
    peer->refs++; /* a done callback may free the peer */
    while ((refusal = g_queue_pop_head(&peer->refused)) != NULL) {
        if (refusal->done != NULL) {
            refusal->done(NULL, refusal->error, refusal->data);
        }
        g_error_free(refusal->error);
        g_free(refusal);
    }
    unref(peer);
    return G_SOURCE_REMOVE;
}

static void refuse(QmpPeer *peer, QmpLinkDone done, void *data, GError *error)
{
    Refusal *refusal = g_new0(Refusal, 1);

    *refusal = (Refusal){ done, data, error };
    g_queue_push_tail(&peer->refused, refusal);
    if (peer->refusing == 0) {
        peer->refusing = g_idle_add_full(G_PRIORITY_DEFAULT, deliver_refusals, peer, NULL);
    }
}

static GError *refusal_of(const QmpPeer *peer, const char *command)
{
    GError *error = NULL;

    if (peer->observe && !g_str_has_prefix(command, "query-")) {
        g_set_error(&error, MIG_ERROR, MIG_ERROR_UNSUPPORTED,
                    "'%s' is not sent: --observe sends nothing but queries", command);
    } else if (peer->schema != NULL && !peer_schema_has_command(peer->schema, command)) {
        g_set_error(&error, MIG_ERROR, MIG_ERROR_COMMAND_NOT_FOUND,
                    "%s does not have the command '%s'", peer->title, command);
    }
    return error;
}

void qmp_peer_ask(QmpPeer *peer, const char *command, json_object *arguments, int fd,
                  QmpLinkDone done, void *data)
{
    GError *error = refusal_of(peer, command);
    bool oob = strcmp(command, "migrate-recover") == 0 || strcmp(command, "migrate-pause") == 0;

    if (error != NULL) {
        if (fd >= 0) {
            close(fd);
        }
        refuse(peer, done, data, error);
        return;
    }

    Ask *ask = g_new0(Ask, 1);
    *ask = (Ask){ peer, g_strdup(command), json_object_get(arguments), done, data };
    qmp_link_send(peer->link, command, arguments, oob, fd, on_answer, ask);
}

/* ---- polling ---- */

static void on_polled(json_object *value, const GError *error, void *data)
{
    QmpPeer *peer = data;

    (void)value, (void)error;
    if (!peer->freed) {
        peer->polling = false;
        schedule_poll(peer);
    }
}

static gboolean on_poll(void *data)
{
    QmpPeer *peer = data;

    peer->poll = 0;
    if (!peer->polling && qmp_peer_answers(peer)) {
        peer->polling = true;
        qmp_peer_ask(peer, "query-migrate", NULL, -1, on_polled, peer);
    }
    return G_SOURCE_REMOVE;
}

/* Counted from the last reply. */
static void schedule_poll(QmpPeer *peer)
{
    bool running = peer_is_running(peer->status) || peer->differs > 0;
    int64_t passed_ms = (mig_clock_now_us() - peer->seen_us) / 1000;
    int64_t period = running ? BUSY_MS : IDLE_MS;

    g_clear_handle_id(&peer->poll, g_source_remove);
    if (peer->polling || !peer->told_ready || (!running && peer->events_on)) {
        return;
    }
    peer->poll = g_timeout_add((guint)MAX(period - passed_ms, 1), on_poll, peer);
}

/* Polls now, because a migration was started or is about to change. */
static void look(QmpPeer *peer)
{
    g_clear_handle_id(&peer->poll, g_source_remove);
    if (!peer->polling && peer->told_ready) {
        peer->poll = g_idle_add_full(G_PRIORITY_DEFAULT, on_poll, peer, NULL);
    }
}

static void on_status(json_object *value, const GError *error, void *data)
{
    QmpPeer *peer = data;

    (void)value, (void)error;
    if (!peer->freed) {
        peer->asks_status = false;
    }
}

/* "paused" is ambiguous, so the name of the run state is queried. */
static void ask_status(QmpPeer *peer)
{
    if (!peer->asks_status && peer->told_ready) {
        peer->asks_status = true;
        qmp_peer_ask(peer, "query-status", NULL, -1, on_status, peer);
    }
}

/* ---- the link ---- */

static void on_event(const char *name, json_object *event_data, int64_t time_us, void *data)
{
    QmpPeer *peer = data;
    const BackendEvent event = {
        .name = name, .data = event_data, .time_us = time_us, .attached = true
    };

    if (g_str_has_prefix(name, "X_")) {
        return; /* these events are only created by this program */
    }
    if (strcmp(name, "MIGRATION") == 0) {
        const char *status = json_text(event_data, "status");

        if (*status == '\0') {
            return;
        }
        peer->events_on = true;
        peer->differs = 0;
        peer_set_text(&peer->status, status);
        look(peer);
        ask_status(peer);
    } else if (strcmp(name, "STOP") == 0 || strcmp(name, "RESUME") == 0) {
        peer_set_text(&peer->run_state, *name == 'S' ? "paused" : "running");
        ask_status(peer);
    }
    peer->callbacks->event(&event, peer->data);
}

static void be_ready(QmpPeer *peer)
{
    if (!peer->told_ready) {
        peer->told_ready = true;
        schedule_poll(peer);
        peer->callbacks->ready(NULL, peer->data);
        return;
    }
    schedule_poll(peer);
    if (peer->was_lost) {
        peer->was_lost = false;
        notice(peer, "%s is connected again: guest %s, migration %s", peer->title, peer->run_state,
               peer->status);
    }
    peer->callbacks->ready(NULL, peer->data);
}

static void ask_first(QmpPeer *peer);

static void on_first_answer(json_object *value, const GError *error, void *data)
{
    QmpPeer *peer = data;

    (void)value;
    if (peer->freed) {
        return;
    }
    if (error != NULL && g_error_matches(error, MIG_ERROR, MIG_ERROR_IO)) {
        if (!peer->told_ready) {
            peer->told_ready = true;
            peer->callbacks->ready(error, peer->data);
        }
        return;
    }
    peer->question++;
    ask_first(peer);
}

static void ask_first(QmpPeer *peer)
{
    if (peer->question < G_N_ELEMENTS(first_questions)) {
        qmp_peer_ask(peer, first_questions[peer->question], NULL, -1, on_first_answer, peer);
    } else {
        be_ready(peer);
    }
}

static void on_up(json_object *greeting, void *data)
{
    QmpPeer *peer = data;
    json_object *version = json_member(greeting, "version");

    if (version != NULL) {
        peer_note_version(peer, version);
    }
    g_clear_pointer(&peer->schema, peer_schema_free); /* another program may answer now */
    peer->question = 0;
    peer->polling = false;
    ask_first(peer);
}

static void on_down(const GError *error, void *data)
{
    QmpPeer *peer = data;
    g_autofree char *known = NULL;

    g_clear_handle_id(&peer->poll, g_source_remove);
    if (!peer->told_ready) {
        peer->told_ready = true;
        peer->callbacks->ready(error, peer->data);
        return;
    }
    peer->was_lost = true;
    known = circumstances(peer);
    notice(peer, "%s is lost: %s%s; it is looked for again", peer->title, error->message, known);
}

static void on_silent(const char *command, unsigned ms, void *data)
{
    QmpPeer *peer = data;
    g_autofree char *known = circumstances(peer);

    if (peer->told_ready) {
        notice(peer, "%s has not answered '%s' for %.1f s%s", peer->title, command, ms / 1e3,
               known);
    }
}

static void on_answers(const char *command, unsigned ms, void *data)
{
    QmpPeer *peer = data;

    peer->polling = false;
    if (!peer->told_ready) {
        return;
    }
    notice(peer, "%s answers again, '%s' took %.1f s", peer->title, command, ms / 1e3);
    if (peer->question < G_N_ELEMENTS(first_questions)) {
        ask_first(peer); /* continues the questions that the silence interrupted */
    } else {
        look(peer);
    }
}

static const QmpLinkCallbacks link_callbacks = {
    .up = on_up,
    .down = on_down,
    .event = on_event,
    .silent = on_silent,
    .answers = on_answers,
};

QmpPeer *qmp_peer_new(const char *address, const QmpPeerOptions *options,
                      const QmpPeerCallbacks *callbacks, void *data, GError **error)
{
    QmpPeer *peer = g_new0(QmpPeer, 1);

    peer->link = qmp_link_new(address, &options->times, &link_callbacks, peer, error);
    if (peer->link == NULL) {
        g_free(peer);
        return NULL;
    }
    peer->refs = 1;
    peer->side = g_strdup(options->side);
    peer->title = g_strdup_printf("the %s (%s)", peer->side, qmp_link_address(peer->link));
    qmp_link_set_name(peer->link, peer->title);
    peer->version = g_strdup("QEMU");
    peer->observe = options->observe;
    peer->callbacks = callbacks;
    peer->data = data;
    peer->name = g_strdup("");
    peer->uuid = g_strdup("");
    peer->run_state = g_strdup("unknown");
    peer->status = g_strdup("none");
    peer->info = json_object_new_object();
    peer->parameters = json_object_new_object();
    peer->capabilities = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    return peer;
}

void qmp_peer_free(QmpPeer *peer)
{
    if (peer == NULL) {
        return;
    }
    peer->freed = true;
    g_clear_handle_id(&peer->poll, g_source_remove);
    qmp_link_free(peer->link);
    g_clear_handle_id(&peer->refusing, g_source_remove);
    deliver_refusals(peer);
    peer_schema_free(peer->schema);
    json_object_put(peer->info);
    json_object_put(peer->parameters);
    g_hash_table_unref(peer->capabilities);
    g_free(peer->side);
    g_free(peer->title);
    g_free(peer->version);
    g_free(peer->name);
    g_free(peer->uuid);
    g_free(peer->run_state);
    g_free(peer->status);
    unref(peer);
}
