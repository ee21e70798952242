/*
 * object_add and object_del: convert the text form of an object to the
 * members of the request.
 *
 * TYPE,id=ID[,KEY=VALUE]...: commas separate the parts, a double comma is a
 * literal one. The first part may omit "qom-type=". Text that begins with {
 * is parsed as JSON.
 *
 * A monitor takes only values of the types that it knows, so each text is
 * converted: by the schema of an attached QEMU, else by qom-list-properties.
 * "a.b=1" is member b of a, "a.0=1" the first element of the list a. A text
 * that does not fit is sent as it is, and is refused in QEMU's words.
 */
#include "commands/hmp/hmp-internal.h"

#include <string.h>

#include "backend/base/error.h"
#include "backend/base/json-framing.h"
#include "backend/base/size.h"

#define REFUSE(error, ...) (g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC, __VA_ARGS__), false)

static bool is_key(const char *key)
{
    if (!g_ascii_isalpha(*key) && *key != '_') {
        return false;
    }
    for (; *key != '\0'; key++) {
        if (!g_ascii_isalnum(*key) && strchr("-_.", *key) == NULL) {
            return false;
        }
    }
    return true;
}

/* The part at *@at up to a single comma; moves *@at behind the comma. */
static char *next_part(const char **at)
{
    GString *part = g_string_new(NULL);
    const char *p = *at;

    for (; *p != '\0' && !(p[0] == ',' && p[1] != ','); p++) {
        p += *p == ',';
        g_string_append_c(part, *p);
    }
    *at = *p == ',' ? p + 1 : p;
    return g_string_free(part, FALSE);
}

static bool add_part(json_object *object, const char *part, bool first, GError **error)
{
    const char *equals = strchr(part, '=');
    g_autofree char *key = g_strndup(part, equals ? (size_t)(equals - part) : strlen(part));

    if (first && !equals && *part != '\0') {
        json_add_text(object, "qom-type", part);
        return true;
    }
    if (!is_key(key)) {
        return REFUSE(error, "Invalid parameter '%s'", key);
    }
    if (!equals) {
        return REFUSE(error, "Expected '=' after parameter '%s'", key);
    }
    json_add_text(object, key, equals + 1);
    return true;
}

static json_object *object_from_keys(const char *text, GError **error)
{
    json_object *object = json_object_new_object();
    bool first = true, good = true;

    do {
        g_autofree char *part = next_part(&text);

        good = add_part(object, part, first, error);
        first = false;
    } while (good && *text != '\0');
    if (!good) {
        json_object_put(object);
        return NULL;
    }
    return object;
}

static json_object *object_from_json(const char *text, GError **error)
{
    g_autoptr(JsonFramer) framer = json_framer_new();
    json_object *object = NULL;

    json_framer_feed(framer, text, strlen(text));
    switch (json_framer_next(framer, &object, error)) {
    case JSON_FRAME_VALUE:
        return object;
    case JSON_FRAME_NONE:
        g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC, "JSON parse error, premature EOI");
        break;
    case JSON_FRAME_ERROR:
        break;
    }
    return NULL;
}

/* ---- types of the values ---- */

/* Deeper names are not taken apart; no object of QEMU is as deep. */
enum { MAX_DEPTH = 8 };

static json_object *named(json_object *list, const char *key, const char *name)
{
    for (JsonEach row = json_each(list); json_next(&row);) {
        if (strcmp(json_text(row.value, key), name) == 0) {
            return row.value;
        }
    }
    return NULL;
}

/* Puts @value into @object under "a.b.c", with an object for each name before the last. */
static void nest(json_object *object, const char *key, json_object *value)
{
    const char *dot;

    for (int depth = 0; depth < MAX_DEPTH && (dot = strchr(key, '.')) != NULL; depth++) {
        g_autofree char *name = g_strndup(key, (size_t)(dot - key));
        json_object *inner = json_member(object, name);

        if (!json_object_is_type(inner, json_type_object)) {
            inner = json_object_new_object();
            json_object_object_add(object, name, inner);
        }
        object = inner;
        key = dot + 1;
    }
    json_object_object_add(object, key, json_object_get(value));
}

static json_object *fit_text(const char *json_type, json_object *value)
{
    const char *text = json_string(value);
    static const char *const yes[] = { "on", "yes", "true", "y", NULL };
    static const char *const no[] = { "off", "no", "false", "n", NULL };
    uint64_t number;
    char *end = NULL;

    if (strcmp(json_type, "boolean") == 0 &&
        (g_strv_contains(yes, text) || g_strv_contains(no, text))) {
        return json_object_new_boolean(g_strv_contains(yes, text));
    }
    if (strcmp(json_type, "int") == 0 && size_parse(text, 1, &number, NULL)) {
        return json_object_new_uint64(number);
    }
    if (strcmp(json_type, "int") == 0 || strcmp(json_type, "number") == 0) {
        bool whole = strcmp(json_type, "int") == 0;
        int64_t integer = whole ? g_ascii_strtoll(text, &end, 10) : 0;
        double real = whole ? 0 : g_ascii_strtod(text, &end);

        if (end != text && *end == '\0') {
            return whole ? json_object_new_int64(integer) : json_object_new_double(real);
        }
    }
    return json_object_get(value);
}

static json_object *fit(json_object *schema, const char *type, json_object *value);

/* {"0": ..., "1": ...} as a list; NULL when the names are not that. */
static json_object *fit_list(json_object *schema, const char *element, json_object *value)
{
    json_object *list = json_object_new_array();
    size_t n = (size_t)json_object_object_length(value);

    for (size_t i = 0; i < n; i++) {
        g_autofree char *name = g_strdup_printf("%zu", i);
        json_object *each = json_member(value, name);

        if (!each) {
            json_object_put(list);
            return NULL;
        }
        json_object_array_add(list, fit(schema, element, each));
    }
    return list;
}

