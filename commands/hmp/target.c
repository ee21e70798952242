/*
 * See target.h. The description is what backend/qmp/peer-schema.h makes of the
 * peer's own schema.
 */
#include "commands/hmp/target.h"

#include <string.h>

#include "backend/base/error.h"
#include "backend/base/json.h"
#include "backend/base/size.h"

static json_object *settings(json_object *target, TargetKind kind)
{
    return json_list(target, kind == TARGET_PARAMETER ? "parameters" : "capabilities");
}

const char *target_setting_name(json_object *target, TargetKind kind, size_t i)
{
    json_object *list = settings(target, kind);

    return i < json_length(list) ? json_text(json_at(list, i), "name") : NULL;
}

json_object *target_setting(json_object *target, TargetKind kind, const char *name)
{
    json_object *list = settings(target, kind);

    for (JsonEach setting = json_each(list); json_next(&setting);) {
        if (strcmp(json_text(setting.value, "name"), name) == 0) {
            return setting.value;
        }
    }
    return NULL;
}

const char *target_version(json_object *target)
{
    return json_text(target, "version");
}

static void append_list(GString *text, const char *before, json_object *list)
{
    for (size_t i = 0; i < json_length(list); i++) {
        g_string_append_printf(text, "%s%s", i == 0 ? before : ", ",
                               json_object_get_string(json_at(list, i)));
    }
}

char *target_setting_text(json_object *setting)
{
    GString *text = g_string_new(json_text(setting, "type"));

    append_list(text, text->len > 0 ? "; one of: " : "one of: ", json_member(setting, "values"));
    append_list(text, text->len > 0 ? "; " : "", json_member(setting, "features"));
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
    const char *type = json_text(setting, "type"), *name = json_text(setting, "name");

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
