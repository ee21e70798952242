/*
 * backend/tables/capabilities.c, and the rules of rules.def on a set of capabilities: QEMU 8.2.0's
 * rules and texts, then what this build cannot do.
 */
#include "tests/unit/test.h"

#include <string.h>

#include <glib.h>

#include "backend/base/error.h"
#include "backend/tables/capabilities.h"
#include "backend/tables/rules.h"

/* "a b -c" as the list that migrate-set-capabilities takes: a and b on, c off. */
static json_object *list_of(const char *words)
{
    json_object *list = json_object_new_array();
    g_auto(GStrv) names = g_strsplit(words, " ", -1);

    for (size_t i = 0; names[i] != NULL && names[i][0] != '\0'; i++) {
        bool off = names[i][0] == '-';
        json_object *entry = json_object_new_object();

        json_object_object_add(entry, "capability", json_object_new_string(names[i] + off));
        json_object_object_add(entry, "state", json_object_new_boolean(!off));
        json_object_array_add(list, entry);
    }
    return list;
}

static MigCapabilities set_of(const char *words)
{
    g_auto(GStrv) names = g_strsplit(words, " ", -1);
    MigCapabilities set = 0;

    for (size_t i = 0; names[i] != NULL && names[i][0] != '\0'; i++) {
        MigCapability id;

        assert_true(capability_find(names[i], &id));
        set |= CAPABILITY_BIT(id);
    }
    return set;
}

/* migrate-set-capabilities as the engine does it, on a host that is not asked. */
static bool apply(MigCapabilities *set, json_object *list, void (*warn)(void *, const char *),
                  void *data, GError **error)
{
    Facts facts = { .capabilities = capabilities_change(*set, list) };

    facts.added = facts.capabilities & ~*set;
    if (warn != NULL) {
        capabilities_warn(facts.added, warn, data);
    }
    if (!rules_allow(RULE_CAPABILITIES, &facts, error)) {
        return false;
    }
    *set = facts.capabilities;
    return true;
}

static const struct {
    const char *stored, *change, *error;
} refused[] = {
    { "", "xbzrle multifd", "Multifd is not compatible with xbzrle" },
    { "multifd", "xbzrle", "Multifd is not compatible with xbzrle" },
    { "multifd", "postcopy-ram", "Postcopy is not yet compatible with multifd" },
    { "postcopy-ram", "x-ignore-shared", "Postcopy is not compatible with ignore-shared" },
    { "x-ignore-shared", "postcopy-ram", "Postcopy is not compatible with ignore-shared" },
    { "postcopy-preempt postcopy-ram", "-postcopy-ram", "Postcopy preempt requires postcopy-ram" },
    { "", "postcopy-preempt", "Postcopy preempt requires postcopy-ram" },
    { "postcopy-ram", "postcopy-preempt compress",
      "Postcopy preempt not compatible with compress" },
    { "return-path switchover-ack", "-return-path",
      "Capability 'switchover-ack' requires capability 'return-path'" },
    { "", "switchover-ack", "Capability 'switchover-ack' requires capability 'return-path'" },
    { "postcopy-preempt postcopy-ram return-path switchover-ack", "background-snapshot",
      "Background-snapshot is not compatible with postcopy-ram" },
    { "postcopy-preempt postcopy-ram", "zero-copy-send multifd",
      "Postcopy is not yet compatible with multifd" },
    { "auto-converge", "dirty-limit",
      "dirty-limit conflicts with auto-converge either of then available currently" },
    { "auto-converge", "background-snapshot",
      "Background-snapshot is not compatible with auto-converge" },
    { "", "zero-copy-send",
      "Zero copy only available for non-compressed non-TLS multifd migration" },
    { "multifd zero-copy-send", "compress",
      "Zero copy only available for non-compressed non-TLS multifd migration" },
    { "multifd", "compress", "Multifd is not compatible with compress" },
    { "xbzrle", "compress", "Compression is not compatible with xbzrle" },
    { "background-snapshot", "validate-uuid",
      "Background-snapshot is not compatible with validate-uuid" },
    { "mapped-ram", "xbzrle", "Mapped-ram migration is incompatible with xbzrle" },
    { "background-snapshot", "xbzrle", "Background-snapshot is not compatible with xbzrle" },
    { "background-snapshot", "multifd", "Background-snapshot is not compatible with multifd" },
    { "background-snapshot", "return-path",
      "Background-snapshot is not compatible with return-path" },
    /* QEMU would take these. */
    { "", "events x-colo", "Capability 'x-colo' is not supported by this build" },
    { "", "block", "Capability 'block' is not supported by this build" },
    { "", "rdma-pin-all", "Capability 'rdma-pin-all' is not supported by this build" },
};

