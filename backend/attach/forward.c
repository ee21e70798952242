/*
 * Requests for an attached QEMU: checks them against its schema instead of
 * ours, converts them to the form that it supports, and refuses with its name
 * and version what it does not support.
 */
#include <string.h>
#include <unistd.h>

#include "backend/attach/attach-internal.h"
#include "backend/base/address.h"
#include "backend/base/error.h"
#include "backend/base/json.h"
#include "backend/tables/capabilities.h"
#include "backend/tables/parameters.h"

/* ---- the check ---- */

/* The peer is older than release @since. */
static bool is_older(QmpPeer *peer, const char *since)
{
    char *end = NULL;
    unsigned major = (unsigned)g_ascii_strtoull(since, &end, 10);
    unsigned minor = *end == '.' ? (unsigned)g_ascii_strtoull(end + 1, NULL, 10) : 0;

    return qmp_peer_version_number(peer) < major * 10000 + minor * 100;
}

static bool refuse_unknown(QmpPeer *peer, const char *kind, const char *name, const char *since,
                           GError **error)
{
    g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC, "%s does not know the %s '%s'",
                qmp_peer_title(peer), kind, name);
    if (since != NULL && strcmp(since, "migmon") == 0) {
        mig_error_hint(error, "only the guest of migmon itself has it");
    } else if (since != NULL && is_older(peer, since)) {
        mig_error_hint(error, "QEMU has it since %s", since);
    } else if (since != NULL) {
        mig_error_hint(error, "this QEMU does not have it any more, or was built without it");
    }
    return false;
}

static const SchemaMember *member_named(const SchemaCommand *command, const char *name)
{
    for (const SchemaMember *m = command->args; m != NULL && m->name != NULL; m++) {
        if (strcmp(m->name, name) == 0) {
            return m;
        }
    }
    return NULL;
}

/* Checks the members in our tables as usual; QEMU checks those that only it knows. */
static bool check_parameters(QmpPeer *peer, const SchemaCommand *command, json_object *args,
                             GError **error)
{
    json_object *ours = json_object_new_object();
    bool good = true;

    json_object_object_foreach (args, name, value) {
        const ParamDesc *row = param_find(name);

        if (good && !peer_schema_has_parameter(qmp_peer_schema(peer), name)) {
            good = refuse_unknown(peer, "migration parameter", name,
                                  row != NULL ? row->since : NULL, error);
        }
        if (member_named(command, name) != NULL) {
            json_object_object_add(ours, name, json_object_get(value));
        }
    }
    good = good && schema_check_arguments(command, ours, error);
    json_object_put(ours);
    return good;
}

static bool check_capabilities(QmpPeer *peer, const SchemaCommand *command, json_object *args,
                               GError **error)
{
    json_object *list = json_member(args, "capabilities");
    bool foreign = false;

    for (JsonEach row = json_each(list); json_next(&row);) {
        const char *name = json_text(row.value, "capability");
        MigCapability id;
        bool ours = capability_find(name, &id);

        if (*name != '\0' && !peer_schema_has_capability(qmp_peer_schema(peer), name)) {
            return refuse_unknown(peer, "migration capability", name,
                                  ours ? capability_table[id].since : NULL, error);
        }
        foreign |= *name != '\0' && !ours;
    }
    return foreign || schema_check_arguments(command, args, error);
}

bool forward_check(Managed *m, const SchemaCommand *command, json_object *args, GError **error)
{
    QmpPeer *peer = managed_source(m);

    if (qmp_peer_schema(peer) != NULL && strcmp(command->name, "migrate-set-parameters") == 0) {
        return check_parameters(peer, command, args, error);
    }
    if (qmp_peer_schema(peer) != NULL && strcmp(command->name, "migrate-set-capabilities") == 0) {
        return check_capabilities(peer, command, args, error);
    }
    if (qmp_peer_schema(peer) != NULL && strcmp(command->name, "object-add") == 0) {
        return true; /* QEMU checks it: it has more types of objects than our schema */
    }
    return schema_check_arguments(command, args, error);
}

/* ---- addresses ---- */

static char *uri_of_channels(json_object *channels, GError **error)
{
    json_object *addr = json_member(json_at(channels, 0), "addr");
    g_autoptr(Address) address = address_from_json(addr, error);

    return address != NULL ? address_to_uri(address) : NULL;
}

