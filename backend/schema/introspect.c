/*
 * The replies of query-qmp-schema and query-commands, made from the tables.
 * Types are numbered in the order in which they are first referred to. A list
 * is the name of its element in brackets. All integers are "int". The names
 * of types are not part of the contract. Main thread.
 */
#include "backend/schema/schema.h"

#include <string.h>

#include "backend/base/json.h"
#include "backend/tables/capabilities.h"

typedef struct {
    json_object *list;
    GHashTable *names;  /* SchemaType -> name */
    GHashTable *known;  /* names that are listed or in @waiting */
    GQueue waiting;     /* SchemaType that are referred to and not yet listed */
    GPtrArray *unnamed; /* types made here for the arguments of commands and events */
    unsigned next;
} Introspection;

static const struct {
    const char *name;
    const char *json_type;
} builtins[] = {
    [SCHEMA_STR] = { "str", "string" },       [SCHEMA_BOOL] = { "bool", "boolean" },
    [SCHEMA_INT] = { "int", "int" },          [SCHEMA_UINT8] = { "int", "int" },
    [SCHEMA_UINT16] = { "int", "int" },       [SCHEMA_UINT32] = { "int", "int" },
    [SCHEMA_UINT64] = { "int", "int" },       [SCHEMA_SIZE] = { "int", "int" },
    [SCHEMA_NUMBER] = { "number", "number" }, [SCHEMA_ANY] = { "any", "value" },
};

static bool is_builtin(const SchemaType *type)
{
    return (size_t)type->kind < G_N_ELEMENTS(builtins) && builtins[type->kind].name != NULL;
}

/* ---- names ---- */

static const char *name_of(Introspection *in, const SchemaType *type)
{
    char *name = g_hash_table_lookup(in->names, type);

    if (name != NULL) {
        return name;
    }
    if (is_builtin(type)) {
        name = g_strdup(builtins[type->kind].name);
    } else if (type->kind == SCHEMA_LIST) {
        name = g_strdup_printf("[%s]", name_of(in, type->element));
    } else {
        name = g_strdup_printf("%u", in->next++);
    }
    g_hash_table_insert(in->names, (void *)type, name);
    if (g_hash_table_add(in->known, name)) {
        g_queue_push_tail(&in->waiting, (void *)type);
    }
    return name;
}

/* All types without members are the same type. */
static const char *name_of_members(Introspection *in, const SchemaMember *members)
{
    static const SchemaType empty = { .kind = SCHEMA_STRUCT };

    if (members == NULL || members->name == NULL) {
        return name_of(in, &empty);
    }
    SchemaType *type = g_new0(SchemaType, 1);
    type->kind = SCHEMA_STRUCT;
    type->members = members;
    g_ptr_array_add(in->unnamed, type);
    return name_of(in, type);
}

/* ---- parts of an entry ---- */

static void add_features(json_object *object, const char *name, bool deprecated)
{
    bool unstable = g_str_has_prefix(name, "x-");

    if (!deprecated && !unstable) {
        return;
    }
    json_object *features = json_object_new_array();
    if (deprecated) {
        json_object_array_add(features, json_object_new_string("deprecated"));
    }
    if (unstable) {
        json_object_array_add(features, json_object_new_string("unstable"));
    }
    json_object_object_add(object, "features", features);
}

static bool value_is_deprecated(const SchemaType *type, const char *value)
{
    MigCapability capability;

    return type == schema_find_type("MigrationCapability") && capability_find(value, &capability) &&
           capability_table[capability].deprecated != NULL;
}

static void add_enum(json_object *entry, const SchemaType *type)
{
    json_object *members = json_object_new_array();
    json_object *values = json_object_new_array();

    for (const char *const *value = type->values; *value != NULL; value++) {
        json_object *member = json_object_new_object();

        json_add_text(member, "name", *value);
        add_features(member, *value, value_is_deprecated(type, *value));
        json_object_array_add(members, member);
        json_object_array_add(values, json_object_new_string(*value));
    }
    json_add_text(entry, "meta-type", "enum");
    json_object_object_add(entry, "members", members);
    json_object_object_add(entry, "values", values);
}

static void add_members(Introspection *in, json_object *entry, const SchemaMember *members)
{
    json_object *list = json_object_new_array();

    for (const SchemaMember *m = members; m != NULL && m->name != NULL; m++) {
        json_object *member = json_object_new_object();

        json_add_text(member, "name", m->name);
        json_add_text(member, "type", name_of(in, m->type));
        if (m->optional) {
            json_object_object_add(member, "default", NULL);
        }
        add_features(member, m->name, m->deprecated);
        json_object_array_add(list, member);
    }
    json_add_text(entry, "meta-type", "object");
    json_object_object_add(entry, "members", list);
}

static const SchemaMember *member_named(const SchemaMember *members, const char *name)
{
    for (const SchemaMember *m = members; m->name != NULL; m++) {
        if (strcmp(m->name, name) == 0) {
            return m;
        }
    }
    return NULL;
}

