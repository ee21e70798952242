/*
 * Addresses as JSON. One table of members for each kind serves reading and
 * writing, so the two cannot drift apart.
 *
 * The form of QEMU 8.2 is flat: {"transport": "socket", "type": "inet", ...}.
 * The first MigrateChannel patch nested it: {"transport": "socket", "data":
 * {"type": "inet", ...}}; for exec, "data" was the list of arguments. The
 * nested form is read, never written. Pure, any thread.
 */
#include "backend/base/address-private.h"

#include <string.h>

#include "backend/base/error.h"
#include "backend/base/size.h"

typedef enum { MEMBER_STR, MEMBER_FLAG, MEMBER_TO, MEMBER_SIZE, MEMBER_ARGS } MemberKind;

typedef struct {
    const char *name;
    MemberKind kind;
    bool required;
    size_t offset; /* of the field in Address */
} Member;

#define FIELD(field) G_STRUCT_OFFSET(Address, field)

static const Member inet_members[] = {
    { "host", MEMBER_STR, true, FIELD(host) },
    { "port", MEMBER_STR, true, FIELD(port) },
    { "numeric", MEMBER_FLAG, false, FIELD(numeric) },
    { "to", MEMBER_TO, false, FIELD(to) },
    { "ipv4", MEMBER_FLAG, false, FIELD(ipv4) },
    { "ipv6", MEMBER_FLAG, false, FIELD(ipv6) },
    { "keep-alive", MEMBER_FLAG, false, FIELD(keep_alive) },
    { "mptcp", MEMBER_FLAG, false, FIELD(mptcp) },
    { NULL },
};
static const Member unix_members[] = {
    { "path", MEMBER_STR, true, FIELD(path) },
    { "abstract", MEMBER_FLAG, false, FIELD(abstract) },
    { "tight", MEMBER_FLAG, false, FIELD(tight) },
    { NULL },
};
static const Member vsock_members[] = {
    { "cid", MEMBER_STR, true, FIELD(host) },
    { "port", MEMBER_STR, true, FIELD(port) },
    { NULL },
};
static const Member fd_members[] = {
    { "str", MEMBER_STR, true, FIELD(path) },
    { NULL },
};
static const Member exec_members[] = {
    { "args", MEMBER_ARGS, true, FIELD(args) },
    { NULL },
};
static const Member file_members[] = {
    { "filename", MEMBER_STR, true, FIELD(path) },
    { "offset", MEMBER_SIZE, true, FIELD(offset) },
    { NULL },
};

static const Member *const members_of[] = {
#define MIG_ADDRESS(id, form, ...) [ADDRESS_##id] = form##_members,
#include "backend/base/address.def"
#undef MIG_ADDRESS
};

static bool fail(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);

static bool fail(GError **error, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    return mig_fail(error, MIG_ERROR_GENERIC, "%s", text);
}

static bool wrong_type(const char *name, const char *expected, GError **error)
{
    return fail(error, "Invalid parameter type for '%s', expected: %s", name, expected);
}

/* ---- reading ---- */

/* Copies the string, which must not contain a NUL. */
static bool read_string(json_object *value, const char *name, char **ret, GError **error)
{
    if (!json_object_is_type(value, json_type_string)) {
        return wrong_type(name, "string", error);
    }
    const char *text = json_object_get_string(value);
    if (strlen(text) != (size_t)json_object_get_string_len(value)) {
        return fail(error, "Parameter '%s' must not contain NUL", name);
    }
    *ret = g_strdup(text);
    return true;
}

static bool read_args(json_object *value, const char *name, char ***ret, GError **error)
{
    if (!json_object_is_type(value, json_type_array)) {
        return wrong_type(name, "array", error);
    }
    size_t count = json_object_array_length(value);
    if (count == 0) {
        return fail(error, "Parameter '%s' expects a command and its arguments", name);
    }

    g_auto(GStrv) args = g_new0(char *, count + 1);
    for (size_t i = 0; i < count; i++) {
        g_autofree char *item = g_strdup_printf("%s[%zu]", name, i);
        if (!read_string(json_object_array_get_idx(value, i), item, &args[i], error)) {
            return false;
        }
    }
    *ret = g_steal_pointer(&args);
    return true;
}

