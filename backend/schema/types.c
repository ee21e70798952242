/*
 * The QAPI types of the schema, each a constant. Facts of QEMU 8.2
 * (migration.json, sockets.json, common.json, run-state.json, control.json);
 * the x types are ours. Parameters, capabilities and states come from their own
 * tables, so that a new row there is a new member here.
 */
#include "backend/schema/types.h"

#include "backend/schema/build.h"
#include "backend/tables/capabilities.h"
#include "backend/tables/info.h"
#include "backend/tables/parameters.h"

/* ---- built in ---- */

const SchemaType schema_str = { .kind = SCHEMA_STR, .name = "str" };
const SchemaType schema_bool = { .kind = SCHEMA_BOOL, .name = "bool" };
const SchemaType schema_int = { .kind = SCHEMA_INT, .name = "int" };
const SchemaType schema_uint64 = { .kind = SCHEMA_UINT64, .name = "uint64" };
static const SchemaType size_type = { .kind = SCHEMA_SIZE, .name = "size" };
const SchemaType schema_str_list = LIST(schema_str);

static const SchemaType uint8_type = { .kind = SCHEMA_UINT8, .name = "uint8" };
static const SchemaType uint16_type = { .kind = SCHEMA_UINT16, .name = "uint16" };
static const SchemaType uint32_type = { .kind = SCHEMA_UINT32, .name = "uint32" };
static const SchemaType uint32_list = LIST(uint32_type);
static const SchemaType number_type = { .kind = SCHEMA_NUMBER, .name = "number" };
static const SchemaType str_or_null = { .kind = SCHEMA_STR_OR_NULL, .name = "StrOrNull" };

/* ---- capabilities ---- */

static const char *const capability_names[] = {
#define MIG_CAPABILITY(id, name, ...) name,
#include "backend/tables/capabilities.def"
    NULL,
};
static const SchemaType capability = ENUM("MigrationCapability", capability_names);
static const SchemaType capability_status = STRUCT(
    "MigrationCapabilityStatus", MEMBER("capability", capability) MEMBER("state", schema_bool));
const SchemaType schema_capability_status_list = LIST(capability_status);

/* ---- parameters ---- */

static const SchemaType multifd_compression =
    ENUM("MultiFDCompression", param_multifd_compressions);
static const SchemaType multifd_sync = ENUM("XMultifdSync", param_multifd_syncs);
static const SchemaType multifd_zero = ENUM("XMultifdZero", param_multifd_zeroes);
static const SchemaType mig_mode = ENUM("MigMode", param_modes);
static const SchemaType bitmap_transform =
    STRUCT("BitmapMigrationBitmapAliasTransform", OPTIONAL("persistent", schema_bool));
static const SchemaType bitmap_alias =
    STRUCT("BitmapMigrationBitmapAlias", MEMBER("name", schema_str) MEMBER("alias", schema_str)
                                             OPTIONAL("transform", bitmap_transform));
static const SchemaType bitmap_alias_list = LIST(bitmap_alias);
static const SchemaType node_alias =
    STRUCT("BitmapMigrationNodeAlias", MEMBER("node-name", schema_str) MEMBER("alias", schema_str)
                                           MEMBER("bitmaps", bitmap_alias_list));
static const SchemaType node_alias_list = LIST(node_alias);

/* The type of each parameter from the schema column of parameters.def: as set and as reported. */
#define SET_size                &size_type
#define SET_uint64              &schema_uint64
#define SET_uint32              &uint32_type
#define SET_uint8               &uint8_type
#define SET_bool                &schema_bool
#define SET_str                 &str_or_null
#define SET_multifd_compression &multifd_compression
#define SET_multifd_sync        &multifd_sync
#define SET_multifd_zero        &multifd_zero
#define SET_mig_mode            &mig_mode
#define SET_node_alias_list     &node_alias_list

const SchemaMember schema_set_parameters[] = {
#define MIG_PARAM(field, name, kind, when, place, schema, min, max, initial, unit, zero, range,    \
                  values, suffix, since, supported, deprecated, ...)                               \
    { name, SET_##schema, true, deprecated != NULL },
#include "backend/tables/parameters.def"
    MEMBERS_END
};
static const SchemaType migrate_set_parameters =
    STRUCT_OF("MigrateSetParameters", schema_set_parameters);

