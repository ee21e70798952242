/*
 * Migration parameters: the table, the set of values and their JSON.
 *
 * Numbers, bools and enum indexes are uint64_t members, so one getter and one
 * setter are enough for all rows. Only number_is_allowed() and
 * check_mapping() name parameters. Main thread; an attempt reads a copy.
 */
#include "backend/tables/parameters.h"

#include <inttypes.h>
#include <string.h>

#include "backend/base/error.h"
#include "backend/base/size.h"

const char *const param_multifd_compressions[] = { "none", "zlib", "zstd", NULL };
const char *const param_multifd_syncs[] = { "auto", "section", "round", NULL };
const char *const param_multifd_zeroes[] = { "auto", "main", "packets", NULL };
const char *const param_modes[] = { "normal", "cpr-reboot", NULL };

const ParamDesc param_table[] = {
#define MIG_PARAM(field, name_, kind_, when, place_, schema, min_, max_, initial_, unit_, zero_,   \
                  range_, values_, suffix_, since_, supported_, deprecated_, side_, help_)         \
    { .name = name_,                                                                               \
      .kind = PARAM_##kind_,                                                                       \
      .place = place_,                                                                             \
      .offset = offsetof(MigParameters, field),                                                    \
      .min = min_,                                                                                 \
      .max = max_,                                                                                 \
      .initial = initial_,                                                                         \
      .unit = unit_,                                                                               \
      .zero = zero_,                                                                               \
      .range_text = range_,                                                                        \
      .values = values_,                                                                           \
      .info_suffix = suffix_,                                                                      \
      .since = since_,                                                                             \
      .supported = supported_,                                                                     \
      .deprecated = deprecated_,                                                                   \
      .side = side_,                                                                               \
      .help = help_ },
#include "backend/tables/parameters.def"
};
const size_t param_count = G_N_ELEMENTS(param_table);

enum {
#define MIG_PARAM(field, ...) ROW_##field,
#include "backend/tables/parameters.def"
    ROW__COUNT,
};

const ParamDesc *param_in_info_order(size_t i)
{
    static const ParamDesc *order[ROW__COUNT];

    if (order[0] == NULL) { /* sorted at the first call */
        for (size_t n = 0; n < ROW__COUNT; n++) {
            size_t at = n;

            for (; at > 0 && order[at - 1]->place > param_table[n].place; at--) {
                order[at] = order[at - 1];
            }
            order[at] = &param_table[n];
        }
    }
    return i < ROW__COUNT ? order[i] : NULL;
}

const ParamDesc *param_find(const char *name)
{
    for (size_t i = 0; i < param_count; i++) {
        if (strcmp(param_table[i].name, name) == 0) {
            return &param_table[i];
        }
    }
    return NULL;
}

/* ---- the members of the struct ---- */

static uint64_t *number_of(MigParameters *p, const ParamDesc *desc)
{
    return (uint64_t *)((char *)p + desc->offset);
}

static char **string_of(MigParameters *p, const ParamDesc *desc)
{
    return (char **)((char *)p + desc->offset);
}

static json_object **mapping_of(MigParameters *p, const ParamDesc *desc)
{
    return (json_object **)((char *)p + desc->offset);
}

void parameters_init(MigParameters *p)
{
    for (size_t i = 0; i < param_count; i++) {
        const ParamDesc *desc = &param_table[i];

        switch (desc->kind) {
        case PARAM_STRING:
            *string_of(p, desc) = g_strdup("");
            break;
        case PARAM_MAPPING:
            *mapping_of(p, desc) = NULL;
            break;
        default:
            *number_of(p, desc) = desc->initial;
            break;
        }
    }
}

void parameters_clear(MigParameters *p)
{
    for (size_t i = 0; i < param_count; i++) {
        const ParamDesc *desc = &param_table[i];

        if (desc->kind == PARAM_STRING) {
            g_clear_pointer(string_of(p, desc), g_free);
        } else if (desc->kind == PARAM_MAPPING) {
            g_clear_pointer(mapping_of(p, desc), json_object_put);
        }
    }
}

