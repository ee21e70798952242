/*
 * MigrationInfo: each field once in info.def. The engine fills the struct; the JSON and the lines
 * of HMP's info migrate are made from the same rows.
 */
#pragma once

#include <glib.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

/* MigrationStatus; names in info.c. */
typedef enum {
    MIGRATION_NONE,
    MIGRATION_SETUP,
    MIGRATION_CANCELLING,
    MIGRATION_CANCELLED,
    MIGRATION_ACTIVE,
    MIGRATION_POSTCOPY_ACTIVE,
    MIGRATION_POSTCOPY_PAUSED,
    MIGRATION_POSTCOPY_RECOVER,
    MIGRATION_COMPLETED,
    MIGRATION_FAILED,
    MIGRATION_COLO,
    MIGRATION_PRE_SWITCHOVER,
    MIGRATION_DEVICE,
    MIGRATION_WAIT_UNPLUG,
    MIGRATION__COUNT,
} MigrationStatus;

extern const char *const migration_status_names[]; /* MIGRATION__COUNT entries, then NULL */
const char *migration_status_name(MigrationStatus status);
bool migration_status_from_name(const char *name, MigrationStatus *ret);
/* completed, failed, cancelled or none: no migration is running. */
bool migration_status_is_over(MigrationStatus status);

/* The rows of info.def. struct MigrationStats and its like are the types of the objects in it. */
typedef struct {
    MigrationStatus status;
    const char *error_desc; /* NULL = none; not owned */
#define INFO_TYPE_int                 int64_t
#define INFO_TYPE_uint32              uint64_t
#define INFO_TYPE_uint64              uint64_t
#define INFO_TYPE_size                uint64_t
#define INFO_TYPE_number              double
#define INFO_TYPE_uint32_list         json_object * /* not owned */
#define INFO_TYPE_socket_address_list json_object *
#define MIG_INFO(field, member, type, ...)                                                         \
    INFO_TYPE_##type field;                                                                        \
    bool has_##field;
#define MIG_INFO_OBJECT(object, type)                                                              \
    bool has_##object;                                                                             \
    struct type {
#define MIG_STAT(name, object, field, member, type, ...) INFO_TYPE_##type field;
#define MIG_INFO_END(object, ...)                                                                  \
    }                                                                                              \
    object;
#include "backend/tables/info.def"
} MigInfo;

/* The reply of query-migrate; {} before the first migration. Caller puts. */
json_object *mig_info_to_json(const MigInfo *info);

/* Appends HMP's info migrate to @out, made from the JSON reply of query-migrate: the lines of
 * 8.2, byte for byte (the globals block included), and nothing else. */
void mig_info_format_hmp(json_object *reply, GString *out);
