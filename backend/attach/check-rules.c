/*
 * The rules of migrate_check. Each compares one property of the two ends and
 * reports the side, what was found, what is needed and the remedy.
 */
#include <inttypes.h>
#include <string.h>

#include "backend/attach/check.h"
#include "backend/base/address.h"
#include "backend/base/json.h"
#include "backend/base/size.h"
#include "backend/tables/capabilities.h"
#include "backend/tables/info.h"
#include "backend/tables/parameters.h"
#include "backend/tables/rules.h"

static QmpPeer *peer_of(const Check *check, Side side)
{
    return check->managed->ends[side].peer;
}

/* Both facts are known; otherwise the rule is marked as doubtful. */
static bool both(Check *check, const char *name)
{
    bool known = check_fact(check, SIDE_SOURCE, name) != NULL &&
                 check_fact(check, SIDE_DESTINATION, name) != NULL;

    if (!known) {
        check->doubtful = true;
    }
    return known;
}

static void differ(Check *check, const char *here, const char *there, const char *option)
{
    if (strcmp(here, there) != 0) {
        g_autofree char *remedy = g_strdup_printf(option, here);

        check_find(check, FINDING_ERROR, SIDE_DESTINATION, there, here, remedy);
    }
}

/* ---- versions and machines ---- */

static void version(Check *check)
{
    unsigned here = qmp_peer_version_number(peer_of(check, SIDE_SOURCE)) / 100;
    unsigned there = qmp_peer_version_number(peer_of(check, SIDE_DESTINATION)) / 100;

    if (here > there) {
        g_autofree char *needed =
            g_strdup_printf("%s or newer", qmp_peer_version(peer_of(check, SIDE_SOURCE)));

        check_find(check, FINDING_WARNING, SIDE_DESTINATION,
                   qmp_peer_version(peer_of(check, SIDE_DESTINATION)), needed,
                   "a newer QEMU there; to an older one only what both have can move");
    }
}

/* The machine type, without the suffix of "pc-i440fx-7.2-machine". */
static char *machine_of(Check *check, Side side)
{
    json_object *type = check_fact(check, side, "machine");
    const char *text = json_string(type);

    return g_strndup(text, strlen(text) - (g_str_has_suffix(text, "-machine") ? 8 : 0));
}

static bool knows_machine(Check *check, const char *name)
{
    json_object *list = check_fact(check, SIDE_DESTINATION, "machines");

    for (size_t i = 0; i < json_length(list); i++) {
        json_object *row = json_at(list, i);

        if (strcmp(json_text(row, "name"), name) == 0 ||
            strcmp(json_text(row, "alias"), name) == 0) {
            return true;
        }
    }
    return json_length(list) == 0;
}

static void machine(Check *check)
{
    if (!both(check, "machine")) {
        return;
    }
    g_autofree char *here = machine_of(check, SIDE_SOURCE);
    g_autofree char *there = machine_of(check, SIDE_DESTINATION);

    if (!knows_machine(check, here)) {
        g_autofree char *observed = g_strdup_printf("%s; it does not know %s", there, here);

        check_find(check, FINDING_ERROR, SIDE_DESTINATION, observed, here,
                   "a QEMU there that knows this machine, or a guest started with an older one");
        return;
    }
    differ(check, here, there, "start it with -M %s");
}

static void accelerator(Check *check)
{
    if (!both(check, "kvm")) {
        return;
    }
    bool here = json_flag(check_fact(check, SIDE_SOURCE, "kvm"), "enabled");
    bool there = json_flag(check_fact(check, SIDE_DESTINATION, "kvm"), "enabled");

    if (here != there) {
        check_find(check, FINDING_WARNING, SIDE_DESTINATION, there ? "kvm" : "tcg",
                   here ? "kvm" : "tcg", "start it with the same -accel");
    }
}

/* ---- vCPUs and memory ---- */

static void vcpus(Check *check)
{
    if (!both(check, "cpus")) {
        return;
    }
    g_autofree char *here =
        g_strdup_printf("%zu", json_length(check_fact(check, SIDE_SOURCE, "cpus")));
    g_autofree char *there =
        g_strdup_printf("%zu", json_length(check_fact(check, SIDE_DESTINATION, "cpus")));

    differ(check, here, there, "start it with -smp %s");
}

