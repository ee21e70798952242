/*
 * Candidates for the commands of batches and reports: the arguments of wait,
 * assert, set, on-error and report, and variable names after a dollar.
 */
#include "completion/sources.h"

#include <string.h>

#include "commands/hmp/fields.h"
#include "commands/report/report.h"
#include "commands/topics.h"

void source_list_topics(Source *source, TopicKind kind)
{
    const char *name;

    for (size_t i = 0; (name = topic_name(kind, i)) != NULL; i++) {
        source_add(source, name, topic_summary(kind, name), true);
    }
}

void source_list_wait(Source *source)
{
    source_list_topics(source, TOPIC_STATUS);
    source_list_topics(source, TOPIC_EVENT);
}

void source_list_on_error(Source *source)
{
    source_add(source, "continue", "go on; the exit status is that of the first error", true);
    source_add(source, "stop", "the batch ends", true);
}

void source_list_report_formats(Source *source)
{
    for (int i = 0; report_format_names[i]; i++) {
        source_add(source, report_format_names[i], report_format_help((ReportFormat)i), true);
    }
}

static const char *const *variables_of(const Source *source)
{
    return source->env ? source->env->variables : NULL;
}

void source_list_variables(Source *source)
{
    for (const char *const *name = variables_of(source); name && *name; name++) {
        source_add(source, *name, "set before", true);
    }
}

void source_list_references(Source *source)
{
    for (const char *const *name = variables_of(source); name && *name; name++) {
        g_autofree char *text = g_strconcat("$", *name, NULL);
        g_autofree char *braces = g_strconcat("${", *name, "}", NULL);

        source_add(source, g_str_has_prefix(source->prefix, "${") ? braces : text, NULL, false);
    }
}

/* ---- assert ---- */

static const char *field_note(const Field *field)
{
    switch (field->kind) {
    case FIELD_TEXT:
        return field->values ? "a word" : "a text";
    case FIELD_BOOL:
        return "true or false";
    case FIELD_BYTES:
        return "bytes; K M G may follow a value";
    case FIELD_MS:
        return "ms; us, s, min may follow a value";
    case FIELD_US:
        return "us; ms, s, min may follow a value";
    default:
        return *field->unit != '\0' ? field->unit : "a number";
    }
}

void source_list_fields(Source *source)
{
    size_t n;
    const Field *table = fields(&n);

    for (size_t i = 0; i < n; i++) {
        source_add(source, table[i].name, field_note(&table[i]), true);
    }
}

void source_list_operators(Source *source)
{
    const Field *field = source->first ? field_find(source->first, NULL) : NULL;
    bool ordered = !field || (field->kind != FIELD_TEXT && field->kind != FIELD_BOOL);

    for (size_t i = 0; field_op_names[i] && (ordered || i <= FIELD_NE); i++) {
        source_add(source, field_op_names[i], NULL, true);
    }
}

void source_list_field_values(Source *source)
{
    const Field *field = source->first ? field_find(source->first, NULL) : NULL;

    if (field && field->kind == FIELD_BOOL) {
        source_add(source, "false", NULL, true);
        source_add(source, "true", NULL, true);
    }
    for (const char *const *value = field ? field->values : NULL; value && *value; value++) {
        /* "peer" also matches "peer (confirmed)". */
        g_autofree char *word = g_strndup(*value, strcspn(*value, " "));

        source_add(source, word, NULL, true);
    }
}
