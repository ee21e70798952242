/*
 * Reading members of replies: what is missing reads as nothing, because a
 * backend may be older than this monitor. Pure.
 */
#include "commands/hmp/hmp-internal.h"

const char *json_text(json_object *object, const char *member)
{
    json_object *value = json_object_object_get(object, member);

    return json_object_is_type(value, json_type_string) ? json_object_get_string(value) : "";
}

uint64_t json_number(json_object *object, const char *member)
{
    return json_object_get_uint64(json_object_object_get(object, member));
}

const char *info_status(json_object *info)
{
    const char *status = json_text(info, "status");

    return *status != '\0' ? status : "none";
}