static void cpu_model(Check *check)
{
    if (json_length(check_fact(check, SIDE_SOURCE, "cpus")) == 0 || !both(check, "cpu-type")) {
        return;
    }
    const char *here = json_object_get_string(check_fact(check, SIDE_SOURCE, "cpu-type"));
    const char *there = json_object_get_string(check_fact(check, SIDE_DESTINATION, "cpu-type"));

    differ(check, here, there, "start it with the same -cpu (%s)");
}

static void memory(Check *check)
{
    static const char *const parts[] = { "base-memory", "plugged-memory" };

    if (!both(check, "memory")) {
        return;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(parts); i++) {
        uint64_t size[SIDE__COUNT];

        for (int side = 0; side < SIDE__COUNT; side++) {
            json_object *reply = check_fact(check, (Side)side, "memory");

            size[side] = json_number(reply, parts[i]);
        }
        if (size[SIDE_SOURCE] != size[SIDE_DESTINATION]) {
            g_autofree char *here = size_format(size[SIDE_SOURCE]);
            g_autofree char *there = size_format(size[SIDE_DESTINATION]);
            g_autofree char *observed = g_strdup_printf("%s %s", parts[i], there);
            g_autofree char *remedy = g_strdup_printf(i == 0 ? "start it with -m %" PRIu64 "B"
                                                             : "give it %" PRIu64 " bytes of DIMMs",
                                                      size[SIDE_SOURCE]);

            check_find(check, FINDING_ERROR, SIDE_DESTINATION, observed, here, remedy);
        }
    }
}

static bool has_id(json_object *list, const char *key, const char *id)
{
    for (size_t i = 0; i < json_length(list); i++) {
        if (strcmp(json_text(json_at(list, i), key), id) == 0) {
            return true;
        }
    }
    return false;
}

static void ram_blocks(Check *check)
{
    if (!both(check, "memdevs")) {
        return;
    }
    for (int side = 0; side < SIDE__COUNT; side++) {
        json_object *mine = check_fact(check, (Side)side, "memdevs");
        json_object *other = check_fact(check, (Side)!side, "memdevs");

        for (size_t i = 0; i < json_length(mine); i++) {
            const char *id = json_text(json_at(mine, i), "id");

            if (*id != '\0' && !has_id(other, "id", id)) {
                g_autofree char *needed = g_strdup_printf("memory backend '%s', as the other side "
                                                          "has it",
                                                          id);

                check_find(check, FINDING_ERROR, (Side)!side, "there is none of that id", needed,
                           "the same memory-backend objects with the same ids on both sides");
            }
        }
    }
}

/* Page size of the memory backend in bytes; 0 = normal pages or not known. */
static uint64_t huge_page(Check *check, Side side, const char *id)
{
    g_autofree char *huge = g_strdup_printf("hugetlb of /objects/%s", id);
    g_autofree char *size = g_strdup_printf("hugetlbsize of /objects/%s", id);

    return json_object_get_boolean(check_fact(check, side, huge))
               ? json_object_get_uint64(check_fact(check, side, size))
               : 0;
}

static void page_size(Check *check)
{
    json_object *memdevs = check_fact(check, SIDE_SOURCE, "memdevs");
    bool postcopy = check_capability(check, SIDE_SOURCE, "postcopy-ram") > 0;

    if (!both(check, "memdevs")) {
        return;
    }
    for (size_t i = 0; i < json_length(memdevs); i++) {
        const char *id = json_text(json_at(memdevs, i), "id");
        uint64_t here = huge_page(check, SIDE_SOURCE, id);
        uint64_t there = huge_page(check, SIDE_DESTINATION, id);

        if (here != there) {
            g_autofree char *needed = here != 0 ? size_format(here) : g_strdup("plain pages");
            g_autofree char *size = there != 0 ? size_format(there) : g_strdup("plain pages");
            g_autofree char *observed = g_strdup_printf("%s in '%s'", size, id);

            check_find(check, postcopy ? FINDING_ERROR : FINDING_WARNING, SIDE_DESTINATION,
                       observed, needed,
                       "the same page size on both sides; post-copy cannot do without");
        }
    }
}

/* ---- devices ---- */

