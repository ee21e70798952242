/*
 * Types authz-simple, authz-list and authz-listfile: which identities may connect. An identity is
 * the distinguished name of a certificate, or the user name of a pre-shared key.
 */
#include "backend/objects/object-types.h"

#include <string.h>

#include "backend/base/error.h"

static const char *const policies[] = { "deny", "allow", NULL };
static const char *const formats[] = { "exact", "glob", NULL };

static bool is_one_of(const char *text, const char *const *values)
{
    return g_strv_contains(values, text);
}

/* ---- authz-simple ---- */

static void *make_simple(const ObjectParts *parts, GError **error)
{
    (void)error;
    return g_strdup(json_text(parts->properties, "identity"));
}

static int simple_allows(const void *object, const char *identity, GError **error)
{
    (void)error;
    return strcmp(object, identity) == 0;
}

static const ObjectProperty simple_properties[] = {
    { "identity", "string", .required = true },
    { NULL },
};

const ObjectType authz_simple_type = {
    .name = "authz-simple",
    .properties = simple_properties,
    .make = make_simple,
    .free = g_free,
    .allows = simple_allows,
};

/* ---- rules ---- */

/* Checks the members of a list: {policy, rules: [{match, policy, format}]}. */
static bool check_rules(json_object *list, GError **error)
{
    json_object *rules = json_member(list, "rules");
    const char *policy = json_text(list, "policy");

    if (*policy != '\0' && !is_one_of(policy, policies)) {
        return mig_fail(error, MIG_ERROR_GENERIC, "Parameter 'policy' does not accept value '%s'",
                        policy);
    }
    if (rules != NULL && !json_object_is_type(rules, json_type_array)) {
        return mig_fail(error, MIG_ERROR_GENERIC,
                        "Invalid parameter type for 'rules', expected: array");
    }
    for (JsonEach row = json_each(rules); json_next(&row);) {
        const char *format = json_text(row.value, "format");

        policy = json_text(row.value, "policy");
        if (json_member(row.value, "match") == NULL || *policy == '\0') {
            return mig_fail(error, MIG_ERROR_GENERIC, "Parameter 'rules[%zu].%s' is missing",
                            row.next - 1, *policy == '\0' ? "policy" : "match");
        }
        if (!is_one_of(policy, policies) || (*format != '\0' && !is_one_of(format, formats))) {
            return mig_fail(error, MIG_ERROR_GENERIC, "Parameter '%s' does not accept value '%s'",
                            is_one_of(policy, policies) ? "format" : "policy",
                            is_one_of(policy, policies) ? format : policy);
        }
    }
    return true;
}

/* The first rule that matches decides, else the policy of the list. */
static int rules_allow_identity(json_object *list, const char *identity)
{
    for (JsonEach row = json_each(json_list(list, "rules")); json_next(&row);) {
        const char *match = json_text(row.value, "match");
        bool glob = strcmp(json_text(row.value, "format"), "glob") == 0;

        if (glob ? g_pattern_match_simple(match, identity) : strcmp(match, identity) == 0) {
            return strcmp(json_text(row.value, "policy"), "allow") == 0;
        }
    }
    return strcmp(json_text(list, "policy"), "allow") == 0;
}

/* ---- authz-list ---- */

static void *make_list(const ObjectParts *parts, GError **error)
{
    return check_rules(parts->properties, error) ? json_object_get(parts->properties) : NULL;
}

static void free_list(void *object)
{
    json_object_put(object);
}

static int list_allows(const void *object, const char *identity, GError **error)
{
    (void)error;
    return rules_allow_identity((json_object *)object, identity);
}

static const ObjectProperty list_properties[] = {
    { "policy", "QAuthZListPolicy", policies },
    { "rules", "QAuthZListRule" },
    { NULL },
};

const ObjectType authz_list_type = {
    .name = "authz-list",
    .properties = list_properties,
    .make = make_list,
    .free = free_list,
    .allows = list_allows,
};

/* ---- authz-listfile ---- */

typedef struct {
    char *path;
    json_object *rules; /* as read when the object was made */
    bool refresh;       /* read the file again for each connection */
} ListFile;

static json_object *read_rules(const char *path, GError **error)
{
    g_autofree char *text = NULL;
    g_autoptr(GError) reason = NULL;

    if (!g_file_get_contents(path, &text, NULL, &reason)) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC, "Unable to read '%s': %s", path,
                    reason->message);
        return NULL;
    }
    json_object *rules = json_tokener_parse(text);
    if (!json_object_is_type(rules, json_type_object)) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC, "File '%s' must contain a JSON object",
                    path);
        json_object_put(rules);
        return NULL;
    }
    if (!check_rules(rules, error)) {
        g_prefix_error(error, "%s: ", path);
        json_object_put(rules);
        return NULL;
    }
    return rules;
}

static void *make_list_file(const ObjectParts *parts, GError **error)
{
    const char *path = json_text(parts->properties, "filename");
    json_object *refresh = json_member(parts->properties, "refresh");
    json_object *rules = read_rules(path, error);

    if (rules == NULL) {
        return NULL;
    }
    ListFile *list = g_new0(ListFile, 1);
    list->path = g_strdup(path);
    list->rules = rules;
    list->refresh = refresh == NULL || json_object_get_boolean(refresh);
    return list;
}

static void free_list_file(void *object)
{
    ListFile *list = object;

    json_object_put(list->rules);
    g_free(list->path);
    g_free(list);
}

static int list_file_allows(const void *object, const char *identity, GError **error)
{
    const ListFile *list = object;

    if (!list->refresh) {
        return rules_allow_identity(list->rules, identity);
    }
    json_object *rules = read_rules(list->path, error);
    if (rules == NULL) {
        return -1;
    }
    int allowed = rules_allow_identity(rules, identity);
    json_object_put(rules);
    return allowed;
}

static const ObjectProperty list_file_properties[] = {
    { "filename", "string", .required = true },
    { "refresh", "bool" },
    { NULL },
};

const ObjectType authz_list_file_type = {
    .name = "authz-listfile",
    .properties = list_file_properties,
    .make = make_list_file,
    .free = free_list_file,
    .allows = list_file_allows,
};
