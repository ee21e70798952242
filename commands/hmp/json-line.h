/*
 * The lines of --json: one object each, beginning with the version of the
 * format. migmon-json(5) describes the members. Removing a member or changing
 * its meaning needs a new version; adding a member does not.
 */
#pragma once

#include <glib.h>
#include <json-c/json.h>

#include "commands/hmp/hmp.h"

#define JSON_LINE_VERSION 1

/* {"migmon": VERSION}. The caller puts it or passes it to json_line_take(). */
json_object *json_line_new(void);
/* A line with one member; takes @value over. */
json_object *json_line_with(const char *name, json_object *value);
json_object *json_line_of_event(const BackendEvent *event);

/* The text of @object with its newline; caller frees. Takes @object over. */
char *json_line_take(json_object *object);

/* {"class", "desc", "hint"?}. The first line of the message is the description, the rest hints. */
json_object *json_error(const GError *error);
/* Adds the member "kind": how the line failed. */
void json_error_set_kind(json_object *error, HmpResult result);
