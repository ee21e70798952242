/*
 * Candidates for an attached QEMU: addresses of monitors, and the commands
 * that its own monitor lists in its help.
 */
#include "completion/sources.h"

#include "backend/base/json.h"
#include "completion/files.h"

json_object *source_target(const Source *source)
{
    return source->env != NULL ? source->env->target : NULL;
}

void source_list_peer_commands(Source *source)
{
    json_object *commands = json_member(source_target(source), "commands");

    for (JsonEach each = json_each(commands); json_next(&each);) {
        if (json_object_is_type(each.value, json_type_string)) { /* a monitor can list any type */
            source_add(source, json_string(each.value), NULL, true);
        }
    }
}

void source_list_monitors(Source *source)
{
    source_add(source, "tcp:", "HOST:PORT", false);
    source_add(source, "unix:", "path of QEMU's -qmp socket", false);
    if (g_str_has_prefix(source->prefix, "unix:")) {
        files_list(source, "unix:", FILES_SOCKETS);
    }
}
