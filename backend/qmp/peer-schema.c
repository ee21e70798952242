/*
 * See peer-schema.h. An index by name over the reply. Types are resolved by
 * name in a bounded number of steps, because a peer can send cycles.
 */
#include "backend/qmp/peer-schema.h"

#include <string.h>

#include "backend/base/json.h"

struct PeerSchema {
    json_object *list;
    GHashTable *entries; /* name -> entry of @list */
};

PeerSchema *peer_schema_new(json_object *list)
{
    PeerSchema *schema = g_new0(PeerSchema, 1);

    schema->list = json_object_get(list);
    schema->entries = g_hash_table_new(g_str_hash, g_str_equal);
    for (size_t i = 0; i < json_length(list); i++) {
        json_object *entry = json_at(list, i);

        g_hash_table_insert(schema->entries, (char *)json_text(entry, "name"), entry);
    }
    return schema;
}

void peer_schema_free(PeerSchema *schema)
{
    if (schema != NULL) {
        g_hash_table_unref(schema->entries);
        json_object_put(schema->list);
        g_free(schema);
    }
}

json_object *peer_schema_list(const PeerSchema *schema)
{
    return schema->list;
}

static json_object *entry_of(const PeerSchema *schema, const char *name)
{
    return g_hash_table_lookup(schema->entries, name);
}

static json_object *command_of(const PeerSchema *schema, const char *command)
{
    json_object *entry = entry_of(schema, command);

    return strcmp(json_text(entry, "meta-type"), "command") == 0 ? entry : NULL;
}

/* The element with that name in a list of members. */
static json_object *member_of(json_object *object, const char *name)
{
    json_object *members = json_member(object, "members");

    for (size_t i = 0; i < json_length(members); i++) {
        json_object *member = json_at(members, i);

        if (strcmp(json_text(member, "name"), name) == 0) {
            return member;
        }
    }
    return NULL;
}

static json_object *arguments_of(const PeerSchema *schema, const char *command)
{
    return entry_of(schema, json_text(command_of(schema, command), "arg-type"));
}

bool peer_schema_has_command(const PeerSchema *schema, const char *command)
{
    return command_of(schema, command) != NULL;
}

bool peer_schema_has_argument(const PeerSchema *schema, const char *command, const char *argument)
{
    return member_of(arguments_of(schema, command), argument) != NULL;
}

bool peer_schema_has_parameter(const PeerSchema *schema, const char *name)
{
    return peer_schema_has_argument(schema, "migrate-set-parameters", name);
}

/* The enum of capability names, three types below the command. */
static json_object *capability_enum(const PeerSchema *schema)
{
    json_object *list = member_of(arguments_of(schema, "migrate-set-capabilities"), "capabilities");
    json_object *array = entry_of(schema, json_text(list, "type"));
    json_object *status = entry_of(schema, json_text(array, "element-type"));

    return entry_of(schema, json_text(member_of(status, "capability"), "type"));
}

bool peer_schema_has_capability(const PeerSchema *schema, const char *name)
{
    json_object *values = json_member(capability_enum(schema), "values");

    for (size_t i = 0; i < json_length(values); i++) {
        if (strcmp(json_string(json_at(values, i)), name) == 0) {
            return true;
        }
    }
    return false;
}

/* ---- lists for completion and help ---- */

/* "string" for an alternate of a string and null, as tls-creds is one. */
static const char *type_word(const PeerSchema *schema, json_object *entry)
{
    const char *meta = json_text(entry, "meta-type");

    if (strcmp(meta, "builtin") == 0) {
        return json_text(entry, "json-type");
    }
    if (strcmp(meta, "alternate") == 0) {
        json_object *members = json_member(entry, "members");

        for (size_t i = 0; i < json_length(members); i++) {
            const char *name = json_text(json_at(members, i), "type");

            if (strcmp(json_text(entry_of(schema, name), "json-type"), "string") == 0) {
                return "string";
            }
        }
    }
    return strcmp(meta, "enum") == 0 ? "enum" : strcmp(meta, "array") == 0 ? "list" : "object";
}

static json_object *describe(const PeerSchema *schema, json_object *member)
{
    json_object *described = json_object_new_object();
    json_object *type = entry_of(schema, json_text(member, "type"));
    json_object *features = json_member(member, "features");

    json_add_text(described, "name", json_text(member, "name"));
    if (type != NULL) {
        json_object *values = json_member(type, "values");

        json_add_text(described, "type", type_word(schema, type));
        if (values != NULL) {
            json_object_object_add(described, "values", json_object_get(values));
        }
    }
    if (features != NULL) {
        json_object_object_add(described, "features", json_object_get(features));
    }
    return described;
}

static json_object *describe_all(const PeerSchema *schema, json_object *entry)
{
    json_object *list = json_object_new_array();
    json_object *members = json_member(entry, "members");

    for (size_t i = 0; i < json_length(members); i++) {
        json_object_array_add(list, describe(schema, json_at(members, i)));
    }
    return list;
}

json_object *peer_schema_parameters(const PeerSchema *schema)
{
    return describe_all(schema, arguments_of(schema, "migrate-set-parameters"));
}

/* Old monitors list only the values of an enum, without members. */
json_object *peer_schema_capabilities(const PeerSchema *schema)
{
    json_object *entry = capability_enum(schema);
    json_object *values = json_member(entry, "values");
    json_object *list = describe_all(schema, entry);

    for (size_t i = 0; json_length(list) < json_length(values) && i < json_length(values); i++) {
        json_object *described = json_object_new_object();

        json_object_object_add(described, "name", json_object_get(json_at(values, i)));
        json_object_array_add(list, described);
    }
    return list;
}
