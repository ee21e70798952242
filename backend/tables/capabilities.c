/*
 * Migration capabilities: the table and its JSON. rules.def decides which may
 * be switched on. Main thread.
 */
#include "backend/tables/capabilities.h"

#include <string.h>

const CapabilityDesc capability_table[CAPABILITY__COUNT] = {
#define MIG_CAPABILITY(id, name_, since_, supported_, deprecated_, side_, help_)                   \
    [CAPABILITY_##id] = { .name = name_,                                                           \
                          .since = since_,                                                         \
                          .supported = supported_,                                                 \
                          .deprecated = deprecated_,                                               \
                          .side = side_,                                                           \
                          .help = help_ },
#include "backend/tables/capabilities.def"
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

MigCapabilities capabilities_change(MigCapabilities set, json_object *list)
{
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        json_object *entry = json_object_array_get_idx(list, i);
        const char *name = json_object_get_string(json_object_object_get(entry, "capability"));
        MigCapability id = CAPABILITY__COUNT;

        if (!capability_find(name, &id)) {
            g_assert_not_reached(); /* the schema check has refused other names */
        }
        if (json_object_get_boolean(json_object_object_get(entry, "state"))) {
            set |= CAPABILITY_BIT(id);
        } else {
            set &= ~CAPABILITY_BIT(id);
        }
    }
    return set;
}

void capabilities_warn(MigCapabilities added, void (*warn)(void *data, const char *text),
                       void *data)
{
    for (size_t i = 0; i < CAPABILITY__COUNT; i++) {
        if (capability_table[i].deprecated != NULL && capability_is_on(added, (MigCapability)i)) {
            warn(data, capability_table[i].deprecated);
        }
    }
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
