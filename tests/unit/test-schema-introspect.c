/*
 * backend/schema/introspect.c: what query-qmp-schema says is a valid
 * description, complete in itself, of what the tables have.
 */
#include "tests/unit/test.h"

#include <string.h>

#include <glib.h>
#include <json-c/json.h>

#include "backend/schema/schema.h"

/* ---- helpers ---- */

static const char *text(json_object *object, const char *member)
{
    json_object *value;

    if (!json_object_object_get_ex(object, member, &value)) {
        fail_msg("no member %s in %s", member, json_object_to_json_string(object));
    }
    assert_true(json_object_is_type(value, json_type_string));
    return json_object_get_string(value);
}

static json_object *list(json_object *object, const char *member)
{
    json_object *value = json_object_object_get(object, member);

    assert_true(json_object_is_type(value, json_type_array));
    return value;
}

static json_object *find(json_object *schema, const char *name)
{
    for (size_t i = 0; i < json_object_array_length(schema); i++) {
        json_object *entry = json_object_array_get_idx(schema, i);

        if (strcmp(text(entry, "name"), name) == 0) {
            return entry;
        }
    }
    return NULL;
}

static json_object *element(json_object *elements, const char *key, const char *value)
{
    for (size_t i = 0; i < json_object_array_length(elements); i++) {
        json_object *e = json_object_array_get_idx(elements, i);

        if (strcmp(text(e, key), value) == 0) {
            return e;
        }
    }
    fail_msg("no %s %s in %s", key, value, json_object_to_json_string(elements));
    return NULL;
}

static bool has_feature(json_object *object, const char *feature)
{
    json_object *features = json_object_object_get(object, "features");

    for (size_t i = 0; features != NULL && i < json_object_array_length(features); i++) {
        if (strcmp(json_object_get_string(json_object_array_get_idx(features, i)), feature) == 0) {
            return true;
        }
    }
    return false;
}

/* ---- the walk over all references ---- */

typedef struct {
    json_object *schema;
    GHashTable *entries; /* name -> entry */
    GHashTable *used;    /* names of types that something refers to */
} Walk;

static json_object *refer(Walk *walk, json_object *from, const char *member)
{
    const char *name = text(from, member);
    json_object *entry = g_hash_table_lookup(walk->entries, name);

    if (entry == NULL) {
        fail_msg("nothing is named %s, to which %s refers", name, json_object_to_json_string(from));
    }
    const char *kind = text(entry, "meta-type");
    assert_true(strcmp(kind, "command") != 0 && strcmp(kind, "event") != 0);
    g_hash_table_add(walk->used, (char *)name);
    return entry;
}

static void refer_to_object(Walk *walk, json_object *from, const char *member)
{
    assert_string_equal(text(refer(walk, from, member), "meta-type"), "object");
}

static void check_enum(json_object *entry)
{
    json_object *members = list(entry, "members");
    json_object *values = list(entry, "values");

    assert_true(json_object_array_length(members) > 0);
    assert_int_equal(json_object_array_length(members), json_object_array_length(values));
    for (size_t i = 0; i < json_object_array_length(members); i++) {
        assert_string_equal(text(json_object_array_get_idx(members, i), "name"),
                            json_object_get_string(json_object_array_get_idx(values, i)));
    }
}

static void check_variants(Walk *walk, json_object *entry)
{
    json_object *tag = element(list(entry, "members"), "name", text(entry, "tag"));
    json_object *values = list(refer(walk, tag, "type"), "values");
    json_object *variants = list(entry, "variants");

    assert_int_equal(json_object_array_length(values), json_object_array_length(variants));
    for (size_t i = 0; i < json_object_array_length(variants); i++) {
        json_object *variant = json_object_array_get_idx(variants, i);

        assert_string_equal(text(variant, "case"),
                            json_object_get_string(json_object_array_get_idx(values, i)));
        refer_to_object(walk, variant, "type");
    }
}

static void check_object(Walk *walk, json_object *entry)
{
    json_object *members = list(entry, "members");
    g_autoptr(GHashTable) names = g_hash_table_new(g_str_hash, g_str_equal);
    json_object *value;

    for (size_t i = 0; i < json_object_array_length(members); i++) {
        json_object *member = json_object_array_get_idx(members, i);

        assert_true(g_hash_table_add(names, (char *)text(member, "name")));
        refer(walk, member, "type");
        assert_true(!json_object_object_get_ex(member, "default", &value) || value == NULL);
    }
    if (json_object_object_get_ex(entry, "tag", NULL)) {
        check_variants(walk, entry);
    }
}

static void check_entry(Walk *walk, json_object *entry)
{
    const char *kind = text(entry, "meta-type");

    if (strcmp(kind, "builtin") == 0) {
        assert_non_null(text(entry, "json-type"));
    } else if (strcmp(kind, "enum") == 0) {
        check_enum(entry);
    } else if (strcmp(kind, "array") == 0) {
        g_autofree char *name = g_strdup_printf("[%s]", text(entry, "element-type"));

        refer(walk, entry, "element-type");
        assert_string_equal(text(entry, "name"), name);
    } else if (strcmp(kind, "object") == 0) {
        check_object(walk, entry);
    } else if (strcmp(kind, "alternate") == 0) {
        for (size_t i = 0; i < json_object_array_length(list(entry, "members")); i++) {
            refer(walk, json_object_array_get_idx(list(entry, "members"), i), "type");
        }
    } else if (strcmp(kind, "command") == 0) {
        refer_to_object(walk, entry, "arg-type");
        refer(walk, entry, "ret-type");
    } else if (strcmp(kind, "event") == 0) {
        refer_to_object(walk, entry, "arg-type");
    } else {
        fail_msg("%s is no meta-type", kind);
    }
}