static bool has_argument(QmpPeer *peer, const char *command, const char *argument)
{
    return qmp_peer_schema(peer) != NULL &&
           peer_schema_has_argument(qmp_peer_schema(peer), command, argument);
}

/* The arguments of migrate or migrate-incoming in the form that @peer supports: channels or a
 * URI. Caller puts; NULL with an error that names @peer. */
static json_object *forward_address(QmpPeer *peer, const char *command, json_object *args,
                                    GError **error)
{
    json_object *channels = json_member(args, "channels");
    json_object *sent = json_object_new_object();
    bool as_uri = json_length(channels) == 1 && !has_argument(peer, command, "channels");

    json_object_object_foreach (args, name, value) {
        if (as_uri && strcmp(name, "channels") == 0) {
            g_autofree char *uri = uri_of_channels(channels, error);

            if (uri == NULL) {
                json_object_put(sent);
                return NULL;
            }
            json_add_text(sent, "uri", uri);
        } else if (!has_argument(peer, command, name)) {
            g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC, "%s does not know '%s' of '%s'",
                        qmp_peer_title(peer), name, command);
            json_object_put(sent);
            return NULL;
        } else {
            json_object_object_add(sent, name, json_object_get(value));
        }
    }
    return sent;
}

/* ---- sending ---- */

static void on_answer(json_object *value, const GError *error, void *data)
{
    BackendReply *reply = data;

    if (error != NULL) {
        backend_reply_error(reply, g_error_copy(error));
    } else {
        backend_reply_return(reply, json_object_get(value));
    }
}

/* Sends @command and answers @reply with the result. @fd as in qmp_peer_ask(). */
static void forward_send(QmpPeer *peer, const char *command, json_object *args, int fd,
                         BackendReply *reply)
{
    qmp_peer_ask(peer, command, args, fd, on_answer, reply);
}

static void note_address(Managed *m, json_object *args)
{
    json_object *channels = json_member(args, "channels");
    json_object *uri = json_member(args, "uri");

    g_autofree char *text =
        channels != NULL ? uri_of_channels(channels, NULL) : g_strdup(json_string(uri));

    managed_set_uri(m, text != NULL ? text : "");
}

typedef struct {
    Managed *managed;
    BackendReply *reply;
} Start;

static void on_started(json_object *value, const GError *error, void *data)
{
    g_autofree Start *start = data;

    if (error != NULL) {
        start->managed->starting = false; /* what begins next is somebody else's */
    }
    on_answer(value, error, start->reply);
}

static void forward_migrate(Managed *m, BackendSession *session, const SchemaCommand *command,
                            json_object *args, BackendReply *reply)
{
    GError *error = NULL;
    json_object *sent = forward_address(managed_source(m), command->name, args, &error);

    (void)session;
    if (sent == NULL) {
        backend_reply_error(reply, error);
        return;
    }
    /* A running migration keeps its address: QEMU refuses a second one. */
    bool resume = json_flag(args, "resume");
    if (resume) {
        history_set_resuming(m->history);
    }
    if (history_is_over(m->history) || resume) {
        note_address(m, args);
        history_set_incoming(m->history, strcmp(command->name, "migrate-incoming") == 0);
    }
    Start *start = g_new0(Start, 1);
    *start = (Start){ m, reply };
    qmp_peer_ask(managed_source(m), command->name, sent, -1, on_started, start);
    json_object_put(sent);
}

typedef struct {
    Managed *managed;
    BackendReply *reply;
    bool force;
} Cont;

/* A source that has handed over its guest must not be started again by mistake. */
static void on_looked_for_cont(Steps *steps, const GError *error, void *data)
{
    g_autofree Cont *cont = data;
    QmpPeer *source = managed_source(cont->managed);
    g_autofree char *evidence = NULL;

    (void)steps;
    if (error != NULL || source == NULL) {
        backend_reply_error(cont->reply, error != NULL ? g_error_copy(error)
                                                       : g_error_new(MIG_ERROR, MIG_ERROR_GENERIC,
                                                                     "no source is attached"));
        return;
    }
    const char *owner = managed_owner(cont->managed, &evidence);
    bool moved = strcmp(qmp_peer_run_state(source), "postmigrate") == 0;

    if (moved && !cont->force && strcmp(owner, "here") != 0) {
        GError *told = g_error_new(MIG_ERROR, MIG_ERROR_GENERIC,
                                   "the guest may run elsewhere: owner is %s", owner);

        mig_error_hint(&told, "%s", evidence);
        mig_error_hint(&told, "cont -f runs it here all the same; two running copies destroy each "
                              "other's data");
        backend_reply_error(cont->reply, told);
        return;
    }
    forward_send(source, "cont", NULL, -1, cont->reply);
}

