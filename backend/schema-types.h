/*
 * The named types that the command table uses. For the schema's own files.
 */
#pragma once

#include "backend/schema.h"

extern const SchemaType schema_str, schema_bool, schema_int, schema_uint64, schema_size;
extern const SchemaType schema_str_list;

extern const SchemaType schema_capability_status_list;
extern const SchemaMember schema_set_parameters[]; /* MigrateSetParameters */
extern const SchemaType schema_migration_parameters;
extern const SchemaType schema_migration_info, schema_migration_status;
extern const SchemaType schema_channel_list;
extern const SchemaType schema_status_info, schema_name_info, schema_uuid_info;
extern const SchemaType schema_version_info, schema_command_info_list;
extern const SchemaType schema_qmp_capability_list, schema_shutdown_cause;

extern const SchemaType schema_x_owner, schema_x_history, schema_x_guest_value_list;
extern const SchemaType schema_x_verify, schema_x_planted;

/* Every type that has a name in QAPI, NULL terminated. */
extern const SchemaType *const schema_named_types[];