/* A size is a number, or a string with an optional suffix as in a URI. */
static bool read_size(json_object *value, const char *name, uint64_t *ret, GError **error)
{
    if (json_object_is_type(value, json_type_string)) {
        if (size_parse(json_object_get_string(value), 1, ret, NULL)) {
            return true;
        }
    } else if (json_object_is_type(value, json_type_int)) {
        int64_t number = json_object_get_int64(value);
        if (number >= 0) {
            *ret = json_object_get_uint64(value);
            return true;
        }
    }
    return fail(error, "Parameter '%s' expects uint64", name);
}

static bool read_to(json_object *value, const char *name, Address *address, GError **error)
{
    int64_t to = json_object_get_int64(value);

    if (!json_object_is_type(value, json_type_int) || to < 0 || to > UINT16_MAX) {
        return fail(error, "Parameter '%s' expects uint16_t", name);
    }
    address->has_to = true;
    address->to = (uint16_t)to;
    return true;
}

static bool read_member(Address *address, const Member *member, json_object *value, GError **error)
{
    void *field = G_STRUCT_MEMBER_P(address, member->offset);

    switch (member->kind) {
    case MEMBER_STR:
        return read_string(value, member->name, field, error);
    case MEMBER_FLAG:
        if (!json_object_is_type(value, json_type_boolean)) {
            return wrong_type(member->name, "boolean", error);
        }
        *(AddressFlag *)field = json_object_get_boolean(value) ? FLAG_ON : FLAG_OFF;
        return true;
    case MEMBER_TO:
        return read_to(value, member->name, address, error);
    case MEMBER_SIZE:
        return read_size(value, member->name, field, error);
    case MEMBER_ARGS:
        return read_args(value, member->name, field, error);
    }
    g_assert_not_reached();
}

static bool is_member(const Member *members, const char *name)
{
    for (; members->name != NULL; members++) {
        if (strcmp(members->name, name) == 0) {
            return true;
        }
    }
    return false;
}

/* Reads the members of @object; "transport" and "type" were read before. */
static bool read_members(Address *address, json_object *object, GError **error)
{
    const Member *members = members_of[address->kind];

    for (const Member *member = members; member->name != NULL; member++) {
        json_object *value;

        if (!json_object_object_get_ex(object, member->name, &value)) {
            if (member->required) {
                return fail(error, "Parameter '%s' is missing", member->name);
            }
        } else if (!read_member(address, member, value, error)) {
            return false;
        }
    }
    json_object_object_foreach (object, key, ignored) {
        bool discriminator =
            strcmp(key, "transport") == 0 ||
            (strcmp(key, "type") == 0 && address_traits[address->kind].type != NULL);

        (void)ignored;
        if (!discriminator && !is_member(members, key)) {
            return fail(error, "Parameter '%s' is unexpected", key);
        }
    }
    return true;
}

/* Reads the text of a discriminator of @object. */
static bool read_word(json_object *object, const char *name, char **ret, GError **error)
{
    json_object *value;

    if (!json_object_object_get_ex(object, name, &value)) {
        return fail(error, "Parameter '%s' is missing", name);
    }
    return read_string(value, name, ret, error);
}

static bool find_kind(const char *transport, json_object *object, AddressKind *ret, GError **error)
{
    g_autofree char *type = NULL;

    if (strcmp(transport, "socket") == 0 && !read_word(object, "type", &type, error)) {
        return false;
    }
    for (size_t i = 0; i < ADDRESS__COUNT; i++) {
        if (strcmp(address_traits[i].transport, transport) == 0 &&
            g_strcmp0(address_traits[i].type, type) == 0) {
            *ret = (AddressKind)i;
            return true;
        }
    }
    return fail(error, "Parameter '%s' does not accept value '%s'",
                type != NULL ? "type" : "transport", type != NULL ? type : transport);
}