/* The known state can be older than the end of the migration, so it is queried again. */
static void forward_cont(Managed *m, BackendSession *session, const SchemaCommand *command,
                         json_object *args, BackendReply *reply)
{
    Cont *cont = g_new0(Cont, 1);
    Steps *steps = steps_new(m, on_looked_for_cont, g_free, cont);

    (void)session, (void)command;
    *cont = (Cont){ m, reply, json_flag(args, "x-force") };
    steps_add(steps, SIDE_SOURCE, "query-migrate", NULL, "migrate", true);
    steps_add(steps, SIDE_SOURCE, "query-status", NULL, "status", true);
    steps_run(steps);
}

static void forward_with_fd(Managed *m, BackendSession *session, const SchemaCommand *command,
                            json_object *args, BackendReply *reply)
{
    int fd = backend_session_pop_fd(session);

    forward_send(managed_source(m), command->name, args, fd, reply);
}

/* ---- requests through QEMU's human monitor ---- */

/* Fails @reply with what QEMU's human monitor printed. */
static void answer_with_text(BackendReply *reply, const char *text)
{
    g_autofree char *line = g_strchomp(g_strdup(text));

    backend_reply_failure(reply, "%s",
                          g_str_has_prefix(line, "Error: ") ? line + strlen("Error: ") : line);
}

static void on_text(json_object *value, const GError *error, void *data)
{
    BackendReply *reply = data;
    const char *text = json_string(value);

    if (error != NULL) {
        backend_reply_error(reply, g_error_copy(error));
    } else if (*text != '\0') {
        answer_with_text(reply, text);
    } else {
        backend_reply_return(reply, NULL);
    }
}

static void send_line(QmpPeer *peer, const char *line, QmpLinkDone done, BackendReply *reply)
{
    json_object *args = json_object_new_object();

    json_add_text(args, "command-line", line);
    qmp_peer_ask(peer, "human-monitor-command", args, -1, done, reply);
    json_object_put(args);
}

/* "savevm "TAG"" for x-savevm. Caller frees. */
static char *snapshot_line(const SchemaCommand *command, json_object *args)
{
    g_autofree char *quoted = g_strescape(json_text(args, "tag"), NULL);

    return g_strdup_printf(*quoted != '\0' ? "%s \"%s\"" : "%s%s", command->name + strlen("x-"),
                           quoted);
}

/* There savevm, loadvm and delvm are HMP commands only, and their output is an error text. */
static void forward_snapshot(Managed *m, BackendSession *session, const SchemaCommand *command,
                             json_object *args, BackendReply *reply)
{
    g_autofree char *line = snapshot_line(command, args);

    (void)session;
    send_line(managed_source(m), line, on_text, reply);
}

/* How many snapshots named @tag the image of @node has. */
static size_t count_snapshots(json_object *node, const char *tag)
{
    size_t n = 0;

    for (JsonEach row = json_each(json_list(json_member(node, "image"), "snapshots"));
         json_next(&row);) {
        n += strcmp(json_text(row.value, "name"), tag) == 0;
    }
    return n;
}

typedef struct {
    BackendReply *reply;
    char *tag;
} Deletion;

static void deletion_free(void *data)
{
    Deletion *deletion = data;

    g_free(deletion->tag);
    g_free(deletion);
}

/* QEMU's delvm says nothing whether there was such a snapshot or not: what has gone was deleted. */
static void on_deleted(Steps *steps, const GError *error, void *data)
{
    Deletion *deletion = data;
    json_object *before = steps_reply(steps, SIDE_SOURCE, "before");
    json_object *after = steps_reply(steps, SIDE_SOURCE, "after");
    const char *text = json_string(steps_reply(steps, SIDE_SOURCE, "text"));
    json_object *images = json_object_new_array(), *answer = json_object_new_object();

    for (JsonEach node = json_each(before); json_next(&node);) {
        const char *name = json_text(node.value, "node-name");
        size_t left = 0;

        for (JsonEach other = json_each(after); json_next(&other);) {
            left += strcmp(json_text(other.value, "node-name"), name) == 0
                        ? count_snapshots(other.value, deletion->tag)
                        : 0;
        }
        if (count_snapshots(node.value, deletion->tag) > left) {
            json_object *image = json_member(node.value, "image");

            json_object_array_add(images, json_object_new_string(json_text(image, "filename")));
        }
    }
    json_add_flag(answer, "found", json_length(images) > 0);
    json_object_object_add(answer, "images", images);
    if (error != NULL) {
        backend_reply_error(deletion->reply, g_error_copy(error));
        json_object_put(answer);
    } else if (*text != '\0') {
        answer_with_text(deletion->reply, text);
        json_object_put(answer);
    } else {
        backend_reply_return(deletion->reply, answer);
    }
    deletion_free(deletion);
}

