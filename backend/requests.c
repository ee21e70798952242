/*
 * Checks the form of a request from outside, with QMP's texts. The schema
 * checks the arguments of the command.
 */
#include "backend/backend.h"

#include <string.h>

#include "backend/base/error.h"

static bool refuse(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);

static bool refuse(GError **error, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_propagate_error(error, g_error_new_valist(MIG_ERROR, MIG_ERROR_GENERIC, format, args));
    va_end(args);
    return false;
}

static bool check_request_member(json_object *request, const char *name, json_object *value,
                                 bool oob_enabled, GError **error)
{
    bool oob = oob_enabled && strcmp(name, "exec-oob") == 0;

    if (oob || strcmp(name, "execute") == 0) {
        if (!json_object_is_type(value, json_type_string)) {
            return refuse(error, "QMP input member '%s' must be a string", name);
        }
        if (oob && json_object_object_get_ex(request, "execute", NULL)) {
            return refuse(error, "QMP input member 'execute' clashes with '%s'", name);
        }
        return true;
    }
    if (strcmp(name, "arguments") == 0) {
        return json_object_is_type(value, json_type_object) ||
               refuse(error, "QMP input member '%s' must be an object", name);
    }
    return strcmp(name, "id") == 0 || refuse(error, "QMP input member '%s' is unexpected", name);
}

bool backend_check_request(json_object *request, bool oob_enabled, GError **error)
{
    json_object *name;

    if (!json_object_is_type(request, json_type_object)) {
        return refuse(error, "QMP input must be a JSON object");
    }
    json_object_object_foreach (request, member, value) {
        if (!check_request_member(request, member, value, oob_enabled, error)) {
            return false;
        }
    }
    if (json_object_object_get_ex(request, "exec-oob", &name)) {
        const SchemaCommand *command = schema_find_command(json_object_get_string(name));

        return command == NULL || command->oob ||
               refuse(error, "The command %s does not support OOB", command->name);
    }
    return json_object_object_get_ex(request, "execute", NULL) ||
           refuse(error, "QMP input lacks member 'execute'");
}
