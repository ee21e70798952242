/*
 * Any bytes into the JSON framer and what comes out into the checks that every
 * request goes through. Two framers get the same bytes in different pieces and
 * must agree.
 */
#include <glib.h>
#include <json-c/json.h>
#include <stdint.h>
#include <stdlib.h>

#include "backend/backend.h"
#include "backend/base/json-framing.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_request(json_object *request)
{
    json_object *name, *args;

    if (!backend_check_request(request, true, NULL) ||
        !json_object_object_get_ex(request, "execute", &name)) {
        return;
    }
    const SchemaCommand *command = schema_find_command(json_object_get_string(name));
    if (command == NULL || !json_object_object_get_ex(request, "arguments", &args)) {
        return;
    }
    schema_check_arguments(command, args, NULL);

    json_object *shaped = schema_normalise_migrate(args, NULL);
    if (shaped != NULL) {
        schema_check_arguments(command, shaped, NULL);
        json_object_put(shaped);
    }
}

static void drain(JsonFramer *framer, GString *out)
{
    for (;;) {
        json_object *value = NULL;
        g_autoptr(GError) error = NULL;

        switch (json_framer_next(framer, &value, &error)) {
        case JSON_FRAME_NONE:
            return;
        case JSON_FRAME_VALUE:
            g_string_append_printf(out, "%s\n",
                                   json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN));
            check_request(value);
            json_object_put(value);
            break;
        case JSON_FRAME_ERROR:
            g_string_append_printf(out, "!%s\n", error->message);
            break;
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(JsonFramer) whole = json_framer_new();
    g_autoptr(JsonFramer) pieces = json_framer_new();
    g_autoptr(GString) a = g_string_new(NULL);
    g_autoptr(GString) b = g_string_new(NULL);

    json_framer_feed(whole, data, size);
    drain(whole, a);
    for (size_t at = 0; at < size; at += 3) {
        json_framer_feed(pieces, data + at, MIN(3, size - at));
        drain(pieces, b);
    }
    if (!g_string_equal(a, b) || json_framer_in_value(whole) != json_framer_in_value(pieces)) {
        abort();
    }
    return 0;
}
