/*
 * The settings of a migration, parameters and capabilities: the rows of the
 * tables, combined with the description of an attached QEMU from
 * backend_target(). Pure. A NULL target is the guest of this process.
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
    const ParamDesc *param;           /* its row, or NULL */
    const CapabilityDesc *capability; /* its row; both NULL = only the target has it */
    const char *target;               /* version of the attached QEMU; NULL = nothing is attached */
    json_object *theirs;              /* its description at the target; NULL = not known there */
} Setting;

/* The rows of the tables, then the settings that only the target has. False after the last one. */
bool setting_at(json_object *target, SettingKind kind, size_t i, Setting *ret);
bool setting_find(json_object *target, SettingKind kind, const char *name, Setting *ret);

bool setting_is_foreign(const Setting *setting);
/* Why a change has no effect, or NULL. Caller frees. */
char *setting_refusal(const Setting *setting);
/* One line: help and unit; for a foreign setting "string; one of: a, b". Caller frees. */
char *setting_help(const Setting *setting);
/* The possible words; NULL when the values are not a short list. Free with g_strfreev(). */
char **setting_values(const Setting *setting);
/* Parses @text as a value; an integer may have a size suffix. Caller puts. */
json_object *setting_value_from_text(const Setting *setting, const char *text, GError **error);

/* "QEMU 7.2.22", "" without a target. */
const char *target_version(json_object *target);