#undef SET_str
#define SET_str &schema_str
static const SchemaMember reported_parameters[] = {
#define MIG_PARAM(field, name, kind, when, place, schema, min, max, initial, unit, zero, range,    \
                  values, suffix, since, supported, deprecated, ...)                               \
    { name, SET_##schema, true, deprecated != NULL },
#include "backend/tables/parameters.def"
    MEMBERS_END
};
const SchemaType schema_migration_parameters =
    STRUCT_OF("MigrationParameters", reported_parameters);

/* ---- addresses ---- */

static const SchemaType inet_address = STRUCT(
    "InetSocketAddress",
    MEMBER("host", schema_str) MEMBER("port", schema_str) OPTIONAL("numeric", schema_bool)
        OPTIONAL("to", uint16_type) OPTIONAL("ipv4", schema_bool) OPTIONAL("ipv6", schema_bool)
            OPTIONAL("keep-alive", schema_bool) OPTIONAL("mptcp", schema_bool));
static const SchemaType unix_address =
    STRUCT("UnixSocketAddress", MEMBER("path", schema_str) OPTIONAL("abstract", schema_bool)
                                    OPTIONAL("tight", schema_bool));
static const SchemaType vsock_address =
    STRUCT("VsockSocketAddress", MEMBER("cid", schema_str) MEMBER("port", schema_str));
static const SchemaType fd_address = STRUCT("FdSocketAddress", MEMBER("str", schema_str));
static const SchemaType socket_address_type =
    ENUM("SocketAddressType", NAMES("inet", "unix", "vsock", "fd"));
static const SchemaType socket_address =
    UNION("SocketAddress", "type", MEMBER("type", socket_address_type),
          MEMBER("inet", inet_address) MEMBER("unix", unix_address) MEMBER("vsock", vsock_address)
              MEMBER("fd", fd_address));
static const SchemaType socket_address_list = LIST(socket_address);

static const SchemaType exec_command =
    STRUCT("MigrationExecCommand", MEMBER("args", schema_str_list));
static const SchemaType file_args =
    STRUCT("FileMigrationArgs", MEMBER("filename", schema_str) MEMBER("offset", schema_uint64));
static const SchemaType address_type =
    ENUM("MigrationAddressType", NAMES("socket", "exec", "rdma", "file"));
static const SchemaType address =
    UNION("MigrationAddress", "transport", MEMBER("transport", address_type),
          MEMBER("socket", socket_address) MEMBER("exec", exec_command) MEMBER("rdma", inet_address)
              MEMBER("file", file_args));
static const SchemaType channel_type = ENUM("MigrationChannelType", NAMES("main"));
static const SchemaType channel =
    STRUCT("MigrationChannel", MEMBER("channel-type", channel_type) MEMBER("addr", address));
const SchemaType schema_channel_list = LIST(channel);

/* ---- query-migrate ---- */

const SchemaType schema_migration_status = ENUM("MigrationStatus", migration_status_names);

/* The type column of info.def. */
#define INFO_int                 schema_int
#define INFO_uint32              uint32_type
#define INFO_uint64              schema_uint64
#define INFO_size                size_type
#define INFO_number              number_type
#define INFO_uint32_list         uint32_list
#define INFO_socket_address_list socket_address_list

#define MIG_INFO_OBJECT(object, type)                        static const SchemaMember object##_members[] = {
#define MIG_STAT(name, object, field, member, type, ...)     MEMBER(member, INFO_##type)
#define MIG_STAT_OLD(name, object, field, member, type, ...) { member, &INFO_##type, false, true },
#define MIG_INFO_END(object, member, qapi, optional)                                               \
    MEMBERS_END                                                                                    \
    }                                                                                              \
    ;                                                                                              \
    static const SchemaType object##_type = STRUCT_OF(#qapi, object##_members);
