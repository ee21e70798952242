/*
 * See canvas.h.
 */
#include "backend/base/shown.h"
#include "tui/canvas.h"

#include <stdarg.h>
#include <string.h>

struct Canvas {
    int width, height;
    bool ascii;
    Cell cells[];
};

/* Characters that panes use, and their replacements in ASCII mode. */
static const struct {
    const char *from;
    char to;
} ascii_forms[] = {
    { "─━┄╌═", '-' }, { "│┃┆║", '|' }, { "┌┐└┘├┤┬┴┼╭╮╰╯", '+' },
    { "█▇▆▅", '#' },  { "▓", '%' },    { "▄▃▂▁", '.' },
    { "▒■", '=' },    { "░", '-' },    { "·∙", '.' },
    { "●◆", '*' },    { "○◇", 'o' },   { "▲↑", '^' },
    { "▼↓", 'v' },    { "→▶", '>' },   { "←◀", '<' },
    { "…", '~' },     { "✓", '+' },    { "✗×", 'x' },
    { "▏▎▍▌", '|' },  { "▋▊▉", '#' },  { "–—", '-' },
};

static gunichar ascii_form(gunichar ch)
{
    for (size_t i = 0; i < G_N_ELEMENTS(ascii_forms); i++) {
        if (g_utf8_strchr(ascii_forms[i].from, -1, ch)) {
            return (gunichar)ascii_forms[i].to;
        }
    }
    return '?';
}

/* 0 for a combining character, which is left out, because a cell holds one character. */
static int width_of(gunichar ch)
{
    if (ch < 32 || (ch >= 127 && ch < 160)) {
        return 1; /* shown as a question mark */
    }
    return ch >= 160 && g_unichar_iszerowidth(ch) ? 0 : g_unichar_iswide(ch) ? 2 : 1;
}

Canvas *canvas_new(int width, int height, bool ascii)
{
    int w = CLAMP(width, 1, 1000), h = CLAMP(height, 1, 1000);
    Canvas *canvas = g_malloc0(sizeof(Canvas) + (size_t)w * (size_t)h * sizeof(Cell));

    canvas->width = w;
    canvas->height = h;
    canvas->ascii = ascii;
    canvas_fill(canvas, canvas_area(canvas), STYLE_NORMAL, ' ');
    return canvas;
}

void canvas_free(Canvas *canvas)
{
    g_free(canvas);
}

int canvas_width(const Canvas *canvas)
{
    return canvas->width;
}

int canvas_height(const Canvas *canvas)
{
    return canvas->height;
}

Rect canvas_area(const Canvas *canvas)
{
    return (Rect){ 0, 0, canvas->width, canvas->height };
}

const Cell *canvas_row(const Canvas *canvas, int y)
{
    g_assert(y >= 0 && y < canvas->height);
    return &canvas->cells[(size_t)y * (size_t)canvas->width];
}

bool canvas_equal(const Canvas *a, const Canvas *b)
{
    if (a->width != b->width || a->height != b->height) {
        return false;
    }
    for (int i = 0; i < a->width * a->height; i++) {
        if (a->cells[i].ch != b->cells[i].ch || a->cells[i].style != b->cells[i].style) {
            return false;
        }
    }
    return true;
}

/* The cell at a position; the other half of a wide character there becomes a blank. */
static Cell *take_cell(Canvas *canvas, int x, int y)
{
    Cell *cell = &canvas->cells[y * canvas->width + x];

    if (cell->ch == 0 && x > 0) {
        cell[-1].ch = ' ';
    }
    if (x + 1 < canvas->width && cell[1].ch == 0) {
        cell[1].ch = ' ';
    }
    return cell;
}

void canvas_cell(Canvas *canvas, Rect area, int x, int y, Style style, gunichar ch)
{
    int width = width_of(ch);
    int left = MAX(area.x, 0), right = MIN(area.x + area.w, canvas->width);
    int top = MAX(area.y, 0), bottom = MIN(area.y + area.h, canvas->height);
    int at_x = area.x + x, at_y = area.y + y;

    if (width == 0 || at_x < left || at_x + width > right || at_y < top || at_y >= bottom) {
        return;
    }
    if (ch < 32 || (ch >= 127 && ch < 160)) {
        ch = '?';
    } else if (canvas->ascii && ch > 126) {
        ch = ascii_form(ch);
        canvas_cell(canvas, area, x, y, style, ch);
        if (width == 2) {
            canvas_cell(canvas, area, x + 1, y, style, ch);
        }
        return;
    }
    *take_cell(canvas, at_x, at_y) = (Cell){ ch, (uint8_t)style };
    if (width == 2) {
        *take_cell(canvas, at_x + 1, at_y) = (Cell){ ' ', (uint8_t)style };
        canvas->cells[at_y * canvas->width + at_x] = (Cell){ ch, (uint8_t)style };
        canvas->cells[at_y * canvas->width + at_x + 1] = (Cell){ 0, (uint8_t)style };
    }
}

