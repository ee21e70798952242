/*
 * Commands with a fixed answer, because this program has no measurement, job, snapshot or network
 * device behind them. Main thread.
 *
 * A command that would have to do something is refused in unsupported.c instead.
 */
#include "backend/engine/engine-internal.h"

#include <stdio.h>
#include <string.h>

#include "backend/tables/info.h"

static void add_text(json_object *object, const char *key, const char *value)
{
    json_object_object_add(object, key, json_object_new_string(value));
}

static void answer_empty_list(Engine *e, BackendSession *session, json_object *args,
                              BackendReply *reply)
{
    (void)e, (void)session, (void)args;
    backend_reply_return(reply, json_object_new_array());
}

/* ---- a migration under way ---- */

/* The state is compared with the source's status, as in QEMU. Only pre-switchover waits to be
 * continued; in any other status a matching command has no effect. */
void engine_migrate_continue(Engine *e, BackendSession *session, json_object *args,
                             BackendReply *reply)
{
    const char *now = migration_status_name(engine_status_of(e, true));

    (void)session;
    if (strcmp(json_object_get_string(json_object_object_get(args, "state")), now) != 0) {
        backend_reply_failure(reply, "Migration not in expected state: %s", now);
    } else {
        if (engine_status_of(e, true) == MIGRATION_PRE_SWITCHOVER && e->outgoing != NULL) {
            outgoing_continue(e->outgoing);
        }
        backend_reply_return(reply, NULL);
    }
}

/* The name of a thread of this process, "" when it has ended. */
static char *thread_name(const char *tid)
{
    g_autofree char *path = g_strdup_printf("/proc/self/task/%s/comm", tid);
    char *name = NULL;

    if (!g_file_get_contents(path, &name, NULL, NULL)) {
        return g_strdup("");
    }
    return g_strchomp(name);
}

/* Scripts look for QEMU's thread names. QEMU lists only threads that send; all others keep the
 * names that the kernel and docs/engine.md use. */
static char *public_name(const char *name)
{
    unsigned channel;

    if (strcmp(name, ENGINE_THREAD_PREFIX "src/main") == 0) {
        return g_strdup("live_migration");
    }
    if (sscanf(name, ENGINE_THREAD_PREFIX "src/send_%u", &channel) == 1) {
        return g_strdup_printf("multifdsend_%u", channel);
    }
    return g_strdup(name);
}

/* Lists the threads from the kernel, by the names that the engine gives them. */
void engine_query_threads(Engine *e, BackendSession *session, json_object *args,
                          BackendReply *reply)
{
    g_autoptr(GDir) tasks = g_dir_open("/proc/self/task", 0, NULL);
    json_object *list = json_object_new_array();
    const char *tid;

    (void)session, (void)args, (void)e;
    while (tasks != NULL && (tid = g_dir_read_name(tasks)) != NULL) {
        g_autofree char *name = thread_name(tid);

        if (g_str_has_prefix(name, ENGINE_THREAD_PREFIX)) {
            json_object *thread = json_object_new_object();

            g_autofree char *shown = public_name(name);

            add_text(thread, "name", shown);
            json_object_object_add(thread, "thread-id",
                                   json_object_new_int64(g_ascii_strtoll(tid, NULL, 10)));
            json_object_array_add(list, thread);
        }
    }
    backend_reply_return(reply, list);
}

/* ---- COLO and replication ---- */

void engine_query_colo(Engine *e, BackendSession *session, json_object *args, BackendReply *reply)
{
    json_object *o = json_object_new_object();

    (void)e, (void)session, (void)args;
    add_text(o, "mode", "none");
    add_text(o, "last-mode", "none");
    add_text(o, "reason", "none");
    backend_reply_return(reply, o);
}

void engine_query_replication(Engine *e, BackendSession *session, json_object *args,
                              BackendReply *reply)
{
    json_object *o = json_object_new_object();

    (void)e, (void)session, (void)args;
    json_object_object_add(o, "error", json_object_new_boolean(false));
    backend_reply_return(reply, o);
}

/* ---- jobs and snapshots ---- */

void engine_query_jobs(Engine *e, BackendSession *session, json_object *args, BackendReply *reply)
{
    answer_empty_list(e, session, args, reply);
}

void engine_job_verb(Engine *e, BackendSession *session, json_object *args, BackendReply *reply)
{
    (void)e, (void)session, (void)args;
    backend_reply_failure(reply, "Job not found");
}

/* QEMU reports success for a snapshot that does not exist; here the reply says so. */
void engine_delvm(Engine *e, BackendSession *session, json_object *args, BackendReply *reply)
{
    json_object *o = json_object_new_object();

    (void)e, (void)session, (void)args;
    json_object_object_add(o, "found", json_object_new_boolean(false));
    json_object_object_add(o, "images", json_object_new_array());
    backend_reply_return(reply, o);
}

/* ---- network ---- */

/* Concerns the guest's network devices, and it has none. */
void engine_announce_self(Engine *e, BackendSession *session, json_object *args,
                          BackendReply *reply)
{
    (void)e, (void)session, (void)args;
    backend_reply_return(reply, NULL);
}
