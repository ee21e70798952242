/*
 * backend/schema*.c: arguments against the schema, in QEMU's words. Rows of
 * migrate-incoming and of the capabilities were seen from 8.2.0; those of
 * migrate with channels from 10.0.2, as 8.2.0 could not be asked.
 */
#include "tests/unit/test.h"

#include <string.h>

#include <glib.h>

#include "backend/base/error.h"
#include "backend/schema/schema.h"
#include "backend/tables/parameters.h"

static json_object *parse(const char *json)
{
    json_object *value = json_tokener_parse(json);

    if (value == NULL) {
        fail_msg("bad row: %s", json);
    }
    return value;
}

/* Normalised as the backend does it; NULL = accepted, else the first line of the error. */
static char *check(const char *command_name, const char *json)
{
    const SchemaCommand *command = schema_find_command(command_name);
    json_object *args = json == NULL ? NULL : parse(json);
    g_autoptr(GError) error = NULL;

    assert_non_null(command);
    if (args != NULL &&
        (strcmp(command_name, "migrate") == 0 || strcmp(command_name, "migrate-incoming") == 0)) {
        json_object *shaped = schema_normalise_migrate(args, &error);

        json_object_put(args);
        args = shaped;
        if (args == NULL) {
            return mig_error_first_line(error);
        }
    }
    bool ok = schema_check_arguments(command, args, &error);
    json_object_put(args);
    assert_true(ok == (error == NULL));
    return ok ? NULL : mig_error_first_line(error);
}

#define UNIX       "{\"transport\":\"socket\",\"type\":\"unix\",\"path\":\"/n\"}"
#define MAIN(addr) "{\"channels\":[{\"channel-type\":\"main\",\"addr\":" addr "}]}"