/* Reads a character and advances *text. */
static gunichar next_character(const char **text)
{
    gunichar ch = g_utf8_get_char(*text);

    *text = g_utf8_next_char(*text);
    return ch;
}

int canvas_text(Canvas *canvas, Rect area, int x, int y, Style style, const char *raw)
{
    g_autofree char *shown = shown_line(raw);
    const char *text = shown;

    while (*text != '\0') {
        gunichar ch = next_character(&text);

        canvas_cell(canvas, area, x, y, style, ch);
        x += width_of(ch);
    }
    return x;
}

int canvas_printf(Canvas *canvas, Rect area, int x, int y, Style style, const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list args;

    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);
    return canvas_text(canvas, area, x, y, style, text);
}

void canvas_fill(Canvas *canvas, Rect area, Style style, gunichar ch)
{
    for (int y = 0; y < area.h; y++) {
        for (int x = 0; x < area.w; x++) {
            canvas_cell(canvas, area, x, y, style, ch);
        }
    }
}

void canvas_paint(Canvas *canvas, Rect area, Style style)
{
    for (int y = MAX(area.y, 0); y < MIN(area.y + area.h, canvas->height); y++) {
        for (int x = MAX(area.x, 0); x < MIN(area.x + area.w, canvas->width); x++) {
            canvas->cells[y * canvas->width + x].style = (uint8_t)style;
        }
    }
}

Rect canvas_frame(Canvas *canvas, Rect area, Style style, const char *title)
{
    int right = area.w - 1, bottom = area.h - 1;

    for (int x = 1; x < right; x++) {
        canvas_cell(canvas, area, x, 0, style, 0x2500);
        canvas_cell(canvas, area, x, bottom, style, 0x2500);
    }
    for (int y = 1; y < bottom; y++) {
        canvas_cell(canvas, area, 0, y, style, 0x2502);
        canvas_cell(canvas, area, right, y, style, 0x2502);
    }
    canvas_cell(canvas, area, 0, 0, style, 0x250c);
    canvas_cell(canvas, area, right, 0, style, 0x2510);
    canvas_cell(canvas, area, 0, bottom, style, 0x2514);
    canvas_cell(canvas, area, right, bottom, style, 0x2518);
    if (title && area.w > 4) {
        g_autofree char *fitted = canvas_fit(title, area.w - 4);

        canvas_printf(canvas, area, 1, 0, style == STYLE_FOCUS ? STYLE_FOCUS : STYLE_TITLE, " %s ",
                      fitted);
    }
    return (Rect){ area.x + 1, area.y + 1, MAX(area.w - 2, 0), MAX(area.h - 2, 0) };
}

Rect canvas_rule(Canvas *canvas, Rect area, Style style, const char *title)
{
    g_autofree char *fitted = canvas_fit(title, area.w - 4);

    for (int x = 0; x < area.w; x++) {
        canvas_cell(canvas, area, x, 0, style, 0x2500);
    }
    canvas_printf(canvas, area, 1, 0, style == STYLE_FOCUS ? STYLE_FOCUS : STYLE_TITLE, " %s ",
                  fitted);
    return (Rect){ area.x, area.y + 1, area.w, MAX(area.h - 1, 0) };
}

int canvas_columns(const char *raw)
{
    g_autofree char *shown = shown_line(raw);
    const char *text = shown;
    int columns = 0;

    while (*text != '\0') {
        columns += width_of(next_character(&text));
    }
    return columns;
}

char *canvas_fit(const char *raw, int width)
{
    g_autofree char *shown = shown_line(raw);
    const char *text = shown;
    GString *out;
    int columns = 0;

    if (canvas_columns(text) <= width) {
        return g_steal_pointer(&shown);
    }
    out = g_string_new(NULL);
    while (width > 0) {
        gunichar ch = next_character(&text);

        if (columns + width_of(ch) > width - 1) {
            g_string_append(out, "…");
            break;
        }
        columns += width_of(ch);
        g_string_append_unichar(out, ch);
    }
    return g_string_free(out, FALSE);
}

char *canvas_to_text(const Canvas *canvas)
{
    GString *out = g_string_new(NULL);

    for (int y = 0; y < canvas->height; y++) {
        const Cell *row = canvas_row(canvas, y);
        size_t start = out->len;

        for (int x = 0; x < canvas->width; x++) {
            if (row[x].ch != 0) {
                g_string_append_unichar(out, row[x].ch);
            }
        }
        while (out->len > start && out->str[out->len - 1] == ' ') {
            g_string_truncate(out, out->len - 1);
        }
        g_string_append_c(out, '\n');
    }
    return g_string_free(out, FALSE);
}
