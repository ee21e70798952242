/*
 * Requests about an attached QEMU that QEMU itself cannot answer: the owner
 * of the guest with the evidence, the history, the guest in short lines.
 * Owner and history are answered from what was observed, without waiting for
 * a QEMU that does not answer. Only the history waits for settling to end,
 * which is bounded.
 */
#include <inttypes.h>
#include <string.h>

#include "backend/attach/attach-internal.h"
#include "backend/base/error.h"
#include "backend/base/json.h"
#include "backend/base/size.h"

/* ---- the owner ---- */

#define HERE    "here"
#define PEER    "peer (confirmed)"
#define SENT    "unknown (commit sent)"
#define UNKNOWN "unknown (no answer)"
#define NONE    "none"
#define LOST    "lost"

static bool is(const char *text, const char *wanted)
{
    return strcmp(text, wanted) == 0;
}

/* "the destination (...): guest running, migration completed", or why the state is not known. */
static char *sentence(QmpPeer *peer)
{
    g_autofree char *trouble = qmp_peer_trouble(peer);

    if (*trouble == '\0') {
        return g_strdup_printf("%s says: guest %s, migration %s", qmp_peer_title(peer),
                               qmp_peer_run_state(peer), qmp_peer_status(peer));
    }
    g_autofree char *process = qmp_peer_process(peer);
    g_autofree char *known = qmp_peer_knowledge(peer);
    return g_strdup_printf("%s %s; %s%s%s", qmp_peer_title(peer), trouble, process,
                           *process != '\0' ? "; " : "", known);
}

static bool has_ended(QmpPeer *peer)
{
    g_autofree char *process = qmp_peer_process(peer);

    return !qmp_peer_answers(peer) && strstr(process, "has ended") != NULL;
}

static bool runs(QmpPeer *peer)
{
    return peer != NULL && qmp_peer_answers(peer) && is(qmp_peer_run_state(peer), "running");
}

/* The destination reports that it has received the whole guest. */
static bool has_arrived(QmpPeer *peer)
{
    return peer != NULL && qmp_peer_answers(peer) && !is(qmp_peer_run_state(peer), "inmigrate") &&
           is(qmp_peer_status(peer), "completed");
}

/* savevm and snapshot-save leave a completed "migration" that took no time, and the guest as it
 * was: after one that moved the guest its run state is postmigrate. */
bool managed_was_snapshot(QmpPeer *source)
{
    json_object *info = qmp_peer_info(source);

    return is(json_text(info, "status"), "completed") && json_member(info, "total-time") != NULL &&
           json_number(info, "total-time") == 0 && json_member(info, "ram") != NULL &&
           !is(qmp_peer_run_state(source), "postmigrate") &&
           !is(qmp_peer_run_state(source), "unknown");
}

/* The owner when the source answers. */
static const char *owner_by_source(const Managed *m, QmpPeer *source, QmpPeer *destination,
                                   const char **ret_more)
{
    const char *status = qmp_peer_status(source);
    const char *state = qmp_peer_run_state(source);

    if (is(state, "unknown")) {
        *ret_more = "it is being attached";
        return UNKNOWN;
    }
    if (is(state, "inmigrate")) {
        return NONE;
    }
    if (runs(source) && runs(destination) && !g_str_has_prefix(status, "postcopy")) {
        *ret_more = "both say that the guest runs: two copies";
        return SENT;
    }
    if (g_str_has_prefix(status, "postcopy")) {
        *ret_more = is(status, "postcopy-paused")
                        ? "the guest stands on the destination, and neither side has all of its "
                          "memory: migrate_to -r recovers it"
                        : "post-copy: the guest runs on the destination, the rest of its memory "
                          "follows";
        return PEER;
    }
    if (!is(status, "completed") || is(state, "running") || managed_was_snapshot(source)) {
        return HERE;
    }
    if (g_str_has_prefix(m->uri, "file:")) {
        *ret_more = "all is written; it runs where this file is loaded";
        return NONE;
    }
    if (has_arrived(destination)) {
        return PEER;
    }
    if (qmp_peer_capability(source, "return-path") || qmp_peer_capability(source, "postcopy-ram")) {
        *ret_more = "the destination confirmed it on the return path";
        return PEER;
    }
    *ret_more = "return-path is off, so nothing came back from the destination";
    return SENT;
}

/* The owner when the source does not answer. */
static const char *owner_without_source(QmpPeer *source, QmpPeer *destination,
                                        const char **ret_more)
{
    bool handed_over = is(qmp_peer_status(source), "completed");
    bool divided = g_str_has_prefix(qmp_peer_status(source), "postcopy");

    if (has_arrived(destination) || (runs(destination) && !divided)) {
        return PEER;
    }
    if (!has_ended(source)) {
        return UNKNOWN;
    }
    if (handed_over) {
        return SENT;
    }
    *ret_more = divided ? "post-copy was not over: a part of the memory has gone with the source"
                        : "the guest has gone with the process of the source";
    return LOST;
}

