/*
 * migrate_set_parameter and migrate_set_capability: convert a name and a
 * value to the structured request; the tables of the backend parse the value.
 * Both print nothing on success, as scripts expect.
 */
#include "commands/hmp/hmp-internal.h"

#include <string.h>

#include "backend/base/error.h"
#include "commands/hmp/suggest.h"
#include "commands/settings.h"

static json_object *target_of(const HmpCall *call)
{
    return backend_target(call->hmp->backend);
}

/* False when no setting has the name; the line has failed then. */
static bool find_setting(HmpCall *call, SettingKind kind, const char *name, Setting *ret)
{
    g_autoptr(GError) error = NULL;
    Suggestion near;

    if (setting_find(target_of(call), kind, name, ret)) {
        return true;
    }
    g_set_error(&error, MIG_ERROR, MIG_ERROR_GENERIC, "invalid parameter value: %s", name);
    suggestion_init(&near, name, strlen(name));
    for (size_t i = 0; setting_at(target_of(call), kind, i, ret); i++) {
        suggestion_offer(&near, ret->name);
    }
    suggestion_hint(&near, "", &error);
    call_fail(call, HMP_ERROR_SYNTAX, error);
    return false;
}

static void parameter_set(HmpCall *call, json_object *value, const GError *error)
{
    Setting setting;

    if (!error &&
        setting_find(target_of(call), SETTING_PARAMETER, call_text(call, "parameter"), &setting) &&
        !setting.target && !setting.param->supported) {
        call_hint(call, "%s is kept but has no effect in this build", setting.name);
    }
    call_finish_value(call, value, error);
}

static void run_set_parameter(HmpCall *call)
{
    g_autoptr(GError) error = NULL;
    Setting setting;

    if (!find_setting(call, SETTING_PARAMETER, call_text(call, "parameter"), &setting)) {
        return;
    }

    json_object *value = setting_value_from_text(&setting, call_text(call, "value"), &error);
    if (error) {
        call_fail(call, HMP_ERROR_SYNTAX, error);
        return;
    }
    call_request(call, "migrate-set-parameters", json_object_with(setting.name, value),
                 parameter_set);
}

static void run_set_capability(HmpCall *call)
{
    Setting setting;

    if (!find_setting(call, SETTING_CAPABILITY, call_text(call, "capability"), &setting)) {
        return;
    }

    json_object *status = json_object_with_text("capability", setting.name);
    json_object *list = json_object_new_array();
    json_add_flag(status, "state", call_bool(call, "state"));
    json_object_array_add(list, status);
    call_request(call, "migrate-set-capabilities", json_object_with("capabilities", list),
                 call_finish_with);
}

const Command cmd_migrate_set_parameter = {
    .name = "migrate_set_parameter",
    .params = "parameter value",
    .help = "Set the parameter for migration",
    .args = (const ArgSpec[]){ { "parameter", ARG_PARAMETER, .help = "name of a parameter" },
                               { "value", ARG_PARAM_VALUE, .help = "its new value" },
                               { 0 } },
    .run = run_set_parameter,
};

const Command cmd_migrate_set_capability = {
    .name = "migrate_set_capability",
    .params = "capability state",
    .help = "Enable/Disable the usage of a capability for migration",
    .args = (const ArgSpec[]){ { "capability", ARG_CAPABILITY, .help = "name of a capability" },
                               { "state", ARG_BOOL, .help = "on or off" },
                               { 0 } },
    .run = run_set_capability,
};