/* A case for each value of the discriminator; values without members get the empty type. */
static void add_variants(Introspection *in, json_object *entry, const SchemaType *type)
{
    const SchemaMember *tag = member_named(type->members, type->discriminator);
    json_object *variants = json_object_new_array();

    for (const char *const *value = tag->type->values; *value != NULL; value++) {
        const SchemaMember *branch = member_named(type->branches, *value);
        json_object *variant = json_object_new_object();

        json_add_text(variant, "case", *value);
        json_add_text(variant, "type",
                      branch == NULL ? name_of_members(in, NULL) : name_of(in, branch->type));
        json_object_array_add(variants, variant);
    }
    json_add_text(entry, "tag", type->discriminator);
    json_object_object_add(entry, "variants", variants);
}

static void add_str_or_null(Introspection *in, json_object *entry)
{
    static const SchemaType text = { .kind = SCHEMA_STR };
    json_object *members = json_object_new_array();
    json_object *member = json_object_new_object();

    json_add_text(member, "type", name_of(in, &text));
    json_object_array_add(members, member);
    member = json_object_new_object();
    json_add_text(member, "type", "null");
    json_object_array_add(members, member);
    json_add_text(entry, "meta-type", "alternate");
    json_object_object_add(entry, "members", members);
}

/* ---- entries ---- */

static json_object *new_entry(Introspection *in, const char *name)
{
    json_object *entry = json_object_new_object();

    json_add_text(entry, "name", name);
    json_object_array_add(in->list, entry);
    return entry;
}

static void list_builtin(Introspection *in, const char *name, const char *json_type)
{
    json_object *entry = new_entry(in, name);

    json_add_text(entry, "meta-type", "builtin");
    json_add_text(entry, "json-type", json_type);
}

static void list_type(Introspection *in, const SchemaType *type)
{
    if (is_builtin(type)) {
        list_builtin(in, builtins[type->kind].name, builtins[type->kind].json_type);
        return;
    }
    json_object *entry = new_entry(in, name_of(in, type));

    switch (type->kind) {
    case SCHEMA_LIST:
        json_add_text(entry, "meta-type", "array");
        json_add_text(entry, "element-type", name_of(in, type->element));
        break;
    case SCHEMA_ENUM:
        add_enum(entry, type);
        break;
    case SCHEMA_STR_OR_NULL:
        add_str_or_null(in, entry);
        break;
    case SCHEMA_UNION:
        add_members(in, entry, type->members);
        add_variants(in, entry, type);
        break;
    default:
        add_members(in, entry, type->members);
        break;
    }
}

static void list_commands(Introspection *in)
{
    size_t count;
    const SchemaCommand *commands = schema_commands(&count);

    for (size_t i = 0; i < count; i++) {
        const SchemaCommand *command = &commands[i];
        json_object *entry = new_entry(in, command->name);

        json_add_text(entry, "meta-type", "command");
        json_add_text(entry, "arg-type", name_of_members(in, command->args));
        json_add_text(entry, "ret-type",
                      command->returns == NULL ? name_of_members(in, NULL)
                                               : name_of(in, command->returns));
        if (command->oob) {
            json_add_flag(entry, "allow-oob", true);
        }
        add_features(entry, command->name, false);
    }
}

static void list_events(Introspection *in)
{
    size_t count;
    const SchemaEvent *events = schema_events(&count);

    for (size_t i = 0; i < count; i++) {
        if (!events[i].hidden) {
            json_object *entry = new_entry(in, events[i].name);

            json_add_text(entry, "meta-type", "event");
            json_add_text(entry, "arg-type", name_of_members(in, events[i].data));
        }
    }
}

json_object *schema_to_json(void)
{
    Introspection in = {
        .list = json_object_new_array(),
        .names = g_hash_table_new_full(NULL, NULL, NULL, g_free),
        .known = g_hash_table_new(g_str_hash, g_str_equal),
        .unnamed = g_ptr_array_new_with_free_func(g_free),
    };
    const SchemaType *type;

    g_queue_init(&in.waiting);
    name_of_members(&in, NULL); /* first, so that its number is 0, as in QEMU */
    list_commands(&in);
    list_events(&in);
    while ((type = g_queue_pop_head(&in.waiting)) != NULL) {
        list_type(&in, type);
    }
    list_builtin(&in, "null", "null"); /* StrOrNull refers to it, but no table has it */
    g_hash_table_unref(in.known);
    g_hash_table_unref(in.names);
    g_ptr_array_unref(in.unnamed);
    return in.list;
}

json_object *schema_commands_to_json(void)
{
    size_t count;
    const SchemaCommand *commands = schema_commands(&count);
    json_object *list = json_object_new_array_ext((int)count);

    for (size_t i = 0; i < count; i++) {
        json_object *entry = json_object_new_object();

        json_add_text(entry, "name", commands[i].name);
        json_object_array_add(list, entry);
    }
    return list;
}
