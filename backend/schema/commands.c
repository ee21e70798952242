/*
 * The commands and events of the schema: those of QEMU 8.2 that exist here,
 * in the order of query-commands, and migmon's own with the prefix x-.
 */
#include "backend/schema/types.h"

#include <string.h>

#define ARGS(...)                                                                                  \
    (const SchemaMember[])                                                                         \
    {                                                                                              \
        __VA_ARGS__                                                                                \
        {                                                                                          \
            NULL, NULL, false, false                                                               \
        }                                                                                          \
    }
#define JOB_ID                     ARGS(MEMBER("id", schema_str))
#define MEMBER(member, type)       { member, &type, false, false },
#define OPTIONAL(member, type)     { member, &type, true, false },
#define OPTIONAL_OLD(member, type) { member, &type, true, true },

static const SchemaCommand commands[] = {
    /* The first two are served by the QMP server, the next two by backend.c. */
    { "qmp_capabilities", ARGS(OPTIONAL("enable", schema_qmp_capability_list)), NULL, false },
    { "human-monitor-command",
      ARGS(MEMBER("command-line", schema_str) OPTIONAL("cpu-index", schema_int)), &schema_str,
      false },
    { "query-commands", NULL, &schema_command_info_list, false },
    { "query-qmp-schema", NULL, &schema_info_list, false },
    { "query-version", NULL, &schema_version_info, false },
    { "query-name", NULL, &schema_name_info, false },
    { "query-uuid", NULL, &schema_uuid_info, false },
    { "query-status", NULL, &schema_status_info, false },
    { "stop", NULL, NULL, false },
    { "cont", ARGS(OPTIONAL("x-force", schema_bool)), NULL, false },
    { "quit", NULL, NULL, false },
    { "getfd", ARGS(MEMBER("fdname", schema_str)), NULL, false },
    { "closefd", ARGS(MEMBER("fdname", schema_str)), NULL, false },
    { "add-fd", ARGS(OPTIONAL("fdset-id", schema_int) OPTIONAL("opaque", schema_str)),
      &schema_add_fd_info, false },
    { "remove-fd", ARGS(MEMBER("fdset-id", schema_int) OPTIONAL("fd", schema_int)), NULL, false },
    { "query-fdsets", NULL, &schema_fdset_info_list, false },
    /* 8.2.0 made uri mandatory by mistake; later releases have it optional, as here. */
    { "migrate",
      ARGS(OPTIONAL("uri", schema_str) OPTIONAL("channels", schema_channel_list)
               OPTIONAL_OLD("blk", schema_bool) OPTIONAL_OLD("inc", schema_bool)
                   OPTIONAL("detach", schema_bool) OPTIONAL("resume", schema_bool)),
      NULL, false },
    { "migrate-incoming",
      ARGS(OPTIONAL("uri", schema_str) OPTIONAL("channels", schema_channel_list)), NULL, false },
    { "migrate_cancel", NULL, NULL, false },
    { "query-migrate", NULL, &schema_migration_info, false },
    { "migrate-set-parameters", schema_set_parameters, NULL, false },
    { "query-migrate-parameters", NULL, &schema_migration_parameters, false },
    { "migrate-set-capabilities", ARGS(MEMBER("capabilities", schema_capability_status_list)), NULL,
      false },
    { "query-migrate-capabilities", NULL, &schema_capability_status_list, false },
    { "migrate-start-postcopy", NULL, NULL, false },
    { "migrate-continue", ARGS(MEMBER("state", schema_migration_status)), NULL, false },
    { "migrate-recover", ARGS(MEMBER("uri", schema_str)), NULL, true },
    { "migrate-pause", NULL, NULL, true },
    { "query-migrationthreads", NULL, &schema_migration_thread_list, false },
    { "client_migrate_info",
      ARGS(MEMBER("protocol", schema_str) MEMBER("hostname", schema_str)
               OPTIONAL("port", schema_int) OPTIONAL("tls-port", schema_int)
                   OPTIONAL("cert-subject", schema_str)),
      NULL, false },
    { "announce-self",
      ARGS(MEMBER("initial", schema_int) MEMBER("max", schema_int) MEMBER("rounds", schema_int)
               MEMBER("step", schema_int) OPTIONAL("interfaces", schema_str_list)
                   OPTIONAL("id", schema_str)),
      NULL, false },
    { "calc-dirty-rate",
      ARGS(MEMBER("calc-time", schema_int) OPTIONAL("calc-time-unit", schema_time_unit)
               OPTIONAL("sample-pages", schema_int) OPTIONAL("mode", schema_dirty_rate_mode)),
      NULL, false },
    { "query-dirty-rate", ARGS(OPTIONAL("calc-time-unit", schema_time_unit)),
      &schema_dirty_rate_info, false },
    { "set-vcpu-dirty-limit",
      ARGS(OPTIONAL("cpu-index", schema_int) MEMBER("dirty-rate", schema_uint64)), NULL, false },
    { "cancel-vcpu-dirty-limit", ARGS(OPTIONAL("cpu-index", schema_int)), NULL, false },
    { "query-vcpu-dirty-limit", NULL, &schema_dirty_limit_info_list, false },
    { "x-colo-lost-heartbeat", NULL, NULL, false },
    { "query-colo-status", NULL, &schema_colo_status, false },
    { "xen-save-devices-state", ARGS(MEMBER("filename", schema_str) OPTIONAL("live", schema_bool)),
      NULL, false },
    { "xen-load-devices-state", ARGS(MEMBER("filename", schema_str)), NULL, false },
    { "xen-set-global-dirty-log", ARGS(MEMBER("enable", schema_bool)), NULL, false },
    { "xen-set-replication",
      ARGS(MEMBER("enable", schema_bool) MEMBER("primary", schema_bool)
               OPTIONAL("failover", schema_bool)),
      NULL, false },
    { "query-xen-replication-status", NULL, &schema_replication_status, false },
    { "xen-colo-do-checkpoint", NULL, NULL, false },
    { "snapshot-save",
      ARGS(MEMBER("job-id", schema_str) MEMBER("tag", schema_str) MEMBER("vmstate", schema_str)
               MEMBER("devices", schema_str_list)),
      NULL, false },
    { "snapshot-load",
      ARGS(MEMBER("job-id", schema_str) MEMBER("tag", schema_str) MEMBER("vmstate", schema_str)
               MEMBER("devices", schema_str_list)),
      NULL, false },
    { "snapshot-delete",
      ARGS(MEMBER("job-id", schema_str) MEMBER("tag", schema_str)
               MEMBER("devices", schema_str_list)),
      NULL, false },
    { "job-pause", JOB_ID, NULL, false },
    { "job-resume", JOB_ID, NULL, false },
    { "job-cancel", JOB_ID, NULL, false },
    { "job-complete", JOB_ID, NULL, false },
    { "job-dismiss", JOB_ID, NULL, false },
    { "job-finalize", JOB_ID, NULL, false },
    { "query-jobs", NULL, &schema_job_info_list, false },
    /* Each type of object checks its other members itself. */
    { "object-add", ARGS(MEMBER("qom-type", schema_object_type) MEMBER("id", schema_str)), NULL,
      false, .open = true },
    { "object-del", ARGS(MEMBER("id", schema_str)), NULL, false },
    { "qom-list", ARGS(MEMBER("path", schema_str)), &schema_qom_properties, false },
    { "qom-list-properties", ARGS(MEMBER("typename", schema_str)), &schema_qom_properties, false },
    /* HMP's snapshot commands, which QEMU does not have in QMP. */
    { "x-savevm", ARGS(OPTIONAL("tag", schema_str)), NULL, false },
    { "x-loadvm", ARGS(MEMBER("tag", schema_str)), NULL, false },
    { "x-delvm", ARGS(MEMBER("tag", schema_str)), &schema_x_deleted, false },
    { "x-query-snapshots", NULL, &schema_str_list, false },
    /* These answer from known state and never wait, so they may run out of band. */
    { "x-query-owner", NULL, &schema_x_owner, true },
    { "x-query-migrate-history", ARGS(OPTIONAL("samples", schema_bool)), &schema_x_history, true },
    { "x-query-ram-map", NULL, &schema_x_ram_map, true },
    { "x-fault-release", NULL, NULL, true },
    { "x-query-dirty-pages", NULL, &schema_x_dirty_pages, false },
    { "x-query-guest", NULL, &schema_x_guest_value_list, false },
    { "x-guest-set", ARGS(MEMBER("key", schema_str) MEMBER("value", schema_str)), NULL, false },
    { "x-guest-verify", NULL, &schema_x_verify, false },
    /* Commands of backend/attach. */
    { "x-connect", ARGS(MEMBER("address", schema_str) OPTIONAL("side", schema_x_side)),
      &schema_x_target, false },
    { "x-disconnect", ARGS(OPTIONAL("side", schema_x_side)), NULL, false },
    { "x-query-target", NULL, &schema_x_target, false },
    { "x-peer-command", ARGS(MEMBER("command-line", schema_str) OPTIONAL("side", schema_x_side)),
      &schema_str, false },
    { "x-migrate-to", ARGS(OPTIONAL("uri", schema_str) OPTIONAL("resume", schema_bool)), NULL,
      false },
    { "x-migrate-check", ARGS(OPTIONAL("uri", schema_str)), &schema_x_check, false },
    { "x-guest-plant", ARGS(MEMBER("fault", schema_str)), &schema_x_planted, false },
};

