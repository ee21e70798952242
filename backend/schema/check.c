/*
 * Checks arguments against the schema: one walk over type and value together
 * in the order of the schema, with the path to the current member in one
 * string. Texts are QEMU's, including their inconsistency: a wrong type and a
 * missing member name the whole path, a bad enum value and a small integer
 * out of range only the last name. Main thread.
 */
#include "backend/schema/schema.h"

#include <string.h>

#include "backend/base/error.h"
#include "backend/base/json.h"

typedef struct {
    GString *path;    /* "channels[0].addr.port"; empty at the top */
    const char *name; /* last name in it; NULL at the top and inside a list */
    GError **error;
} Walk;

static bool check_value(Walk *walk, const SchemaType *type, json_object *value);

#define REFUSE(walk, ...)                                                                          \
    (g_set_error((walk)->error, MIG_ERROR, MIG_ERROR_GENERIC, __VA_ARGS__), false)

static bool refuse_type(Walk *walk, const char *expected)
{
    return REFUSE(walk, "Invalid parameter type for '%s', expected: %s", walk->path->str, expected);
}

static bool check_json_type(Walk *walk, json_object *value, json_type type, const char *expected)
{
    return json_object_is_type(value, type) || refuse_type(walk, expected);
}

/* ---- numbers ---- */

static bool check_int(Walk *walk, json_object *value)
{
    if (!json_object_is_type(value, json_type_int) ||
        (json_object_get_int64(value) >= 0 && json_object_get_uint64(value) > INT64_MAX)) {
        return refuse_type(walk, "integer");
    }
    return true;
}

/* A negative number for a 64-bit value is refused; QEMU lets it wrap. */
static bool check_uint(Walk *walk, json_object *value, uint64_t max, const char *type)
{
    bool is_int = json_object_is_type(value, json_type_int);
    bool negative = is_int && json_object_get_int64(value) < 0;

    if (!is_int || (negative && max == UINT64_MAX)) {
        return REFUSE(walk, "Parameter '%s' expects uint64", walk->path->str);
    }
    if (negative || json_object_get_uint64(value) > max) {
        return REFUSE(walk, "Parameter '%s' expects %s", walk->name == NULL ? "null" : walk->name,
                      type);
    }
    return true;
}

static bool check_number(Walk *walk, json_object *value)
{
    return json_object_is_type(value, json_type_int) ||
           check_json_type(walk, value, json_type_double, "number");
}

/* ---- enums and strings ---- */

static bool check_enum(Walk *walk, const SchemaType *type, json_object *value)
{
    if (!check_json_type(walk, value, json_type_string, "string")) {
        return false;
    }

    const char *text = json_object_get_string(value);
    if (!g_strv_contains(type->values, text)) {
        /* An element of a list has no name; QEMU prints the text of a null pointer. */
        g_set_error(walk->error, MIG_ERROR, MIG_ERROR_GENERIC,
                    "Parameter '%s' does not accept value '%s'",
                    walk->name == NULL ? "null" : walk->name, text);
        g_autofree char *all = g_strjoinv(", ", (char **)type->values);
        mig_error_hint(walk->error, "values are: %s", all);
        return false;
    }
    return true;
}

static bool check_str_or_null(Walk *walk, json_object *value)
{
    return value == NULL || check_json_type(walk, value, json_type_string, "StrOrNull");
}

/* ---- containers ---- */

static bool check_member(Walk *walk, const SchemaMember *member, json_object *object)
{
    const char *outer_name = walk->name;
    gsize outer_length = walk->path->len;
    json_object *value;
    bool ok;

    g_string_append_printf(walk->path, "%s%s", outer_length == 0 ? "" : ".", member->name);
    walk->name = member->name;
    if (json_object_object_get_ex(object, member->name, &value)) {
        ok = check_value(walk, member->type, value);
    } else {
        ok = member->optional || REFUSE(walk, "Parameter '%s' is missing", walk->path->str);
    }
    walk->name = outer_name;
    g_string_truncate(walk->path, outer_length);
    return ok;
}

static bool check_members(Walk *walk, const SchemaMember *members, json_object *object)
{
    for (const SchemaMember *m = members; m != NULL && m->name != NULL; m++) {
        if (!check_member(walk, m, object)) {
            return false;
        }
    }
    return true;
}

