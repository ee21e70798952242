/*
 * Decides which capabilities and parameters migrate_to sets on which side, and
 * in which form each side gets the address.
 * Settings of the source are copied to the destination if they matter there.
 * The tables give the side of each; settings that only QEMU knows count as
 * both.
 */
#include <string.h>

#include "backend/attach/move.h"
#include "backend/base/address.h"
#include "backend/base/error.h"
#include "backend/base/json.h"
#include "backend/tables/capabilities.h"
#include "backend/tables/parameters.h"

static void add_capability(json_object *list, const char *name, bool on)
{
    json_object *row = json_object_new_object();

    json_add_text(row, "capability", name);
    json_add_flag(row, "state", on);
    json_object_array_add(list, row);
}

/* Adds one change to the plan and stores the previous value. */
static void change_capability(Move *move, Side side, const char *name, bool on)
{
    Restore *before = &move->before;
    int now = capability_in(steps_reply(move->looked, side, "capabilities"), name);

    if (now < 0 || now == (int)on) {
        return;
    }
    if (before->capabilities[side] == NULL) {
        before->capabilities[side] = json_object_new_array();
    }
    add_capability(move->plan.capabilities[side], name, on);
    add_capability(before->capabilities[side], name, now > 0);
}

static const char *side_of_capability(const char *name)
{
    MigCapability id;

    return capability_find(name, &id) ? capability_table[id].side : "both";
}

static bool plan_capabilities(Move *move, GError **error)
{
    json_object *here = steps_reply(move->looked, SIDE_SOURCE, "capabilities");
    json_object *there = steps_reply(move->looked, SIDE_DESTINATION, "capabilities");
    g_autoptr(Address) address = address_from_uri(move->uri, NULL);
    bool two_way = address != NULL && address_has(address, TRAIT_TWO_WAY);

    for (JsonEach row = json_each(here); json_next(&row);) {
        const char *name = json_text(row.value, "capability"), *side = side_of_capability(name);
        bool on = json_flag(row.value, "state");

        if (strcmp(side, "source") == 0 || strcmp(name, "events") == 0 ||
            (strcmp(side, "destination") == 0 && !on)) {
            continue;
        }
        if (on && capability_in(there, name) < 0) {
            g_autofree char *title = managed_title(move->managed, SIDE_DESTINATION);

            g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC,
                        "%s does not know the migration capability '%s', which is on at the source",
                        title, name);
            mig_error_hint(error, "migrate_set_capability %s off", name);
            return false;
        }
        change_capability(move, SIDE_DESTINATION, name, on);
    }
    change_capability(move, SIDE_SOURCE, "events", true);
    change_capability(move, SIDE_DESTINATION, "events", true);
    if (two_way) { /* the return path reports whether the destination took the guest */
        change_capability(move, SIDE_SOURCE, "return-path", true);
    }
    return true;
}

/* Credentials are objects of one side; a bitmap mapping names nodes of one side. */
static bool is_of_each_side(const char *name)
{
    return g_str_has_prefix(name, "tls-") || strcmp(name, "block-bitmap-mapping") == 0;
}

static bool is_default(const ParamDesc *row, json_object *value)
{
    MigParameters initial;

    parameters_init(&initial);

    json_object *all = parameters_to_json(&initial);
    bool same = json_object_equal(json_member(all, row->name), value) != 0;

    json_object_put(all);
    parameters_clear(&initial);
    return same;
}

static bool goes_there(const char *name, json_object *value)
{
    const ParamDesc *row = param_find(name);

    if (is_of_each_side(name) || (row != NULL && strcmp(row->side, "source") == 0)) {
        return false;
    }
    return row == NULL || strcmp(row->side, "both") == 0 || !is_default(row, value);
}

static void plan_parameters(Move *move)
{
    Restore *before = &move->before;
    json_object *here = steps_reply(move->looked, SIDE_SOURCE, "parameters");
    json_object *there = steps_reply(move->looked, SIDE_DESTINATION, "parameters");

    json_object_object_foreach (here, name, value) {
        json_object *now = NULL;

        if (!goes_there(name, value) || !json_object_object_get_ex(there, name, &now) ||
            json_object_equal(now, value)) {
            continue;
        }
        if (before->parameters[SIDE_DESTINATION] == NULL) {
            before->parameters[SIDE_DESTINATION] = json_object_new_object();
        }
        json_object_object_add(move->plan.parameters[SIDE_DESTINATION], name,
                               json_object_get(value));
        json_object_object_add(before->parameters[SIDE_DESTINATION], name, json_object_get(now));
    }
}

bool plan_make(Move *move, GError **error)
{
    for (int side = 0; side < SIDE__COUNT; side++) {
        move->plan.capabilities[side] = json_object_new_array();
        move->plan.parameters[side] = json_object_new_object();
    }
    if (!plan_capabilities(move, error)) {
        return false;
    }
    plan_parameters(move);
    return true;
}

/* ---- the address ---- */

/* The address in the form that the side supports: channels or a URI. */
json_object *move_address(Managed *m, Side side, const char *command, const char *uri,
                          GError **error)
{
    g_autoptr(Address) address = address_from_uri(uri, error);
    json_object *args = json_object_new_object();

    if (address == NULL) {
        json_object_put(args);
        return NULL;
    }
    if (managed_has(m, side, command, "channels")) {
        json_object_object_add(args, "channels", address_to_channels(address));
    } else {
        json_add_text(args, "uri", uri);
    }
    return args;
}

char *move_resolve_uri(const char *uri, json_object *info)
{
    g_autoptr(Address) address = address_from_uri(uri, NULL);
    json_object *list = json_member(info, "socket-address");
    json_object *first = json_at(list, 0);

    if (address == NULL || address->kind != ADDRESS_INET || strcmp(address->port, "0") != 0 ||
        *json_text(first, "port") == '\0') {
        return g_strdup(uri);
    }
    g_free(address->port);
    address->port = g_strdup(json_text(first, "port"));
    return address_to_uri(address);
}
