/*
 * See topics.h. Parameters and capabilities have their texts in their own
 * tables; the texts of states and events are here.
 */
#include "commands/topics.h"

#include <glib.h>
#include <inttypes.h>
#include <string.h>

#include "backend/base/json.h"
#include "backend/base/size.h"
#include "backend/schema/schema.h"
#include "backend/tables/capabilities.h"
#include "backend/tables/info.h"
#include "backend/tables/parameters.h"

/* ---- the words for states and events ---- */

enum { NO_CAPABILITY = -1 };

typedef struct {
    const char *name;
    const char *since; /* NULL = since the first release with migration */
    const char *side;  /* NULL = where the guest is */
    int capability;    /* it needs this capability; NO_CAPABILITY = none */
    const char *meaning;
} TopicWord;

static const TopicWord status_words[] = {
    { "none", NULL, "both", NO_CAPABILITY, "there has been no migration yet" },
    { "setup", NULL, "both", NO_CAPABILITY,
      "the source connects; a destination waits for its source" },
    { "cancelling", NULL, "source", NO_CAPABILITY,
      "a cancel was asked for and the threads are being ended" },
    { "cancelled", NULL, "source", NO_CAPABILITY, "cancelled; the guest stays on the source" },
    { "active", NULL, "both", NO_CAPABILITY, "memory is sent while the guest runs on the source" },
    { "postcopy-active", "2.5", "both", CAPABILITY_POSTCOPY_RAM,
      "the guest runs on the destination, the rest of its memory follows" },
    { "postcopy-paused", "3.0", "both", CAPABILITY_POSTCOPY_RAM,
      "the link was lost during postcopy: neither side has all of the guest" },
    { "postcopy-recover", "3.0", "both", CAPABILITY_POSTCOPY_RAM,
      "a new link is being used to go on after a pause of postcopy" },
    { "completed", NULL, "both", NO_CAPABILITY, "all went over; the guest is on the destination" },
    { "failed", NULL, "both", NO_CAPABILITY,
      "ended with an error; info migrate says why and who owns the guest" },
    { "colo", "2.8", "both", CAPABILITY_X_COLO, "the destination follows the source as a standby" },
    { "pre-switchover", "2.11", "source", CAPABILITY_PAUSE_BEFORE_SWITCHOVER,
      "the guest stands, and waits for migrate_continue before its devices are sent" },
    { "device", "2.11", "source", NO_CAPABILITY, "the guest stands, its devices are being sent" },
    { "wait-unplug", "4.2", "source", NO_CAPABILITY,
      "waits until the guest has let go of devices that cannot move" },
};

static const TopicWord run_state_words[] = {
    { "debug", NULL, NULL, NO_CAPABILITY, "stopped by a debugger" },
    { "inmigrate", NULL, "destination", NO_CAPABILITY, "waits for a guest to arrive" },
    { "internal-error", NULL, NULL, NO_CAPABILITY, "stopped by an error it cannot go on from" },
    { "io-error", NULL, NULL, NO_CAPABILITY, "stopped because a disk failed" },
    { "paused", NULL, NULL, NO_CAPABILITY, "stopped by the operator; cont lets it go on" },
    { "postmigrate", NULL, "source", NO_CAPABILITY,
      "stopped because it was handed over to the destination" },
    { "prelaunch", NULL, NULL, NO_CAPABILITY, "not started yet; cont starts it" },
    { "finish-migrate", NULL, "source", NO_CAPABILITY,
      "stopped for the switchover of a migration" },
    { "restore-vm", NULL, NULL, NO_CAPABILITY, "a snapshot is being loaded" },
    { "running", NULL, NULL, NO_CAPABILITY, "it runs" },
    { "save-vm", NULL, NULL, NO_CAPABILITY, "a snapshot is being taken" },
    { "shutdown", NULL, NULL, NO_CAPABILITY, "it has shut itself down" },
    { "suspended", NULL, NULL, NO_CAPABILITY, "it sleeps and waits to be woken" },
    { "watchdog", NULL, NULL, NO_CAPABILITY, "stopped by its watchdog" },
    { "guest-panicked", NULL, NULL, NO_CAPABILITY, "its kernel has reported a panic" },
    { "colo", NULL, "destination", CAPABILITY_X_COLO, "stopped at a checkpoint of COLO" },
};

