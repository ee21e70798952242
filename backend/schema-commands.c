/*
 * The commands and events of the schema: those of QEMU 8.2 that exist here, in
 * the order of query-commands, and migmon's own with x-.
 */
#include "backend/schema-types.h"

#include <string.h>

#define ARGS(...) (const SchemaMember[]) { __VA_ARGS__ { NULL, NULL, false, false } }
#define MEMBER(member, type)       { member, &type, false, false },
#define OPTIONAL(member, type)     { member, &type, true, false },
#define OPTIONAL_OLD(member, type) { member, &type, true, true },

static const SchemaCommand commands[] = {
    /* The first two are served by the QMP server, query-commands by the backend. */
    { "qmp_capabilities", ARGS(OPTIONAL("enable", schema_qmp_capability_list)), NULL, false },
    { "human-monitor-command",
      ARGS(MEMBER("command-line", schema_str) OPTIONAL("cpu-index", schema_int)), &schema_str,
      false },
    { "query-commands", NULL, &schema_command_info_list, false },
    { "query-version", NULL, &schema_version_info, false },
    { "query-name", NULL, &schema_name_info, false },
    { "query-uuid", NULL, &schema_uuid_info, false },
    { "query-status", NULL, &schema_status_info, false },
    { "stop", NULL, NULL, false },
    { "cont", ARGS(OPTIONAL("x-force", schema_bool)), NULL, false },
    { "quit", NULL, NULL, false },
    { "getfd", ARGS(MEMBER("fdname", schema_str)), NULL, false },
    { "closefd", ARGS(MEMBER("fdname", schema_str)), NULL, false },
    /* 8.2.0 made uri mandatory by mistake; later releases have it as here. */
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
    /* These answer from what is known and never wait, so they may overtake. */
    { "x-query-owner", NULL, &schema_x_owner, true },
    { "x-query-migrate-history", NULL, &schema_x_history, true },
    { "x-fault-release", NULL, NULL, true },
    { "x-query-guest", NULL, &schema_x_guest_value_list, false },
    { "x-guest-set", ARGS(MEMBER("key", schema_str) MEMBER("value", schema_str)), NULL, false },
    { "x-guest-verify", NULL, &schema_x_verify, false },
    { "x-guest-plant", ARGS(MEMBER("fault", schema_str)), &schema_x_planted, false },
};

static const SchemaEvent events[] = {
    { "MIGRATION", ARGS(MEMBER("status", schema_migration_status)) },
    { "MIGRATION_PASS", ARGS(MEMBER("pass", schema_int)) },
    { "STOP", NULL },
    { "RESUME", NULL },
    { "SHUTDOWN", ARGS(MEMBER("guest", schema_bool) MEMBER("reason", schema_shutdown_cause)) },
    /* Hidden: for the front ends of this process. */
    { "X_NOTICE", ARGS(MEMBER("text", schema_str)) },
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
    /* QEMU's one name with an underscore among dashes; the dash is taken as well. */
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
    for (size_t i = 0; schema_named_types[i] != NULL; i++) {
        if (strcmp(schema_named_types[i]->name, name) == 0) {
            return schema_named_types[i];
        }
    }
    return NULL;
}
