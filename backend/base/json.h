/*
 * Reading and writing members of JSON objects.
 *
 * Replies come from other programs as well, so nothing is asserted about their shape. One rule for
 * every reader: a member that is missing, a value of another type, and an object or list that is
 * NULL read as nothing, which is NULL, "", 0 or false.
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
/* Integers and fractions count; 0 for what is negative. */
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
 * The list must not become shorter meanwhile.
 */
typedef struct {
    json_object *list;
    json_object *value;
    size_t next;
} JsonEach;

JsonEach json_each(json_object *list);
bool json_next(JsonEach *each);

/* A member that exists is replaced. A @text of NULL adds nothing. */
void json_add_text(json_object *object, const char *name, const char *text);
void json_add_number(json_object *object, const char *name, uint64_t value);
void json_add_integer(json_object *object, const char *name, int64_t value);
void json_add_flag(json_object *object, const char *name, bool value);

/* An object with one member; takes @value over. */
json_object *json_object_with(const char *name, json_object *value);
/* The same for a string; an empty object when @text is NULL. */
json_object *json_object_with_text(const char *name, const char *text);
