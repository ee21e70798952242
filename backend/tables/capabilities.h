/*
 * Migration capabilities: one row each in capabilities.def, the rules on the resulting set in one
 * table.
 */
#pragma once

#include <glib.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

typedef enum {
#define MIG_CAPABILITY(id, ...) CAPABILITY_##id,
#include "backend/tables/capabilities.def"
#undef MIG_CAPABILITY
    CAPABILITY__COUNT,
} MigCapability;

typedef struct {
    const char *name;
    const char *since;
    bool supported;         /* has an effect in this build */
    const char *deprecated; /* warning while on, or NULL */
    const char *side;
    const char *help;
} CapabilityDesc;

extern const CapabilityDesc capability_table[CAPABILITY__COUNT];
bool capability_find(const char *name, MigCapability *ret);

/* A set of capabilities as bits. */
typedef uint64_t MigCapabilities;
#define CAPABILITY_BIT(id) (UINT64_C(1) << (id))
static inline bool capability_is_on(MigCapabilities set, MigCapability id)
{
    return (set & CAPABILITY_BIT(id)) != 0;
}

/* migrate-set-capabilities: @list is checked JSON. The resulting set goes through the rules in
 * QEMU's order; all or nothing. */
bool capabilities_apply(MigCapabilities *set, json_object *list,
                        void (*warn)(void *data, const char *text), void *data, GError **error);

json_object *capabilities_to_json(MigCapabilities set); /* query-migrate-capabilities */
