/*
 * Migration capabilities: one row each in capabilities.def.
 */
#pragma once

#include <glib.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

typedef enum {
#define MIG_CAPABILITY(id, ...) CAPABILITY_##id,
#include "backend/tables/capabilities.def"
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

/* Returns @set changed by @list, the checked JSON of migrate-set-capabilities. The caller checks
 * the result with the rules (rules.h). */
MigCapabilities capabilities_change(MigCapabilities set, json_object *list);
/* Calls @warn for each deprecated capability in @added. QEMU repeats the warning with every
 * later change; here it is given once, before an error. */
void capabilities_warn(MigCapabilities added, void (*warn)(void *data, const char *text),
                       void *data);

json_object *capabilities_to_json(MigCapabilities set); /* query-migrate-capabilities */
/* Reads such a list, also one of another program: whether @name is on; -1 = it is not in @list. */
int capability_in(json_object *list, const char *name);
