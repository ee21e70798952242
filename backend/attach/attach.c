/*
 * See attach.h: life of the backend, and the dispatch of requests. This room
 * answers requests about what is attached. Others are forwarded to an
 * attached source if they are for it; the rest goes to the engine with its
 * session and reply.
 */
#include "backend/attach/attach-internal.h"

#include <string.h>

#include "backend/base/error.h"
#include "backend/base/json.h"
#include "backend/tables/info.h"

#define DEFAULT_CONNECT_MS 5000
#define DEFAULT_ANSWER_MS  10000

/* ---- dispatch ---- */

static const struct {
    const char *name;
    ManagedCommand run;
} own[] = {
    { "x-connect", managed_connect },           { "x-disconnect", managed_disconnect },
    { "x-query-target", managed_query_target }, { "x-peer-command", managed_peer_command },
    { "x-migrate-to", managed_migrate_to },     { "x-migrate-check", managed_migrate_check },
};

static void refuse_without_source(const SchemaCommand *command, BackendReply *reply)
{
    GError *error = g_error_new(MIG_ERROR, MIG_ERROR_GENERIC,
                                "'%s' needs a guest, and no QEMU is attached", command->name);

    mig_error_hint(&error, "connect unix:PATH attaches one by its QMP monitor");
    backend_reply_error(reply, error);
}

static void quit(Managed *m, BackendReply *reply)
{
    backend_reply_return(reply, NULL);
    backend_emit_shutdown(&m->base, "host-qmp-quit");
}

static void execute(Backend *backend, BackendSession *session, const SchemaCommand *command,
                    json_object *args, BackendReply *reply)
{
    Managed *m = (Managed *)backend;
    bool quits = strcmp(command->name, "quit") == 0;

    for (size_t i = 0; i < G_N_ELEMENTS(own); i++) {
        if (strcmp(own[i].name, command->name) == 0) {
            own[i].run(m, session, args, reply);
            return;
        }
    }
    m->unwanted |= m->moving != NULL && strcmp(command->name, "migrate_cancel") == 0;
    if (quits && (managed_source(m) != NULL || m->engine == NULL)) {
        quit(m, reply); /* ends this program; an attached QEMU keeps running */
    } else if (managed_source(m) != NULL) {
        if (!answers_execute(m, session, command, args, reply)) {
            forward_execute(m, session, command, args, reply);
        }
    } else if (m->engine != NULL) {
        backend_forward(m->engine, session, command, args, reply);
    } else {
        refuse_without_source(command, reply);
    }
}

static bool check(Backend *backend, const SchemaCommand *command, json_object *args, GError **error)
{
    Managed *m = (Managed *)backend;

    return managed_source(m) != NULL ? forward_check(m, command, args, error)
                                     : schema_check_arguments(command, args, error);
}

static json_object *target(Backend *backend)
{
    return managed_target((Managed *)backend);
}

/* ---- life ---- */

static void on_engine_event(const BackendEvent *event, void *data)
{
    Managed *m = data;
    json_object *status = NULL;
    MigrationStatus known;

    if (strcmp(event->name, "MIGRATION") == 0 &&
        json_object_object_get_ex(event->data, "status", &status) &&
        migration_status_from_name(json_object_get_string(status), &known)) {
        m->engine_busy = !migration_status_is_over(known);
        if (known == MIGRATION_FAILED || known == MIGRATION_CANCELLED) {
            settle_engine(m);
        } else if (known == MIGRATION_COMPLETED && managed_source(m) == NULL) {
            restore_clear(&m->restore);
        }
    }
    if (managed_source(m) == NULL) {
        backend_emit(&m->base, event);
    }
}

static void managed_free(Backend *backend)
{
    Managed *m = (Managed *)backend;

    while (m->steps->len > 0) {
        steps_cancel(g_ptr_array_index(m->steps, 0));
    }
    m->moving = m->settling = NULL;
    managed_drop_end(m, SIDE_DESTINATION);
    managed_drop_end(m, SIDE_SOURCE);
    if (m->engine != NULL) {
        backend_unsubscribe(m->engine, m->engine_subscription);
        backend_session_close(m->engine_session);
        backend_free(m->engine);
    }
    history_free(m->history);
    restore_clear(&m->restore);
    json_object_put(m->target);
    backend_clear(&m->base);
    g_ptr_array_unref(m->steps);
    g_ptr_array_unref(m->curious);
    g_free(m->uri);
    g_free(m);
}

static const BackendOps managed_ops = {
    .execute = execute,
    .free = managed_free,
    .check = check,
    .target = target,
};

Backend *managed_new(const ManagedOptions *options, GError **error)
{
    Backend *engine = NULL;
    Managed *m;

    if (options->engine != NULL) {
        engine = engine_new(options->engine, error);
        if (engine == NULL) {
            return NULL;
        }
    }
    m = g_new0(Managed, 1);
    backend_init(&m->base, &managed_ops);
    m->engine = engine;
    if (engine != NULL) {
        m->engine_session = backend_session_new(engine, NULL, NULL);
        m->engine_subscription = backend_subscribe(engine, on_engine_event, m);
    }
    m->observe = options->observe;
    m->times.connect_ms = options->connect_ms != 0 ? options->connect_ms : DEFAULT_CONNECT_MS;
    m->times.answer_ms = options->answer_ms != 0 ? options->answer_ms : DEFAULT_ANSWER_MS;
    for (int side = 0; side < SIDE__COUNT; side++) {
        m->ends[side] = (End){ .managed = m, .side = (Side)side };
    }
    m->history = history_new();
    m->uri = g_strdup("");
    m->curious = g_ptr_array_new();
    m->steps = g_ptr_array_new();
    return &m->base;
}