static json_object *fit_members(json_object *schema, json_object *type, json_object *value)
{
    json_object *fitted = json_object_new_object();
    json_object *chosen =
        named(json_member(type, "variants"), "case", json_text(value, json_text(type, "tag")));
    json_object *variant = chosen ? named(schema, "name", json_text(chosen, "type")) : NULL;

    json_object_object_foreach (value, name, each) {
        json_object *member = named(json_member(type, "members"), "name", name);

        member = member ? member : named(json_member(variant, "members"), "name", name);
        json_object_object_add(fitted, name, fit(schema, json_text(member, "type"), each));
    }
    return fitted;
}

/* @value, a text or an object of such, as @type of a reply of query-qmp-schema. Caller puts. */
static json_object *fit(json_object *schema, const char *type, json_object *value)
{
    json_object *entry = named(schema, "name", type), *fitted = NULL;

    if (!json_object_is_type(value, json_type_object)) {
        return fit_text(json_text(entry, "json-type"), value);
    }
    if (strcmp(json_text(entry, "meta-type"), "array") == 0) {
        fitted = fit_list(schema, json_text(entry, "element-type"), value);
    } else if (strcmp(json_text(entry, "meta-type"), "object") == 0) {
        fitted = fit_members(schema, entry, value);
    }
    return fitted ? fitted : json_object_get(value);
}

/* ---- the commands ---- */

/* The members of @flat with "a.b" as member b of a. Caller puts. */
static json_object *nest_all(json_object *flat)
{
    json_object *nested = json_object_new_object();

    json_object_object_foreach (flat, key, value) {
        nest(nested, key, value);
    }
    return nested;
}

/* The members of @flat, all texts, as the attached QEMU wants them. Caller puts. */
static json_object *fit_object(json_object *schema, json_object *flat)
{
    json_object *command = named(schema, "name", "object-add");
    json_object *nested = nest_all(flat);
    json_object *fitted = fit(schema, json_text(command, "arg-type"), nested);

    json_object_put(nested);
    return fitted;
}

/* The same by a reply of qom-list-properties, NULL = the type is not known. */
static json_object *fit_properties(json_object *properties, json_object *flat)
{
    json_object *nested = nest_all(flat), *fitted = json_object_new_object();

    json_object_object_foreach (nested, name, value) {
        const char *type = json_text(named(properties, "name", name), "type");
        json_object *list = NULL;

        if (json_object_is_type(value, json_type_object)) {
            list = fit_list(NULL, "", value);
            json_object_object_add(fitted, name, list ? list : json_object_get(value));
        } else {
            json_object_object_add(fitted, name,
                                   fit_text(strcmp(type, "bool") == 0 ? "boolean" : "", value));
        }
    }
    json_object_put(nested);
    return fitted;
}

static void properties_known(HmpCall *call, json_object *properties, const GError *error)
{
    json_object *flat = object_from_keys(call_text(call, "object"), NULL); /* it was read before */

    call_request(call, "object-add", fit_properties(error ? NULL : properties, flat),
                 call_finish_with);
    json_object_put(flat);
}

static void run_object_add(HmpCall *call)
{
    const char *text = call_text(call, "object");
    g_autoptr(GError) error = NULL;
    bool typed = *text == '{';
    json_object *args = typed ? object_from_json(text, &error) : object_from_keys(text, &error);

    if (!args) {
        call_fail(call, HMP_ERROR_SYNTAX, error);
        return;
    }
    json_object *schema = json_member(hmp_target(call->hmp), "schema");
    if (!typed && schema) {
        json_object *fitted = fit_object(schema, args);

        json_object_put(args);
        args = fitted;
    } else if (!typed && json_member(args, "qom-type")) {
        json_object *type = json_object_with_text("typename", json_text(args, "qom-type"));

        json_object_put(args);
        call_request(call, "qom-list-properties", type, properties_known);
        return;
    }
    call_request(call, "object-add", args, call_finish_with);
}

static void run_object_del(HmpCall *call)
{
    json_object *args = json_object_new_object();

    json_add_text(args, "id", call_text(call, "id"));
    call_request(call, "object-del", args, call_finish_with);
}

/* ---- info objects ---- */

static void print_objects(HmpCall *call, json_object *value, const GError *error)
{
    for (JsonEach row = json_each(value); json_next(&row);) {
        const char *type = json_text(row.value, "type");

        if (g_str_has_prefix(type, "child<")) {
            call_print(call, "%s: %.*s\n", json_text(row.value, "name"),
                       (int)strcspn(type + 6, ">"), type + 6);
        }
    }
    call_finish_with(call, value, error);
}

static void run_objects(HmpCall *call)
{
    call_request(call, "qom-list", json_object_with_text("path", "/objects"), print_objects);
}

const Command info_objects = {
    .name = "objects",
    .params = "",
    .help = "show the objects of object_add: name and type",
    .run = run_objects,
};

const Command cmd_object_add = {
    .name = "object_add",
    .params = "[qom-type=]type,id=str[,prop=value][,...]",
    .help = "create QOM object",
    .args = (const ArgSpec[]){ { "object", ARG_REST, .help = "type, id and properties" }, { 0 } },
    .run = run_object_add,
};

const Command cmd_object_del = {
    .name = "object_del",
    .params = "id",
    .help = "destroy QOM object",
    .args = (const ArgSpec[]){ { "id", ARG_STRING, .help = "of an object" }, { 0 } },
    .run = run_object_del,
};