void parameters_copy(MigParameters *to, const MigParameters *from)
{
    *to = *from;
    for (size_t i = 0; i < param_count; i++) {
        const ParamDesc *desc = &param_table[i];

        if (desc->kind == PARAM_STRING) {
            *string_of(to, desc) = g_strdup(*string_of(to, desc));
        } else if (desc->kind == PARAM_MAPPING) {
            json_object *copy = NULL;

            if (*mapping_of(to, desc) != NULL) {
                json_object_deep_copy(*mapping_of(to, desc), &copy, NULL);
            }
            *mapping_of(to, desc) = copy;
        }
    }
}

static size_t enum_index(const ParamDesc *desc, const char *value)
{
    size_t i = 0;

    while (strcmp(desc->values[i], value) != 0) {
        i++;
        g_assert(desc->values[i] != NULL); /* the schema check has refused other values */
    }
    return i;
}

static void set_from_json(MigParameters *p, const ParamDesc *desc, json_object *value)
{
    switch (desc->kind) {
    case PARAM_STRING:
        g_free(*string_of(p, desc));
        *string_of(p, desc) = g_strdup(value == NULL ? "" : json_object_get_string(value));
        break;
    case PARAM_MAPPING:
        g_clear_pointer(mapping_of(p, desc), json_object_put);
        /* An empty list means no list. */
        if (json_object_array_length(value) > 0) {
            *mapping_of(p, desc) = json_object_get(value);
        }
        break;
    case PARAM_BOOL:
        *number_of(p, desc) = json_object_get_boolean(value) != 0;
        break;
    case PARAM_ENUM:
        *number_of(p, desc) = enum_index(desc, json_object_get_string(value));
        break;
    default:
        *number_of(p, desc) = json_object_get_uint64(value);
        break;
    }
}

/* NULL when the row has no value. */
static json_object *get_as_json(MigParameters *p, const ParamDesc *desc)
{
    switch (desc->kind) {
    case PARAM_STRING:
        return json_object_new_string(*string_of(p, desc));
    case PARAM_MAPPING:
        return json_object_get(*mapping_of(p, desc));
    case PARAM_BOOL:
        return json_object_new_boolean(*number_of(p, desc) != 0);
    case PARAM_ENUM:
        return json_object_new_string(desc->values[*number_of(p, desc)]);
    default:
        return json_object_new_uint64(*number_of(p, desc));
    }
}

json_object *parameters_to_json(const MigParameters *p)
{
    json_object *reply = json_object_new_object();

    for (size_t i = 0; i < param_count; i++) {
        /* get_as_json() needs a writable set for its accessors, but does not write. */
        json_object *value = get_as_json((MigParameters *)p, &param_table[i]);

        if (value != NULL) {
            json_object_object_add(reply, param_table[i].name, value);
        }
    }
    return reply;
}

/* ---- checks of the merged set ---- */

char *param_value_for_people(const ParamDesc *desc, json_object *value)
{
    switch (desc->kind) {
    case PARAM_BOOL:
        return g_strdup(json_object_get_boolean(value) ? "on" : "off");
    case PARAM_ENUM:
        return g_strdup(json_object_get_string(value));
    case PARAM_STRING:
        return g_strdup_printf("'%s'", value == NULL ? "" : json_object_get_string(value));
    case PARAM_MAPPING:
        return g_strdup(value == NULL ? "not set" : json_object_to_json_string_ext(value, 0));
    default:
        break;
    }

    uint64_t number = json_object_get_uint64(value);
    if (number == 0 && desc->zero != NULL) {
        return g_strdup_printf("0 (%s)", desc->zero);
    }
    if (g_str_has_prefix(desc->unit, "bytes")) {
        g_autofree char *size = size_format(number);
        return g_strconcat(size, desc->unit + strlen("bytes"), NULL);
    }
    return g_strdup_printf("%" PRIu64 "%s%s", number, desc->unit[0] == '\0' ? "" : " ", desc->unit);
}