#include "backend/tables/info.def"
static const SchemaMember info_members[] = {
    OPTIONAL("status", schema_migration_status) OPTIONAL_OLD("disk", ram_type)
        OPTIONAL("error-desc", schema_str) OPTIONAL("blocked-reasons", schema_str_list)
#define MIG_INFO(field, member, type, ...)           OPTIONAL(member, INFO_##type)
#define MIG_INFO_END(object, member, qapi, optional) optional(member, object##_type)
#include "backend/tables/info.def"
            MEMBERS_END
};
const SchemaType schema_migration_info = STRUCT_OF("MigrationInfo", info_members);

/* ---- the machine and the monitor ---- */

static const SchemaType run_state = ENUM(
    "RunState", NAMES("debug", "inmigrate", "internal-error", "io-error", "paused", "postmigrate",
                      "prelaunch", "finish-migrate", "restore-vm", "running", "save-vm", "shutdown",
                      "suspended", "watchdog", "guest-panicked", "colo"));
const SchemaType schema_status_info =
    STRUCT("StatusInfo", MEMBER("running", schema_bool){ "singlestep", &schema_bool, false, true },
           MEMBER("status", run_state));
const SchemaType schema_name_info = STRUCT("NameInfo", OPTIONAL("name", schema_str));
const SchemaType schema_uuid_info = STRUCT("UuidInfo", MEMBER("UUID", schema_str));
static const SchemaType version_triple =
    STRUCT("VersionTriple",
           MEMBER("major", schema_int) MEMBER("minor", schema_int) MEMBER("micro", schema_int));
const SchemaType schema_version_info =
    STRUCT("VersionInfo", MEMBER("qemu", version_triple) MEMBER("package", schema_str));
static const SchemaType command_info = STRUCT("CommandInfo", MEMBER("name", schema_str));
const SchemaType schema_command_info_list = LIST(command_info);
static const SchemaType qmp_capability = ENUM("QMPCapability", NAMES("oob"));
const SchemaType schema_qmp_capability_list = LIST(qmp_capability);
const SchemaType schema_shutdown_cause =
    ENUM("ShutdownCause", NAMES("none", "host-error", "host-qmp-quit", "host-qmp-system-reset",
                                "host-signal", "host-ui", "guest-shutdown", "guest-reset",
                                "guest-panic", "subsystem-reset", "snapshot-load"));

/* ---- migmon's own ---- */

static const SchemaType x_owner_value =
    ENUM("XOwnerState", NAMES("here", "peer (confirmed)", "unknown (commit sent)",
                              "unknown (no answer)", "lost", "none"));
const SchemaType schema_x_owner =
    STRUCT("XOwner", MEMBER("owner", x_owner_value) MEMBER("evidence", schema_str)
                         MEMBER("migrated", schema_bool));

static const SchemaType x_direction =
    ENUM("XDirection", NAMES("outgoing", "incoming", "snapshot", "none"));
static const SchemaType x_state_change =
    STRUCT("XStateChange", MEMBER("status", schema_migration_status) MEMBER("time-ms", schema_int)
                               MEMBER("wall-us", schema_int));
static const SchemaType x_state_change_list = LIST(x_state_change);
static const SchemaType x_pass_count =
    STRUCT("XPassCount", MEMBER("time-us", schema_int) MEMBER("dirtied-pages", schema_uint64));
static const SchemaType x_pass_count_list = LIST(x_pass_count);
static const SchemaMember pass_members[] = { MEMBER("pass", schema_int) MEMBER(
    "start-ms", schema_int) MEMBER("duration-ms", schema_int) MEMBER("duration-us", schema_int)
#define MIG_PASS(field, member) OPTIONAL(member, schema_uint64)
#include "backend/tables/history.def"
                                                 MEMBER("bytes-per-second", schema_uint64)
                                                     OPTIONAL("counts", x_pass_count_list)
                                                         MEMBERS_END };
