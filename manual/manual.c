/*
 * Prints a page of the manual: manual dashboard|hmp|json. Run by the build.
 */
#include "manual/manual.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { WIDTH = 72 };

/* Escapes characters that have a meaning in mdoc. */
static void put_escaped(const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '\\') {
            fputs("\\e", stdout);
        } else if (*text == '"') {
            fputs("\\(dq", stdout);
        } else {
            putchar(*text);
        }
    }
}

void manual_macro(const char *macro, ...)
{
    const char *argument;
    va_list arguments;

    fputs(macro, stdout);
    va_start(arguments, macro);
    while ((argument = va_arg(arguments, const char *)) != NULL) {
        /* "\&" first, so that a word that is a macro or a delimiter is taken as text. */
        fputs(" \"\\&", stdout);
        put_escaped(argument);
        putchar('"');
    }
    va_end(arguments);
    putchar('\n');
}

void manual_text(const char *text)
{
    g_auto(GStrv) words = g_strsplit_set(text, " \t\n", -1);
    size_t column = 0;

    for (char **word = words; *word != NULL; word++) {
        if (**word == '\0') {
            continue;
        }
        if (column > 0 && column + strlen(*word) >= WIDTH) {
            putchar('\n');
            column = 0;
        }
        if (column > 0) {
            putchar(' ');
        } else if (**word == '.' || **word == '\'') {
            fputs("\\&", stdout);
        }
        put_escaped(*word);
        column += strlen(*word) + 1;
        /* In mdoc a sentence ends with its line. */
        if (g_str_has_suffix(*word, ".")) {
            putchar('\n');
            column = 0;
        }
    }
    if (column > 0) {
        putchar('\n');
    }
}

void manual_raw(const char *mdoc)
{
    fputs(mdoc, stdout);
}

static const struct {
    const char *name;
    void (*write)(void);
} pages[] = {
    { "dashboard", manual_write_dashboard },
    { "hmp", manual_write_hmp },
    { "json", manual_write_json },
};

int main(int argc, char **argv)
{
    for (size_t i = 0; argc == 2 && i < G_N_ELEMENTS(pages); i++) {
        if (strcmp(pages[i].name, argv[1]) == 0) {
            pages[i].write();
            return fflush(stdout) != 0;
        }
    }
    fputs("usage: manual dashboard|hmp|json\n", stderr);
    return 1;
}
