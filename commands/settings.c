/*
 * See settings.h. backend/qmp/peer-schema.h makes the description of a
 * foreign setting from the peer's schema.
 */
#include "commands/settings.h"

#include <string.h>

#include "backend/base/error.h"
#include "backend/base/json.h"
#include "backend/base/size.h"
#include "commands/topics.h"

/* ---- finding ---- */

static json_object *described(json_object *target, SettingKind kind)
{
    return json_list(target, kind == SETTING_PARAMETER ? "parameters" : "capabilities");
}

bool setting_find(json_object *target, SettingKind kind, const char *name, Setting *ret)
{
    MigCapability id;

    *ret = (Setting){ .kind = kind, .target = target ? target_version(target) : NULL };
    if (kind == SETTING_PARAMETER) {
        ret->param = param_find(name);
    } else if (capability_find(name, &id)) {
        ret->capability = &capability_table[id];
    }
    for (JsonEach each = json_each(described(target, kind)); json_next(&each) && !ret->theirs;) {
        ret->theirs = strcmp(json_text(each.value, "name"), name) == 0 ? each.value : NULL;
    }
    ret->name = ret->param        ? ret->param->name
                : ret->capability ? ret->capability->name
                                  : json_text(ret->theirs, "name");
    return ret->theirs || !setting_is_foreign(ret);
}

bool setting_at(json_object *target, SettingKind kind, size_t i, Setting *ret)
{
    size_t rows = kind == SETTING_PARAMETER ? param_count : CAPABILITY__COUNT;

    if (i < rows) {
        return setting_find(
            target, kind,
            kind == SETTING_PARAMETER ? param_table[i].name : capability_table[i].name, ret);
    }
    for (JsonEach each = json_each(described(target, kind)); json_next(&each);) {
        if (setting_find(target, kind, json_text(each.value, "name"), ret) &&
            setting_is_foreign(ret) && i-- == rows) {
            return true;
        }
    }
    return false;
}

bool setting_is_foreign(const Setting *setting)
{
    return !setting->param && !setting->capability;
}

/* ---- about one ---- */

char *setting_refusal(const Setting *setting)
{
    bool supported = setting->param ? setting->param->supported
                                    : setting->capability && setting->capability->supported;

    if (setting->target) {
        return setting->theirs ? NULL : g_strdup_printf("not known to %s", setting->target);
    }
    return supported ? NULL : g_strdup("has no effect in this build");
}

static void append_list(GString *text, const char *before, json_object *list)
{
    for (size_t i = 0; i < json_length(list); i++) {
        g_string_append_printf(text, "%s%s", i == 0 ? before : ", ", json_string(json_at(list, i)));
    }
}

char *setting_help(const Setting *setting)
{
    const ParamDesc *param = setting->param;
    GString *text = g_string_new(NULL);

    if (param) {
        const char *unit =
            param->kind == PARAM_MIB_SIZE ? "MiB/s, or with suffix B K M G" : param->unit;

        g_string_append_printf(text, *unit ? "%s [%s]" : "%s", param->help, unit);
    } else if (setting->capability) {
        g_string_append(text, setting->capability->help);
    } else {
        g_string_append(text, json_text(setting->theirs, "type"));
        append_list(text, text->len > 0 ? "; one of: " : "one of: ",
                    json_member(setting->theirs, "values"));
        append_list(text, text->len > 0 ? "; " : "", json_member(setting->theirs, "features"));
    }
    if ((param && param->deprecated) || (setting->capability && setting->capability->deprecated)) {
        g_string_append(text, " (deprecated)");
    } else if ((param || setting->capability) && name_is_unstable(setting->name)) {
        g_string_append(text, " (unstable)");
    }
    return g_string_free(text, FALSE);
}

static bool is_switch(const Setting *setting)
{
    return setting->kind == SETTING_CAPABILITY ||
           (setting->param ? setting->param->kind == PARAM_BOOL
                           : strcmp(json_text(setting->theirs, "type"), "boolean") == 0);
}

char **setting_values(const Setting *setting)
{
    json_object *list = setting->param ? NULL : json_member(setting->theirs, "values");

    if (is_switch(setting)) {
        return g_strsplit("off on", " ", 2);
    }
    if (setting->param && setting->param->kind == PARAM_ENUM) {
        return g_strdupv((char **)setting->param->values);
    }
    if (json_length(list) == 0) {
        return NULL;
    }

    GPtrArray *words = g_ptr_array_new();
    for (JsonEach each = json_each(list); json_next(&each);) {
        if (json_object_is_type(each.value, json_type_string)) { /* a monitor can list any type */
            g_ptr_array_add(words, g_strdup(json_string(each.value)));
        }
    }
    g_ptr_array_add(words, NULL);
    return (char **)g_ptr_array_free(words, FALSE);
}

const char *target_version(json_object *target)
{
    return json_text(target, "version");
}

/* ---- values ---- */

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

json_object *setting_value_from_text(const Setting *setting, const char *text, GError **error)
{
    const char *type = json_text(setting->theirs, "type"), *name = setting->name;

    if (setting->param) {
        return param_value_from_text(setting->param, text, error);
    }
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
