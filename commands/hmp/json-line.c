/*
 * See json-line.h. Pure.
 */
#include "commands/hmp/json-line.h"

#include <string.h>

#include "backend/base/error.h"
#include "backend/base/json.h"

json_object *json_line_new(void)
{
    json_object *object = json_object_new_object();

    json_add_integer(object, "migmon", JSON_LINE_VERSION);
    return object;
}

json_object *json_line_with(const char *name, json_object *value)
{
    json_object *object = json_line_new();

    json_object_object_add(object, name, value);
    return object;
}

json_object *json_line_of_event(const BackendEvent *event)
{
    json_object *object = json_line_new();
    json_object *members = backend_event_to_json(event);

    json_object_object_foreach (members, name, value) {
        json_object_object_add(object, name, json_object_get(value));
    }
    json_object_put(members);
    return object;
}

char *json_line_take(json_object *object)
{
    const int flags = JSON_C_TO_STRING_SPACED | JSON_C_TO_STRING_NOSLASHESCAPE;
    g_autofree char *line = g_strconcat(json_object_to_json_string_ext(object, flags), "\n", NULL);

    json_object_put(object);
    /* File names and lines of a script can contain any byte. */
    return g_utf8_make_valid(line, -1);
}

json_object *json_error(const GError *error)
{
    g_autofree char *first = mig_error_first_line(error);
    const char *rest = error->message + strlen(first);
    json_object *object = json_object_new_object();
    /* For a broken quote help prints only a hint, which then is the description. */
    const char *desc = g_str_has_prefix(first, "hint: ") ? first + strlen("hint: ") : first;

    json_add_text(object, "class", mig_error_class(error));
    json_add_text(object, "desc", desc);
    if (*rest != '\0') {
        rest += g_str_has_prefix(rest, MIG_ERROR_HINT) ? strlen(MIG_ERROR_HINT) : 1;
        json_add_text(object, "hint", rest);
    }
    return object;
}

void json_error_set_kind(json_object *error, HmpResult result)
{
    static const char *const names[] = {
        [HMP_OK] = "ok",
        [HMP_ERROR_SYNTAX] = "syntax",
        [HMP_ERROR_FAILED] = "failed",
        [HMP_ERROR_VERIFY] = "verify",
        [HMP_ERROR_TIMEOUT] = "timeout",
        [HMP_ERROR_ASSERT] = "assert",
        [HMP_ERROR_CONNECT] = "connect",
    };

    json_add_text(error, "kind", names[result]);
}
