/*
 * backend/tables/rules.c: one claim for each request that asks. The rules between capabilities are
 * in test-capabilities.c.
 */
#include "tests/unit/test.h"

#include <glib.h>
#include <string.h>

#include "backend/base/error.h"
#include "backend/tables/rules.h"

#define BIT(id) CAPABILITY_BIT(CAPABILITY_##id)

/* A source with its guest, nothing set. */
static Facts plain(const MigParameters *parameters)
{
    return (Facts){ .parameters = parameters, .owner_here = true, .owner = "here" };
}

static void assert_refused(RuleWhen when, const Facts *facts, const char *text)
{
    g_autoptr(GError) error = NULL;

    assert_false(rules_allow(when, facts, &error));
    assert_string_equal(error->message, text);
}

/* ---- the address ---- */

#define SNAPSHOT_TEXT                                                                              \
    "a background snapshot goes to file:, exec: or fd: only\n"                                     \
    "hint: a destination that took it would run a second copy of the guest"
#define MULTIFD_TEXT                                                                               \
    "Migration requires multi-channel URIs (e.g. tcp)\n"                                           \
    "hint: or switch multifd off: migrate_set_capability multifd off"
#define MAPPED_TEXT                                                                                \
    "Migration requires seekable transport (e.g. file)\nhint: file:PATH, or switch mapped-ram off"

/* For each kind of address the first letters of what it refuses: m = multifd, z = zero-copy-send,
 * f = mapped-ram, s = background-snapshot, r = mode cpr-reboot, p = postcopy between two ends. */
static const struct {
    const char *uri, *refuses;
} ways[] = {
    { "exec:cat", "mzfrp" }, { "fd:x", "mzr" },     { "file:/f", "mzp" },   { "rdma:h:1", "mzfsr" },
    { "tcp:h:1", "fsr" },    { "unix:/s", "zfsr" }, { "vsock:1:2", "fsr" },
};

static void test_each_kind_of_address_carries_what_its_traits_say(void **state)
{
    static const struct {
        char letter;
        RuleWhen when;
        MigCapabilities set;
        bool reboot;
    } wishes[] = {
        { 'm', RULE_START, BIT(MULTIFD), false },
        { 'm', RULE_LISTEN, BIT(MULTIFD), false },
        { 'm', RULE_COMPARE, BIT(MULTIFD), false },
        { 'z', RULE_START, BIT(ZERO_COPY_SEND), false },
        { 'f', RULE_START, BIT(MAPPED_RAM) | BIT(MULTIFD), false },
        { 'f', RULE_LISTEN, BIT(MAPPED_RAM), false },
        { 's', RULE_START, BIT(BACKGROUND_SNAPSHOT), false },
        { 'r', RULE_START, 0, true },
        { 'r', RULE_LISTEN, 0, true },
        { 'p', RULE_COMPARE, BIT(POSTCOPY_RAM), false },
    };
    MigParameters parameters;

    (void)state;
    parameters_init(&parameters);
    for (size_t i = 0; i < G_N_ELEMENTS(ways); i++) {
        g_autoptr(Address) address = address_from_uri(ways[i].uri, NULL);

        for (size_t k = 0; k < G_N_ELEMENTS(wishes); k++) {
            Facts facts = plain(&parameters);

            facts.address = address;
            facts.capabilities = wishes[k].set;
            facts.inmigrate = wishes[k].when == RULE_LISTEN;
            parameters.mode = wishes[k].reboot;
            print_message("%s %c\n", ways[i].uri, wishes[k].letter);
            assert_int_equal(rules_allow(wishes[k].when, &facts, NULL),
                             strchr(ways[i].refuses, wishes[k].letter) == NULL);
        }
    }
    parameters_clear(&parameters);
}

static void test_texts_name_the_address_and_the_owner(void **state)
{
    g_autoptr(Address) address = address_from_uri("unix:/s", NULL);
    g_autoptr(Address) child = address_from_uri("exec:cat", NULL);
    MigParameters parameters;

    (void)state;
    parameters_init(&parameters);
    Facts facts = plain(&parameters);
    facts.address = address;
    assert_true(rules_allow(RULE_START, &facts, NULL));

    facts.capabilities = BIT(ZERO_COPY_SEND);
    assert_refused(RULE_START, &facts,
                   "Zero copy send feature not detected in host kernel\n"
                   "hint: it is for tcp: and vsock:, what goes to unix:/s is always copied; "
                   "migrate_set_capability zero-copy-send off");
    facts.capabilities = BIT(MAPPED_RAM);
    assert_refused(RULE_START, &facts, MAPPED_TEXT);
    facts.capabilities = BIT(BACKGROUND_SNAPSHOT);
    assert_refused(RULE_START, &facts, SNAPSHOT_TEXT);

    /* The state comes before what is said about the settings, multifd before the state. */
    facts.owner_here = false;
    facts.owner = "peer";
    assert_refused(RULE_START, &facts,
                   "Can't migrate the vm that was paused due to previous migration\n"
                   "hint: owner is peer; migrate_incoming takes the guest back from where it is");
    facts.address = child;
    facts.capabilities = BIT(MULTIFD);
    assert_refused(RULE_START, &facts, MULTIFD_TEXT);

    facts = plain(&parameters);
    facts.address = address;
    g_free(parameters.tls_creds);
    parameters.tls_creds = g_strdup("tls0");
    assert_true(rules_allow(RULE_START, &facts, NULL)); /* looked up when a connection is made */
    facts.address = child;
    assert_refused(
        RULE_START, &facts,
        "exec:cat cannot carry TLS\n"
        "hint: TLS needs a socket; migrate_set_parameter tls-creds \"\" migrates without "
        "TLS");
    parameters_clear(&parameters);
}