static const TopicWord event_words[] = {
    { "MIGRATION", "2.4", "both", NO_CAPABILITY, "a migration entered another state" },
    { "MIGRATION_PASS", "2.6", "source", NO_CAPABILITY, "another round over the memory begins" },
    { "STOP", "0.12", NULL, NO_CAPABILITY, "the guest was stopped" },
    { "RESUME", "0.12", NULL, NO_CAPABILITY, "the guest runs again" },
    { "SHUTDOWN", "0.12", NULL, NO_CAPABILITY, "the guest or this program ends" },
    { "UNPLUG_PRIMARY", "4.2", "source", NO_CAPABILITY,
      "a device that cannot move is being taken from the guest" },
    { "COLO_EXIT", "3.1", "both", CAPABILITY_X_COLO, "the standby is given up" },
    { "JOB_STATUS_CHANGE", "3.0", NULL, NO_CAPABILITY, "a background job entered another state" },
    { "X_INCOMING_FAILED", "migmon", "destination", NO_CAPABILITY,
      "the address of --incoming cannot be listened on; the program ends" },
    { "X_PEER", "migmon", NULL, NO_CAPABILITY, "an event of the attached destination" },
    { "X_NOTICE", "migmon", NULL, NO_CAPABILITY, "a sentence for people about a migration" },
};

static const TopicWord *find_word(const TopicWord *words, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(words[i].name, name) == 0) {
            return &words[i];
        }
    }
    return NULL;
}

static const TopicWord *word_of(TopicKind kind, const char *name)
{
    switch (kind) {
    case TOPIC_STATUS:
        return find_word(status_words, G_N_ELEMENTS(status_words), name);
    case TOPIC_RUN_STATE:
        return find_word(run_state_words, G_N_ELEMENTS(run_state_words), name);
    case TOPIC_EVENT:
        return find_word(event_words, G_N_ELEMENTS(event_words), name);
    default:
        return NULL;
    }
}

/* ---- names ---- */

const char *topic_kind_title(TopicKind kind)
{
    static const char *const titles[TOPIC__COUNT] = {
        [TOPIC_PARAMETER] = "migration parameter",
        [TOPIC_CAPABILITY] = "migration capability",
        [TOPIC_STATUS] = "state of a migration",
        [TOPIC_RUN_STATE] = "state of the guest",
        [TOPIC_EVENT] = "event",
    };

    return titles[kind];
}

const char *topic_name(TopicKind kind, size_t i)
{
    const SchemaEvent *events;
    size_t n_events;

    switch (kind) {
    case TOPIC_PARAMETER:
        return i < param_count ? param_table[i].name : NULL;
    case TOPIC_CAPABILITY:
        return i < CAPABILITY__COUNT ? capability_table[i].name : NULL;
    case TOPIC_STATUS:
        return migration_status_names[i];
    case TOPIC_RUN_STATE:
        return schema_find_type("RunState")->values[i];
    case TOPIC_EVENT:
        events = schema_events(&n_events);
        return i < n_events ? events[i].name : NULL;
    case TOPIC__COUNT:
        break;
    }
    g_assert_not_reached();
}

bool topic_exists(TopicKind kind, const char *name)
{
    const char *known;

    for (size_t i = 0; (known = topic_name(kind, i)) != NULL; i++) {
        if (strcmp(known, name) == 0) {
            return true;
        }
    }
    return false;
}

const char *topic_summary(TopicKind kind, const char *name)
{
    const ParamDesc *parameter = kind == TOPIC_PARAMETER ? param_find(name) : NULL;
    const TopicWord *word = word_of(kind, name);
    MigCapability id;

    if (parameter) {
        return parameter->help;
    }
    if (kind == TOPIC_CAPABILITY && capability_find(name, &id)) {
        return capability_table[id].help;
    }
    return word ? word->meaning : "";
}

/* ---- facts ---- */

static void tell_since(const char *since, TopicFact fact, void *data)
{
    g_autofree char *text = NULL;

    if (!since) {
        return;
    }
    text = strcmp(since, "migmon") == 0 ? g_strdup("migmon only; QEMU does not have it")
                                        : g_strconcat("QEMU ", since, NULL);
    fact("since", text, data);
}

bool name_is_unstable(const char *name)
{
    return g_str_has_prefix(name, "x-") || g_str_has_prefix(name, "x_");
}

static void tell_support(const char *name, bool supported, const char *otherwise,
                         const char *deprecated, TopicFact fact, void *data)
{
    if (name_is_unstable(name)) {
        fact("unstable", NAME_UNSTABLE, data);
    }
    if (deprecated) {
        fact("deprecated", deprecated, data);
    }
    fact("this build", supported ? "supported" : otherwise, data);
}

