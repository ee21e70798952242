/*
 * The commands for a running migration: continue, postcopy, pause, recover,
 * COLO. The engine decides which of them are possible.
 */
#include "commands/hmp/hmp-internal.h"

#include <string.h>

#include "backend/base/error.h"
#include "backend/tables/info.h"
#include "commands/hmp/suggest.h"

/* ---- migrate_continue ---- */

/* HMP prints nothing for any valid state, but only one state waits for this command. */
static void continue_done(HmpCall *call, json_object *value, const GError *error)
{
    const char *state = call_text(call, "state");
    const char *waiting = migration_status_name(MIGRATION_PRE_SWITCHOVER);

    if (!error && strcmp(state, waiting) != 0) {
        call_hint(call, "nothing was done: only a migration in %s waits to be continued", waiting);
    }
    call_finish_with(call, value, error);
}

static void run_continue(HmpCall *call)
{
    const char *name = call_text(call, "state");
    MigrationStatus status;

    if (!migration_status_from_name(name, &status)) {
        g_autoptr(GError) error =
            g_error_new(MIG_ERROR, MIG_ERROR_GENERIC, "invalid parameter value: %s", name);
        Suggestion near;

        suggestion_init(&near, name, strlen(name));
        for (size_t i = 0; migration_status_names[i]; i++) {
            suggestion_offer(&near, migration_status_names[i]);
        }
        suggestion_hint(&near, "", &error);
        call_fail(call, HMP_ERROR_SYNTAX, error);
        return;
    }

    json_object *args = json_object_new_object();
    json_add_text(args, "state", name);
    call_request(call, "migrate-continue", args, continue_done);
}

/* ---- postcopy ---- */

static void run_start_postcopy(HmpCall *call)
{
    call_request(call, "migrate-start-postcopy", NULL, call_finish_with);
}

static void run_pause(HmpCall *call)
{
    call_request(call, "migrate-pause", NULL, call_finish_with);
}

static void run_recover(HmpCall *call)
{
    json_object *args = json_object_new_object();

    json_add_text(args, "uri", call_text(call, "uri"));
    call_request(call, "migrate-recover", args, call_finish_with);
}

/* ---- COLO ---- */

static void run_lost_heartbeat(HmpCall *call)
{
    call_request(call, "x-colo-lost-heartbeat", NULL, call_finish_with);
}

const Command cmd_migrate_continue = {
    .name = "migrate_continue",
    .params = "state",
    .help = "Continue migration from the given paused state",
    .args = (const ArgSpec[]){ { "state", ARG_STATUS, .help = "the state it stands in" }, { 0 } },
    .run = run_continue,
};

const Command cmd_migrate_start_postcopy = {
    .name = "migrate_start_postcopy",
    .params = "",
    .help = "Followup to a migration command to switch the migration to postcopy mode. The "
            "postcopy-ram capability must be set on both source and destination before the "
            "original migration command .",
    .run = run_start_postcopy,
};

const Command cmd_migrate_pause = {
    .name = "migrate_pause",
    .params = "",
    .help = "Pause an ongoing migration (postcopy-only)",
    .run = run_pause,
};

const Command cmd_migrate_recover = {
    .name = "migrate_recover",
    .params = "uri",
    .help = "Continue a paused incoming postcopy migration",
    .args = (const ArgSpec[]){ { "uri", ARG_INCOMING_URI, .help = "where to listen now" }, { 0 } },
    .run = run_recover,
};

const Command cmd_x_colo_lost_heartbeat = {
    .name = "x_colo_lost_heartbeat",
    .params = "",
    .help = "Tell COLO that heartbeat is lost,\n\t\t\ta failover or takeover is needed.",
    .run = run_lost_heartbeat,
};