static const SchemaType x_pass = STRUCT_OF("XPass", pass_members);
static const SchemaType x_pass_list = LIST(x_pass);
static const SchemaType x_channel =
    STRUCT("XMigrationChannel",
           MEMBER("name", schema_str) MEMBER("bytes", schema_uint64)
               MEMBER("bytes-per-second", schema_uint64) MEMBER("normal-pages", schema_uint64)
                   MEMBER("zero-pages", schema_uint64) MEMBER("state", schema_str));
static const SchemaType x_channel_list = LIST(x_channel);
/* Parts of the pause; a part that was not reached is absent. */
static const SchemaMember downtime_parts[] = {
#define MIG_PAUSE_PART(mark, member, name) OPTIONAL(member, schema_int)
#include "backend/tables/history.def"
    MEMBER("total-us", schema_int) OPTIONAL("waits-for", schema_str)
        OPTIONAL("over-limit-us", schema_int) MEMBERS_END
};
static const SchemaType x_downtime = STRUCT_OF("XDowntime", downtime_parts);
static const SchemaMember sample_members[] = { MEMBER("time-ms", schema_int)
                                                   MEMBER("span-ms", schema_int)
#define MIG_SAMPLE(id, counter, factor, member, name, unit, kind) OPTIONAL(member, schema_uint64)
#include "backend/tables/history.def"
                                                       MEMBERS_END };
static const SchemaType x_sample = STRUCT_OF("XSample", sample_members);
static const SchemaType x_sample_list = LIST(x_sample);
static const SchemaMember time_members[] = {
#define MIG_TIME(id, counter, member, name) MEMBER(member, schema_uint64)
#include "backend/tables/history.def"
    MEMBERS_END
};
static const SchemaType x_time = STRUCT_OF("XTime", time_members);
/* How long vCPUs waited for pages in postcopy; microseconds. */
static const SchemaType x_bucket =
    STRUCT("XLatencyBucket", MEMBER("below-us", schema_uint64) MEMBER("count", schema_uint64));
static const SchemaType x_bucket_list = LIST(x_bucket);
static const SchemaType x_uint64_list = LIST(schema_uint64);
static const SchemaType x_page_faults =
    STRUCT("XPageFaults",
           MEMBER("requests", schema_uint64) MEMBER("waiting-vcpus", schema_uint64)
               MEMBER("blocktime-us", schema_uint64) MEMBER("vcpu-blocktime-us", x_uint64_list)
                   MEMBER("median-us", schema_uint64) MEMBER("p99-us", schema_uint64)
                       MEMBER("max-us", schema_uint64) MEMBER("histogram", x_bucket_list));
static const SchemaType x_forecast_verdict =
    ENUM("XForecastVerdict", NAMES("not-yet-clear", "will-finish", "will-not-finish"));
/* One of ten plays is below p10, one above p90. */
static const SchemaType x_range =
    STRUCT("XForecastRange",
           MEMBER("p10", schema_int) MEMBER("p50", schema_int) MEMBER("p90", schema_int));
static const SchemaType x_forecast_needs =
    STRUCT("XForecastNeeds", OPTIONAL("downtime-limit-ms", schema_int) OPTIONAL(
                                 "bandwidth", schema_uint64) OPTIONAL("throttle", schema_uint64));
static const SchemaMember forecast_inputs[] = {
#define FORECAST_INPUT(member, value) MEMBER(member, schema_uint64)
#include "backend/forecast/forecast.def"
    MEMBERS_END
};
static const SchemaType x_forecast_inputs = STRUCT_OF("XForecastInputs", forecast_inputs);
static const SchemaType x_forecast = STRUCT(
    "XForecast",
    MEMBER("verdict", x_forecast_verdict) MEMBER("text", schema_str) MEMBER("advice", schema_str)
        MEMBER("probability", number_type) OPTIONAL("eta-ms", x_range) OPTIONAL("pause-ms", x_range)
            MEMBER("needs", x_forecast_needs) MEMBER("reasons", schema_str_list)
                MEMBER("inputs", x_forecast_inputs));
