/*
 * Migration capabilities: the table and its JSON. rules.def decides which may
 * be switched on. Main thread.
 */
#include "backend/tables/capabilities.h"

#include <string.h>

#include "backend/base/json.h"

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
    for (JsonEach row = json_each(list); json_next(&row);) {
        MigCapability id = CAPABILITY__COUNT;

        if (!capability_find(json_text(row.value, "capability"), &id)) {
            g_assert_not_reached(); /* the schema check has refused other names */
        }
        if (json_flag(row.value, "state")) {
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

        json_add_flag(entry, "state", capability_is_on(set, (MigCapability)i));
        json_add_text(entry, "capability", capability_table[i].name);
        json_object_array_add(list, entry);
    }
    return list;
}

int capability_in(json_object *list, const char *name)
{
    for (JsonEach row = json_each(list); json_next(&row);) {
        if (strcmp(json_text(row.value, "capability"), name) == 0) {
            return json_flag(row.value, "state");
        }
    }
    return -1;
}
