/*
 * The list of objects, and the checks that all types share. See objects.h.
 */
#include "backend/objects/object-types.h"

#include <string.h>

#include "backend/base/error.h"

static const ObjectType *const types[] = {
    &authz_list_type, &authz_list_file_type, &authz_simple_type, &secret_type,
    &tls_anon_type,   &tls_psk_type,         &tls_x509_type,
};

typedef struct {
    const ObjectType *type;
    char *id;
    void *object;
} Entry;

struct Objects {
    GPtrArray *entries; /* of Entry, in the order in which they were made */
};

static void entry_free(Entry *entry)
{
    entry->type->free(entry->object);
    g_free(entry->id);
    g_free(entry);
}

Objects *objects_new(void)
{
    Objects *objects = g_new0(Objects, 1);

    objects->entries = g_ptr_array_new_with_free_func((GDestroyNotify)entry_free);
    return objects;
}

void objects_free(Objects *objects)
{
    g_ptr_array_unref(objects->entries);
    g_free(objects);
}

static Entry *find(const Objects *objects, const char *id)
{
    for (guint i = 0; i < objects->entries->len; i++) {
        Entry *entry = g_ptr_array_index(objects->entries, i);

        if (strcmp(entry->id, id) == 0) {
            return entry;
        }
    }
    return NULL;
}

static const ObjectType *find_type(const char *name)
{
    for (size_t i = 0; i < G_N_ELEMENTS(types); i++) {
        if (strcmp(types[i]->name, name) == 0) {
            return types[i];
        }
    }
    return NULL;
}

/* ---- checks ---- */

bool object_is_identifier(const char *text)
{
    if (!g_ascii_isalpha(*text)) {
        return false;
    }
    for (; *text != '\0'; text++) {
        if (!g_ascii_isalnum(*text) && strchr("-._", *text) == NULL) {
            return false;
        }
    }
    return true;
}

static const ObjectProperty *find_property(const ObjectType *type, const char *name)
{
    for (const ObjectProperty *p = type->properties; p->name != NULL; p++) {
        if (strcmp(p->name, name) == 0) {
            return p;
        }
    }
    return NULL;
}

static bool check_value(const ObjectProperty *p, json_object *value, GError **error)
{
    bool is_text = strcmp(p->type, "string") == 0 || p->values != NULL;

    if (is_text && !json_object_is_type(value, json_type_string)) {
        return mig_fail(error, MIG_ERROR_GENERIC,
                        "Invalid parameter type for '%s', expected: string", p->name);
    }
    if (strcmp(p->type, "bool") == 0 && !json_object_is_type(value, json_type_boolean)) {
        return mig_fail(error, MIG_ERROR_GENERIC,
                        "Invalid parameter type for '%s', expected: boolean", p->name);
    }
    if (p->values != NULL && !g_strv_contains(p->values, json_string(value))) {
        return mig_fail(error, MIG_ERROR_GENERIC, "Parameter '%s' does not accept value '%s'",
                        p->name, json_string(value));
    }
    return true;
}

/* In QEMU's order: what the type needs, then what it does not know, then the id. */
static bool check_arguments(const ObjectType *type, json_object *args, GError **error)
{
    for (const ObjectProperty *p = type->properties; p->name != NULL; p++) {
        json_object *value = json_member(args, p->name);

        if (value == NULL && p->required) {
            return mig_fail(error, MIG_ERROR_GENERIC, "Parameter '%s' is missing", p->name);
        }
        if (value != NULL && !check_value(p, value, error)) {
            return false;
        }
    }
    json_object_object_foreach (args, name, ignored) {
        (void)ignored;
        if (strcmp(name, "qom-type") != 0 && strcmp(name, "id") != 0 &&
            find_property(type, name) == NULL) {
            return mig_fail(error, MIG_ERROR_GENERIC, "Parameter '%s' is unexpected", name);
        }
    }
    return object_is_identifier(json_text(args, "id")) ||
           mig_fail(error, MIG_ERROR_GENERIC,
                    "Parameter 'id' expects an identifier" MIG_ERROR_ID_HINT);
}

/* ---- making and deleting ---- */

static char *secret_of(const void *data, const char *id, GError **error)
{
    const Entry *entry = find(data, id);

    if (entry == NULL) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC, "No secret with id '%s'", id);
        return NULL;
    }
    if (entry->type != &secret_type) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC, "Object with id '%s' is not a secret", id);
        return NULL;
    }
    return g_strdup(entry->object);
}