static void forward_delvm(Managed *m, BackendSession *session, const SchemaCommand *command,
                          json_object *args, BackendReply *reply)
{
    Deletion *deletion = g_new0(Deletion, 1);
    Steps *steps = steps_new(m, on_deleted, deletion_free, deletion);
    g_autofree char *line = snapshot_line(command, args);

    (void)session;
    *deletion = (Deletion){ reply, g_strdup(json_text(args, "tag")) };
    steps_add(steps, SIDE_SOURCE, "query-named-block-nodes", NULL, "before", false);
    steps_add(steps, SIDE_SOURCE, "human-monitor-command",
              json_object_with_text("command-line", line), "text", true);
    steps_add(steps, SIDE_SOURCE, "query-named-block-nodes", NULL, "after", false);
    steps_run(steps);
}

static void on_snapshots(json_object *value, const GError *error, void *data)
{
    BackendReply *reply = data;

    if (error != NULL) {
        backend_reply_error(reply, g_error_copy(error));
        return;
    }
    g_autofree char *text = g_strchomp(g_strdup(json_string(value)));
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    json_object *list = json_object_new_array();
    for (char **line = lines; *line != NULL; line++) {
        json_object_array_add(list, json_object_new_string(g_strchomp(*line)));
    }
    backend_reply_return(reply, list);
}

/* QEMU's own table. Only its human monitor makes it. */
static void forward_info_snapshots(Managed *m, BackendSession *session,
                                   const SchemaCommand *command, json_object *args,
                                   BackendReply *reply)
{
    (void)session, (void)command, (void)args;
    send_line(managed_source(m), "info snapshots", on_snapshots, reply);
}

static void on_peer_text(json_object *value, const GError *error, void *data)
{
    BackendReply *reply = data;

    if (error != NULL) {
        backend_reply_error(reply, g_error_copy(error));
        return;
    }
    g_auto(GStrv) parts = g_strsplit(json_object_get_string(value), "\r\n", -1);
    g_autofree char *text = g_strjoinv("\n", parts);
    backend_reply_return(reply, json_object_new_string(text));
}

void managed_peer_command(Managed *m, BackendSession *session, json_object *args,
                          BackendReply *reply)
{
    json_object *which = json_member(args, "side");
    bool there = which != NULL && strcmp(json_object_get_string(which), "destination") == 0;
    QmpPeer *peer = there ? managed_destination(m) : managed_source(m);

    (void)session;
    if (peer == NULL) {
        backend_reply_failure(reply, "no QEMU is attached as the %s",
                              side_name(there ? SIDE_DESTINATION : SIDE_SOURCE));
        return;
    }
    send_line(peer, json_object_get_string(json_member(args, "command-line")), on_peer_text, reply);
}

/* ---- dispatch ---- */

static const struct {
    const char *name;
    void (*run)(Managed *m, BackendSession *session, const SchemaCommand *command,
                json_object *args, BackendReply *reply);
} special[] = {
    { "add-fd", forward_with_fd },
    { "cont", forward_cont },
    { "getfd", forward_with_fd },
    { "migrate", forward_migrate },
    { "migrate-incoming", forward_migrate },
    { "x-delvm", forward_delvm },
    { "x-loadvm", forward_snapshot },
    { "x-query-snapshots", forward_info_snapshots },
    { "x-savevm", forward_snapshot },
};

void forward_execute(Managed *m, BackendSession *session, const SchemaCommand *command,
                     json_object *args, BackendReply *reply)
{
    for (size_t i = 0; i < G_N_ELEMENTS(special); i++) {
        if (strcmp(special[i].name, command->name) == 0) {
            special[i].run(m, session, command, args, reply);
            return;
        }
    }
    forward_send(managed_source(m), command->name, args, -1, reply);
}
