/*
 * The fields that assert can check: each is a member of the reply of one
 * request, with its unit. Rows of query-migrate come from info.def. Pure.
 */
#pragma once

#include <glib.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum {
    FIELD_NUMBER,
    FIELD_BYTES,
    FIELD_MS,
    FIELD_US,
    FIELD_TEXT,
    FIELD_BOOL,
    FIELD_LENGTH, /* length of a list */
} FieldKind;

typedef struct {
    const char *name;    /* "ram.transferred" */
    const char *request; /* "query-migrate" */
    const char *group;   /* object of the reply that contains it, NULL = the reply itself */
    const char *member;
    FieldKind kind;
    const char *unit;          /* unit for output, "" = none */
    const char *const *values; /* values of an enum, else NULL */
} Field;

/* All fields, sorted by name. */
const Field *fields(size_t *ret_count);
/* NULL with an error that suggests similar names. */
const Field *field_find(const char *name, GError **error);

typedef enum { FIELD_EQ, FIELD_NE, FIELD_LT, FIELD_LE, FIELD_GT, FIELD_GE } FieldOp;

extern const char *const field_op_names[]; /* in the order of FieldOp, then NULL */
bool field_op_from_name(const char *name, FieldOp *ret);

typedef struct {
    long double number; /* bytes, ms, us or a plain number; a boolean is 0 or 1 */
    const char *text;
} FieldValue;

/* Parses a value of a script: "10M", "300ms", "1.5s", "completed", "on". @ret->text is @text. */
bool field_value_parse(const Field *field, FieldOp op, const char *text, FieldValue *ret,
                       GError **error);

/* The value in @reply; false when it is absent. @ret->text is valid as long as @reply. */
bool field_value_read(const Field *field, json_object *reply, FieldValue *ret);

bool field_value_holds(const Field *field, const FieldValue *found, FieldOp op,
                       const FieldValue *wanted);

/* True when it is an integer that fits into @ret. */
bool field_value_is_whole(const FieldValue *value, int64_t *ret);

/* "412 ms", "10.0 MiB (10485760 bytes)", "'active'"; caller frees. */
char *field_value_format(const Field *field, const FieldValue *value);
