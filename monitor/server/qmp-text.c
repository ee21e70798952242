/*
 * JSON as text for QMP clients. Scripts grep for '"status": "completed"', so
 * the blanks are where QEMU puts them. Pure.
 */
#include <string.h>

#include "monitor/server/qmp-client.h"

char *qmp_text(json_object *value)
{
    const char *plain = json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN |
                                                                  JSON_C_TO_STRING_NOSLASHESCAPE);
    g_autoptr(GString) text = g_string_sized_new(strlen(plain) + 16);
    bool in_string = false;

    for (const char *c = plain; *c != '\0'; c++) {
        g_string_append_c(text, *c);
        if (in_string && *c == '\\' && c[1] != '\0') {
            g_string_append_c(text, *++c);
        } else if (*c == '"') {
            in_string = !in_string;
        } else if (!in_string && (*c == ',' || *c == ':')) {
            g_string_append_c(text, ' ');
        }
    }
    g_string_append(text, "\r\n");
    /* File names in error texts can hold any byte. */
    return g_utf8_make_valid(text->str, (ssize_t)text->len);
}