/* Returns a new reference to the object with the members: @addr itself or its "data". */
static json_object *flatten(json_object *addr, const char *transport, GError **error)
{
    json_object *data;

    if (!json_object_object_get_ex(addr, "data", &data)) {
        return json_object_get(addr);
    }
    if (json_object_object_length(addr) != 2) {
        fail(error, "'data' and members beside it cannot be given together");
        return NULL;
    }
    if (strcmp(transport, "exec") == 0 && json_object_is_type(data, json_type_array)) {
        json_object *wrapped = json_object_new_object();
        json_object_object_add(wrapped, "args", json_object_get(data));
        return wrapped;
    }
    if (!json_object_is_type(data, json_type_object)) {
        wrong_type("data", strcmp(transport, "exec") == 0 ? "array" : "object", error);
        return NULL;
    }
    if (json_object_object_get_ex(data, "transport", NULL)) {
        fail(error, "Parameter 'data.transport' is unexpected");
        return NULL;
    }
    return json_object_get(data);
}

Address *address_from_json(json_object *addr, GError **error)
{
    g_autofree char *transport = NULL;
    AddressKind kind = ADDRESS_INET;

    if (!json_object_is_type(addr, json_type_object)) {
        wrong_type("addr", "object", error);
        return NULL;
    }
    if (!read_word(addr, "transport", &transport, error)) {
        return NULL;
    }

    json_object *flat = flatten(addr, transport, error);
    if (flat == NULL) {
        return NULL;
    }
    g_autoptr(Address) address = NULL;
    bool ok = find_kind(transport, flat, &kind, error);
    if (ok) {
        address = address_new(kind);
        ok = read_members(address, flat, error);
    }
    json_object_put(flat);
    if (ok && members_of[kind] == inet_members && !address_port_in_range(address->port)) {
        ok = fail(error, "Parameter 'port' expects a port from 0 to 65535");
    }
    return ok ? g_steal_pointer(&address) : NULL;
}

/* ---- writing ---- */

static json_object *new_args(char **args)
{
    json_object *list = json_object_new_array();

    for (; *args != NULL; args++) {
        json_object_array_add(list, json_object_new_string(*args));
    }
    return list;
}

/* The value of @member, NULL when it is not set. */
static json_object *member_value(const Address *address, const Member *member)
{
    const void *field = (const char *)address + member->offset;

    switch (member->kind) {
    case MEMBER_STR:
        return json_object_new_string(*(char *const *)field);
    case MEMBER_FLAG: {
        AddressFlag flag = *(const AddressFlag *)field;
        return flag == FLAG_UNSET ? NULL : json_object_new_boolean(flag == FLAG_ON);
    }
    case MEMBER_TO:
        return address->has_to ? json_object_new_int(address->to) : NULL;
    case MEMBER_SIZE:
        return json_object_new_uint64(address->offset);
    case MEMBER_ARGS:
        return new_args(address->args);
    }
    g_assert_not_reached();
}

static void add_members(json_object *object, const Address *address)
{
    for (const Member *m = members_of[address->kind]; m->name != NULL; m++) {
        json_object *value = member_value(address, m);

        if (value != NULL) {
            json_object_object_add(object, m->name, value);
        }
    }
}

json_object *address_to_json(const Address *address)
{
    json_object *object = json_object_new_object();

    json_object_object_add(object, "transport",
                           json_object_new_string(address_traits[address->kind].transport));
    if (address_traits[address->kind].type != NULL) {
        json_object_object_add(object, "type",
                               json_object_new_string(address_traits[address->kind].type));
    }
    add_members(object, address);
    return object;
}

json_object *address_to_socket_address(const Address *address)
{
    json_object *object = json_object_new_object();

    g_assert(address_is_socket(address));
    add_members(object, address);
    json_object_object_add(object, "type",
                           json_object_new_string(address_traits[address->kind].type));
    return object;
}

json_object *address_to_channels(const Address *address)
{
    json_object *list = json_object_new_array();
    json_object *channel = json_object_new_object();

    json_object_object_add(channel, "channel-type", json_object_new_string("main"));
    json_object_object_add(channel, "addr", address_to_json(address));
    json_object_array_add(list, channel);
    return list;
}
