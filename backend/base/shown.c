/*
 * See shown.h.
 */
#include "backend/base/shown.h"

#include <stdbool.h>
#include <string.h>

#include "backend/base/error.h"

typedef enum { KEEP_NONE, KEEP_LINES, KEEP_HINTS } Keep;

/* The joiners stay: words of several scripts need them, and they move nothing. */
static bool is_drawn(gunichar c)
{
    switch (g_unichar_type(c)) {
    case G_UNICODE_CONTROL:
    case G_UNICODE_SURROGATE:
    case G_UNICODE_LINE_SEPARATOR:
    case G_UNICODE_PARAGRAPH_SEPARATOR:
        return false;
    case G_UNICODE_FORMAT:
        return c == 0x200c || c == 0x200d;
    default:
        return (c & 0xfffe) != 0xfffe; /* no characters at all; XML forbids them */
    }
}

static bool stays(const char *at, Keep keep)
{
    switch (keep) {
    case KEEP_LINES:
        return *at == '\n' || *at == '\t';
    case KEEP_HINTS:
        return g_str_has_prefix(at, MIG_ERROR_HINT);
    default:
        return false;
    }
}

static char *show(const char *text, size_t length, Keep keep)
{
    GString *out = g_string_sized_new(length);
    const char *end = text + length;

    while (text < end) {
        size_t hint = keep == KEEP_HINTS ? mig_error_qemu_hint(text) : 0;
        if (hint > 0) {
            g_string_append_len(out, text, (gssize)hint);
            text += hint;
            continue;
        }
        gunichar c = g_utf8_get_char_validated(text, end - text);
        bool valid = c != (gunichar)-1 && c != (gunichar)-2;
        const char *next = valid ? g_utf8_next_char(text) : text + 1;

        if (valid && (is_drawn(c) || stays(text, keep))) {
            g_string_append_len(out, text, next - text);
        } else if (!valid || c < 0x80) {
            g_string_append_printf(out, "\\x%02x", (unsigned char)*text);
        } else {
            g_string_append_printf(out, "U+%04X", c);
        }
        text = next;
    }
    return g_string_free(out, FALSE);
}

char *shown_line(const char *text)
{
    return show(text, strlen(text), KEEP_NONE);
}

char *shown_lines(const char *text)
{
    return show(text, strlen(text), KEEP_LINES);
}

char *shown_message(const char *text)
{
    return show(text, strlen(text), KEEP_HINTS);
}

/* ---- formats ---- */

/* The end of the conversion at @at, which points at its '%'. */
static const char *conversion_end(const char *at)
{
    at += 1 + strspn(at + 1, "#0- +'0123456789*.hlLqjzt");
    return *at != '\0' ? at + 1 : at;
}

/* The conversions of @format without the text between them, each followed by @mark. */
static char *only_conversions(const char *format, char mark)
{
    GString *out = g_string_new(NULL);

    while ((format = strchr(format, '%')) != NULL) {
        const char *end = conversion_end(format);

        if (end[-1] != '%') {
            g_string_append_len(out, format, end - format);
            g_string_append_c(out, mark);
        }
        format = end;
    }
    return g_string_free(out, FALSE);
}

/*
 * An argument's text is found without knowing its type: the arguments are formatted twice with a
 * different mark after each, so both results are equal up to the mark.
 */
char *shown_vprintf(const char *format, va_list args)
{
    GString *out = g_string_new(NULL);
    g_autofree char *format_x = only_conversions(format, 'x');
    g_autofree char *format_y = only_conversions(format, 'y');
    va_list again;

    va_copy(again, args);
    g_autofree char *all_x = g_strdup_vprintf(format_x, args);
    g_autofree char *all_y = g_strdup_vprintf(format_y, again);
    va_end(again);

    const char *x = all_x, *y = all_y;
    while (*format != '\0') {
        size_t plain = strcspn(format, "%");
        size_t n = 0;

        g_string_append_len(out, format, (gssize)plain);
        format += plain;
        if (*format == '\0') {
            break;
        }
        format = conversion_end(format);
        if (format[-1] == '%') {
            g_string_append_c(out, '%');
            continue;
        }
        while (x[n] == y[n]) {
            n++;
        }
        g_autofree char *shown = show(x, n, KEEP_NONE);
        g_string_append(out, shown);
        x += n + 1;
        y += n + 1;
    }
    return g_string_free(out, FALSE);
}

char *shown_printf(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    char *text = shown_vprintf(format, args);
    va_end(args);
    return text;
}

void shown_append(GString *out, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_autofree char *text = shown_vprintf(format, args);
    va_end(args);
    g_string_append(out, text);
}
