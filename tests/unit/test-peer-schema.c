/*
 * What a monitor's own schema is read for; also from schemas that are broken.
 */
#include "tests/unit/test.h"

#include <string.h>

#include "backend/qmp/peer-schema.h"
#include "backend/schema/schema.h"

/* The part of a reply that matters here, as QEMU 10.0 words it. */
static const char newer[] =
    "[{\"name\":\"migrate\",\"meta-type\":\"command\",\"arg-type\":\"1\",\"ret-type\":\"0\"},"
    "{\"name\":\"1\",\"meta-type\":\"object\",\"members\":[{\"name\":\"uri\",\"type\":\"str\","
    "\"default\":null},"
    "{\"name\":\"channels\",\"type\":\"[9]\",\"default\":null}]},"
    "{\"name\":\"migrate-set-parameters\",\"meta-type\":\"command\",\"arg-type\":\"2\",\"ret-"
    "type\":\"0\"},"
    "{\"name\":\"2\",\"meta-type\":\"object\",\"members\":["
    "{\"name\":\"direct-io\",\"type\":\"bool\",\"default\":null},"
    "{\"name\":\"zero-page-detection\",\"type\":\"3\",\"default\":null},"
    "{\"name\":\"tls-creds\",\"type\":\"4\",\"default\":null,\"features\":[\"unstable\"]},"
    "{\"name\":\"max-bandwidth\",\"type\":\"int\",\"default\":null}]},"
    "{\"name\":\"3\",\"meta-type\":\"enum\",\"values\":[\"none\",\"legacy\",\"multifd\"],"
    "\"members\":["
    "{\"name\":\"none\"},{\"name\":\"legacy\"},{\"name\":\"multifd\"}]},"
    "{\"name\":\"4\",\"meta-type\":\"alternate\",\"members\":[{\"type\":\"null\"},{\"type\":"
    "\"str\"}]},"
    "{\"name\":\"str\",\"meta-type\":\"builtin\",\"json-type\":\"string\"},"
    "{\"name\":\"bool\",\"meta-type\":\"builtin\",\"json-type\":\"boolean\"},"
    "{\"name\":\"int\",\"meta-type\":\"builtin\",\"json-type\":\"int\"},"
    "{\"name\":\"migrate-set-capabilities\",\"meta-type\":\"command\",\"arg-type\":\"5\",\"ret-"
    "type\":\"0\"},"
    "{\"name\":\"5\",\"meta-type\":\"object\",\"members\":[{\"name\":\"capabilities\",\"type\":\"["
    "6]\"}]},"
    "{\"name\":\"[6]\",\"meta-type\":\"array\",\"element-type\":\"6\"},"
    "{\"name\":\"6\",\"meta-type\":\"object\",\"members\":[{\"name\":\"capability\",\"type\":\"7\"}"
    ","
    "{\"name\":\"state\",\"type\":\"bool\"}]},"
    "{\"name\":\"7\",\"meta-type\":\"enum\",\"values\":[\"xbzrle\",\"mapped-ram\"]}]";

static PeerSchema *schema_of(const char *text)
{
    json_object *list = json_tokener_parse(text);
    PeerSchema *schema = peer_schema_new(list);

    json_object_put(list);
    return schema;
}

static void check_list(json_object *list, const char *wanted)
{
    assert_string_equal(json_object_to_json_string_ext(list, JSON_C_TO_STRING_PLAIN), wanted);
    json_object_put(list);
}

static void test_arguments_and_settings_are_found(void **state)
{
    g_autoptr(PeerSchema) schema = schema_of(newer);

    (void)state;
    assert_true(peer_schema_has_command(schema, "migrate"));
    assert_false(peer_schema_has_command(schema, "migrate-pause"));
    assert_false(peer_schema_has_command(schema, "1")); /* a type is no command */
    assert_true(peer_schema_has_argument(schema, "migrate", "channels"));
    assert_false(peer_schema_has_argument(schema, "migrate", "blk"));
    assert_false(peer_schema_has_argument(schema, "nosuch", "uri"));
    assert_true(peer_schema_has_parameter(schema, "direct-io"));
    assert_false(peer_schema_has_parameter(schema, "compress-level"));
    assert_true(peer_schema_has_capability(schema, "mapped-ram"));
    assert_false(peer_schema_has_capability(schema, "compress"));
}

static void test_settings_are_described(void **state)
{
    g_autoptr(PeerSchema) schema = schema_of(newer);

    (void)state;
    check_list(peer_schema_parameters(schema),
               "[{\"name\":\"direct-io\",\"type\":\"boolean\"},"
               "{\"name\":\"zero-page-detection\",\"type\":\"enum\",\"values\":[\"none\","
               "\"legacy\",\"multifd\"]},"
               "{\"name\":\"tls-creds\",\"type\":\"string\",\"features\":[\"unstable\"]},"
               "{\"name\":\"max-bandwidth\",\"type\":\"int\"}]");
    /* Old ones list the values alone. */
    check_list(peer_schema_capabilities(schema),
               "[{\"name\":\"xbzrle\"},{\"name\":\"mapped-ram\"}]");
}

static void test_own_schema_reads_like_a_peers(void **state)
{
    json_object *list = schema_to_json();
    g_autoptr(PeerSchema) schema = peer_schema_new(list);
    size_t n;
    const SchemaCommand *commands = schema_commands(&n);

    (void)state;
    for (size_t i = 0; i < n; i++) {
        assert_true(peer_schema_has_command(schema, commands[i].name));
    }
    assert_true(peer_schema_has_parameter(schema, "x-handover"));
    assert_true(peer_schema_has_capability(schema, "postcopy-ram"));
    json_object_put(list);
}

/* Nothing is known then; nothing breaks either. */
static void test_broken_schemas(void **state)
{
    static const char *const rows[] = {
        "{}",
        "[]",
        "[1, null, \"a\", []]",
        "[{\"name\":7,\"meta-type\":8}]",
        "[{\"name\":\"migrate-set-parameters\",\"meta-type\":\"command\",\"arg-type\":\"migrate-"
        "set-parameters\"}]",
        "[{\"name\":\"migrate-set-parameters\",\"meta-type\":\"command\",\"arg-type\":\"1\"},"
        "{\"name\":\"1\",\"members\":{\"a\":1}}]",
        "[{\"name\":\"migrate-set-capabilities\",\"meta-type\":\"command\",\"arg-type\":\"1\"},"
        "{\"name\":\"1\",\"members\":[{\"name\":\"capabilities\",\"type\":\"1\"}],\"element-type\":"
        "\"1\"}]",
    };

    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(PeerSchema) schema = schema_of(rows[i]);

        print_message("%s\n", rows[i]);
        assert_false(peer_schema_has_argument(schema, "migrate", "uri"));
        assert_false(peer_schema_has_parameter(schema, "a"));
        assert_false(peer_schema_has_capability(schema, "xbzrle"));
        json_object_put(peer_schema_parameters(schema));
        json_object_put(peer_schema_capabilities(schema));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_arguments_and_settings_are_found),
        cmocka_unit_test(test_settings_are_described),
        cmocka_unit_test(test_own_schema_reads_like_a_peers),
        cmocka_unit_test(test_broken_schemas),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
