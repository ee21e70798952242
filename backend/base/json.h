/*
 * Reading and writing members of JSON objects.
 *
 * Replies may come from other programs, so their form is not asserted. All readers follow one rule:
 * a missing member, a value of another type, and a NULL object or list are read as NULL, "", 0 or
 * false.
 */
#pragma once

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The value itself, borrowed; NULL for JSON's null too. */
json_object *json_member(json_object *object, const char *name);
/* Like json_member(), for an array only. */
json_object *json_list(json_object *object, const char *name);
/* Borrowed, never NULL. */
const char *json_text(json_object *object, const char *name);
/* Integers and fractions; 0 for negative numbers. */
uint64_t json_number(json_object *object, const char *name);
int64_t json_integer(json_object *object, const char *name);
double json_real(json_object *object, const char *name);
bool json_flag(json_object *object, const char *name);

/* The text of @value when it is a string, else "". */
const char *json_string(json_object *value);

size_t json_length(json_object *list);
/* NULL beyond the end. */
json_object *json_at(json_object *list, size_t i);

/*
 * for (JsonEach row = json_each(list); json_next(&row);) { ... row.value ... }
 * The list must not shrink meanwhile.
 */
typedef struct {
    json_object *list;
    json_object *value;
    size_t next;
} JsonEach;

JsonEach json_each(json_object *list);
bool json_next(JsonEach *each);

/* Replaces an existing member. Adds nothing when @text is NULL. */
void json_add_text(json_object *object, const char *name, const char *text);
void json_add_number(json_object *object, const char *name, uint64_t value);
void json_add_integer(json_object *object, const char *name, int64_t value);
void json_add_flag(json_object *object, const char *name, bool value);

/* A new object with one member; takes ownership of @value. */
json_object *json_object_with(const char *name, json_object *value);
/* The same for a string; an empty object when @text is NULL. */
json_object *json_object_with_text(const char *name, const char *text);