static void compare_devices(Check *check, Side mine, Side other)
{
    json_object *list = check_fact(check, mine, "devices");
    json_object *theirs = check_fact(check, other, "devices");

    for (size_t i = 0; i < json_length(list); i++) {
        json_object *row = json_at(list, i);
        const char *id = json_text(row, "name"), *type = json_text(row, "type");

        if (!g_str_has_prefix(type, "child<")) {
            continue;
        }
        if (!has_id(theirs, "name", id)) {
            g_autofree char *needed =
                g_strdup_printf("%s '%s', as at the %s", type + 6, id, side_name(mine));

            g_strdelimit(needed, ">", ' ');
            check_find(check, FINDING_ERROR, other, "there is no such device", needed,
                       "the same -device options on both sides");
        } else if (mine == SIDE_SOURCE) {
            for (size_t k = 0; k < json_length(theirs); k++) {
                json_object *their = json_at(theirs, k);

                if (strcmp(json_text(their, "name"), id) == 0 &&
                    strcmp(json_text(their, "type"), type) != 0) {
                    check_find(check, FINDING_ERROR, other, json_text(their, "type"), type,
                               "the same -device options on both sides");
                }
            }
        }
    }
}

static void devices(Check *check)
{
    if (both(check, "devices")) {
        compare_devices(check, SIDE_SOURCE, SIDE_DESTINATION);
        compare_devices(check, SIDE_DESTINATION, SIDE_SOURCE);
    }
}

/* ---- the states ---- */

static bool is_under_way(Check *check, Side side)
{
    MigrationStatus status;

    return migration_status_from_name(check_text(check, side, "migrate", "status"), &status) &&
           !migration_status_is_over(status);
}

static void source_state(Check *check)
{
    const char *state = check_text(check, SIDE_SOURCE, "state", "status");

    if (is_under_way(check, SIDE_SOURCE)) {
        check_find(check, FINDING_ERROR, SIDE_SOURCE,
                   check_text(check, SIDE_SOURCE, "migrate", "status"), "no migration under way",
                   "wait for its end, or migrate_cancel");
    } else if (strcmp(state, "inmigrate") == 0 || strcmp(state, "postmigrate") == 0) {
        check_find(check, FINDING_ERROR, SIDE_SOURCE, state, "a guest that is here",
                   "attach the QEMU that has the guest");
    }
}

static void destination_state(Check *check)
{
    const char *state = check_text(check, SIDE_DESTINATION, "state", "status");
    const char *status = check_text(check, SIDE_DESTINATION, "migrate", "status");

    if (strcmp(state, "inmigrate") != 0) {
        check_find(check, FINDING_ERROR, SIDE_DESTINATION, state, "inmigrate",
                   "start it with -incoming defer");
    } else if (*status != '\0' && strcmp(status, "none") != 0 && strcmp(status, "setup") != 0) {
        check_find(check, FINDING_ERROR, SIDE_DESTINATION, status, "waiting for a first migration",
                   "start it anew: QEMU takes one migration in its life");
    }
}

static void blockers(Check *check)
{
    json_object *list = json_member(check_fact(check, SIDE_SOURCE, "migrate"), "blocked-reasons");

    for (size_t i = 0; i < json_length(list); i++) {
        check_find(check, FINDING_ERROR, SIDE_SOURCE, json_object_get_string(json_at(list, i)),
                   "nothing that blocks migration", "take that away from the guest first");
    }
}

static void uuid(Check *check)
{
    const char *here = check_text(check, SIDE_SOURCE, "uuid", "UUID");
    const char *there = check_text(check, SIDE_DESTINATION, "uuid", "UUID");
    bool validated = check_capability(check, SIDE_SOURCE, "validate-uuid") > 0;

    if (strcmp(here, there) != 0) {
        g_autofree char *remedy = g_strdup_printf("start it with -uuid %s", here);

        check_find(check, validated ? FINDING_ERROR : FINDING_WARNING, SIDE_DESTINATION, there,
                   here, remedy);
    }
}

/* ---- settings ---- */

