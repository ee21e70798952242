/*
 * What all sources use: the candidate that is added, the attached target, and
 * whether a command is known here.
 */
#include "completion/sources.h"

void source_add(Source *source, const char *value, const char *note, bool final)
{
    if (!g_str_has_prefix(value, source->prefix)) {
        return;
    }

    Candidate *candidate = g_new0(Candidate, 1);
    candidate->text = g_strdup(value);
    candidate->note = note && *note != '\0' ? g_strdup(note) : NULL;
    candidate->final = final;
    g_ptr_array_add(source->values, candidate);
}

json_object *source_target(const Source *source)
{
    return source->env != NULL ? source->env->target : NULL;
}

bool source_offers(const Source *source, const Command *command)
{
    return !command->batch_only || (source->env && source->env->batch);
}