static const struct {
    const char *command, *json, *error;
} rows[] = {
    /* missing, unexpected, wrong type */
    { "query-status", NULL, NULL },
    { "query-status", "{}", NULL },
    { "query-status", "{\"x\":1}", "Parameter 'x' is unexpected" },
    { "migrate", "{}", NULL },
    { "migrate", "{\"uri\":5}", "Invalid parameter type for 'uri', expected: string" },
    { "migrate", "{\"uri\":null}", "Invalid parameter type for 'uri', expected: string" },
    { "migrate", "{\"uri\":\"unix:/n\",\"bogus\":1}", "Parameter 'bogus' is unexpected" },
    { "migrate", "{\"uri\":\"unix:/n\",\"resume\":\"yes\"}",
      "Invalid parameter type for 'resume', expected: boolean" },
    { "migrate", "{\"uri\":\"unix:/n\",\"detach\":true,\"blk\":true,\"inc\":false}", NULL },
    { "migrate", "{\"bogus\":1,\"uri\":5}", "Invalid parameter type for 'uri', expected: string" },
    { "getfd", NULL, "Parameter 'fdname' is missing" },
    { "cont", "{\"x-force\":true}", NULL },
    { "human-monitor-command", "{}", "Parameter 'command-line' is missing" },
    { "human-monitor-command", "{\"command-line\":\"q\",\"cpu-index\":1.5}",
      "Invalid parameter type for 'cpu-index', expected: integer" },
    { "human-monitor-command", "{\"command-line\":\"q\",\"cpu-index\":9223372036854775808}",
      "Invalid parameter type for 'cpu-index', expected: integer" },
    { "human-monitor-command", "{\"command-line\":\"q\",\"cpu-index\":-1}", NULL },
    { "qmp_capabilities", "{\"enable\":[\"nosuch\"]}",
      "Parameter 'null' does not accept value 'nosuch'" },
    { "qmp_capabilities", "{\"enable\":[\"oob\",\"oob\"]}", NULL },
    /* capabilities */
    { "migrate-set-capabilities", "{\"capabilities\":[]}", NULL },
    { "migrate-set-capabilities", NULL, "Parameter 'capabilities' is missing" },
    { "migrate-set-capabilities",
      "{\"capabilities\":[{\"capability\":\"xbzrle\",\"state\":true},"
      "{\"capability\":\"nosuch\",\"state\":true}]}",
      "Parameter 'capability' does not accept value 'nosuch'" },
    { "migrate-set-capabilities", "{\"capabilities\":[{\"capability\":\"xbzrle\"}]}",
      "Parameter 'capabilities[0].state' is missing" },
    { "migrate-set-capabilities", "{\"capabilities\":[{\"state\":true}]}",
      "Parameter 'capabilities[0].capability' is missing" },
    { "migrate-set-capabilities",
      "{\"capabilities\":[{\"capability\":\"xbzrle\",\"state\":\"on\"}]}",
      "Invalid parameter type for 'capabilities[0].state', expected: boolean" },
    { "migrate-set-capabilities", "{\"capabilities\":{\"capability\":\"xbzrle\",\"state\":true}}",
      "Invalid parameter type for 'capabilities', expected: array" },
    { "migrate-set-capabilities", "{\"capabilities\":[7]}",
      "Invalid parameter type for 'capabilities[0]', expected: object" },
    /* channels */
    { "migrate-incoming", "{\"channels\":[]}", NULL },
    { "migrate-incoming", "{\"channels\":" UNIX "}",
      "Invalid parameter type for 'channels', expected: array" },
    { "migrate-incoming", "{\"channels\":[" UNIX "]}",
      "Parameter 'channels[0].channel-type' is missing" },
    { "migrate-incoming", "{\"channels\":[{\"addr\":" UNIX "}]}",
      "Parameter 'channels[0].channel-type' is missing" },
    { "migrate-incoming", "{\"channels\":[{\"channel-type\":\"main\"}]}",
      "Parameter 'channels[0].addr' is missing" },
    { "migrate-incoming", "{\"channels\":[{\"channel-type\":\"bogus\",\"addr\":" UNIX "}]}",
      "Parameter 'channel-type' does not accept value 'bogus'" },
    { "migrate-incoming", MAIN("{\"transport\":\"bogus\"}"),
      "Parameter 'transport' does not accept value 'bogus'" },
    { "migrate-incoming", MAIN("{}"), "Parameter 'channels[0].addr.transport' is missing" },
    { "migrate-incoming", MAIN("{\"transport\":\"socket\"}"),
      "Parameter 'channels[0].addr.type' is missing" },
    { "migrate-incoming", MAIN("{\"transport\":\"socket\",\"type\":\"bogus\"}"),
      "Parameter 'type' does not accept value 'bogus'" },
    { "migrate-incoming", MAIN("{\"transport\":\"socket\",\"type\":\"unix\"}"),
      "Parameter 'channels[0].addr.path' is missing" },
    { "migrate-incoming",
      MAIN("{\"transport\":\"socket\",\"type\":\"unix\",\"path\":\"/n\",\"bogus\":1}"),
      "Parameter 'channels[0].addr.bogus' is unexpected" },
    { "migrate-incoming", MAIN("{\"transport\":\"socket\",\"type\":\"inet\",\"host\":\"h\"}"),
      "Parameter 'channels[0].addr.port' is missing" },
    { "migrate-incoming",
      MAIN("{\"transport\":\"socket\",\"type\":\"inet\",\"host\":\"h\",\"port\":1}"),
      "Invalid parameter type for 'channels[0].addr.port', expected: string" },
    { "migrate-incoming",
      MAIN("{\"transport\":\"socket\",\"type\":\"inet\",\"host\":\"h\",\"port\":\"1\",\"to\":"
           "70000}"),
      "Parameter 'to' expects uint16_t" },
    { "migrate-incoming",
      MAIN("{\"transport\":\"socket\",\"type\":\"inet\",\"host\":\"h\",\"port\":\"1\",\"to\":-1}"),
      "Parameter 'to' expects uint16_t" },
    { "migrate-incoming",
      MAIN("{\"transport\":\"socket\",\"type\":\"inet\",\"host\":\"h\",\"port\":\"1\",\"to\":"
           "\"2\"}"),
      "Parameter 'channels[0].addr.to' expects uint64" },
    { "migrate-incoming",
      MAIN("{\"transport\":\"socket\",\"type\":\"inet\",\"host\":\"h\",\"port\":\"1\","
           "\"ipv4\":\"on\"}"),
      "Invalid parameter type for 'channels[0].addr.ipv4', expected: boolean" },
    { "migrate-incoming",
      MAIN("{\"transport\":\"socket\",\"type\":\"inet\",\"host\":\"h\",\"port\":\"1\",\"path\":\"/"
           "x\"}"),
      "Parameter 'channels[0].addr.path' is unexpected" },
    { "migrate-incoming", MAIN("{\"transport\":\"exec\",\"args\":\"x\"}"),
      "Invalid parameter type for 'channels[0].addr.args', expected: array" },
    { "migrate-incoming", MAIN("{\"transport\":\"exec\",\"args\":[1]}"),
      "Invalid parameter type for 'channels[0].addr.args[0]', expected: string" },
    { "migrate-incoming", MAIN("{\"transport\":\"exec\"}"),
      "Parameter 'channels[0].addr.args' is missing" },
    { "migrate-incoming", MAIN("{\"transport\":\"file\",\"filename\":\"/f\"}"),
      "Parameter 'channels[0].addr.offset' is missing" },
    { "migrate-incoming", MAIN("{\"transport\":\"file\",\"filename\":\"/f\",\"offset\":\"zz\"}"),
      "Parameter 'channels[0].addr.offset' expects uint64" },
    /* QEMU wraps it round. */
    { "migrate-incoming", MAIN("{\"transport\":\"file\",\"filename\":\"/f\",\"offset\":-1}"),
      "Parameter 'channels[0].addr.offset' expects uint64" },
    { "migrate", MAIN("{\"transport\":\"rdma\",\"host\":\"h\",\"port\":\"1\"}"), NULL },
    { "migrate", MAIN("{\"transport\":\"socket\",\"type\":\"fd\",\"str\":\"n\"}"), NULL },
    { "migrate", MAIN("{\"transport\":\"socket\",\"type\":\"vsock\",\"cid\":\"2\",\"port\":\"x\"}"),
      NULL },
    { "migrate", MAIN(UNIX), NULL },
    /* Errors of an element come before members that are not known at the top. */
    { "migrate", "{\"bogus\":1,\"channels\":[{}]}",
      "Parameter 'channels[0].channel-type' is missing" },
};

