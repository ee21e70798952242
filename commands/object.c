/*
 * object_add and object_del: convert the text form of an object to the
 * members of the request.
 *
 * TYPE,id=ID[,KEY=VALUE]...: commas separate the parts, a double comma is a
 * literal one. The first part may omit "qom-type=". Text that begins with {
 * is parsed as JSON.
 */
#include "commands/hmp/hmp-internal.h"

#include <string.h>

#include "backend/base/error.h"
#include "backend/base/json-framing.h"

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

static void run_object_add(HmpCall *call)
{
    const char *text = call_text(call, "object");
    g_autoptr(GError) error = NULL;
    json_object *args =
        *text == '{' ? object_from_json(text, &error) : object_from_keys(text, &error);

    if (!args) {
        call_fail(call, HMP_ERROR_SYNTAX, error);
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