static void capabilities(Check *check)
{
    json_object *list = check_fact(check, SIDE_SOURCE, "capabilities");

    if (!both(check, "capabilities")) {
        return;
    }
    for (size_t i = 0; i < json_length(list); i++) {
        json_object *row = json_at(list, i);
        const char *name = json_text(row, "capability");
        bool on = json_flag(row, "state");
        int there = check_capability(check, SIDE_DESTINATION, name);
        MigCapability id;
        bool known = capability_find(name, &id);
        g_autofree char *needed = g_strdup_printf("%s %s", name, on ? "on" : "off");

        if ((known && strcmp(capability_table[id].side, "both") != 0) ||
            strcmp(name, "events") == 0) {
            continue;
        }
        if (on && there < 0) {
            g_autofree char *remedy = g_strdup_printf("migrate_set_capability %s off", name);
            g_autofree char *observed = g_strdup_printf(
                "%s does not know it", qmp_peer_version(peer_of(check, SIDE_DESTINATION)));

            check_find(check, FINDING_ERROR, SIDE_DESTINATION, observed, needed, remedy);
        } else if (there >= 0 && there != (int)on) {
            g_autofree char *observed = g_strdup_printf("%s %s", name, there ? "on" : "off");

            check_find(check, FINDING_WARNING, SIDE_DESTINATION, observed, needed,
                       "migrate_to sets it there; without it set it by hand");
        }
    }
}

static void parameters(Check *check)
{
    json_object *here = check_fact(check, SIDE_SOURCE, "parameters");
    json_object *there = check_fact(check, SIDE_DESTINATION, "parameters");

    if (!both(check, "parameters")) {
        return;
    }
    json_object_object_foreach (here, name, value) {
        const ParamDesc *row = param_find(name);
        json_object *other = NULL;

        if (row == NULL || strcmp(row->side, "both") != 0 || g_str_has_prefix(name, "tls-") ||
            !json_object_object_get_ex(there, name, &other) || json_object_equal(value, other)) {
            continue;
        }
        g_autofree char *observed = g_strdup_printf("%s %s", name, json_object_get_string(other));
        g_autofree char *needed = g_strdup_printf("%s %s", name, json_object_get_string(value));

        check_find(check, FINDING_WARNING, SIDE_DESTINATION, observed, needed,
                   "migrate_to sets it there; without it set it by hand");
    }
}

static void tls(Check *check)
{
    bool here = *check_text(check, SIDE_SOURCE, "parameters", "tls-creds") != '\0';
    bool there = *check_text(check, SIDE_DESTINATION, "parameters", "tls-creds") != '\0';

    if (here != there) {
        check_find(
            check, FINDING_ERROR, here ? SIDE_DESTINATION : SIDE_SOURCE, "tls-creds is empty",
            "credentials, as the other side has them",
            "object_add tls-creds-... there and migrate_set_parameter tls-creds, or empty it "
            "on both sides");
    }
}

/* Requirements of the settings on the address; the engine refuses the same cases. */
static void way(Check *check)
{
    g_autoptr(Address) address = check->uri != NULL ? address_from_uri(check->uri, NULL) : NULL;
    Facts facts = { .address = address };

    if (check->uri == NULL) {
        check->doubtful = true;
        return;
    }
    for (MigCapability id = 0; id < CAPABILITY__COUNT; id++) {
        if (check_capability(check, SIDE_SOURCE, capability_table[id].name) > 0) {
            facts.capabilities |= CAPABILITY_BIT(id);
        }
    }
    for (const Rule *rule = NULL;
         (rule = rules_next_broken(RULE_COMPARE, &facts, rule, NULL)) != NULL;) {
        const char *name = capability_table[rule->subject].name;
        g_autofree char *remedy =
            g_strdup_printf("migrate_set_capability %s off, or another address", name);
        g_autofree char *needed = g_strdup_printf("tcp: or unix: for %s", name);

        check_find(check, FINDING_ERROR, SIDE_SOURCE, check->uri, needed, remedy);
    }
}

static const CheckRule rules[] = {
    { "version", version },
    { "machine type", machine },
    { "accelerator", accelerator },
    { "vCPUs", vcpus },
    { "CPU model", cpu_model },
    { "RAM size", memory },
    { "RAM blocks", ram_blocks },
    { "page size", page_size },
    { "devices", devices },
    { "state of the source", source_state },
    { "state of the destination", destination_state },
    { "blockers", blockers },
    { "UUID", uuid },
    { "capabilities", capabilities },
    { "parameters", parameters },
    { "TLS", tls },
    { "way", way },
    { "address", check_address },
    { "userfaultfd", check_userfault },
    { NULL, NULL },
};

void managed_migrate_check(Managed *m, BackendSession *session, json_object *args,
                           BackendReply *reply)
{
    (void)session;
    check_run(m, rules, args, reply);
}
