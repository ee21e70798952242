/*
 * The QAPI schema as tables: commands, types, enums. The check of arguments,
 * query-qmp-schema, completion and help read the same rows. Source: the QAPI
 * files of QEMU 8.2 (migration.json and others). Error texts are QEMU's.
 */
#pragma once

#include <glib.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

typedef enum {
    SCHEMA_STR,
    SCHEMA_BOOL,
    SCHEMA_INT, /* int64 */
    SCHEMA_UINT8,
    SCHEMA_UINT16,
    SCHEMA_UINT32,
    SCHEMA_UINT64,
    SCHEMA_SIZE,
    SCHEMA_NUMBER,
    SCHEMA_STR_OR_NULL,
    SCHEMA_ANY,
    SCHEMA_ENUM,
    SCHEMA_STRUCT,
    SCHEMA_UNION, /* flat: base members, a discriminator, one struct for each value */
    SCHEMA_LIST,
} SchemaKind;

typedef struct SchemaType SchemaType;

typedef struct {
    const char *name; /* NULL ends the list */
    const SchemaType *type;
    bool optional;
    bool deprecated;
} SchemaMember;

struct SchemaType {
    SchemaKind kind;
    const char *name;             /* QAPI name */
    const char *const *values;    /* ENUM: NULL terminated */
    const SchemaMember *members;  /* STRUCT; UNION: base members */
    const char *discriminator;    /* UNION */
    const SchemaMember *branches; /* UNION: name = value of the discriminator, type = struct */
    const SchemaType *element;    /* LIST */
};

typedef struct {
    const char *name;          /* "migrate-set-parameters" */
    const SchemaMember *args;  /* NULL = none */
    const SchemaType *returns; /* NULL = {} */
    bool oob;                  /* may be sent with exec-oob */
    bool open;                 /* further arguments are passed on unchecked */
} SchemaCommand;

typedef struct {
    const char *name; /* "MIGRATION" */
    const SchemaMember *data;
    bool hidden; /* for the front ends of this process only */
} SchemaEvent;

/* NULL when unknown. migrate-cancel finds migrate_cancel too. */
const SchemaCommand *schema_find_command(const char *name);
const SchemaCommand *schema_commands(size_t *ret_count);
const SchemaEvent *schema_events(size_t *ret_count);
const SchemaType *schema_find_type(const char *name);

/* Replies of query-qmp-schema and query-commands; caller puts. */
json_object *schema_to_json(void);
json_object *schema_commands_to_json(void);

/* Checks @arguments (NULL = none) against the command: missing members in schema order, types,
 * enum values, ranges, then unknown members, with QEMU's texts and dotted paths. */
bool schema_check_arguments(const SchemaCommand *command, json_object *arguments, GError **error);

/* Checks the reply of another program. False when a value has another kind than in @type (NULL =
 * {}). Missing and new members are accepted. */
bool schema_reply_fits(const SchemaType *type, json_object *value);

/* Converts the arguments of migrate and migrate-incoming to the current form. The spellings of
 * the first MigrateChannel patch (channel, channeltype, nested data, a file offset as a string)
 * become channels, channel-type, flat members and an integer. Other members stay as they are,
 * for the check. NULL with an error when a member has both spellings. @arguments is an object.
 * Returns a deep copy; caller puts. */
json_object *schema_normalise_migrate(json_object *arguments, GError **error);