const SchemaType schema_x_history = STRUCT(
    "XMigrateHistory",
    MEMBER("direction", x_direction) MEMBER("peer", schema_str) OPTIONAL("connected", schema_bool)
        MEMBER("states", x_state_change_list) MEMBER("passes", x_pass_list) MEMBER("channels",
                                                                                   x_channel_list)
            OPTIONAL("samples", x_sample_list) OPTIONAL("total-bytes", schema_uint64) OPTIONAL(
                "transferred-bytes", schema_uint64) MEMBER("threshold-bytes", schema_uint64)
                MEMBER("elapsed-ms", schema_int) OPTIONAL("downtime", x_downtime)
                    OPTIONAL("page-faults", x_page_faults) OPTIONAL(
                        "resuming",
                        schema_bool) /* paused in postcopy, and a new connection is being tried */
    OPTIONAL("time", x_time) OPTIONAL("time-last-second", x_time) MEMBER("verdict", schema_str)
        MEMBER("advice", schema_str) OPTIONAL("forecast", x_forecast)
            MEMBER("outcome", schema_str));

static const SchemaType x_int_list = LIST(schema_int);
const SchemaType schema_x_ram_map =
    STRUCT("XRamMap", MEMBER("pages-per-cell", schema_uint64) MEMBER("data", x_int_list)
                          MEMBER("dirty", x_int_list) MEMBER("sent", x_int_list));

static const SchemaType x_guest_value =
    STRUCT("XGuestValue", MEMBER("name", schema_str) MEMBER("value", schema_str));
const SchemaType schema_x_guest_value_list = LIST(x_guest_value);
static const SchemaType x_fault_count =
    STRUCT("XFaultCount", MEMBER("fault", schema_str) MEMBER("count", schema_uint64));
static const SchemaType x_fault_count_list = LIST(x_fault_count);
static const SchemaType x_finding =
    STRUCT("XFinding",
           MEMBER("fault", schema_str) MEMBER("text", schema_str) MEMBER("page", schema_uint64));
static const SchemaType x_finding_list = LIST(x_finding);
const SchemaType schema_x_verify = STRUCT(
    "XGuestVerify", MEMBER("ok", schema_bool) MEMBER("pages-checked", schema_uint64)
                        MEMBER("pages-written", schema_uint64) MEMBER("steps", schema_uint64)
                            MEMBER("faults", schema_uint64) MEMBER("counts", x_fault_count_list)
                                MEMBER("findings", x_finding_list));
const SchemaType schema_x_planted = STRUCT("XGuestPlanted", MEMBER("page", schema_uint64));

const SchemaType *const schema_named_types[] = {
    &schema_str,
    &schema_bool,
    &schema_int,
    &schema_uint64,
    &size_type,
    &uint8_type,
    &uint16_type,
    &uint32_type,
    &number_type,
    &str_or_null,
    &capability,
    &capability_status,
    &multifd_compression,
    &multifd_sync,
    &multifd_zero,
    &mig_mode,
    &bitmap_transform,
    &bitmap_alias,
    &node_alias,
    &migrate_set_parameters,
    &schema_migration_parameters,
    &inet_address,
    &unix_address,
    &vsock_address,
    &fd_address,
    &socket_address_type,
    &socket_address,
    &exec_command,
    &file_args,
    &address_type,
    &address,
    &channel_type,
    &channel,
    &schema_migration_status,
#define MIG_INFO_END(object, ...) &object##_type,
#include "backend/tables/info.def"
    &schema_migration_info,
    &run_state,
    &schema_status_info,
    &schema_name_info,
    &schema_uuid_info,
    &version_triple,
    &schema_version_info,
    &command_info,
    &qmp_capability,
    &schema_shutdown_cause,
    &x_owner_value,
    &schema_x_owner,
    &x_direction,
    &x_state_change,
    &x_pass,
    &x_pass_count,
    &x_channel,
    &x_sample,
    &x_bucket,
    &x_page_faults,
    &x_forecast_verdict,
    &x_range,
    &x_forecast_needs,
    &x_forecast_inputs,
    &x_forecast,
    &schema_x_history,
    &x_guest_value,
    &x_fault_count,
    &x_finding,
    &schema_x_verify,
    &schema_x_planted,
    &x_downtime,
    &x_time,
    &schema_x_ram_map,
    NULL,
};
