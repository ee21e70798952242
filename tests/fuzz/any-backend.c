/*
 * See any-backend.h.
 */
#include "tests/fuzz/any-backend.h"

#include <string.h>

#include "backend/base/address.h"
#include "backend/tables/capabilities.h"
#include "backend/tables/parameters.h"
#include "backend/tables/rules.h"

typedef struct {
    Backend base;
    Random *random;
    MigParameters parameters;
    MigCapabilities capabilities;
    uint64_t count;
} AnyBackend;

/* ---- values ---- */

static json_object *any_int(Random *random, const SchemaType *type)
{
    static const uint64_t edges[] = { 0,          1,
                                      2,          100,
                                      127,        128,
                                      255,        256,
                                      4095,       4096,
                                      65535,      65536,
                                      1 << 20,    INT32_MAX,
                                      UINT32_MAX, (uint64_t)UINT32_MAX + 1,
                                      INT64_MAX,  (uint64_t)INT64_MAX + 1,
                                      UINT64_MAX };
    uint64_t value = random_one_in(random, 4) ? random_next(random) >> random_below(random, 64)
                                              : edges[random_below(random, G_N_ELEMENTS(edges))];

    switch (type->kind) {
    case SCHEMA_UINT8:
        return json_object_new_int64((uint8_t)value);
    case SCHEMA_UINT16:
        return json_object_new_int64((uint16_t)value);
    case SCHEMA_UINT32:
        return json_object_new_int64((uint32_t)value);
    case SCHEMA_INT:
        return json_object_new_int64((int64_t)value);
    default:
        return json_object_new_uint64(value);
    }
}

static json_object *any_list(Random *random, const SchemaType *type)
{
    json_object *list = json_object_new_array();

    for (size_t n = random_below(random, 4); n > 0; n--) {
        json_object_array_add(list, any_value(random, type->element));
    }
    return list;
}

static void add_members(Random *random, json_object *object, const SchemaMember *members)
{
    for (const SchemaMember *m = members; m != NULL && m->name != NULL; m++) {
        if (!m->optional || random_one_in(random, 2)) {
            json_object_object_add(object, m->name, any_value(random, m->type));
        }
    }
}

static void add_all_members(Random *random, json_object *object, const SchemaType *type)
{
    add_members(random, object, type->members);
    if (type->kind != SCHEMA_UNION) {
        return;
    }
    const char *tag = json_object_get_string(json_object_object_get(object, type->discriminator));
    for (const SchemaMember *b = type->branches; b->name != NULL; b++) {
        if (strcmp(b->name, tag) == 0) {
            add_all_members(random, object, b->type);
        }
    }
}

json_object *any_members(Random *random, const SchemaMember *members)
{
    json_object *object = json_object_new_object();

    add_members(random, object, members);
    return object;
}

json_object *any_value(Random *random, const SchemaType *type)
{
    json_object *object;
    size_t n;

    switch (type->kind) {
    case SCHEMA_STR_OR_NULL:
    case SCHEMA_ANY:
        if (random_one_in(random, 3)) {
            return NULL;
        }
        return json_object_new_string(random_word(random));
    case SCHEMA_STR:
        return json_object_new_string(random_word(random));
    case SCHEMA_BOOL:
        return json_object_new_boolean(random_one_in(random, 2));
    case SCHEMA_NUMBER:
        return json_object_new_double((double)(int64_t)random_next(random) / 1e9);
    case SCHEMA_ENUM:
        for (n = 0; type->values[n] != NULL; n++) {}
        return json_object_new_string(type->values[random_below(random, n)]);
    case SCHEMA_LIST:
        return any_list(random, type);
    case SCHEMA_STRUCT:
    case SCHEMA_UNION:
        object = json_object_new_object();
        add_all_members(random, object, type);
        return object;
    default:
        return any_int(random, type);
    }
}

/* ---- what is real ---- */

static void warned(void *data, const char *text)
{
    backend_session_warn(data, text);
}