const char *managed_owner(Managed *m, char **ret_evidence)
{
    QmpPeer *source = managed_source(m), *destination = managed_destination(m);
    const char *more = NULL, *owner;
    bool incoming = history_is_incoming(m->history);
    g_autofree char *first = sentence(source);
    g_autofree char *second = destination != NULL ? sentence(destination) : NULL;

    if (!qmp_peer_answers(source)) {
        owner = owner_without_source(source, destination, &more);
    } else if (incoming && !is(qmp_peer_run_state(source), "inmigrate")) {
        owner = HERE; /* this end is where the guest arrives */
    } else {
        owner = owner_by_source(m, source, destination, &more);
    }
    *ret_evidence =
        g_strdup_printf("%s%s%s%s%s", more != NULL ? more : "", more != NULL ? "; " : "", first,
                        second != NULL ? "; " : "", second != NULL ? second : "");
    return owner;
}

static void query_owner(Managed *m, BackendSession *session, json_object *args, BackendReply *reply)
{
    json_object *o = json_object_new_object();
    g_autofree char *evidence = NULL;
    const char *owner = managed_owner(m, &evidence);

    (void)session, (void)args;
    json_add_text(o, "owner", owner);
    json_add_text(o, "evidence", evidence);
    json_add_flag(o, "migrated", strcmp(history_last_status(m->history), "none") != 0);
    backend_reply_return(reply, o);
}

/* ---- the history ---- */

static void query_history(Managed *m, BackendSession *session, json_object *args,
                          BackendReply *reply)
{
    (void)session, (void)args;
    if (m->settling != NULL || m->settle_again != 0) {
        g_ptr_array_add(m->curious, reply); /* settling will give the outcome soon */
    } else {
        backend_reply_return(reply, history_to_json(m->history));
    }
}

/* ---- the guest ---- */

static void add_line(json_object *list, const char *name, const char *value)
{
    json_object *line = json_object_new_object();

    json_add_text(line, "name", name);
    json_add_text(line, "value", value);
    json_object_array_add(list, line);
}

static void on_guest(Steps *steps, const GError *error, void *data)
{
    BackendReply *reply = data;
    json_object *list = json_object_new_array();
    json_object *memory = steps_reply(steps, SIDE_SOURCE, "memory");
    json_object *cpus = steps_reply(steps, SIDE_SOURCE, "cpus");
    json_object *kvm = steps_reply(steps, SIDE_SOURCE, "kvm");
    json_object *version = steps_reply(steps, SIDE_SOURCE, "version");

    (void)error;
    if (version != NULL) {
        json_object *qemu = json_member(version, "qemu");
        g_autofree char *text =
            g_strdup_printf("QEMU %d.%d.%d", (int)json_integer(qemu, "major"),
                            (int)json_integer(qemu, "minor"), (int)json_integer(qemu, "micro"));

        add_line(list, "runs in", text);
    }
    if (memory != NULL) {
        g_autofree char *size =
            size_format(json_number(memory, "base-memory") + json_number(memory, "plugged-memory"));

        add_line(list, "memory", size);
    }
    if (json_object_is_type(cpus, json_type_array)) {
        g_autofree char *count = g_strdup_printf("%zu", json_length(cpus));

        add_line(list, "vCPUs", count);
    }
    if (kvm != NULL) {
        add_line(list, "accelerator", json_flag(kvm, "enabled") ? "kvm" : "tcg");
    }
    backend_reply_return(reply, list);
}

static void query_guest(Managed *m, BackendSession *session, json_object *args, BackendReply *reply)
{
    Steps *steps = steps_new(m, on_guest, NULL, reply);

    (void)session, (void)args;
    steps_add(steps, SIDE_SOURCE, "query-version", NULL, "version", false);
    steps_add(steps, SIDE_SOURCE, "query-memory-size-summary", NULL, "memory", false);
    steps_add(steps, SIDE_SOURCE, "query-cpus-fast", NULL, "cpus", false);
    steps_add(steps, SIDE_SOURCE, "query-kvm", NULL, "kvm", false);
    steps_run(steps);
}

/* ---- dispatch ---- */

static const struct {
    const char *name;
    ManagedCommand run;
} answers[] = {
    { "x-query-owner", query_owner },
    { "x-query-migrate-history", query_history },
    { "x-query-guest", query_guest },
};

/* Commands for the guest of this process. */
static bool is_for_engine(const char *command)
{
    static const char *const names[] = { "x-guest-set", "x-guest-verify", "x-guest-plant",
                                         "x-fault-release", NULL };

    return g_strv_contains(names, command);
}

bool answers_execute(Managed *m, BackendSession *session, const SchemaCommand *command,
                     json_object *args, BackendReply *reply)
{
    QmpPeer *source = managed_source(m);

    /* Another migmon has these commands and knows more than is visible from here. */
    if (qmp_peer_schema(source) != NULL && g_str_has_prefix(command->name, "x-query-") &&
        qmp_peer_answers(source) &&
        peer_schema_has_command(qmp_peer_schema(source), command->name)) {
        return false;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(answers); i++) {
        if (strcmp(answers[i].name, command->name) == 0) {
            answers[i].run(m, session, args, reply);
            return true;
        }
    }
    if (is_for_engine(command->name) && qmp_peer_schema(source) != NULL &&
        !peer_schema_has_command(qmp_peer_schema(source), command->name)) {
        backend_reply_failure(reply, "'%s' is for the guest of migmon itself, and %s is attached",
                              command->name, qmp_peer_title(source));
        return true;
    }
    return false;
}
