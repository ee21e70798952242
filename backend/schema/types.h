/*
 * The named types that the command table uses. Only for the files of schema.
 */
#pragma once

#include "backend/schema/schema.h"

extern const SchemaType schema_any, schema_str, schema_bool, schema_int, schema_uint64;
extern const SchemaType schema_str_list;

extern const SchemaType schema_capability_status_list;
extern const SchemaMember schema_set_parameters[]; /* MigrateSetParameters */
extern const SchemaType schema_migration_parameters;
extern const SchemaType schema_migration_info, schema_migration_status;
extern const SchemaType schema_channel_list;
extern const SchemaType schema_status_info, schema_name_info, schema_uuid_info;
extern const SchemaType schema_version_info, schema_command_info_list;
extern const SchemaType schema_qmp_capability_list, schema_shutdown_cause;
extern const SchemaType schema_add_fd_info, schema_fdset_info_list, schema_info_list;

extern const SchemaType schema_x_owner, schema_x_history, schema_x_ram_map,
    schema_x_guest_value_list;
extern const SchemaType schema_x_verify, schema_x_planted, schema_x_dirty_pages;

/* types-other.c */
extern const SchemaType schema_time_unit, schema_dirty_rate_mode, schema_dirty_rate_info;
extern const SchemaType schema_dirty_limit_info_list, schema_migration_thread_list;
extern const SchemaType schema_colo_status, schema_replication_status;
extern const SchemaType schema_job_info_list, schema_object_type, schema_x_deleted;
extern const SchemaType schema_qom_properties;

/* types-attach.c */
extern const SchemaType schema_x_side, schema_x_target, schema_x_check;

/* The types that have a name in QAPI, NULL terminated: those of types.c, control.c, types-other.c
 * and types-attach.c. */
extern const SchemaType *const schema_named_types[], *const schema_control_types[];
extern const SchemaType *const schema_other_types[], *const schema_attach_types[];
