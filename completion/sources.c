/*
 * One source for each ArgKind that has values; see sources.h. Names and values
 * come from the tables of the backend, so what is offered is what is understood.
 */
#include "completion/sources.h"

#include <string.h>

#include "backend/base/address.h"
#include "backend/guest/guest.h"
#include "backend/tables/capabilities.h"
#include "backend/tables/info.h"
#include "backend/tables/parameters.h"
#include "completion/files.h"

void source_add(Source *source, const char *value, const char *note, bool final)
{
    if (!g_str_has_prefix(value, source->prefix)) {
        return;
    }

    Candidate *candidate = g_new0(Candidate, 1);
    candidate->text = g_strdup(value);
    candidate->note = note && *note != '\0' ? g_strdup(note) : NULL;
    candidate->final = final;
    g_ptr_array_add(source->values, candidate);
}

/* ---- commands ---- */

bool source_offers(const Source *source, const Command *command)
{
    return !command->batch_only || (source->env && source->env->batch);
}

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

/* What help can be asked about. */
static void list_commands(Source *source)
{
    source_list_commands(source, command_table);
    for (int kind = 0; kind < TOPIC__COUNT; kind++) {
        source_list_topics(source, (TopicKind)kind);
    }
}

/* ---- names and values of settings ---- */

static char *setting_note(const char *help, const char *unit, bool supported)
{
    return g_strdup_printf("%s%s%s%s%s", supported ? "" : "[not in this build] ", help,
                           *unit ? " [" : "", unit, *unit ? "]" : "");
}

static void list_parameters(Source *source)
{
    for (size_t i = 0; i < param_count; i++) {
        const ParamDesc *row = &param_table[i];
        bool mib = row->kind == PARAM_MIB_SIZE;
        const char *unit = mib ? "MiB/s, or with suffix B K M G" : row->unit;
        g_autofree char *lacks = source_target_note(source, true, row->name);
        g_autofree char *note =
            lacks ? g_steal_pointer(&lacks)
                  : setting_note(row->help, unit, row->supported || source_has_target(source));

        source_add(source, row->name, note, true);
    }
    source_list_theirs(source, true);
}

static void list_on_off(Source *source)
{
    source_add(source, "off", NULL, true);
    source_add(source, "on", NULL, true);
}

static void list_parameter_values(Source *source)
{
    const ParamDesc *row = source->before ? param_find(source->before) : NULL;

    if (row && row->kind == PARAM_BOOL) {
        list_on_off(source);
    } else if (row && row->kind == PARAM_ENUM) {
        for (const char *const *value = row->values; *value; value++) {
            source_add(source, *value, NULL, true);
        }
    } else if (row && row->kind != PARAM_STRING && row->kind != PARAM_MAPPING) {
        source_list_numbers(source, row);
    } else if (!row) {
        source_list_their_values(source);
    }
}

static void list_capabilities(Source *source)
{
    for (int i = 0; i < CAPABILITY__COUNT; i++) {
        const CapabilityDesc *row = &capability_table[i];
        g_autofree char *lacks = source_target_note(source, false, row->name);
        g_autofree char *note =
            lacks ? g_steal_pointer(&lacks)
                  : setting_note(row->help, "", row->supported || source_has_target(source));

        source_add(source, row->name, note, true);
    }
    source_list_theirs(source, false);
}

static void list_statuses(Source *source)
{
    source_list_topics(source, TOPIC_STATUS);
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

static void list_strings(Source *source, const char *const *values)
{
    for (; values && *values; values++) {
        source_add(source, *values, NULL, true);
    }
}

static void list_guest_keys(Source *source)
{
    list_strings(source, guest_set_keys());
}

static void list_guest_values(Source *source)
{
    if (source->before) {
        list_strings(source, guest_set_values(source->before));
    }
}

static void list_guest_faults(Source *source)
{
    for (int i = 0; i < VERIFY__COUNT; i++) {
        source_add(source, verify_fault_name((VerifyFault)i), NULL, true);
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
    [ARG_MONITOR] = source_list_monitors,
    [ARG_PEER_COMMAND] = source_list_peer_commands,
    [ARG_WAIT] = source_list_wait,
    [ARG_VARIABLE] = source_list_variables,
    [ARG_FILE] = list_files,
    [ARG_FIELD] = source_list_fields,
    [ARG_OPERATOR] = source_list_operators,
    [ARG_FIELD_VALUE] = source_list_field_values,
    [ARG_ON_ERROR] = source_list_on_error,
    [ARG_REPORT_FORMAT] = source_list_report_formats,
};

void source_list(Source *source, ArgKind kind)
{
    if (source_of[kind]) {
        source_of[kind](source);
    }
}
