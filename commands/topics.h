/*
 * What can be looked up by name besides commands: parameters, capabilities,
 * states and events, and all that the tables know about each. The monitor's
 * help, the manual and the notes of completion read the same facts. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

typedef enum {
    TOPIC_PARAMETER,
    TOPIC_CAPABILITY,
    TOPIC_STATUS,    /* MigrationStatus */
    TOPIC_RUN_STATE, /* of the guest */
    TOPIC_EVENT,
    TOPIC__COUNT,
} TopicKind;

/* "migration parameter" */
const char *topic_kind_title(TopicKind kind);

/* Name of thing number @i of a kind, NULL behind the last. */
const char *topic_name(TopicKind kind, size_t i);
bool topic_exists(TopicKind kind, const char *name);

/* What it is in a few words; "" for a name that is not there. */
const char *topic_summary(TopicKind kind, const char *name);

/* Calls @fact for everything else that is known, in the order in which people ask: ("unit", "ms"),
 * ("default", "300 ms"), ... Nothing for a name that is not there. */
typedef void (*TopicFact)(const char *label, const char *text, void *data);
void topic_describe(TopicKind kind, const char *name, TopicFact fact, void *data);
