/*
 * Migration capabilities: the table, and the rules on the set that would result
 * from a change, tried in QEMU's order. Because the rules look at the whole
 * set, turning a capability off can fail as well. Main thread.
 *
 * QEMU has further rules that ask the host or an incoming side (userfaultfd for
 * postcopy-ram and background-snapshot, multifd or postcopy-preempt set before
 * listening). They belong with the code that gives those capabilities an
 * effect; until then the last check refuses the capabilities themselves.
 */
#include "backend/tables/capabilities.h"

#include <string.h>

#include "backend/base/error.h"

const CapabilityDesc capability_table[CAPABILITY__COUNT] = {
#define MIG_CAPABILITY(id, name_, since_, supported_, deprecated_, side_, help_)                   \
    [CAPABILITY_##id] = { .name = name_,                                                           \
                          .since = since_,                                                         \
                          .supported = supported_,                                                 \
                          .deprecated = deprecated_,                                               \
                          .side = side_,                                                           \
                          .help = help_ },
#include "backend/tables/capabilities.def"
#undef MIG_CAPABILITY
};

bool capability_find(const char *name, MigCapability *ret)
{
    for (size_t i = 0; i < CAPABILITY__COUNT; i++) {
        if (strcmp(capability_table[i].name, name) == 0) {
            *ret = (MigCapability)i;
            return true;
        }
    }
    return false;
}

/* ---- rules ---- */

#define BIT(id) CAPABILITY_BIT(CAPABILITY_##id)

/* Broken when @subject is on and any of @without is on too or any of @needs is off. */
typedef struct {
    MigCapability subject;
    MigCapabilities without;
    MigCapabilities needs;
    const char *text;
} Rule;

#define SNAPSHOT_WITHOUT(id, name)                                                                 \
    {                                                                                              \
        CAPABILITY_BACKGROUND_SNAPSHOT, BIT(id), 0,                                                \
            "Background-snapshot is not compatible with " name                                     \
    }

static const Rule rules[] = {
    { CAPABILITY_POSTCOPY_RAM, BIT(X_IGNORE_SHARED), 0,
      "Postcopy is not compatible with ignore-shared" },
    { CAPABILITY_POSTCOPY_RAM, BIT(MULTIFD), 0, "Postcopy is not yet compatible with multifd" },
    SNAPSHOT_WITHOUT(POSTCOPY_RAM, "postcopy-ram"),
    SNAPSHOT_WITHOUT(DIRTY_BITMAPS, "dirty-bitmaps"),
    SNAPSHOT_WITHOUT(POSTCOPY_BLOCKTIME, "postcopy-blocktime"),
    SNAPSHOT_WITHOUT(LATE_BLOCK_ACTIVATE, "late-block-activate"),
    SNAPSHOT_WITHOUT(RETURN_PATH, "return-path"),
    SNAPSHOT_WITHOUT(MULTIFD, "multifd"),
    SNAPSHOT_WITHOUT(PAUSE_BEFORE_SWITCHOVER, "pause-before-switchover"),
    SNAPSHOT_WITHOUT(AUTO_CONVERGE, "auto-converge"),
    SNAPSHOT_WITHOUT(RELEASE_RAM, "release-ram"),
    SNAPSHOT_WITHOUT(RDMA_PIN_ALL, "rdma-pin-all"),
    SNAPSHOT_WITHOUT(COMPRESS, "compress"),
    SNAPSHOT_WITHOUT(XBZRLE, "xbzrle"),
    SNAPSHOT_WITHOUT(X_COLO, "x-colo"),
    SNAPSHOT_WITHOUT(VALIDATE_UUID, "validate-uuid"),
    SNAPSHOT_WITHOUT(ZERO_COPY_SEND, "zero-copy-send"),
    { CAPABILITY_ZERO_COPY_SEND, BIT(COMPRESS) | BIT(XBZRLE), BIT(MULTIFD),
      "Zero copy only available for non-compressed non-TLS multifd migration" },
    { CAPABILITY_POSTCOPY_PREEMPT, 0, BIT(POSTCOPY_RAM), "Postcopy preempt requires postcopy-ram" },
    { CAPABILITY_POSTCOPY_PREEMPT, BIT(COMPRESS), 0,
      "Postcopy preempt not compatible with compress" },
    { CAPABILITY_MULTIFD, BIT(COMPRESS), 0, "Multifd is not compatible with compress" },
    { CAPABILITY_SWITCHOVER_ACK, 0, BIT(RETURN_PATH),
      "Capability 'switchover-ack' requires capability 'return-path'" },
    { CAPABILITY_DIRTY_LIMIT, BIT(AUTO_CONVERGE), 0,
      "dirty-limit conflicts with auto-converge either of then available currently" },
    { CAPABILITY_MULTIFD, BIT(XBZRLE), 0, "Multifd is not compatible with xbzrle" },
    { CAPABILITY_COMPRESS, BIT(XBZRLE), 0, "Compression is not compatible with xbzrle" },
    { CAPABILITY_MAPPED_RAM, BIT(XBZRLE), 0, "Mapped-ram migration is incompatible with xbzrle" },
    { CAPABILITY_MAPPED_RAM, BIT(COMPRESS), 0,
      "Mapped-ram migration is incompatible with compress" },
    { CAPABILITY_MAPPED_RAM, BIT(POSTCOPY_RAM), 0,
      "Mapped-ram migration is incompatible with postcopy" },
    SNAPSHOT_WITHOUT(MAPPED_RAM, "mapped-ram"),
    /* Ours. In postcopy a hole that is never sent would be waited for. */
    { CAPABILITY_POSTCOPY_RAM, BIT(X_SPARSE_RAM), 0,
      "Postcopy is not compatible with x-sparse-ram" },
    SNAPSHOT_WITHOUT(X_SPARSE_RAM, "x-sparse-ram"),
};

