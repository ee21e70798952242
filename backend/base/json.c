#include "backend/base/json.h"

json_object *json_member(json_object *object, const char *name)
{
    json_object *value = NULL;

    json_object_object_get_ex(object, name, &value); /* NULL and other types: false */
    return value;
}

static bool is_number(json_object *value)
{
    return json_object_is_type(value, json_type_int) ||
           json_object_is_type(value, json_type_double);
}

json_object *json_list(json_object *object, const char *name)
{
    json_object *value = json_member(object, name);

    return json_object_is_type(value, json_type_array) ? value : NULL;
}

const char *json_text(json_object *object, const char *name)
{
    return json_string(json_member(object, name));
}

uint64_t json_number(json_object *object, const char *name)
{
    json_object *value = json_member(object, name);

    return is_number(value) ? json_object_get_uint64(value) : 0;
}

int64_t json_integer(json_object *object, const char *name)
{
    json_object *value = json_member(object, name);

    return is_number(value) ? json_object_get_int64(value) : 0;
}

double json_real(json_object *object, const char *name)
{
    json_object *value = json_member(object, name);

    return is_number(value) ? json_object_get_double(value) : 0;
}

bool json_flag(json_object *object, const char *name)
{
    json_object *value = json_member(object, name);

    return json_object_is_type(value, json_type_boolean) && json_object_get_boolean(value);
}

const char *json_string(json_object *value)
{
    return json_object_is_type(value, json_type_string) ? json_object_get_string(value) : "";
}

size_t json_length(json_object *list)
{
    return json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
}

json_object *json_at(json_object *list, size_t i)
{
    return i < json_length(list) ? json_object_array_get_idx(list, i) : NULL;
}

JsonEach json_each(json_object *list)
{
    return (JsonEach){ .list = list };
}

bool json_next(JsonEach *each)
{
    bool more = each->next < json_length(each->list);

    each->value = json_at(each->list, each->next++);
    return more;
}

void json_add_text(json_object *object, const char *name, const char *text)
{
    if (text != NULL) {
        json_object_object_add(object, name, json_object_new_string(text));
    }
}

void json_add_number(json_object *object, const char *name, uint64_t value)
{
    json_object_object_add(object, name, json_object_new_uint64(value));
}

void json_add_integer(json_object *object, const char *name, int64_t value)
{
    json_object_object_add(object, name, json_object_new_int64(value));
}

void json_add_flag(json_object *object, const char *name, bool value)
{
    json_object_object_add(object, name, json_object_new_boolean(value));
}

json_object *json_object_with(const char *name, json_object *value)
{
    json_object *object = json_object_new_object();

    json_object_object_add(object, name, value);
    return object;
}

json_object *json_object_with_text(const char *name, const char *text)
{
    json_object *object = json_object_new_object();

    json_add_text(object, name, text);
    return object;
}
