/*
 * One source for each ArgKind that has values; see sources.h. Names and
 * values come from the tables of the backend, so all candidates are valid.
 */
#include "completion/sources.h"

#include <string.h>

#include "backend/base/address.h"
#include "backend/base/json.h"
#include "backend/guest/guest.h"
#include "backend/tables/info.h"
#include "commands/settings.h"
#include "completion/files.h"

/* ---- commands ---- */

void source_list_commands(Source *source, const Command *const *table)
{
    for (; *table; table++) {
        if (!source_offers(source, *table)) {
            continue;
        }

        g_auto(GStrv) names = g_strsplit((*table)->name, "|", -1);
        /* The first line of the help; the rest is for help itself. */
        g_autofree char *note = g_strndup((*table)->help, strcspn((*table)->help, "\n"));
        for (char **name = names; *name; name++) {
            source_add(source, *name, note, true);
        }
    }
}

/* The names that help accepts. */
static void list_commands(Source *source)
{
    source_list_commands(source, command_table);
    for (int kind = 0; kind < TOPIC__COUNT; kind++) {
        source_list_topics(source, (TopicKind)kind);
    }
}

/* ---- names and values of settings ---- */

/* All settings of @kind. A reason against a setting comes before its help. */
static void list_settings(Source *source, SettingKind kind)
{
    Setting setting;

    for (size_t i = 0; setting_at(source_target(source), kind, i, &setting); i++) {
        g_autofree char *refusal = setting_refusal(&setting);
        g_autofree char *help = setting_help(&setting);
        g_autofree char *note =
            refusal && setting.target ? g_strdup_printf("[%s]", refusal)
            : refusal                 ? g_strdup_printf("[not in this build] %s", help)
            : setting_is_foreign(&setting)
                ? g_strdup_printf("of %s%s%s", setting.target, *help ? ": " : "", help)
                : g_strdup(help);

        source_add(source, setting.name, note, true);
    }
}

static void list_parameters(Source *source)
{
    list_settings(source, SETTING_PARAMETER);
}

static void list_capabilities(Source *source)
{
    list_settings(source, SETTING_CAPABILITY);
}

static void list_strings(Source *source, const char *const *values)
{
    for (; values && *values; values++) {
        source_add(source, *values, NULL, true);
    }
}

static void list_on_off(Source *source)
{
    source_add(source, "off", NULL, true);
    source_add(source, "on", NULL, true);
}

static void list_parameter_values(Source *source)
{
    Setting setting;

    if (!source->before ||
        !setting_find(source_target(source), SETTING_PARAMETER, source->before, &setting)) {
        return;
    }

    g_auto(GStrv) values = setting_values(&setting);
    const ParamDesc *row = setting.param;
    list_strings(source, (const char *const *)values);
    if (!values && row && row->kind != PARAM_STRING && row->kind != PARAM_MAPPING) {
        source_list_numbers(source, row);
    }
}

/* For migrate_continue: no other state waits for it. */
static void list_statuses(Source *source)
{
    const char *waiting = migration_status_name(MIGRATION_PRE_SWITCHOVER);

    source_add(source, waiting, topic_summary(TOPIC_STATUS, waiting), true);
}

/* ---- addresses ---- */

static void list_addresses(Source *source, bool incoming)
{
    for (size_t i = 0; i < ADDRESS__COUNT; i++) {
        const AddressTraits *row = &address_traits[i];

        if (row->help_source == NULL) {
            continue;
        }
        source_add(source, row->scheme, incoming ? row->help_destination : row->help_source, false);
        if ((row->traits & TRAIT_PATH) && g_str_has_prefix(source->prefix, row->scheme)) {
            files_list(source, row->scheme, row->traits & TRAIT_MANY ? FILES_SOCKETS : FILES_DATA);
        }
    }

    const char *const *uri = source->env ? source->env->history_uris : NULL;
    for (; uri && *uri; uri++) {
        source_add(source, *uri, "used before", true);
    }
}

static void list_uris(Source *source)
{
    list_addresses(source, false);
}

static void list_incoming_uris(Source *source)
{
    list_addresses(source, true);
}

static void list_files(Source *source)
{
    files_list(source, "", FILES_ANY);
}

/* ---- the guest ---- */

static void list_guest_keys(Source *source)
{
    list_strings(source, guest_set_keys());
}

static void list_guest_values(Source *source)
{
    const char *const *values = source->before ? guest_set_values(source->before) : NULL;
    const char *form = source->before ? guest_set_form(source->before) : NULL;

    list_strings(source, values);
    if (values == NULL && form != NULL) {
        source_add(source, source->prefix, form, false);
    }
}

static void list_guest_faults(Source *source)
{
    for (int i = 0; i < VERIFY__COUNT; i++) {
        source_add(source, verify_fault_name((VerifyFault)i), NULL, true);
    }
}

/* ---- an attached QEMU ---- */

static void list_peer_commands(Source *source)
{
    json_object *commands = json_member(source_target(source), "commands");

    for (JsonEach each = json_each(commands); json_next(&each);) {
        if (json_object_is_type(each.value, json_type_string)) { /* a monitor can list any type */
            source_add(source, json_string(each.value), NULL, true);
        }
    }
}

static void list_monitors(Source *source)
{
    source_add(source, "tcp:", "HOST:PORT", false);
    source_add(source, "unix:", "path of QEMU's -qmp socket", false);
    if (g_str_has_prefix(source->prefix, "unix:")) {
        files_list(source, "unix:", FILES_SOCKETS);
    }
}

/* ---- by kind ---- */

static void (*const source_of[ARG_KIND__COUNT])(Source *source) = {
    [ARG_URI] = list_uris,
    [ARG_INCOMING_URI] = list_incoming_uris,
    [ARG_BOOL] = list_on_off,
    [ARG_PARAMETER] = list_parameters,
    [ARG_PARAM_VALUE] = list_parameter_values,
    [ARG_CAPABILITY] = list_capabilities,
    [ARG_STATUS] = list_statuses,
    [ARG_COMMAND] = list_commands,
    [ARG_GUEST_KEY] = list_guest_keys,
    [ARG_GUEST_VALUE] = list_guest_values,
    [ARG_GUEST_FAULT] = list_guest_faults,
    [ARG_MONITOR] = list_monitors,
    [ARG_PEER_COMMAND] = list_peer_commands,
    [ARG_WAIT] = source_list_wait,
    [ARG_VARIABLE] = source_list_variables,
    [ARG_FILE] = list_files,
    [ARG_FIELD] = source_list_fields,
    [ARG_OPERATOR] = source_list_operators,
    [ARG_FIELD_VALUE] = source_list_field_values,
    [ARG_ON_ERROR] = source_list_on_error,
    [ARG_REPORT_FORMAT] = source_list_report_formats,
};

bool source_has_values(ArgKind kind)
{
    return source_of[kind] != NULL;
}

void source_list(Source *source, ArgKind kind)
{
    if (source_of[kind]) {
        source_of[kind](source);
    }
}