static bool rule_is_broken(const Rule *rule, MigCapabilities set)
{
    return capability_is_on(set, rule->subject) &&
           ((set & rule->without) != 0 || (rule->needs & ~set) != 0);
}

/* The first broken rule is QEMU's error; the others follow as hints, so that nobody has to find
 * them one by one. */
static bool check_rules(MigCapabilities set, GError **error)
{
    GError *first = NULL;

    for (size_t i = 0; i < G_N_ELEMENTS(rules); i++) {
        if (!rule_is_broken(&rules[i], set)) {
            continue;
        }
        if (first == NULL) {
            g_set_error_literal(&first, MIG_ERROR, MIG_ERROR_GENERIC, rules[i].text);
        } else {
            mig_error_hint(&first, "also: %s", rules[i].text);
        }
    }
    if (first != NULL) {
        g_propagate_error(error, first);
        return false;
    }
    return true;
}

static bool check_supported(MigCapabilities set, GError **error)
{
    for (size_t i = 0; i < CAPABILITY__COUNT; i++) {
        if (capability_is_on(set, (MigCapability)i) && !capability_table[i].supported) {
            g_set_error(error, MIG_ERROR, MIG_ERROR_UNSUPPORTED,
                        "Capability '%s' is not supported by this build", capability_table[i].name);
            mig_error_hint(error, "it would %s", capability_table[i].help);
            return false;
        }
    }
    return true;
}

bool capabilities_apply(MigCapabilities *set, json_object *list,
                        void (*warn)(void *data, const char *text), void *data, GError **error)
{
    MigCapabilities result = *set;

    for (size_t i = 0; i < json_object_array_length(list); i++) {
        json_object *entry = json_object_array_get_idx(list, i);
        const char *name = json_object_get_string(json_object_object_get(entry, "capability"));
        MigCapability id = CAPABILITY__COUNT;

        if (!capability_find(name, &id)) {
            g_assert_not_reached(); /* the schema let it through */
        }
        if (json_object_get_boolean(json_object_object_get(entry, "state"))) {
            result |= CAPABILITY_BIT(id);
        } else {
            result &= ~CAPABILITY_BIT(id);
        }
    }

    /* QEMU repeats these with every later change; once is enough. They come before an error. */
    for (size_t i = 0; i < CAPABILITY__COUNT; i++) {
        const char *text = capability_table[i].deprecated;

        if (text != NULL && warn != NULL && capability_is_on(result & ~*set, (MigCapability)i)) {
            warn(data, text);
        }
    }
    if (!check_rules(result, error) || !check_supported(result, error)) {
        return false;
    }
    *set = result;
    return true;
}

json_object *capabilities_to_json(MigCapabilities set)
{
    json_object *list = json_object_new_array_ext(CAPABILITY__COUNT);

    for (size_t i = 0; i < CAPABILITY__COUNT; i++) {
        json_object *entry = json_object_new_object();

        json_object_object_add(entry, "state",
                               json_object_new_boolean(capability_is_on(set, (MigCapability)i)));
        json_object_object_add(entry, "capability",
                               json_object_new_string(capability_table[i].name));
        json_object_array_add(list, entry);
    }
    return list;
}