/* ---- one refusal for each request ---- */

static void test_refusals_of_a_state(void **state)
{
    static const struct {
        RuleWhen when;
        Facts facts; /* without address and parameters */
        const char *text;
    } rows[] = {
        { RULE_CAPABILITIES, { .running = true }, "There's a migration process in progress" },
        { RULE_START,
          { .running = true, .owner_here = true },
          "There's a migration process in progress\n"
          "hint: info migrate shows it, migrate_cancel ends it" },
        { RULE_START,
          { .resume = true, .running = true },
          "Cannot resume if there is no paused migration" },
        { RULE_START, { .inmigrate = true }, "Guest is waiting for an incoming migration" },
        { RULE_START,
          { .disks = true, .owner_here = true },
          "block migration is not supported by this build\nhint: the guest has no disks" },
        { RULE_LISTEN,
          { .inmigrate = true, .listening = true },
          "The incoming migration has already been started" },
        { RULE_LISTEN,
          { .last_incoming = true },
          "The incoming migration has already been started" },
        { RULE_LISTEN,
          { .owner_here = true },
          "'-incoming' was not specified on the command line" },
        { RULE_LISTEN,
          { .postmigrate = true, .unconfirmed = true },
          "the guest was handed over but nobody confirmed it: its memory here may be the only "
          "copy\nhint: look at the destination; if it does not run there, cont -f runs it here" },
        { RULE_RECOVER,
          { .inmigrate = true },
          "Migrate recover can only be run when postcopy is paused." },
        { RULE_RECOVER,
          { .paused = true, .answering = true },
          "another migrate-recover is still being answered" },
        { RULE_CAPABILITIES,
          { .capabilities = BIT(MULTIFD), .added = BIT(MULTIFD), .listening = true },
          "Multifd must be set before incoming starts\nhint: start the destination with "
          "--incoming defer, set it, then migrate_incoming" },
    };
    g_autoptr(Address) address = address_from_uri("tcp:h:1", NULL);

    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        Facts facts = rows[i].facts;

        facts.address = address;
        print_message("%s\n", rows[i].text);
        assert_refused(rows[i].when, &facts, rows[i].text);
    }
}

static void test_the_state_of_a_destination_comes_before_its_address(void **state)
{
    GError *bad = g_error_new_literal(MIG_ERROR, MIG_ERROR_GENERIC, "bad address");
    Facts facts = { .inmigrate = true, .listening = true, .address_error = bad };

    (void)state;
    assert_refused(RULE_LISTEN, &facts, "The incoming migration has already been started");
    facts.listening = false;
    assert_refused(RULE_LISTEN, &facts, "bad address");
    assert_refused(RULE_START, &facts, "bad address");
    g_error_free(bad);
}

/* ---- the host ---- */

static bool answer(void *data, HostNeed need, GError **error)
{
    *(unsigned *)data |= 1u << need;
    g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC, "the host cannot do %d", (int)need);
    return false;
}

static void test_the_host_is_asked_for_what_is_switched_on(void **state)
{
    unsigned asked = 0;
    Facts facts = { .capabilities = BIT(POSTCOPY_RAM) | BIT(DIRTY_LIMIT),
                    .host = answer,
                    .host_data = &asked };

    (void)state;
    assert_true(rules_allow(RULE_CAPABILITIES, &facts, NULL));
    facts.added = BIT(POSTCOPY_RAM);
    assert_true(rules_allow(RULE_CAPABILITIES, &facts, NULL)); /* asked on the destination only */
    assert_int_equal(asked, 0);
    facts.inmigrate = true;
    g_autofree char *text = g_strdup_printf("the host cannot do %d", (int)HOST_PAGE_FAULTS);
    assert_refused(RULE_CAPABILITIES, &facts, text);
    assert_int_equal(asked, 1u << HOST_PAGE_FAULTS);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_kind_of_address_carries_what_its_traits_say),
        cmocka_unit_test(test_texts_name_the_address_and_the_owner),
        cmocka_unit_test(test_refusals_of_a_state),
        cmocka_unit_test(test_the_state_of_a_destination_comes_before_its_address),
        cmocka_unit_test(test_the_host_is_asked_for_what_is_switched_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
