/*
 * The only list of commands and options that the schema has and this engine refuses. Main thread.
 *
 * QEMU's checks come first, in its order and with its texts; only a command that passes them is
 * refused for our own reason. A row is removed when the engine supports its command.
 */
#include "backend/engine/engine-internal.h"

#include <string.h>

#include "backend/base/error.h"
#include "backend/tables/info.h"

typedef struct {
    const char *name; /* of the command, or of an option that another command refuses */
    const char *what; /* what cannot be done */
    const char *hint; /* NULL = none */
    /* QEMU's own checks: false with the error. NULL = none. */
    bool (*check)(Engine *e, json_object *args, GError **error);
} Unsupported;

/* NULL when it is absent. */
static const char *text_of(json_object *args, const char *name)
{
    return json_object_get_string(json_object_object_get(args, name));
}

/* ---- COLO, Xen ---- */

static bool check_colo(Engine *e, json_object *args, GError **error)
{
    return engine_status_of(e, true) == MIGRATION_COLO ||
           engine_status_of(e, false) == MIGRATION_COLO ||
           ((void)args, mig_fail(error, MIG_ERROR_GENERIC, "VM is not in COLO mode"));
}

static bool check_guest_stands(Engine *e, json_object *args, GError **error)
{
    (void)args;
    return guest_run_state(e->guest) != RUN_STATE_RUNNING ||
           mig_fail(error, MIG_ERROR_GENERIC, "Cannot update device state while vm is running");
}

/* ---- display ---- */

static bool check_display(Engine *e, json_object *args, GError **error)
{
    (void)e;
    if (strcmp(text_of(args, "protocol"), "spice") != 0) {
        return mig_fail(error, MIG_ERROR_GENERIC, "Parameter 'protocol' expects 'spice'");
    }
    return mig_fail(error, MIG_ERROR_DEVICE_NOT_ACTIVE, "SPICE is not in use");
}

/* ---- snapshots ---- */

static bool check_vmstate_disk(Engine *e, json_object *args, GError **error)
{
    (void)e, (void)args;
    g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC,
                "no block device can store vmstate for snapshot");
    mig_error_hint(error, "the guest has no disks; migrate file:PATH writes it to a file, "
                          "migrate_incoming file:PATH reads it");
    return false;
}

/* QEMU reports a wrong name at once and other errors through the job. There are no disks here, so
 * the job's error about the first disk is known at once too. */
static bool check_snapshot_job(Engine *e, json_object *args, GError **error)
{
    const char *id = text_of(args, "job-id");
    json_object *devices = json_object_object_get(args, "devices");

    (void)e;
    if (!object_is_identifier(id)) {
        return mig_fail(error, MIG_ERROR_GENERIC, "Invalid job ID '%s'", id);
    }
    if (json_object_array_length(devices) == 0) {
        return mig_fail(error, MIG_ERROR_GENERIC, "At least one device is required for snapshot");
    }
    return mig_fail(error, MIG_ERROR_GENERIC, "No block device node '%s'",
                    json_object_get_string(json_object_array_get_idx(devices, 0)));
}

/* ---- the list ---- */

#define COLO      "a standby that follows the source (COLO)"
#define SNAPSHOTS "snapshots in a disk"

static const Unsupported list[] = {
    { "client_migrate_info", "handing a display over", NULL, check_display },
    { "snapshot-delete", SNAPSHOTS, NULL, check_snapshot_job },
    { "snapshot-load", SNAPSHOTS, NULL, check_snapshot_job },
    { "snapshot-save", SNAPSHOTS, NULL, check_snapshot_job },
    { "x-colo-lost-heartbeat", COLO, NULL, check_colo },
    { "x-loadvm", SNAPSHOTS, NULL, check_vmstate_disk },
    { "x-query-snapshots", SNAPSHOTS, NULL, check_vmstate_disk },
    { "x-savevm", SNAPSHOTS, NULL, check_vmstate_disk },
    { "xen-colo-do-checkpoint", COLO, NULL, NULL },
    { "xen-load-devices-state", "the state of the devices alone", NULL, check_guest_stands },
    { "xen-save-devices-state", "the state of the devices alone", NULL, NULL },
    { "xen-set-global-dirty-log", "tracking dirty pages without a migration", NULL, NULL },
    { "xen-set-replication", "replication of disks", NULL, NULL },
};

static const Unsupported *find(const char *name)
{
    for (size_t i = 0; i < G_N_ELEMENTS(list); i++) {
        if (strcmp(list[i].name, name) == 0) {
            return &list[i];
        }
    }
    return NULL;
}

static GError *refusal(const Unsupported *row)
{
    GError *error = g_error_new(MIG_ERROR, MIG_ERROR_UNSUPPORTED,
                                "%s is not supported by this build", row->what);

    if (row->hint != NULL) {
        mig_error_hint(&error, "%s", row->hint);
    }
    return error;
}

void engine_refuse(Engine *e, const SchemaCommand *command, json_object *args, BackendReply *reply)
{
    const Unsupported *row = find(command->name);
    GError *error = NULL;

    if (row == NULL) {
        backend_reply_failure(reply, "The command %s is not supported by this build",
                              command->name);
        return;
    }
    if (row->check == NULL || row->check(e, args, &error)) {
        error = refusal(row);
    }
    backend_reply_error(reply, error);
}

/* ---- options of migrate ---- */

static const char *const disk_options[] = { "inc", "blk" };

bool engine_warn_disks(BackendSession *session, json_object *args)
{
    bool any = false;

    for (size_t i = 0; i < G_N_ELEMENTS(disk_options); i++) {
        if (json_object_get_boolean(json_object_object_get(args, disk_options[i]))) {
            g_autofree char *text = g_strdup_printf(
                "parameter '%s' is deprecated; use blockdev-mirror with NBD instead",
                disk_options[i]);

            backend_session_warn(session, text);
            any = true;
        }
    }
    return any;
}
