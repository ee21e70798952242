/*
 * migrate_set_parameter and migrate_set_capability: one name and one value
 * become the structured request; the tables of the backend read the value.
 * Both are silent on success, as scripts expect.
 */
#include "commands/hmp/hmp-internal.h"

#include <string.h>

#include "backend/base/error.h"
#include "backend/tables/capabilities.h"
#include "backend/tables/parameters.h"
#include "commands/hmp/suggest.h"
#include "commands/hmp/target.h"

static GError *unknown_name(const char *name)
{
    return g_error_new(MIG_ERROR, MIG_ERROR_GENERIC, "invalid parameter value: %s", name);
}

/* Names that only an attached QEMU knows. */
static void offer_theirs(Suggestion *near, HmpCall *call, TargetKind kind)
{
    json_object *target = backend_target(call->hmp->backend);
    const char *name;

    for (size_t i = 0; (name = target_setting_name(target, kind, i)) != NULL; i++) {
        suggestion_offer(near, name);
    }
}

static void refuse_parameter(HmpCall *call, const char *name)
{
    g_autoptr(GError) error = unknown_name(name);
    Suggestion near;

    suggestion_init(&near, name, strlen(name));
    for (size_t i = 0; i < param_count; i++) {
        suggestion_offer(&near, param_table[i].name);
    }
    offer_theirs(&near, call, TARGET_PARAMETER);
    suggestion_hint(&near, "", &error);
    call_fail(call, HMP_ERROR_SYNTAX, error);
}

static void parameter_set(HmpCall *call, json_object *value, const GError *error)
{
    const ParamDesc *desc = param_find(call_text(call, "parameter"));

    if (!error && desc && !desc->supported && !backend_target(call->hmp->backend)) {
        call_hint(call, "%s is kept but has no effect in this build", desc->name);
    }
    call_finish_value(call, value, error);
}

static void run_set_parameter(HmpCall *call)
{
    const char *name = call_text(call, "parameter");
    const ParamDesc *desc = param_find(name);
    json_object *theirs =
        desc ? NULL : target_setting(backend_target(call->hmp->backend), TARGET_PARAMETER, name);
    g_autoptr(GError) error = NULL;

    if (!desc && !theirs) {
        refuse_parameter(call, name);
        return;
    }

    const char *text = call_text(call, "value");
    json_object *value = desc ? param_value_from_text(desc, text, &error)
                              : target_value_from_text(theirs, text, &error);
    if (error) {
        call_fail(call, HMP_ERROR_SYNTAX, error);
        return;
    }

    json_object *args = json_object_new_object();
    json_object_object_add(args, name, value);
    call_request(call, "migrate-set-parameters", args, parameter_set);
}

static void refuse_capability(HmpCall *call, const char *name)
{
    g_autoptr(GError) error = unknown_name(name);
    Suggestion near;

    suggestion_init(&near, name, strlen(name));
    for (int i = 0; i < CAPABILITY__COUNT; i++) {
        suggestion_offer(&near, capability_table[i].name);
    }
    offer_theirs(&near, call, TARGET_CAPABILITY);
    suggestion_hint(&near, "", &error);
    call_fail(call, HMP_ERROR_SYNTAX, error);
}

static void run_set_capability(HmpCall *call)
{
    const char *name = call_text(call, "capability");
    MigCapability id;

    if (!capability_find(name, &id) &&
        !target_setting(backend_target(call->hmp->backend), TARGET_CAPABILITY, name)) {
        refuse_capability(call, name);
        return;
    }

    json_object *status = json_object_new_object();
    json_add_text(status, "capability", name);
    json_add_flag(status, "state", call_bool(call, "state"));

    json_object *list = json_object_new_array();
    json_object_array_add(list, status);

    json_object *args = json_object_new_object();
    json_object_object_add(args, "capabilities", list);
    call_request(call, "migrate-set-capabilities", args, call_finish_with);
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
