/*
 * Names that can be looked up besides commands: parameters, capabilities,
 * states and events, with the facts of the tables about each. The monitor's
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

/* Names that begin with x- (x_ for commands) may change; query-qmp-schema marks them too. */
#define NAME_UNSTABLE "it may change or go away in any release"
bool name_is_unstable(const char *name);

/* "migration parameter" */
const char *topic_kind_title(TopicKind kind);

/* The name of item @i of a kind, NULL after the last. */
const char *topic_name(TopicKind kind, size_t i);
bool topic_exists(TopicKind kind, const char *name);

/* A short description; "" for an unknown name. */
const char *topic_summary(TopicKind kind, const char *name);

/* Calls @fact for all other facts, the most wanted first: ("unit", "ms"), ("default", "300 ms"),
 * ... No call for an unknown name. */
typedef void (*TopicFact)(const char *label, const char *text, void *data);
void topic_describe(TopicKind kind, const char *name, TopicFact fact, void *data);