static const char *value_form(const ParamDesc *row)
{
    switch (row->kind) {
    case PARAM_MIB_SIZE:
        return "size in MiB, or with a suffix B, K, M, G or T (powers of 1024)";
    case PARAM_BYTE_SIZE:
        return "number, or with a suffix K, M, G or T (powers of 1024)";
    case PARAM_UINT8:
    case PARAM_UINT32:
        return "number";
    case PARAM_BOOL:
        return "on or off";
    case PARAM_ENUM:
        return "one of the values below";
    case PARAM_STRING:
        return "text; \"\" for none";
    case PARAM_MAPPING:
        return "a list; through QMP only";
    }
    g_assert_not_reached();
}

static bool is_number(const ParamDesc *row)
{
    return row->kind == PARAM_MIB_SIZE || row->kind == PARAM_BYTE_SIZE ||
           row->kind == PARAM_UINT8 || row->kind == PARAM_UINT32;
}

static char *number_text(const ParamDesc *row, uint64_t number)
{
    json_object *value = json_object_new_uint64(number);
    char *text = param_value_for_people(row, value);

    json_object_put(value);
    return text;
}

static void tell_default(const ParamDesc *row, TopicFact fact, void *data)
{
    MigParameters initial;

    parameters_init(&initial);

    json_object *all = parameters_to_json(&initial);
    g_autofree char *text = param_value_for_people(row, json_member(all, row->name));
    fact("default", text, data);
    json_object_put(all);
    parameters_clear(&initial);
}

static void tell_range(const ParamDesc *row, TopicFact fact, void *data)
{
    if (row->kind == PARAM_ENUM) {
        g_autofree char *values = g_strjoinv(", ", (char **)row->values);

        fact("values", values, data);
    } else if (is_number(row)) {
        g_autofree char *least = number_text(row, row->min), *most = number_text(row, row->max);
        g_autofree char *range = row->max == UINT64_MAX ? g_strdup_printf("%s or more", least)
                                                        : g_strdup_printf("%s to %s", least, most);

        fact("range", range, data);
    }
}

static void describe_parameter(const ParamDesc *row, TopicFact fact, void *data)
{
    fact("value", value_form(row), data);
    if (*row->unit != '\0') {
        fact("unit", row->unit, data);
    }
    tell_default(row, fact, data);
    tell_range(row, fact, data);
    fact("side", row->side, data);
    tell_since(row->since, fact, data);
    tell_support(row->name, row->supported,
                 "without effect: it is kept, and what would need it is refused", row->deprecated,
                 fact, data);
}

static void describe_capability(const CapabilityDesc *row, TopicFact fact, void *data)
{
    fact("value", "on or off", data);
    fact("default", "off", data);
    fact("side", row->side, data);
    tell_since(row->since, fact, data);
    tell_support(row->name, row->supported, "not supported: it can be read, not set",
                 row->deprecated, fact, data);
}

/* "status (MigrationStatus)" */
static void tell_members(const char *name, TopicFact fact, void *data)
{
    size_t n;
    const SchemaEvent *events = schema_events(&n);
    g_autoptr(GString) text = g_string_new(NULL);

    for (size_t i = 0; i < n; i++) {
        const SchemaMember *member = strcmp(events[i].name, name) == 0 ? events[i].data : NULL;

        for (; member && member->name; member++) {
            g_string_append_printf(text, "%s%s (%s)", text->len ? ", " : "", member->name,
                                   member->type->name);
        }
    }
    if (text->len > 0) {
        fact("data", text->str, data);
    }
}

static void describe_word(const TopicWord *word, TopicFact fact, void *data)
{
    if (word->side) {
        fact("side", word->side, data);
    }
    tell_since(word->since, fact, data);
    if (word->capability != NO_CAPABILITY) {
        const CapabilityDesc *needed = &capability_table[word->capability];
        g_autofree char *text = g_strdup_printf("the capability %s%s", needed->name,
                                                needed->supported ? ""
                                                                  : ", which this build does not "
                                                                    "support");

        fact("needs", text, data);
    }
}

void topic_describe(TopicKind kind, const char *name, TopicFact fact, void *data)
{
    const ParamDesc *parameter = kind == TOPIC_PARAMETER ? param_find(name) : NULL;
    const TopicWord *word = word_of(kind, name);
    MigCapability id;

    if (parameter) {
        describe_parameter(parameter, fact, data);
    } else if (kind == TOPIC_CAPABILITY && capability_find(name, &id)) {
        describe_capability(&capability_table[id], fact, data);
    } else if (word) {
        if (kind == TOPIC_EVENT) {
            tell_members(name, fact, data);
        }
        describe_word(word, fact, data);
    }
}
