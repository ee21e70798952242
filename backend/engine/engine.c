/*
 * The engine: life, dispatch, parameters and capabilities, and the handling of events from the
 * threads. Main thread only.
 */
#include "backend/engine/engine-internal.h"

#include <string.h>

#include "backend/base/error.h"
#include "backend/base/inherited-fd.h"
#include "backend/engine/fdset.h"

/* ---- parameters and capabilities ---- */

static void warn_session(void *data, const char *text)
{
    backend_session_warn(data, text);
}

/* Publishes changed limits to the threads. */
static void apply_settings(Engine *e)
{
    live_settings_store(&e->settings, &e->parameters);
    if (e->outgoing != NULL) {
        outgoing_settings_changed(e->outgoing);
    }
}

static void set_parameters(Engine *e, BackendSession *session, json_object *args,
                           BackendReply *reply)
{
    engine_reap_arrived(e);

    Facts facts = engine_facts(e);
    MigParameters merged;
    GError *error = NULL;

    parameters_copy(&merged, &e->parameters);
    facts.parameters = &merged;
    bool allowed = parameters_apply(&merged, args, NULL, NULL, &error) &&
                   rules_allow(RULE_PARAMETERS, &facts, &error) &&
                   parameters_apply(&e->parameters, args, warn_session, session, &error);
    parameters_clear(&merged);
    if (!allowed) {
        backend_reply_error(reply, error);
        return;
    }
    apply_settings(e);
    if (e->listener != NULL) {
        engine_want_channels(e); /* multifd-channels limits the number of accepted channels */
    }
    backend_reply_return(reply, NULL);
}

static void query_parameters(Engine *e, BackendSession *session, json_object *args,
                             BackendReply *reply)
{
    (void)session, (void)args;
    backend_reply_return(reply, parameters_to_json(&e->parameters));
}

static void set_capabilities(Engine *e, BackendSession *session, json_object *args,
                             BackendReply *reply)
{
    engine_reap_arrived(e);

    Facts facts = engine_facts(e);
    GError *error = NULL;

    facts.capabilities =
        capabilities_change(e->capabilities, json_object_object_get(args, "capabilities"));
    facts.added = facts.capabilities & ~e->capabilities;
    if (!facts.running) {
        capabilities_warn(facts.added, warn_session, session);
    }
    if (!rules_allow(RULE_CAPABILITIES, &facts, &error)) {
        backend_reply_error(reply, error);
        return;
    }
    e->capabilities = facts.capabilities;
    backend_reply_return(reply, NULL);
}

static void query_capabilities(Engine *e, BackendSession *session, json_object *args,
                               BackendReply *reply)
{
    (void)session, (void)args;
    backend_reply_return(reply, capabilities_to_json(e->capabilities));
}

/* ---- dispatch ---- */

static const struct {
    const char *name;
    EngineCommand *run;
} commands[] = {
    { "add-fd", engine_add_fd },
    { "announce-self", engine_announce_self },
    { "calc-dirty-rate", engine_calc_dirty_rate },
    { "cancel-vcpu-dirty-limit", engine_cancel_dirty_limit },
    { "closefd", engine_closefd },
    { "cont", engine_cont },
    { "getfd", engine_getfd },
    { "job-cancel", engine_job_verb },
    { "job-complete", engine_job_verb },
    { "job-dismiss", engine_job_verb },
    { "job-finalize", engine_job_verb },
    { "job-pause", engine_job_verb },
    { "job-resume", engine_job_verb },
    { "migrate", engine_migrate },
    { "migrate-cancel", engine_migrate_cancel },
    { "migrate-continue", engine_migrate_continue },
    { "migrate-incoming", engine_migrate_incoming },
    { "migrate-pause", engine_pause },
    { "migrate-recover", engine_recover },
    { "migrate-set-capabilities", set_capabilities },
    { "migrate-set-parameters", set_parameters },
    { "migrate-start-postcopy", engine_start_postcopy },
    { "migrate_cancel", engine_migrate_cancel },
    { "object-add", engine_object_add },
    { "object-del", engine_object_del },
    { "qom-list", engine_qom_list },
    { "qom-list-properties", engine_qom_list_properties },
    { "query-colo-status", engine_query_colo },
    { "query-dirty-rate", engine_query_dirty_rate },
    { "query-fdsets", engine_query_fdsets },
    { "query-jobs", engine_query_jobs },
    { "query-migrate", engine_query_migrate },
    { "query-migrate-capabilities", query_capabilities },
    { "query-migrate-parameters", query_parameters },
    { "query-migrationthreads", engine_query_threads },
    { "query-name", engine_query_name },
    { "query-status", engine_query_status },
    { "query-uuid", engine_query_uuid },
    { "query-vcpu-dirty-limit", engine_query_dirty_limit },
    { "query-version", engine_query_version },
    { "query-xen-replication-status", engine_query_replication },
    { "quit", engine_quit },
    { "remove-fd", engine_remove_fd },
    { "set-vcpu-dirty-limit", engine_set_dirty_limit },
    { "stop", engine_stop },
    { "x-delvm", engine_delvm },
    { "x-fault-release", engine_fault_release },
    { "x-guest-plant", engine_guest_plant },
    { "x-guest-set", engine_guest_set },
    { "x-guest-verify", engine_guest_verify },
    { "x-query-dirty-pages", engine_query_dirty_pages },
    { "x-query-guest", engine_query_guest },
    { "x-query-migrate-history", engine_query_history },
    { "x-query-owner", engine_query_owner },
    { "x-query-ram-map", engine_query_ram_map },
};

