/*
 * What an attached QEMU adds to the candidates, and what it lacks of ours: from
 * its own schema and the help of its monitor.
 */
#include "completion/sources.h"

#include <string.h>

#include "backend/base/json.h"
#include "backend/tables/capabilities.h"
#include "commands/hmp/target.h"
#include "completion/files.h"

static json_object *target_of(const Source *source)
{
    return source->env != NULL ? source->env->target : NULL;
}

bool source_has_target(const Source *source)
{
    return target_of(source) != NULL;
}

char *source_target_note(const Source *source, bool parameter, const char *name)
{
    json_object *target = target_of(source);

    if (target == NULL ||
        target_setting(target, parameter ? TARGET_PARAMETER : TARGET_CAPABILITY, name) != NULL) {
        return NULL;
    }
    return g_strdup_printf("[not known to %s]", target_version(target));
}

static bool is_ours(bool parameter, const char *name)
{
    MigCapability id;

    return parameter ? param_find(name) != NULL : capability_find(name, &id);
}

void source_list_theirs(Source *source, bool parameter)
{
    json_object *target = target_of(source);
    TargetKind kind = parameter ? TARGET_PARAMETER : TARGET_CAPABILITY;
    const char *name;

    for (size_t i = 0; (name = target_setting_name(target, kind, i)) != NULL; i++) {
        if (!is_ours(parameter, name)) {
            g_autofree char *text = target_setting_text(target_setting(target, kind, name));
            g_autofree char *note = g_strdup_printf("of %s%s%s", target_version(target),
                                                    *text != '\0' ? ": " : "", text);

            source_add(source, name, note, true);
        }
    }
}

static void add_all(Source *source, json_object *list)
{
    for (JsonEach each = json_each(list); json_next(&each);) {
        if (json_object_is_type(each.value, json_type_string)) { /* a monitor can list anything */
            source_add(source, json_object_get_string(each.value), NULL, true);
        }
    }
}

void source_list_their_values(Source *source)
{
    json_object *setting =
        source->before ? target_setting(target_of(source), TARGET_PARAMETER, source->before) : NULL;

    if (setting == NULL) {
        return;
    }
    add_all(source, json_member(setting, "values"));
    if (strcmp(json_text(setting, "type"), "boolean") == 0) {
        source_add(source, "off", NULL, true);
        source_add(source, "on", NULL, true);
    }
}

void source_list_peer_commands(Source *source)
{
    json_object *target = target_of(source);

    if (target != NULL) {
        add_all(source, json_member(target, "commands"));
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
