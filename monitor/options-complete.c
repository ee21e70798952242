/*
 * The texts that the program prints and ends: help, version, and the
 * completion of its options for a shell, made from the table in options.c.
 *
 * The candidates follow from the option's argument in the table: lowercase words
 * between bars are its values, FILE and PATH are file names, ADDR and URI begin
 * with a scheme. Other arguments have no candidates.
 */
#include "monitor/options.h"

#include <string.h>

#include "backend/base/address.h"
#include "backend/base/error.h"

static const char *const listeners = "tcp: unix:";

/* "async sync" of "async|sync", "defer" of "URI|defer"; caller frees. */
static char *literal_words(const char *argument)
{
    g_auto(GStrv) parts = g_strsplit(argument, "|", -1);
    GString *words = g_string_new(NULL);

    for (char **part = parts; *part; part++) {
        if (g_ascii_islower(**part)) {
            g_string_append_printf(words, "%s%s", words->len ? " " : "", *part);
        }
    }
    return g_string_free(words, FALSE);
}

static bool is_file(const char *argument)
{
    return strcmp(argument, "FILE") == 0 || strcmp(argument, "PATH") == 0;
}

/* The schemes that a value of @argument begins with, "" = none; caller frees. */
static char *schemes_of(const char *argument)
{
    GString *words = g_string_new(strcmp(argument, "ADDR") == 0 ? listeners : "");

    for (size_t i = 0; g_str_has_prefix(argument, "URI") && i < ADDRESS__COUNT; i++) {
        if (address_traits[i].help_source != NULL) {
            g_string_append_printf(words, "%s%s", words->len ? " " : "", address_traits[i].scheme);
        }
    }
    return g_string_free(words, FALSE);
}

/* ---- bash ---- */

static void bash_case(const OptionRow *row, void *data)
{
    GString *out = data;

    if (row->argument) {
        g_autofree char *words = literal_words(row->argument);
        g_autofree char *begins = schemes_of(row->argument);

        g_string_append(out, "    ");
        if (row->letter) {
            g_string_append_printf(out, "-%c|", row->letter);
        }
        g_string_append_printf(out, "--%s) ", row->name);
        if (is_file(row->argument)) {
            g_string_append(
                out, "compopt -o filenames 2>/dev/null\n"
                     "        mapfile -t COMPREPLY < <(compgen -f -- \"$cur\"); return ;;\n");
        } else if (*begins != '\0') {
            g_string_append_printf(
                out,
                "compopt -o nospace 2>/dev/null\n"
                "        COMPREPLY=($(compgen -W '%s%s%s' -- \"$cur\")); return ;;\n",
                words, *words ? " " : "", begins);
        } else if (*words != '\0') {
            g_string_append_printf(out, "COMPREPLY=($(compgen -W '%s' -- \"$cur\")); return ;;\n",
                                   words);
        } else {
            g_string_append(out, "return ;;\n");
        }
    }
}

static void bash_name(const OptionRow *row, void *data)
{
    if (row->letter) {
        g_string_append_printf(data, " -%c", row->letter);
    }
    g_string_append_printf(data, " --%s", row->name);
}

static char *bash_script(void)
{
    GString *out =
        g_string_new("# bash completion of migmon; made by: migmon --completion bash\n"
                     "_migmon()\n"
                     "{\n"
                     "    local cur=${COMP_WORDS[COMP_CWORD]}\n"
                     "    local prev=${COMP_WORDS[COMP_CWORD-1]}\n"
                     "\n"
                     "    COMPREPLY=()\n"
                     "    # --option=value comes as three words, a:b as well\n"
                     "    if [[ $cur == = ]]; then\n"
                     "        cur=\n"
                     "    elif [[ $prev == = ]]; then\n"
                     "        prev=${COMP_WORDS[COMP_CWORD-2]}\n"
                     "    elif [[ $cur == : || $prev == : ]]; then\n"
                     "        compopt -o filenames 2>/dev/null\n"
                     "        mapfile -t COMPREPLY < <(compgen -f -- \"${cur#:}\"); return\n"
                     "    fi\n"
                     "    case $prev in\n");

    options_for_each(bash_case, out);
    g_string_append(out, "    esac\n"
                         "    COMPREPLY=($(compgen -W '");

    gsize start = out->len;
    options_for_each(bash_name, out);
    g_string_erase(out, (gssize)start, 1);
    g_string_append(out, "' -- \"$cur\"))\n"
                         "}\n"
                         "complete -F _migmon migmon\n");
    return g_string_free(out, FALSE);
}