static void engine_execute(Backend *backend, BackendSession *session, const SchemaCommand *command,
                           json_object *args, BackendReply *reply)
{
    for (size_t i = 0; i < G_N_ELEMENTS(commands); i++) {
        if (strcmp(commands[i].name, command->name) == 0) {
            commands[i].run((Engine *)backend, session, args, reply);
            return;
        }
    }
    engine_refuse((Engine *)backend, command, args, reply);
}

/* ---- events ---- */

static void emit(Engine *e, const EngineEvent *event, const char *name, json_object *data,
                 bool hidden)
{
    backend_emit(
        &e->base,
        &(BackendEvent){ .name = name, .data = data, .time_us = event->time_us, .hidden = hidden });
    json_object_put(data);
}

static void handle_event(const EngineEvent *event, void *data)
{
    Engine *e = data;
    bool events_on = capability_is_on(e->capabilities, CAPABILITY_EVENTS);
    json_object *o = NULL;

    switch (event->type) {
    case ENGINE_EVENT_STATUS:
        o = json_object_new_object();
        json_object_object_add(o, "status",
                               json_object_new_string(migration_status_name(event->status)));
        emit(e, event, "MIGRATION", o, !events_on);
        engine_watch_course(e);
        if (event->status == MIGRATION_COMPLETED) {
            engine_migration_completed(e, event->migration);
        }
        break;
    case ENGINE_EVENT_PASS:
        o = json_object_new_object();
        json_object_object_add(o, "pass", json_object_new_int64((int64_t)event->number));
        emit(e, event, "MIGRATION_PASS", o, !events_on);
        break;
    case ENGINE_EVENT_STOP:
        emit(e, event, "STOP", NULL, false);
        break;
    case ENGINE_EVENT_RESUME:
        emit(e, event, "RESUME", NULL, false);
        break;
    case ENGINE_EVENT_NOTICE:
        backend_emit_notice(&e->base, event->text,
                            event->migration != NULL && event->migration->outgoing, event->time_us);
        break;
    case ENGINE_EVENT_ENDED:
        engine_migration_ended(e, event->migration);
        break;
    }
}

/* ---- life ---- */

static void engine_free(Backend *backend)
{
    Engine *e = (Engine *)backend;

    engine_migrate_clear(e);
    engine_guest_clear(e);
    engine_history_clear(e);
    engine_dirty_clear(e);
    event_queue_free(e->events);
    migration_unref(e->last);
    guest_free(e->guest);
    parameters_clear(&e->parameters);
    fdsets_free(e->fdsets);
    objects_free(e->objects);
    backend_clear(&e->base);
    g_free(e);
}

static const BackendOps engine_ops = {
    .execute = engine_execute,
    .free = engine_free,
};

static bool start_incoming(Engine *e, const char *uri, GError **error)
{
    g_autoptr(Address) address = NULL;
    int fd = -1;

    guest_stop(e->guest, RUN_STATE_INMIGRATE);
    if (strcmp(uri, "defer") == 0) {
        return true;
    }
    address = address_from_uri(uri, error);
    if (address != NULL && address->kind == ADDRESS_FD) {
        fd = inherited_fd_take(address->path, error);
    }
    if (address == NULL || (address->kind == ADDRESS_FD && fd < 0)) {
        g_prefix_error(error, "--incoming %s: ", uri);
        return false;
    }
    engine_listen(e, address, fd, NULL);
    return true;
}

Backend *engine_new(const EngineOptions *options, GError **error)
{
    GuestOptions guest_options = options->guest;

    guest_options.incoming = options->incoming != NULL;
    g_autoptr(Guest) guest = guest_new(&guest_options, error);

    if (guest == NULL) {
        return NULL;
    }

    Engine *e = g_new0(Engine, 1);
    backend_init(&e->base, &engine_ops);
    e->guest = g_steal_pointer(&guest);

    size_t n_blocks;
    RamBlock *const *blocks = guest_blocks(e->guest, &n_blocks);
    e->dirty = dirty_share_new(options->tracker, blocks, n_blocks);
    e->rate = dirty_rate_new(e->guest, e->dirty);
    e->limit = dirty_limit_new(e->guest, e->dirty, engine_limit_notice, e);
    e->events = event_queue_new(handle_event, e);
    e->autostart = !options->paused;
    e->fdsets = fdsets_new();
    e->objects = objects_new();
    parameters_init(&e->parameters);
    apply_settings(e);
    if (options->incoming != NULL) {
        if (!start_incoming(e, options->incoming, error)) {
            backend_free(&e->base);
            return NULL;
        }
    } else if (!options->paused) {
        guest_start(e->guest);
    }
    return &e->base;
}