static bool look_at_uri(const char *uri, GError **error)
{
    g_autoptr(Address) address = address_from_uri(uri, error);

    if (address == NULL) {
        return false;
    }
    json_object *channels = address_to_channels(address);
    json_object *addr = json_object_object_get(json_object_array_get_idx(channels, 0), "addr");
    g_autoptr(Address) again = address_from_json(addr, NULL);
    g_autofree char *text = address_to_uri(address);
    g_autofree char *same = again == NULL ? NULL : address_to_uri(again);

    json_object_put(channels);
    /* The way through JSON loses nothing. */
    if (same != NULL && strcmp(text, same) != 0) {
        g_error("'%s' became '%s' and then '%s'", uri, text, same);
    }
    return true;
}

static bool look_at_addresses(json_object *args, GError **error)
{
    json_object *uri = json_object_object_get(args, "uri");
    json_object *channels = json_object_object_get(args, "channels");
    size_t n = channels == NULL ? 0 : json_object_array_length(channels);

    if (uri != NULL && !look_at_uri(json_object_get_string(uri), error)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        json_object *channel = json_object_array_get_idx(channels, i);
        g_autoptr(Address) address =
            address_from_json(json_object_object_get(channel, "addr"), error);

        if (address == NULL) {
            return false;
        }
        g_free(address_to_uri(address));
    }
    return true;
}

/* False when the command is none of those. */
static bool run_real(AnyBackend *b, BackendSession *session, const char *name, json_object *args,
                     BackendReply *reply)
{
    GError *error = NULL;
    json_object *value = NULL;

    if (strcmp(name, "migrate-set-parameters") == 0) {
        parameters_apply(&b->parameters, args, warned, session, &error);
    } else if (strcmp(name, "migrate-set-capabilities") == 0) {
        MigCapabilities set =
            capabilities_change(b->capabilities, json_object_object_get(args, "capabilities"));
        const Facts facts = { .capabilities = set,
                              .added = set & ~b->capabilities,
                              .parameters = &b->parameters };

        capabilities_warn(facts.added, warned, session);
        if (rules_allow(RULE_CAPABILITIES, &facts, &error)) {
            b->capabilities = set;
        }
    } else if (strcmp(name, "migrate") == 0 || strcmp(name, "migrate-incoming") == 0) {
        look_at_addresses(args, &error);
    } else if (strcmp(name, "query-migrate-parameters") == 0) {
        value = parameters_to_json(&b->parameters);
    } else if (strcmp(name, "query-migrate-capabilities") == 0) {
        value = capabilities_to_json(b->capabilities);
    } else {
        return false;
    }
    if (error != NULL) {
        backend_reply_error(reply, error);
    } else {
        backend_reply_return(reply, value);
    }
    return true;
}

/* ---- the backend ---- */

static void execute(Backend *backend, BackendSession *session, const SchemaCommand *command,
                    json_object *args, BackendReply *reply)
{
    AnyBackend *b = (AnyBackend *)backend;

    b->count++;
    if (!random_one_in(b->random, 4) && run_real(b, session, command->name, args, reply)) {
        return;
    }
    if (random_one_in(b->random, 16)) {
        backend_session_warn(session, random_word(b->random));
    }
    if (random_one_in(b->random, 64)) {
        return; /* answered when the backend goes */
    }
    if (random_one_in(b->random, 8)) {
        backend_reply_failure(reply, "%s\nhint: %s", random_word(b->random),
                              random_word(b->random));
    } else {
        backend_reply_return(
            reply, command->returns == NULL ? NULL : any_value(b->random, command->returns));
    }
}

static void any_backend_free(Backend *backend)
{
    AnyBackend *b = (AnyBackend *)backend;

    parameters_clear(&b->parameters);
    backend_clear(backend);
    g_free(b);
}

static const BackendOps ops = { .execute = execute, .free = any_backend_free };

Backend *any_backend_new(Random *random)
{
    AnyBackend *b = g_new0(AnyBackend, 1);

    backend_init(&b->base, &ops);
    b->random = random;
    parameters_init(&b->parameters);
    return &b->base;
}

uint64_t any_backend_count(const Backend *backend)
{
    return ((const AnyBackend *)backend)->count;
}
