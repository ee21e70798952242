/*
 * The settings of a migration, parameters and capabilities: the rows of the tables, overlaid by
 * what an attached QEMU describes in backend_target(). Pure. A NULL target is the guest here.
 */
#pragma once

#include <glib.h>
#include <json-c/json.h>
#include <stdbool.h>

#include "backend/tables/capabilities.h"
#include "backend/tables/parameters.h"

typedef enum { SETTING_PARAMETER, SETTING_CAPABILITY, SETTING__COUNT } SettingKind;

/* Borrows from the target. */
typedef struct {
    SettingKind kind;
    const char *name;
    const ParamDesc *param;           /* its row, or */
    const CapabilityDesc *capability; /* this; both NULL = only the target has it */
    const char *target;               /* version of the attached QEMU; NULL = nothing is attached */
    json_object *theirs;              /* its description there; NULL = not known there */
} Setting;

/* The rows of the tables, then what only the target has. False behind the last. */
bool setting_at(json_object *target, SettingKind kind, size_t i, Setting *ret);
bool setting_find(json_object *target, SettingKind kind, const char *name, Setting *ret);

bool setting_is_foreign(const Setting *setting);
/* NULL, or why a change has no effect. Caller frees. */
char *setting_refusal(const Setting *setting);
/* One line about it: help and unit, "string; one of: a, b" of a foreign one. Caller frees. */
char *setting_help(const Setting *setting);
/* The words that it can be, NULL when they are not a few known ones. */
char **setting_values(const Setting *setting);
/* The value that @text is for it; an integer may have a size suffix. Caller puts. */
json_object *setting_value_from_text(const Setting *setting, const char *text, GError **error);

/* "QEMU 7.2.22", "" without a target. */
const char *target_version(json_object *target);