/* The struct that @object's discriminator selects. The base members are being checked already. */
static const SchemaType *branch_of(const SchemaType *type, json_object *object)
{
    json_object *key = json_member(object, type->discriminator);

    for (const SchemaMember *b = type->branches; b->name != NULL; b++) {
        if (strcmp(b->name, json_object_get_string(key)) == 0) {
            return b->type;
        }
    }
    return NULL; /* this value adds no members */
}

/* The members of a struct, or of a union and its selected branch (which may be a union too). */
static bool check_all_members(Walk *walk, const SchemaType *type, json_object *object)
{
    if (!check_members(walk, type->members, object)) {
        return false;
    }
    if (type->kind != SCHEMA_UNION) {
        return true;
    }
    const SchemaType *branch = branch_of(type, object);
    return branch == NULL || check_all_members(walk, branch, object);
}

static bool has_member(const SchemaMember *members, const char *name)
{
    for (const SchemaMember *m = members; m != NULL && m->name != NULL; m++) {
        if (strcmp(m->name, name) == 0) {
            return true;
        }
    }
    return false;
}

static bool knows_member(const SchemaType *type, json_object *object, const char *name)
{
    if (has_member(type->members, name)) {
        return true;
    }
    if (type->kind != SCHEMA_UNION) {
        return false;
    }
    const SchemaType *branch = branch_of(type, object);
    return branch != NULL && knows_member(branch, object, name);
}

static bool check_object(Walk *walk, const SchemaType *type, json_object *object)
{
    if (!check_all_members(walk, type, object)) {
        return false;
    }
    json_object_object_foreach (object, name, value) {
        (void)value;
        if (!knows_member(type, object, name)) {
            return REFUSE(walk, "Parameter '%s%s%s' is unexpected", walk->path->str,
                          walk->path->len == 0 ? "" : ".", name);
        }
    }
    return true;
}

static bool check_list(Walk *walk, const SchemaType *type, json_object *list)
{
    if (!check_json_type(walk, list, json_type_array, "array")) {
        return false;
    }

    const char *outer_name = walk->name;
    gsize outer_length = walk->path->len;
    bool ok = true;

    walk->name = NULL;
    for (size_t i = 0; i < json_length(list) && ok; i++) {
        g_string_append_printf(walk->path, "[%zu]", i);
        ok = check_value(walk, type->element, json_at(list, i));
        g_string_truncate(walk->path, outer_length);
    }
    walk->name = outer_name;
    return ok;
}

static bool check_value(Walk *walk, const SchemaType *type, json_object *value)
{
    switch (type->kind) {
    case SCHEMA_STR:
        return check_json_type(walk, value, json_type_string, "string");
    case SCHEMA_BOOL:
        return check_json_type(walk, value, json_type_boolean, "boolean");
    case SCHEMA_INT:
        return check_int(walk, value);
    case SCHEMA_UINT8:
        return check_uint(walk, value, UINT8_MAX, "uint8_t");
    case SCHEMA_UINT16:
        return check_uint(walk, value, UINT16_MAX, "uint16_t");
    case SCHEMA_UINT32:
        return check_uint(walk, value, UINT32_MAX, "uint32_t");
    case SCHEMA_UINT64:
    case SCHEMA_SIZE:
        return check_uint(walk, value, UINT64_MAX, "uint64");
    case SCHEMA_NUMBER:
        return check_number(walk, value);
    case SCHEMA_STR_OR_NULL:
        return check_str_or_null(walk, value);
    case SCHEMA_ANY:
        return true;
    case SCHEMA_ENUM:
        return check_enum(walk, type, value);
    case SCHEMA_STRUCT:
    case SCHEMA_UNION:
        return check_json_type(walk, value, json_type_object, "object") &&
               check_object(walk, type, value);
    case SCHEMA_LIST:
        return check_list(walk, type, value);
    }
    g_assert_not_reached();
}

bool schema_check_arguments(const SchemaCommand *command, json_object *arguments, GError **error)
{
    const SchemaType top = { .kind = SCHEMA_STRUCT, .members = command->args };
    g_autoptr(GString) path = g_string_new(NULL);
    Walk walk = { path, NULL, error };
    bool ok;

    /* Without arguments the walk uses an empty object, so that missing members are found. */
    json_object *object = arguments == NULL ? json_object_new_object() : json_object_get(arguments);
    ok = command->open ? check_members(&walk, command->args, object)
                       : check_object(&walk, &top, object);
    json_object_put(object);
    return ok;
}
