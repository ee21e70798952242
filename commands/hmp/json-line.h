/*
 * The lines of --json: one object each, which begins with the version of the
 * format. What is in them is written down in migmon-json(5); a member that
 * changes its meaning or goes away makes a new version, a new member does not.
 */
#pragma once

#include <glib.h>
#include <json-c/json.h>

#include "commands/hmp/hmp.h"

#define JSON_LINE_VERSION 1

/* {"migmon": VERSION}; caller puts or gives it to json_line_take(). */
json_object *json_line_new(void);
/* A line with one member, which is taken over. */
json_object *json_line_with(const char *name, json_object *value);
json_object *json_line_of_event(const BackendEvent *event);

/* The text of @object with its line end; @object is gone afterwards. */
char *json_line_take(json_object *object);

/* {"class", "desc", "hint"?}; what follows the first line of a message is for people. */
json_object *json_error(const GError *error);
/* Adds member kind: how the line failed. */
void json_error_set_kind(json_object *error, HmpResult result);
