/*
 * Checks replies of another program against our types. The kind of each known
 * member has to fit, so that code that reads the reply can rely on it.
 * Missing members, new members and new enum values are accepted: releases
 * differ. Main thread.
 */
#include "backend/schema/schema.h"

#include <string.h>

#include "backend/base/json.h"

static bool members_fit(const SchemaMember *members, json_object *value)
{
    for (const SchemaMember *m = members; m != NULL && m->name != NULL; m++) {
        json_object *member = NULL;

        if (json_object_object_get_ex(value, m->name, &member) &&
            !schema_reply_fits(m->type, member)) {
            return false;
        }
    }
    return true;
}

static bool elements_fit(const SchemaType *element, json_object *list)
{
    size_t n = json_length(list);

    for (size_t i = 0; i < n; i++) {
        if (!schema_reply_fits(element, json_at(list, i))) {
            return false;
        }
    }
    return true;
}

bool schema_reply_fits(const SchemaType *type, json_object *value)
{
    json_type found = json_object_get_type(value);

    if (type == NULL) {
        return found == json_type_object;
    }
    switch (type->kind) {
    case SCHEMA_STR:
    case SCHEMA_ENUM:
        return found == json_type_string;
    case SCHEMA_STR_OR_NULL:
        return found == json_type_string || found == json_type_null;
    case SCHEMA_BOOL:
        return found == json_type_boolean;
    case SCHEMA_ANY:
        return true;
    case SCHEMA_STRUCT:
    case SCHEMA_UNION:
        return found == json_type_object && members_fit(type->members, value);
    case SCHEMA_LIST:
        return found == json_type_array && elements_fit(type->element, value);
    default:
        return found == json_type_int || found == json_type_double;
    }
}
