/*
 * What an attached QEMU has beyond the tables of this program: settings by
 * their description in backend_target(). Pure; NULL is no target.
 */
#pragma once

#include <glib.h>
#include <json-c/json.h>
#include <stdbool.h>

typedef enum { TARGET_PARAMETER, TARGET_CAPABILITY } TargetKind;

/* Its description; NULL = there is none of that name. Borrowed. */
json_object *target_setting(json_object *target, TargetKind kind, const char *name);
/* Name of setting number @i, NULL behind the last. */
const char *target_setting_name(json_object *target, TargetKind kind, size_t i);
/* "string; one of: a, b", with what its schema marks. Caller frees. */
char *target_setting_text(json_object *setting);
/* The value that @text is for it, as its schema says; an int may have a size suffix. Caller puts.
 */
json_object *target_value_from_text(json_object *setting, const char *text, GError **error);

/* "QEMU 7.2.22", "" without a target. */
const char *target_version(json_object *target);
