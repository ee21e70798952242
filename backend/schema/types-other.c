/*
 * The QAPI types of the commands around a migration: dirty rate and its limit,
 * threads, COLO, jobs, objects. Facts of QEMU 8.2 (migration.json, job.json,
 * qom.json).
 */
#include "backend/schema/types.h"

#include "backend/schema/build.h"

/* ---- dirty rate ---- */

const SchemaType schema_time_unit = ENUM("TimeUnit", NAMES("second", "millisecond"));
const SchemaType schema_dirty_rate_mode =
    ENUM("DirtyRateMeasureMode", NAMES("page-sampling", "dirty-ring", "dirty-bitmap"));
static const SchemaType dirty_rate_status =
    ENUM("DirtyRateStatus", NAMES("unstarted", "measuring", "measured"));
static const SchemaType dirty_rate_vcpu =
    STRUCT("DirtyRateVcpu", MEMBER("id", schema_int) MEMBER("dirty-rate", schema_int));
static const SchemaType dirty_rate_vcpu_list = LIST(dirty_rate_vcpu);
const SchemaType schema_dirty_rate_info =
    STRUCT("DirtyRateInfo",
           OPTIONAL("dirty-rate", schema_int) MEMBER("status", dirty_rate_status)
               MEMBER("start-time", schema_int) MEMBER("calc-time", schema_int)
                   MEMBER("calc-time-unit", schema_time_unit) MEMBER("sample-pages", schema_uint64)
                       MEMBER("mode", schema_dirty_rate_mode)
                           OPTIONAL("vcpu-dirty-rate", dirty_rate_vcpu_list));

const SchemaType schema_x_dirty_pages = STRUCT(
    "XDirtyPages", MEMBER("status", dirty_rate_status) MEMBER("elapsed-us", schema_int)
                       MEMBER("pages", schema_uint64) MEMBER("written-pages", schema_uint64));
static const SchemaType dirty_limit_info =
    STRUCT("DirtyLimitInfo", MEMBER("cpu-index", schema_int) MEMBER("limit-rate", schema_uint64)
                                 MEMBER("current-rate", schema_uint64));
const SchemaType schema_dirty_limit_info_list = LIST(dirty_limit_info);

/* ---- threads ---- */

static const SchemaType migration_thread =
    STRUCT("MigrationThreadInfo", MEMBER("name", schema_str) MEMBER("thread-id", schema_int));
const SchemaType schema_migration_thread_list = LIST(migration_thread);

/* ---- COLO ---- */

static const SchemaType colo_mode = ENUM("COLOMode", NAMES("none", "primary", "secondary"));
static const SchemaType colo_reason =
    ENUM("COLOExitReason", NAMES("none", "request", "error", "processing"));
const SchemaType schema_colo_status =
    STRUCT("COLOStatus",
           MEMBER("mode", colo_mode) MEMBER("last-mode", colo_mode) MEMBER("reason", colo_reason));
const SchemaType schema_replication_status =
    STRUCT("ReplicationStatus", MEMBER("error", schema_bool) OPTIONAL("desc", schema_str));

/* ---- jobs ---- */

static const SchemaType job_type =
    ENUM("JobType", NAMES("commit", "stream", "mirror", "backup", "create", "amend",
                          "snapshot-load", "snapshot-save", "snapshot-delete"));
static const SchemaType job_status =
    ENUM("JobStatus", NAMES("undefined", "created", "running", "paused", "ready", "standby",
                            "waiting", "pending", "aborting", "concluded", "null"));
static const SchemaType job_info =
    STRUCT("JobInfo", MEMBER("id", schema_str) MEMBER("type", job_type) MEMBER("status", job_status)
                          MEMBER("current-progress", schema_int)
                              MEMBER("total-progress", schema_int) OPTIONAL("error", schema_str));
const SchemaType schema_job_info_list = LIST(job_info);

/* ---- objects ---- */

/* Only those types of QEMU that a migration can use. */
const SchemaType schema_object_type = ENUM(
    "ObjectType", NAMES("authz-list", "authz-listfile", "authz-pam", "authz-simple", "colo-compare",
                        "dbus-vmstate", "filter-mirror", "filter-redirector", "filter-rewriter",
                        "iothread", "memory-backend-file", "memory-backend-memfd",
                        "memory-backend-ram", "secret", "secret_keyring", "throttle-group",
                        "tls-cipher-suites", "tls-creds-anon", "tls-creds-psk", "tls-creds-x509"));

/* QEMU's ObjectPropertyInfo has description and default-value too; qom-list gives neither. */
static const SchemaType qom_property =
    STRUCT("ObjectPropertyInfo",
           MEMBER("name", schema_str) MEMBER("type", schema_str) OPTIONAL("description", schema_str)
               OPTIONAL("default-value", schema_any));
const SchemaType schema_qom_properties = LIST(qom_property);

/* ---- migmon's own ---- */

const SchemaType schema_x_deleted =
    STRUCT("XDeleted", MEMBER("found", schema_bool) MEMBER("images", schema_str_list));

const SchemaType *const schema_other_types[] = {
    &schema_time_unit,
    &schema_dirty_rate_mode,
    &dirty_rate_status,
    &dirty_rate_vcpu,
    &schema_dirty_rate_info,
    &schema_x_dirty_pages,
    &dirty_limit_info,
    &migration_thread,
    &qom_property,
    &colo_mode,
    &colo_reason,
    &schema_colo_status,
    &schema_replication_status,
    &job_type,
    &job_status,
    &job_info,
    &schema_object_type,
    &schema_x_deleted,
    NULL,
};
