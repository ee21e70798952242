/*
 * Variables of a batch: set NAME VALUE, then $NAME or ${NAME} anywhere in a
 * line. The environment is not read, so that a script does the same
 * everywhere; $$ is a dollar.
 *
 * A value is inserted as one text: inside double quotes its quotes and
 * backslashes are escaped. A dollar without a name behind it, or with a
 * backslash before it, is a plain dollar, as in a regular expression.
 */
#include "commands/hmp/hmp-internal.h"

#include <string.h>

#include "backend/base/error.h"
#include "commands/hmp/suggest.h"

enum { MAX_LINE = 4095 };

/* ---- names ---- */

static size_t name_length(const char *at)
{
    size_t n = 0;

    if (g_ascii_isdigit(*at)) {
        return 0;
    }
    while (g_ascii_isalnum(at[n]) || at[n] == '_') {
        n++;
    }
    return n;
}

static void refuse_name(GHashTable *variables, const char *name, GError **error)
{
    GHashTableIter iter;
    Suggestion near;
    void *known;

    g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC, "variable '%s' is not set", name);
    suggestion_init(&near, name, strlen(name));
    g_hash_table_iter_init(&iter, variables);
    while (g_hash_table_iter_next(&iter, &known, NULL)) {
        suggestion_offer(&near, known);
    }
    suggestion_hint(&near, "", error);
    mig_error_hint(error,
                   "set %s VALUE sets it; the environment is not read, $$%s is the text itself",
                   name, name);
}

/* ---- substitution ---- */

static void append_value(GString *out, const char *value, bool quoted)
{
    for (; *value != '\0'; value++) {
        if (quoted && *value == '\n') {
            g_string_append(out, "\\n");
            continue;
        }
        if (quoted && *value == '\r') {
            g_string_append(out, "\\r");
            continue;
        }
        if (quoted && (*value == '"' || *value == '\\')) {
            g_string_append_c(out, '\\');
        }
        g_string_append_c(out, *value);
    }
}

/* @at points to a dollar. Returns the end of the reference; NULL with an error. */
static const char *expand_dollar(GHashTable *variables, const char *at, bool quoted, GString *out,
                                 GError **error)
{
    bool braces = at[1] == '{';
    const char *name_at = at + (braces ? 2 : 1);
    size_t length = name_length(name_at);

    if (at[1] == '$') {
        g_string_append_c(out, '$');
        return at + 2;
    }
    if (braces && (length == 0 || name_at[length] != '}')) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC, "'${' without a name and '}' behind it");
        mig_error_hint(error, "$${ is the text itself");
        return NULL;
    }
    if (length == 0) {
        g_string_append_c(out, '$');
        return at + 1;
    }

    g_autofree char *name = g_strndup(name_at, length);
    const char *value = g_hash_table_lookup(variables, name);
    if (!value) {
        refuse_name(variables, name, error);
        return NULL;
    }
    append_value(out, value, quoted);
    return name_at + length + (braces ? 1 : 0);
}

char *variables_expand(GHashTable *variables, const char *line, GError **error)
{
    g_autoptr(GString) out = g_string_new(NULL);
    bool quoted = false, word_begins = true;

    for (const char *at = line; *at != '\0';) {
        if (*at == '$') {
            at = expand_dollar(variables, at, quoted, out, error);
            if (!at) {
                return NULL;
            }
            if (out->len > MAX_LINE) {
                g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC,
                            "line is longer than %d bytes with the values of its variables",
                            MAX_LINE);
                return NULL;
            }
            word_begins = false;
            continue;
        }
        if (*at == '\\' && (at[1] == '$' || (quoted && at[1] != '\0'))) {
            g_string_append_c(out, *at++);
        } else if (*at == '"' && (quoted || word_begins)) { /* the same rule as in word_read() */
            quoted = !quoted;
        }
        word_begins = !quoted && (g_ascii_isspace(*at) || *at == '"');
        g_string_append_c(out, *at++);
    }
    return g_string_free(g_steal_pointer(&out), FALSE);
}

/* ---- the command ---- */

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

char **hmp_variables(const Hmp *hmp)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    GHashTableIter iter;
    void *name;

    g_hash_table_iter_init(&iter, hmp->variables);
    while (g_hash_table_iter_next(&iter, &name, NULL)) {
        g_ptr_array_add(names, g_strdup(name));
    }
    g_ptr_array_sort(names, compare_names);
    g_ptr_array_add(names, NULL);
    return (char **)g_ptr_array_free(g_steal_pointer(&names), FALSE);
}

static void list_variables(HmpCall *call)
{
    g_auto(GStrv) names = hmp_variables(call->hmp);
    json_object *all = json_object_new_object();

    for (char **name = names; *name; name++) {
        const char *value = g_hash_table_lookup(call->hmp->variables, *name);

        call_print(call, "%s=%s\n", *name, value);
        json_add_text(all, *name, value);
    }
    call_set_value(call, all);
    json_object_put(all);
    call_finish(call, HMP_OK);
}

static void run_set(HmpCall *call)
{
    const char *name = call_text(call, "name"), *value = call_text(call, "value");
    g_autoptr(GError) error = NULL;

    if (!name) {
        list_variables(call);
        return;
    }
    if (*name == '\0' || name_length(name) != strlen(name)) {
        error =
            g_error_new(MIG_ERROR, MIG_ERROR_GENERIC,
                        "'%s' cannot be a name: letters, digits and _ only, no digit first", name);
        call_fail(call, HMP_ERROR_SYNTAX, error);
        return;
    }
    if (!value) {
        error = g_error_new(MIG_ERROR, MIG_ERROR_GENERIC, "set: string expected");
        call_fail_syntax(call, error, call->line + strspn(call->line, " \t") + strlen("set"));
        return;
    }
    g_hash_table_replace(call->hmp->variables, g_strdup(name), g_strdup(value));
    call_finish(call, HMP_OK);
}

const Command cmd_set = {
    .name = "set",
    .params = "[name value]",
    .help = "set a variable for $name in later lines; alone: list them",
    .args = (const ArgSpec[]){ { "name", ARG_VARIABLE, .optional = true,
                                 .help = "letters, digits and _" },
                               { "value", ARG_STRING, .optional = true,
                                 .help = "any text; in quotes when it has blanks" },
                               { 0 } },
    .run = run_set,
    .batch_only = true,
};
