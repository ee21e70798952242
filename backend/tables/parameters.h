/*
 * Migration parameters: one row each in parameters.def. The struct, defaults, JSON, HMP texts,
 * ranges, help, completion and the engine's live settings are made from it. Main thread; the
 * threads of an attempt read a copy and the live settings.
 */
#pragma once

#include <glib.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum {
    PARAM_MIB_SIZE,  /* bytes/s; HMP's default unit is MiB */
    PARAM_BYTE_SIZE, /* a number that HMP reads like a size with default unit 1 */
    PARAM_UINT8,
    PARAM_UINT32,
    PARAM_BOOL,
    PARAM_ENUM,
    PARAM_STRING,
    PARAM_MAPPING, /* block-bitmap-mapping: QMP only */
} ParamKind;

/* A member for each row; see parameters.def. Strings are owned. */
typedef struct MigParameters MigParameters;
struct MigParameters {
#define PARAM_FIELD_MIB_SIZE(field)       uint64_t field;
#define PARAM_FIELD_BYTE_SIZE(field)      uint64_t field;
#define PARAM_FIELD_UINT8(field)          uint64_t field;
#define PARAM_FIELD_UINT32(field)         uint64_t field;
#define PARAM_FIELD_BOOL(field)           uint64_t field;
#define PARAM_FIELD_ENUM(field)           uint64_t field; /* index into the row's values */
#define PARAM_FIELD_STRING(field)         char *field;
#define PARAM_FIELD_MAPPING(field)        json_object *field;
#define MIG_PARAM(field, name, kind, ...) PARAM_FIELD_##kind(field)
#include "backend/tables/parameters.def"
};

typedef struct {
    const char *name; /* "max-bandwidth" */
    ParamKind kind;
    unsigned place; /* see parameters.def */
    size_t offset;  /* in MigParameters */
    uint64_t min, max, initial;
    const char *unit;          /* for people: "bytes/s", "bytes", "ms", "%", "MB/s", "" */
    const char *zero;          /* what 0 means ("no limit"), NULL = nothing special */
    const char *range_text;    /* after "Parameter 'max_bandwidth' expects ", QEMU's words */
    const char *const *values; /* ENUM */
    const char *info_suffix;   /* follows the value in info migrate_parameters; NULL = not shown */
    const char *since;         /* "8.2", or "migmon" for parameters of our own */
    bool supported;            /* has an effect in this build */
    const char *deprecated;    /* warning when set, or NULL */
    const char *side;          /* "source", "destination", "both" */
    const char *help;
} ParamDesc;

/* Values of the enums, NULL terminated. */
extern const char *const param_multifd_compressions[], *const param_multifd_syncs[];
extern const char *const param_multifd_zeroes[], *const param_modes[];

extern const ParamDesc param_table[];
extern const size_t param_count;
const ParamDesc *param_find(const char *name);
/* The rows in the order of HMP's info migrate_parameters, including rows that it does not show.
 * NULL from param_count on. */
const ParamDesc *param_in_info_order(size_t i);

void parameters_init(MigParameters *p);
void parameters_clear(MigParameters *p);
void parameters_copy(MigParameters *to, const MigParameters *from);

/* migrate-set-parameters: checks the merged set, then applies all of @args or nothing. Rows
 * without an effect are stored too: most belong to a capability that is refused, and migrate
 * refuses the others when a migration needs them. @warn is called for each deprecated row that
 * is set. The caller checks conflicts with capabilities. */
bool parameters_apply(MigParameters *p, json_object *args,
                      void (*warn)(void *data, const char *text), void *data, GError **error);

/* The reply of query-migrate-parameters. Caller puts. */
json_object *parameters_to_json(const MigParameters *p);

/* Parses a value like HMP and returns it as for migrate-set-parameters. NULL with HMP's error
 * text. Caller puts. */
json_object *param_value_from_text(const ParamDesc *desc, const char *text, GError **error);

/* Appends HMP's info migrate_parameters to @out, made from the JSON reply of
 * query-migrate-parameters: byte for byte as 8.2, then our own rows. */
void parameters_format_hmp(json_object *reply, GString *out);

/* The value with its unit: "10.0 MiB/s", "300 ms", "0 (no limit)". Caller frees. */
char *param_value_for_people(const ParamDesc *desc, json_object *value);