static const SchemaEvent events[] = {
    { "MIGRATION", ARGS(MEMBER("status", schema_migration_status)) },
    { "MIGRATION_PASS", ARGS(MEMBER("pass", schema_int)) },
    { "STOP", NULL },
    { "RESUME", NULL },
    { "SHUTDOWN", ARGS(MEMBER("guest", schema_bool) MEMBER("reason", schema_shutdown_cause)) },
    { "X_NOTICE", ARGS(MEMBER("text", schema_str) OPTIONAL("outgoing", schema_bool)),
      .hidden = true },
    { "X_PEER",
      ARGS(MEMBER("side", schema_x_side) MEMBER("event", schema_str) OPTIONAL("data", schema_any)),
      .hidden = true },
    { "X_INCOMING_FAILED", ARGS(MEMBER("text", schema_str)), .hidden = true },
};

const SchemaCommand *schema_commands(size_t *ret_count)
{
    *ret_count = G_N_ELEMENTS(commands);
    return commands;
}

const SchemaEvent *schema_events(size_t *ret_count)
{
    *ret_count = G_N_ELEMENTS(events);
    return events;
}

const SchemaCommand *schema_find_command(const char *name)
{
    /* The only QEMU command with an underscore; the spelling with a dash is accepted too. */
    if (strcmp(name, "migrate-cancel") == 0) {
        name = "migrate_cancel";
    }
    for (size_t i = 0; i < G_N_ELEMENTS(commands); i++) {
        if (strcmp(commands[i].name, name) == 0) {
            return &commands[i];
        }
    }
    return NULL;
}

const SchemaType *schema_find_type(const char *name)
{
    static const SchemaType *const *const lists[] = { schema_named_types, schema_control_types,
                                                      schema_other_types, schema_attach_types };

    for (size_t i = 0; i < G_N_ELEMENTS(lists); i++) {
        for (const SchemaType *const *type = lists[i]; *type != NULL; type++) {
            if (strcmp((*type)->name, name) == 0) {
                return *type;
            }
        }
    }
    return NULL;
}