/* ---- zsh ---- */

/* Escapes the characters that are special in [...] of _arguments. */
static char *zsh_text(const char *text)
{
    GString *out = g_string_new(NULL);

    for (; *text != '\0'; text++) {
        if (strchr("[]:\\", *text)) {
            g_string_append_c(out, '\\');
        }
        g_string_append(out, *text == '\'' ? "'\\''" : (char[]){ *text, '\0' });
    }
    return g_string_free(out, FALSE);
}

static void zsh_value(const OptionRow *row, GString *out)
{
    g_autofree char *words = literal_words(row->argument);
    g_autofree char *begins = schemes_of(row->argument);

    g_string_append_printf(out, ":%s:", row->argument);
    if (is_file(row->argument)) {
        g_string_append(out, "_files");
    } else if (*words != '\0' || *begins != '\0') {
        g_string_append_printf(out, "(%s%s", words, *words && *begins ? " " : "");
        for (const char *at = begins; *at != '\0'; at++) {
            g_string_append_printf(out, "%s%c", *at == ':' ? "\\" : "", *at);
        }
        g_string_append(out, ")");
    }
}

static void zsh_row(const OptionRow *row, void *data)
{
    GString *out = data;
    g_autofree char *help = zsh_text(row->help);
    const char *equals = row->argument ? "=" : "";
    const char *star = row->repeats ? "*" : "";

    if (row->letter && row->repeats) {
        g_string_append_printf(out, "    {'*-%c','*--%s%s'}'[%s]", row->letter, row->name, equals,
                               help);
    } else if (row->letter) {
        g_string_append_printf(out, "    '(-%c --%s)'{-%c,--%s%s}'[%s]", row->letter, row->name,
                               row->letter, row->name, equals, help);
    } else {
        g_string_append_printf(out, "    '%s--%s%s[%s]", star, row->name, equals, help);
    }
    if (row->argument) {
        zsh_value(row, out);
    }
    g_string_append(out, "' \\\n");
}

static char *zsh_script(void)
{
    GString *out = g_string_new("#compdef migmon\n"
                                "# zsh completion of migmon; made by: migmon --completion zsh\n"
                                "_arguments -s \\\n");

    options_for_each(zsh_row, out);
    g_string_truncate(out, out->len - strlen(" \\\n"));
    g_string_append(out, "\n");
    return g_string_free(out, FALSE);
}

/* The script for "bash" or "zsh"; NULL with an error for another shell. */
static char *completion_for(const char *shell, GError **error)
{
    if (strcmp(shell, "bash") == 0) {
        return bash_script();
    }
    if (strcmp(shell, "zsh") == 0) {
        return zsh_script();
    }
    g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC, "--completion: '%s' is not bash or zsh",
                shell);
    return NULL;
}

bool options_text(const Options *options, char **ret_text, GError **error)
{
    if (options->help) {
        *ret_text = options_help();
    } else if (options->version) {
        *ret_text =
            g_strdup("migmon " MIGMON_VERSION " (speaks QEMU 8.2 HMP/QMP, migration stream 3)\n");
    } else if (options->completion != NULL) {
        *ret_text = completion_for(options->completion, error);
    } else {
        return false;
    }
    return true;
}