static void test_rules_come_first_then_what_is_not_built(void **state)
{
    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(refused); i++) {
        MigCapabilities set = set_of(refused[i].stored);
        MigCapabilities before = set;
        g_autoptr(GError) error = NULL;
        json_object *list = list_of(refused[i].change);

        print_message("[%s] + %s\n", refused[i].stored, refused[i].change);
        assert_false(apply(&set, list, NULL, NULL, &error));
        g_autofree char *line = mig_error_first_line(error);
        assert_string_equal(line, refused[i].error);
        assert_true(set == before);
        json_object_put(list);
    }
}

static const struct {
    const char *stored, *change, *result;
} accepted[] = {
    { "", "", "" },
    { "", "events", "events" },
    { "", "x-sparse-ram", "x-sparse-ram" },
    { "", "compress", "compress" },
    { "events", "return-path validate-uuid", "events return-path validate-uuid" },
    { "events", "-events", "" },
    /* The last entry of a name counts. */
    { "", "xbzrle -xbzrle", "" },
    { "", "-events events", "events" },
    /* Off is always fine for what cannot be on. */
    { "", "-multifd -block -x-colo", "" },
};

static void test_supported_changes_are_made(void **state)
{
    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(accepted); i++) {
        MigCapabilities set = set_of(accepted[i].stored);
        json_object *list = list_of(accepted[i].change);

        print_message("[%s] + %s\n", accepted[i].stored, accepted[i].change);
        assert_true(apply(&set, list, NULL, NULL, NULL));
        assert_true(set == set_of(accepted[i].result));
        json_object_put(list);
    }
}

static void test_further_conflicts_are_hints(void **state)
{
    MigCapabilities set = 0;
    g_autoptr(GError) error = NULL;
    json_object *list = list_of("multifd xbzrle postcopy-ram");

    (void)state;
    assert_false(apply(&set, list, NULL, NULL, &error));
    assert_string_equal(error->message, "Postcopy is not yet compatible with multifd\n"
                                        "hint: also: Multifd is not compatible with xbzrle");
    json_object_put(list);
}

static void note_warning(void *data, const char *text)
{
    g_string_append_printf(data, "%s|", text);
}

static void test_deprecation_is_told_before_the_error(void **state)
{
    g_autoptr(GString) warnings = g_string_new(NULL);
    MigCapabilities set = 0;
    json_object *list = list_of("compress xbzrle");
    json_object *other = list_of("events");

    (void)state;
    assert_false(apply(&set, list, note_warning, warnings, NULL));
    assert_string_equal(warnings->str, "old compression method is deprecated; use multifd "
                                       "compression methods instead|");
    g_string_truncate(warnings, 0);
    assert_true(apply(&set, other, note_warning, warnings, NULL));
    assert_string_equal(warnings->str, "");
    json_object_put(list);
    json_object_put(other);
}

static const char *const qemu_order[] = {
    "xbzrle",
    "rdma-pin-all",
    "auto-converge",
    "zero-blocks",
    "compress",
    "events",
    "postcopy-ram",
    "x-colo",
    "release-ram",
    "block",
    "return-path",
    "pause-before-switchover",
    "multifd",
    "dirty-bitmaps",
    "postcopy-blocktime",
    "late-block-activate",
    "x-ignore-shared",
    "validate-uuid",
    "background-snapshot",
    "zero-copy-send",
    "postcopy-preempt",
    "switchover-ack",
    "dirty-limit",
    /* not in 8.2 */
    "x-sparse-ram",
    "mapped-ram",
};

static void test_json_lists_all_in_qemus_order(void **state)
{
    json_object *list = capabilities_to_json(set_of("return-path"));

    (void)state;
    assert_int_equal(json_object_array_length(list), G_N_ELEMENTS(qemu_order));
    for (size_t i = 0; i < G_N_ELEMENTS(qemu_order); i++) {
        json_object *entry = json_object_array_get_idx(list, i);
        json_object *state_on = json_object_object_get(entry, "state");

        assert_string_equal(json_object_get_string(json_object_object_get(entry, "capability")),
                            qemu_order[i]);
        assert_int_equal(json_object_get_boolean(state_on),
                         strcmp(qemu_order[i], "return-path") == 0);
    }
    json_object_put(list);
}

static void test_names_are_exact(void **state)
{
    MigCapability id;

    (void)state;
    assert_true(capability_find("x-ignore-shared", &id));
    assert_false(capability_find("XBZRLE", &id));
    assert_false(capability_find("auto_converge", &id));
    assert_false(capability_find("mapped-rom", &id));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rules_come_first_then_what_is_not_built),
        cmocka_unit_test(test_supported_changes_are_made),
        cmocka_unit_test(test_further_conflicts_are_hints),
        cmocka_unit_test(test_deprecation_is_told_before_the_error),
        cmocka_unit_test(test_json_lists_all_in_qemus_order),
        cmocka_unit_test(test_names_are_exact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