static void test_texts_are_qemus(void **state)
{
    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        print_message("%s %s\n", rows[i].command, rows[i].json == NULL ? "" : rows[i].json);
        g_autofree char *error = check(rows[i].command, rows[i].json);

        if (rows[i].error == NULL) {
            assert_null(error);
        } else {
            assert_non_null(error);
            assert_string_equal(error, rows[i].error);
        }
    }
}

#define INET_FLAT "\"type\":\"inet\",\"host\":\"10.12.34.9\",\"port\":\"1050\""

static const struct {
    const char *given, *current;
} aliases[] = {
    /* The three examples of the first patch. */
    { "{\"channel\":{\"channeltype\":\"main\",\"addr\":{\"transport\":\"socket\",\"data\":"
      "{" INET_FLAT "}}}}",
      MAIN("{\"transport\":\"socket\"," INET_FLAT "}") },
    { "{\"channel\":{\"channeltype\":\"main\",\"addr\":{\"transport\":\"exec\","
      "\"data\":[\"/bin/nc\",\"-U\",\"/some/sock\"]}}}",
      MAIN("{\"transport\":\"exec\",\"args\":[\"/bin/nc\",\"-U\",\"/some/sock\"]}") },
    { "{\"channel\":{\"channeltype\":\"main\",\"addr\":{\"transport\":\"rdma\","
      "\"data\":{\"host\":\"10.12.34.9\",\"port\":\"1050\"}}}}",
      MAIN("{\"transport\":\"rdma\",\"host\":\"10.12.34.9\",\"port\":\"1050\"}") },
    /* The mixed form: a list, the old type member, a flat address. */
    { "{\"channels\":[{\"channeltype\":\"main\",\"addr\":{\"transport\":\"socket\"," INET_FLAT
      "}}]}",
      MAIN("{\"transport\":\"socket\"," INET_FLAT "}") },
    { MAIN("{\"transport\":\"file\",\"filename\":\"/f\",\"offset\":\"0x1000\"}"),
      MAIN("{\"transport\":\"file\",\"filename\":\"/f\",\"offset\":4096}") },
    { MAIN("{\"transport\":\"file\",\"filename\":\"/f\",\"offset\":\"1k\"}"),
      MAIN("{\"transport\":\"file\",\"filename\":\"/f\",\"offset\":1024}") },
    { "{\"uri\":\"tcp:h:1\"}", "{\"uri\":\"tcp:h:1\"}" },
};

static void test_older_spellings_become_the_current_shape(void **state)
{
    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(aliases); i++) {
        json_object *given = parse(aliases[i].given);
        json_object *kept = parse(aliases[i].given);
        json_object *wanted = parse(aliases[i].current);
        json_object *shaped = schema_normalise_migrate(given, NULL);

        print_message("%s\n", aliases[i].given);
        assert_true(json_object_equal(shaped, wanted));
        assert_true(json_object_equal(given, kept)); /* a copy was changed */
        assert_true(schema_check_arguments(schema_find_command("migrate"), shaped, NULL));
        assert_true(schema_check_arguments(schema_find_command("migrate-incoming"), shaped, NULL));
        json_object_put(shaped);
        json_object_put(wanted);
        json_object_put(kept);
        json_object_put(given);
    }
}