bool objects_add(Objects *objects, json_object *args, ObjectsWarn warn, void *data, GError **error)
{
    const char *id = json_text(args, "id");
    const ObjectType *type = find_type(json_text(args, "qom-type"));

    if (type == NULL) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_UNSUPPORTED,
                    "objects of type '%s' are not supported by this build",
                    json_text(args, "qom-type"));
        mig_error_hint(error, "migrations use tls-creds-x509, tls-creds-psk, tls-creds-anon, "
                              "secret, authz-simple, authz-list and authz-listfile");
        return false;
    }
    if (!check_arguments(type, args, error)) {
        return false;
    }
    if (find(objects, id) != NULL) {
        return mig_fail(error, MIG_ERROR_GENERIC,
                        "attempt to add duplicate property '%s' to object (type 'container')", id);
    }
    const ObjectParts parts = {
        .properties = args,
        .secret = secret_of,
        .data = objects,
        .warn = warn,
        .warn_data = data,
    };
    void *object = type->make(&parts, error);
    if (object == NULL) {
        return false;
    }
    Entry *entry = g_new0(Entry, 1);
    entry->type = type;
    entry->id = g_strdup(id);
    entry->object = object;
    g_ptr_array_add(objects->entries, entry);
    return true;
}

bool objects_delete(Objects *objects, const char *id, GError **error)
{
    Entry *entry = find(objects, id);

    if (entry == NULL) {
        return mig_fail(error, MIG_ERROR_GENERIC, "object '%s' not found", id);
    }
    if (entry->type->in_use != NULL && entry->type->in_use(entry->object)) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC,
                    "object '%s' is in use, can not be deleted", id);
        mig_error_hint(error, "a migration uses it; wait for its end or cancel it");
        return false;
    }
    g_ptr_array_remove(objects->entries, entry);
    return true;
}

/* ---- lists ---- */

static void add_row(json_object *list, const char *name, const char *type)
{
    json_object *row = json_object_with_text("name", name);

    json_add_text(row, "type", type);
    json_object_array_add(list, row);
}

json_object *objects_list(const Objects *objects)
{
    json_object *list = json_object_new_array();

    add_row(list, "type", "string");
    for (guint i = 0; i < objects->entries->len; i++) {
        const Entry *entry = g_ptr_array_index(objects->entries, i);
        g_autofree char *type = g_strdup_printf("child<%s>", entry->type->name);

        add_row(list, entry->id, type);
    }
    return list;
}

json_object *objects_properties(const char *type)
{
    const ObjectType *found = find_type(type);
    json_object *list;

    if (found == NULL) {
        return NULL;
    }
    list = json_object_new_array();
    add_row(list, "type", "string");
    for (const ObjectProperty *p = found->properties; p->name != NULL; p++) {
        add_row(list, p->name, p->type);
    }
    return list;
}

/* ---- use ---- */

TlsCredentials *objects_tls_credentials(const Objects *objects, const char *id, TlsSide side,
                                        GError **error)
{
    const Entry *entry = find(objects, id);

    if (entry == NULL) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC, "No TLS credentials with id '%s'", id);
        mig_error_hint(error,
                       "object_add tls-creds-x509,id=%s,dir=DIR,endpoint=%s makes some; "
                       "tls-creds \"\" migrates without TLS",
                       id, side == TLS_SERVER ? "server" : "client");
        return NULL;
    }
    if (!g_str_has_prefix(entry->type->name, "tls-creds-")) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC,
                    "Object with id '%s' is not TLS credentials", id);
        return NULL;
    }
    TlsCredentials *credentials = entry->object;
    if (tls_credentials_side(credentials) != side) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC,
                    "Expected TLS credentials for a %s endpoint",
                    side == TLS_SERVER ? "server" : "client");
        mig_error_hint(error, "the source needs endpoint=client, the destination endpoint=server");
        return NULL;
    }
    return tls_credentials_ref(credentials);
}

bool objects_allow(const Objects *objects, const char *id, const char *identity, GError **error)
{
    const Entry *entry = find(objects, id);
    int allowed;

    if (entry == NULL || entry->type->allows == NULL) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC, "TLS x509 authz check for %s is denied",
                    identity);
        mig_error_hint(error,
                       entry == NULL ? "tls-authz names '%s', and there is no such object"
                                     : "tls-authz names '%s', which is no authorization",
                       id);
        return false;
    }
    allowed = entry->type->allows(entry->object, identity, error);
    if (allowed == 0) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC, "TLS x509 authz check for %s is denied",
                    identity);
        mig_error_hint(error, "object '%s' does not allow that name", id);
    }
    return allowed == 1;
}