static void set_range_error(const ParamDesc *desc, MigParameters *now, GError **error)
{
    g_autofree char *name = g_strdup(desc->name);
    json_object *value = get_as_json(now, desc);
    g_autofree char *shown = param_value_for_people(desc, value);

    /* QEMU's range texts write the name with underscores, except for x- rows. */
    if (!g_str_has_prefix(name, "x-")) {
        g_strdelimit(name, "-", '_');
    }
    g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC, "Parameter '%s' expects %s", name,
                desc->range_text);
    if (desc->max == UINT64_MAX) {
        mig_error_hint(error, "%s is %s now", desc->name, shown);
    } else {
        mig_error_hint(error, "%s takes %" PRIu64 " to %" PRIu64 "; it is %s now", desc->name,
                       desc->min, desc->max, shown);
    }
    json_object_put(value);
}

static bool number_is_allowed(const ParamDesc *desc, const MigParameters *p, uint64_t value)
{
    if (value < desc->min || value > desc->max) {
        return false;
    }
    switch (desc - param_table) {
    case ROW_xbzrle_cache_size:
        return (value & (value - 1)) == 0;
    case ROW_max_cpu_throttle:
        return value >= p->cpu_throttle_initial;
    default:
        return true;
    }
}

/* The syntax of QEMU's ids: a letter, then letters, digits and "-._". */
static bool is_well_formed(const char *id)
{
    return g_ascii_isalpha(id[0]) &&
           strspn(id, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "-._") == strlen(id);
}

static bool check_mapping(json_object *mapping, GError **error)
{
    g_autoptr(GHashTable) names = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(GHashTable) aliases = g_hash_table_new(g_str_hash, g_str_equal);
    const char *problem = NULL;
    const char *about = NULL;
    size_t n = mapping == NULL ? 0 : json_object_array_length(mapping);

    for (size_t i = 0; i < n && problem == NULL; i++) {
        json_object *node = json_object_array_get_idx(mapping, i);
        const char *name = json_object_get_string(json_object_object_get(node, "node-name"));
        const char *alias = json_object_get_string(json_object_object_get(node, "alias"));

        about = alias;
        if (!is_well_formed(alias)) {
            problem = "The node alias '%s' is not well-formed";
        } else if (strlen(alias) > UINT8_MAX) {
            problem = "The node alias '%s' is longer than 255 bytes";
        } else if (!g_hash_table_add(names, (char *)name)) {
            problem = "The node name '%s' is mapped twice";
            about = name;
        } else if (!g_hash_table_add(aliases, (char *)alias)) {
            problem = "The node alias '%s' is used twice";
        }
    }
    if (problem == NULL) {
        return true;
    }

    g_autoptr(GString) text = g_string_new(problem);
    g_string_replace(text, "%s", about, 1);
    g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC,
                "Invalid mapping given for block-bitmap-mapping: %s", text->str);
    return false;
}

static bool check_merged(MigParameters *merged, MigParameters *now, GError **error)
{
    for (size_t i = 0; i < param_count; i++) {
        const ParamDesc *desc = &param_table[i];

        if (desc->range_text != NULL &&
            !number_is_allowed(desc, merged, *number_of(merged, desc))) {
            set_range_error(desc, now, error);
            return false;
        }
    }
    return check_mapping(merged->block_bitmap_mapping, error);
}

bool parameters_apply(MigParameters *p, json_object *args,
                      void (*warn)(void *data, const char *text), void *data, GError **error)
{
    MigParameters merged;

    parameters_copy(&merged, p);
    json_object_object_foreach (args, name, value) {
        const ParamDesc *desc = param_find(name);

        g_assert(desc != NULL);
        set_from_json(&merged, desc, value);
    }
    if (!check_merged(&merged, p, error)) {
        parameters_clear(&merged);
        return false;
    }

    json_object_object_foreach (args, set_name, ignored) {
        const ParamDesc *desc = param_find(set_name);

        (void)ignored;
        if (desc->deprecated != NULL && warn != NULL) {
            warn(data, desc->deprecated);
        }
    }
    parameters_clear(p);
    *p = merged;
    return true;
}