static void test_every_reference_leads_to_a_type(void **state)
{
    Walk walk = { schema_to_json(), g_hash_table_new(g_str_hash, g_str_equal),
                  g_hash_table_new(g_str_hash, g_str_equal) };

    (void)state;
    for (size_t i = 0; i < json_object_array_length(walk.schema); i++) {
        json_object *entry = json_object_array_get_idx(walk.schema, i);

        /* No name twice. */
        assert_true(g_hash_table_insert(walk.entries, (char *)text(entry, "name"), entry));
    }
    for (size_t i = 0; i < json_object_array_length(walk.schema); i++) {
        check_entry(&walk, json_object_array_get_idx(walk.schema, i));
    }
    for (size_t i = 0; i < json_object_array_length(walk.schema); i++) {
        json_object *entry = json_object_array_get_idx(walk.schema, i);
        const char *kind = text(entry, "meta-type");

        if (strcmp(kind, "command") != 0 && strcmp(kind, "event") != 0 &&
            !g_hash_table_contains(walk.used, text(entry, "name"))) {
            fail_msg("nothing refers to %s", json_object_to_json_string(entry));
        }
    }
    g_hash_table_unref(walk.entries);
    g_hash_table_unref(walk.used);
    json_object_put(walk.schema);
}

/* ---- against the tables ---- */

static void test_the_reply_is_what_its_own_schema_says(void **state)
{
    const SchemaCommand *query = schema_find_command("query-qmp-schema");
    const SchemaMember members[] = { { "return", query->returns, false, false }, { NULL } };
    const SchemaCommand as_arguments = { .name = "reply", .args = members };
    json_object *reply = json_object_new_object();
    g_autoptr(GError) error = NULL;

    (void)state;
    json_object_object_add(reply, "return", schema_to_json());
    if (!schema_check_arguments(&as_arguments, reply, &error)) {
        fail_msg("%s", error->message);
    }
    json_object_put(reply);
}

static void test_commands_and_events_are_those_of_the_tables(void **state)
{
    json_object *schema = schema_to_json();
    json_object *names = schema_commands_to_json();
    size_t n_commands, n_events, listed = 0;
    const SchemaCommand *commands = schema_commands(&n_commands);
    const SchemaEvent *events = schema_events(&n_events);

    (void)state;
    assert_int_equal(json_object_array_length(names), n_commands);
    for (size_t i = 0; i < n_commands; i++) {
        json_object *entry = find(schema, commands[i].name);

        assert_string_equal(text(entry, "meta-type"), "command");
        assert_int_equal(json_object_object_get_ex(entry, "allow-oob", NULL), commands[i].oob);
        assert_int_equal(has_feature(entry, "unstable"), g_str_has_prefix(commands[i].name, "x-"));
        listed++;
    }
    for (size_t i = 0; i < n_events; i++) {
        json_object *entry = find(schema, events[i].name);

        assert_int_equal(entry == NULL, events[i].hidden);
        listed += !events[i].hidden;
    }
    assert_true(listed < json_object_array_length(schema));
    json_object_put(names);
    json_object_put(schema);
}

static json_object *type_of(json_object *schema, json_object *object, const char *member)
{
    return find(schema, text(object, member));
}

static void test_what_the_tables_know_shows(void **state)
{
    json_object *schema = schema_to_json();
    json_object *migrate = type_of(schema, find(schema, "migrate"), "arg-type");
    json_object *uri = element(list(migrate, "members"), "name", "uri");
    json_object *caps = type_of(schema, find(schema, "migrate-set-capabilities"), "arg-type");
    json_object *set = type_of(schema, find(schema, "migrate-set-parameters"), "arg-type");
    json_object *one;

    (void)state;
    assert_string_equal(text(uri, "type"), "str");
    assert_true(json_object_object_get_ex(uri, "default", NULL));
    assert_true(has_feature(element(list(migrate, "members"), "name", "blk"), "deprecated"));
    assert_false(has_feature(uri, "deprecated"));
    /* Integers have no size. */
    assert_string_equal(text(element(list(set, "members"), "name", "cpu-throttle-initial"), "type"),
                        "int");
    one = type_of(schema, element(list(set, "members"), "name", "tls-creds"), "type");
    assert_string_equal(text(one, "meta-type"), "alternate");
    /* A required member has no default at all. */
    one = element(list(caps, "members"), "name", "capabilities");
    assert_false(json_object_object_get_ex(one, "default", NULL));
    one = type_of(schema, type_of(schema, one, "type"), "element-type");
    one = type_of(schema, element(list(one, "members"), "name", "capability"), "type");
    assert_true(has_feature(element(list(one, "members"), "name", "block"), "deprecated"));
    assert_true(has_feature(element(list(one, "members"), "name", "x-colo"), "unstable"));
    assert_false(has_feature(element(list(one, "members"), "name", "multifd"), "unstable"));
    /* No arguments, no value: the empty object. */
    assert_string_equal(text(find(schema, "stop"), "arg-type"), "0");
    assert_string_equal(text(find(schema, "stop"), "ret-type"), "0");
    assert_string_equal(text(find(schema, "STOP"), "arg-type"), "0");
    json_object_put(schema);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_reference_leads_to_a_type),
        cmocka_unit_test(test_the_reply_is_what_its_own_schema_says),
        cmocka_unit_test(test_commands_and_events_are_those_of_the_tables),
        cmocka_unit_test(test_what_the_tables_know_shows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
