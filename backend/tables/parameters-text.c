/*
 * Migration parameters as text: HMP's parsing of a value with its error
 * texts, and the lines of info migrate_parameters. Pure functions over the
 * table in parameters.c.
 */
#include "backend/tables/parameters.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "backend/base/error.h"
#include "backend/base/json.h"
#include "backend/base/shown.h"
#include "backend/base/size.h"

/* ---- from text ---- */

#define REFUSE(error, ...) g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC, __VA_ARGS__)

static json_object *mib_size_from_text(const char *text, GError **error)
{
    uint64_t value;

    if (!size_parse(text, UINT64_C(1) << 20, &value, NULL)) {
        REFUSE(error, "Invalid size %s", text);
        return NULL;
    }
    return json_object_new_uint64(value);
}

static json_object *byte_size_from_text(const ParamDesc *desc, const char *text, GError **error)
{
    uint64_t value;
    bool out_of_range = false;

    if (size_parse(text, 1, &value, &out_of_range)) {
        return json_object_new_uint64(value);
    }
    if (out_of_range) {
        REFUSE(error, "Value '%s' is out of range for parameter '%s'", text, desc->name);
    } else {
        REFUSE(error, "Parameter '%s' expects a non-negative number below 2^64" MIG_ERROR_SIZE_HINT,
               desc->name);
    }
    return NULL;
}

/* Parses like C, base 0. A negative number wraps and is then too big. */
static json_object *uint_from_text(const ParamDesc *desc, const char *text, uint64_t max,
                                   const char *type, GError **error)
{
    char *end;

    errno = 0;
    uint64_t value = strtoull(text, &end, 0);
    if (end == text || *end != '\0' || errno != 0) {
        REFUSE(error, "Parameter '%s' expects uint64", desc->name);
        return NULL;
    }
    if (value > max) {
        REFUSE(error, "Parameter '%s' expects %s", desc->name, type);
        return NULL;
    }
    return json_object_new_uint64(value);
}

static json_object *bool_from_text(const ParamDesc *desc, const char *text, GError **error)
{
    static const char *const yes[] = { "on", "yes", "true", "y", NULL };
    static const char *const no[] = { "off", "no", "false", "n", NULL };

    if (g_strv_contains(yes, text)) {
        return json_object_new_boolean(true);
    }
    if (g_strv_contains(no, text)) {
        return json_object_new_boolean(false);
    }
    REFUSE(error, "Parameter '%s' expects 'on' or 'off'", desc->name);
    return NULL;
}

static json_object *enum_from_text(const ParamDesc *desc, const char *text, GError **error)
{
    if (g_strv_contains(desc->values, text)) {
        return json_object_new_string(text);
    }

    g_autofree char *all = g_strjoinv(", ", (char **)desc->values);
    REFUSE(error, "Parameter '%s' does not accept value '%s'", desc->name, text);
    mig_error_hint(error, "values are: %s", all);
    return NULL;
}

json_object *param_value_from_text(const ParamDesc *desc, const char *text, GError **error)
{
    switch (desc->kind) {
    case PARAM_MIB_SIZE:
        return mib_size_from_text(text, error);
    case PARAM_BYTE_SIZE:
        return byte_size_from_text(desc, text, error);
    case PARAM_UINT8:
        return uint_from_text(desc, text, UINT8_MAX, "uint8_t", error);
    case PARAM_UINT32:
        return uint_from_text(desc, text, UINT32_MAX, "uint32_t", error);
    case PARAM_BOOL:
        return bool_from_text(desc, text, error);
    case PARAM_ENUM:
        return enum_from_text(desc, text, error);
    case PARAM_STRING:
        return json_object_new_string(text);
    case PARAM_MAPPING:
        break;
    }
    REFUSE(error, "The %s parameter can only be set through QMP", desc->name);
    return NULL;
}

/* ---- to text ---- */

static void format_mapping(json_object *reply, const char *name, GString *out)
{
    g_string_append_printf(out, "%s:\n", name);
    for (JsonEach node = json_each(json_list(reply, name)); json_next(&node);) {
        g_string_append_printf(out, "  '%s' -> '%s'\n", json_text(node.value, "node-name"),
                               json_text(node.value, "alias"));
        for (JsonEach row = json_each(json_list(node.value, "bitmaps")); json_next(&row);) {
            g_string_append_printf(out, "    '%s' -> '%s'\n", json_text(row.value, "name"),
                                   json_text(row.value, "alias"));
        }
    }
}

void parameters_format_hmp(json_object *reply, GString *out)
{
    for (size_t i = 0; i < param_count; i++) {
        const ParamDesc *desc = param_in_info_order(i);
        json_object *value = json_object_object_get(reply, desc->name);

        if (value == NULL || desc->info_suffix == NULL) {
            continue;
        }
        switch (desc->kind) {
        case PARAM_MAPPING:
            format_mapping(reply, desc->name, out);
            continue;
        case PARAM_STRING:
            shown_append(out, "%s: '%s'", desc->name, json_object_get_string(value));
            break;
        case PARAM_BOOL:
            g_string_append_printf(out, "%s: %s", desc->name,
                                   json_object_get_boolean(value) ? "on" : "off");
            break;
        case PARAM_ENUM:
            shown_append(out, "%s: %s", desc->name, json_object_get_string(value));
            break;
        default:
            g_string_append_printf(out, "%s: %" PRIu64, desc->name, json_object_get_uint64(value));
            break;
        }
        g_string_append_printf(out, "%s\n", desc->info_suffix);
    }
}
