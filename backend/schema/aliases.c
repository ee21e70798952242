/*
 * Converts the older spellings of migrate and migrate-incoming to the current
 * form before anything else reads them. The first patch had one "channel"
 * with "channeltype" and an address nested in "data"; an example in the
 * schema gives a file offset as a string. Works on a copy. Main thread.
 */
#include "backend/schema/schema.h"

#include <string.h>

#include "backend/base/error.h"
#include "backend/base/json.h"
#include "backend/base/size.h"

static bool refuse_both(const char *where, const char *old, const char *current, GError **error)
{
    g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC,
                "Parameter '%s%s' clashes with '%s%s', of which it is the older spelling", where,
                old, where, current);
    return false;
}

/* Renames member @old to @current if it exists. */
static bool rename_member(json_object *object, const char *where, const char *old,
                          const char *current, GError **error)
{
    json_object *value;

    if (!json_object_object_get_ex(object, old, &value)) {
        return true;
    }
    if (json_object_object_get_ex(object, current, NULL)) {
        return refuse_both(where, old, current, error);
    }
    json_object_object_add(object, current, json_object_get(value));
    json_object_object_del(object, old);
    return true;
}

/* Moves the members of object @data into @addr. */
static bool flatten(json_object *addr, json_object *data, const char *where, GError **error)
{
    json_object_object_foreach (data, name, value) {
        if (json_object_object_get_ex(addr, name, NULL)) {
            g_autofree char *old = g_strconcat("data.", name, NULL);
            return refuse_both(where, old, name, error);
        }
        json_object_object_add(addr, name, json_object_get(value));
    }
    json_object_object_del(addr, "data");
    return true;
}

/* {"transport": "exec", "data": [...]}, {"transport": "socket" or "rdma", "data": {...}} */
static bool normalise_data(json_object *addr, const char *where, GError **error)
{
    json_object *data;
    const char *transport = json_object_get_string(json_member(addr, "transport"));

    if (transport == NULL || !json_object_object_get_ex(addr, "data", &data)) {
        return true;
    }
    if (strcmp(transport, "exec") == 0) {
        return rename_member(addr, where, "data", "args", error);
    }
    if ((strcmp(transport, "socket") == 0 || strcmp(transport, "rdma") == 0) &&
        json_object_is_type(data, json_type_object)) {
        return flatten(addr, data, where, error);
    }
    return true;
}

static void normalise_offset(json_object *addr)
{
    json_object *offset = json_member(addr, "offset");
    uint64_t bytes;

    if (json_object_is_type(offset, json_type_string) &&
        size_parse(json_object_get_string(offset), 1, &bytes, NULL)) {
        json_add_number(addr, "offset", bytes);
    }
}

static bool normalise_channel(json_object *channel, size_t index, GError **error)
{
    g_autofree char *where = g_strdup_printf("channels[%zu].", index);
    g_autofree char *addr_where = g_strconcat(where, "addr.", NULL);

    if (!json_object_is_type(channel, json_type_object)) {
        return true;
    }
    if (!rename_member(channel, where, "channeltype", "channel-type", error)) {
        return false;
    }

    json_object *addr = json_member(channel, "addr");
    if (!json_object_is_type(addr, json_type_object)) {
        return true;
    }
    if (!normalise_data(addr, addr_where, error)) {
        return false;
    }
    normalise_offset(addr);
    return true;
}

static bool normalise_channels(json_object *args, GError **error)
{
    json_object *single, *channels;

    if (json_object_object_get_ex(args, "channel", &single)) {
        if (json_object_object_get_ex(args, "channels", NULL)) {
            return refuse_both("", "channel", "channels", error);
        }
        channels = json_object_new_array_ext(1);
        json_object_array_add(channels, json_object_get(single));
        json_object_object_add(args, "channels", channels);
        json_object_object_del(args, "channel");
    }

    channels = json_member(args, "channels");
    if (!json_object_is_type(channels, json_type_array)) {
        return true;
    }
    for (size_t i = 0; i < json_length(channels); i++) {
        if (!normalise_channel(json_at(channels, i), i, error)) {
            return false;
        }
    }
    return true;
}

json_object *schema_normalise_migrate(json_object *arguments, GError **error)
{
    json_object *args = NULL;

    if (json_object_deep_copy(arguments, &args, NULL) != 0) {
        g_error("no memory for a copy of %s", json_object_to_json_string(arguments));
    }
    if (!normalise_channels(args, error)) {
        json_object_put(args);
        return NULL;
    }
    return args;
}