static const struct {
    const char *given, *error;
} clashes[] = {
    { "{\"channel\":{},\"channels\":[]}",
      "Parameter 'channel' clashes with 'channels', of which it is the older spelling" },
    { "{\"channels\":[{},{\"channel-type\":\"main\",\"channeltype\":\"main\"}]}",
      "Parameter 'channels[1].channeltype' clashes with 'channels[1].channel-type', of which it is "
      "the older spelling" },
    { MAIN("{\"transport\":\"exec\",\"args\":[],\"data\":[]}"),
      "Parameter 'channels[0].addr.data' clashes with 'channels[0].addr.args', of which it is the "
      "older spelling" },
    { MAIN("{\"transport\":\"socket\",\"type\":\"unix\",\"data\":{\"type\":\"unix\"}}"),
      "Parameter 'channels[0].addr.data.type' clashes with 'channels[0].addr.type', of which it is "
      "the older spelling" },
    /* No old spelling, so the schema speaks. */
    { "{\"channel\":7}", "Invalid parameter type for 'channels[0]', expected: object" },
    { MAIN("{\"transport\":\"file\",\"data\":{\"filename\":\"/f\",\"offset\":0}}"),
      "Parameter 'channels[0].addr.filename' is missing" },
    { MAIN("{\"transport\":\"socket\",\"data\":[]}"),
      "Parameter 'channels[0].addr.type' is missing" },
};

static void test_a_thing_in_both_spellings_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(clashes); i++) {
        print_message("%s\n", clashes[i].given);
        g_autofree char *error = check("migrate", clashes[i].given);
        assert_non_null(error);
        assert_string_equal(error, clashes[i].error);
    }
}

static void test_cancel_has_two_names_and_one_row(void **state)
{
    (void)state;
    assert_string_equal(schema_find_command("migrate-cancel")->name, "migrate_cancel");
    assert_ptr_equal(schema_find_command("migrate-cancel"), schema_find_command("migrate_cancel"));
    assert_null(schema_find_command("migrate_set_speed"));
    assert_null(schema_find_command("migrate-set-cache-size"));
}

static void check_members(const SchemaMember *members);

static void check_type(const SchemaType *type)
{
    assert_non_null(type);
    if (type->name != NULL) {
        assert_ptr_equal(schema_find_type(type->name), type);
    }
    if (type->kind == SCHEMA_LIST) {
        check_type(type->element);
    }
    if (type->kind == SCHEMA_ENUM) {
        assert_non_null(type->values[0]);
    }
    check_members(type->members);
    check_members(type->branches);
    if (type->kind == SCHEMA_UNION) {
        assert_string_equal(type->members[0].name, type->discriminator);
        assert_int_equal(type->members[0].type->kind, SCHEMA_ENUM);
        for (size_t i = 0; type->members[0].type->values[i] != NULL; i++) {
            assert_string_equal(type->branches[i].name, type->members[0].type->values[i]);
        }
    }
}

static void check_members(const SchemaMember *members)
{
    for (const SchemaMember *m = members; m != NULL && m->name != NULL; m++) {
        check_type(m->type);
    }
}

static void test_every_type_in_use_can_be_found(void **state)
{
    size_t n_commands, n_events;
    const SchemaCommand *commands = schema_commands(&n_commands);
    const SchemaEvent *events = schema_events(&n_events);

    (void)state;
    for (size_t i = 0; i < n_commands; i++) {
        assert_ptr_equal(schema_find_command(commands[i].name), &commands[i]);
        check_members(commands[i].args);
        if (commands[i].returns != NULL) {
            check_type(commands[i].returns);
        }
    }
    for (size_t i = 0; i < n_events; i++) {
        check_members(events[i].data);
    }
}

/* Both are made from parameters.def, in its order. */
static void test_enum_parameters_agree_with_the_schema(void **state)
{
    const SchemaMember *m = schema_find_type("MigrateSetParameters")->members;

    (void)state;
    for (size_t i = 0; i < param_count; i++, m++) {
        assert_string_equal(m->name, param_table[i].name);
        if (param_table[i].kind == PARAM_ENUM) {
            assert_true(g_strv_equal(m->type->values, param_table[i].values));
        }
    }
    assert_null(m->name);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_texts_are_qemus),
        cmocka_unit_test(test_older_spellings_become_the_current_shape),
        cmocka_unit_test(test_a_thing_in_both_spellings_is_refused),
        cmocka_unit_test(test_cancel_has_two_names_and_one_row),
        cmocka_unit_test(test_every_type_in_use_can_be_found),
        cmocka_unit_test(test_enum_parameters_agree_with_the_schema),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
