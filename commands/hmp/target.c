/*
 * See target.h. The description is what backend/qmp/peer-schema.h makes of the
 * peer's own schema.
 */
#include "commands/hmp/target.h"

#include <string.h>

#include "backend/base/error.h"
#include "backend/base/size.h"

static const char *text_of(json_object *object, const char *member)
{
    json_object *value = object != NULL ? json_object_object_get(object, member) : NULL;

    return json_object_is_type(value, json_type_string) ? json_object_get_string(value) : "";
}

static size_t length(json_object *list)
{
    return json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
}

static json_object *settings(json_object *target, TargetKind kind)
{
    return target == NULL ? NULL
                          : json_object_object_get(
                                target, kind == TARGET_PARAMETER ? "parameters" : "capabilities");
}

const char *target_setting_name(json_object *target, TargetKind kind, size_t i)
{
    json_object *list = settings(target, kind);

    return i < length(list) ? text_of(json_object_array_get_idx(list, i), "name") : NULL;
}

json_object *target_setting(json_object *target, TargetKind kind, const char *name)
{
    json_object *list = settings(target, kind);

    for (size_t i = 0; i < length(list); i++) {
        json_object *setting = json_object_array_get_idx(list, i);

        if (strcmp(text_of(setting, "name"), name) == 0) {
            return setting;
        }
    }
    return NULL;
}

const char *target_version(json_object *target)
{
    return text_of(target, "version");
}

static void append_list(GString *text, const char *before, json_object *list)
{
    for (size_t i = 0; i < length(list); i++) {
        g_string_append_printf(text, "%s%s", i == 0 ? before : ", ",
                               json_object_get_string(json_object_array_get_idx(list, i)));
    }
}

char *target_setting_text(json_object *setting)
{
    GString *text = g_string_new(text_of(setting, "type"));

    append_list(
        text, text->len > 0 ? "; one of: " : "one of: ", json_object_object_get(setting, "values"));
    append_list(text, text->len > 0 ? "; " : "", json_object_object_get(setting, "features"));
    return g_string_free(text, FALSE);
}

static json_object *number_from_text(const char *name, const char *text, GError **error)
{
    uint64_t value;

    if (size_parse(text, 1, &value, NULL)) {
        return json_object_new_uint64(value);
    }
    g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC, "Parameter '%s' expects a number", name);
    mig_error_hint(error, "K, M and G behind it are powers of 1024");
    return NULL;
}

json_object *target_value_from_text(json_object *setting, const char *text, GError **error)
{
    const char *type = text_of(setting, "type"), *name = text_of(setting, "name");

    if (strcmp(type, "int") == 0 || strcmp(type, "number") == 0) {
        return number_from_text(name, text, error);
    }
    if (strcmp(type, "boolean") == 0) {
        bool on = strcmp(text, "on") == 0;

        if (!on && strcmp(text, "off") != 0) {
            g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC, "Parameter '%s' expects 'on' or 'off'",
                        name);
            return NULL;
        }
        return json_object_new_boolean(on);
    }
    if (strcmp(type, "string") == 0 || strcmp(type, "enum") == 0) {
        return json_object_new_string(text);
    }
    g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC,
                "The parameter '%s' can only be set through QMP", name);
    return NULL;
}
