/*
 * The types of the commands about the monitor itself: descriptor sets and the
 * format of query-qmp-schema. Facts of QEMU 8.2 (misc.json, introspect.json).
 */
#include "backend/schema/types.h"

#include "backend/schema/build.h"

/* ---- add-fd, query-fdsets ---- */

const SchemaType schema_add_fd_info =
    STRUCT("AddfdInfo", MEMBER("fdset-id", schema_int) MEMBER("fd", schema_int));
static const SchemaType fdset_fd_info =
    STRUCT("FdsetFdInfo", MEMBER("fd", schema_int) OPTIONAL("opaque", schema_str));
static const SchemaType fdset_fd_info_list = LIST(fdset_fd_info);
static const SchemaType fdset_info =
    STRUCT("FdsetInfo", MEMBER("fdset-id", schema_int) MEMBER("fds", fdset_fd_info_list));
const SchemaType schema_fdset_info_list = LIST(fdset_info);

/* ---- query-qmp-schema ---- */

static const SchemaType json_kind = ENUM(
    "JSONType", NAMES("string", "number", "int", "boolean", "null", "object", "array", "value"));
static const SchemaType meta_type = ENUM(
    "SchemaMetaType", NAMES("builtin", "enum", "array", "object", "alternate", "command", "event"));
static const SchemaType info_builtin = STRUCT("SchemaInfoBuiltin", MEMBER("json-type", json_kind));
static const SchemaType info_enum_member = STRUCT(
    "SchemaInfoEnumMember", MEMBER("name", schema_str) OPTIONAL("features", schema_str_list));
static const SchemaType info_enum_member_list = LIST(info_enum_member);
static const SchemaType info_enum =
    STRUCT("SchemaInfoEnum",
           MEMBER("members", info_enum_member_list){ "values", &schema_str_list, false, true }, );
static const SchemaType info_array = STRUCT("SchemaInfoArray", MEMBER("element-type", schema_str));
const SchemaType schema_any = { .kind = SCHEMA_ANY, .name = "any" };
static const SchemaType info_object_member =
    STRUCT("SchemaInfoObjectMember",
           MEMBER("name", schema_str) MEMBER("type", schema_str) OPTIONAL("default", schema_any)
               OPTIONAL("features", schema_str_list));
static const SchemaType info_object_member_list = LIST(info_object_member);
static const SchemaType info_object_variant =
    STRUCT("SchemaInfoObjectVariant", MEMBER("case", schema_str) MEMBER("type", schema_str));
static const SchemaType info_object_variant_list = LIST(info_object_variant);
static const SchemaType info_object = STRUCT(
    "SchemaInfoObject", MEMBER("members", info_object_member_list) OPTIONAL("tag", schema_str)
                            OPTIONAL("variants", info_object_variant_list));
static const SchemaType info_alternate_member =
    STRUCT("SchemaInfoAlternateMember", MEMBER("type", schema_str));
static const SchemaType info_alternate_member_list = LIST(info_alternate_member);
static const SchemaType info_alternate =
    STRUCT("SchemaInfoAlternate", MEMBER("members", info_alternate_member_list));
static const SchemaType info_command =
    STRUCT("SchemaInfoCommand", MEMBER("arg-type", schema_str) MEMBER("ret-type", schema_str)
                                    OPTIONAL("allow-oob", schema_bool));
static const SchemaType info_event = STRUCT("SchemaInfoEvent", MEMBER("arg-type", schema_str));
static const SchemaType info = UNION(
    "SchemaInfo", "meta-type",
    MEMBER("meta-type", meta_type) MEMBER("name", schema_str) OPTIONAL("features", schema_str_list),
    MEMBER("builtin", info_builtin) MEMBER("enum", info_enum) MEMBER("array", info_array)
        MEMBER("object", info_object) MEMBER("alternate", info_alternate)
            MEMBER("command", info_command) MEMBER("event", info_event));
const SchemaType schema_info_list = LIST(info);

const SchemaType *const schema_control_types[] = {
    &schema_add_fd_info,
    &fdset_fd_info,
    &fdset_info,
    &json_kind,
    &meta_type,
    &schema_any,
    &info_builtin,
    &info_enum_member,
    &info_enum,
    &info_array,
    &info_object_member,
    &info_object_variant,
    &info_object,
    &info_alternate_member,
    &info_alternate,
    &info_command,
    &info_event,
    &info,
    NULL,
};
