/*
 * See svg.h.
 */
#include "backend/base/shown.h"
#include "commands/report/svg.h"

#include <math.h>
#include <string.h>

struct Svg {
    GString *out;
};

/* XML cannot contain control characters, not even escaped. */
static char *safe(const char *text)
{
    g_autofree char *shown = shown_line(text);

    return g_markup_escape_text(shown, -1);
}

/* A number in XML syntax, independent of the locale. */
static void put(Svg *svg, const char *name, double value)
{
    char text[G_ASCII_DTOSTR_BUF_SIZE];

    g_ascii_formatd(text, sizeof(text), "%.1f", isfinite(value) ? value : 0);
    g_string_append_printf(svg->out, " %s=\"%s\"", name, text);
}

Svg *svg_new(double width, double height, const char *title, const char *description)
{
    Svg *svg = g_new0(Svg, 1);
    g_autofree char *safe_title = safe(title), *safe_text = safe(description);

    svg->out = g_string_new("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                            "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\"");
    put(svg, "width", width);
    put(svg, "height", height);
    g_string_append_printf(svg->out,
                           " viewBox=\"0 0 %d %d\" font-family=\"DejaVu Sans, Verdana, sans-serif\""
                           " font-size=\"13\">\n<title>%s</title>\n<desc>%s</desc>\n",
                           (int)width, (int)height, safe_title, safe_text);
    return svg;
}

char *svg_end(Svg *svg)
{
    GString *out = svg->out;

    g_string_append(out, "</svg>\n");
    g_free(svg);
    return g_string_free(out, FALSE);
}

void svg_text(Svg *svg, double x, double y, SvgAnchor anchor, const char *style, const char *text)
{
    static const char *const anchors[] = { "start", "middle", "end" };
    g_autofree char *safe_text = safe(text);

    g_string_append(svg->out, "<text");
    put(svg, "x", x);
    put(svg, "y", y);
    g_string_append_printf(svg->out, " text-anchor=\"%s\" %s>%s</text>\n", anchors[anchor], style,
                           safe_text);
}

void svg_line(Svg *svg, double x1, double y1, double x2, double y2, const char *style)
{
    g_string_append(svg->out, "<line");
    put(svg, "x1", x1);
    put(svg, "y1", y1);
    put(svg, "x2", x2);
    put(svg, "y2", y2);
    g_string_append_printf(svg->out, " %s/>\n", style);
}

void svg_rect(Svg *svg, double x, double y, double width, double height, const char *style)
{
    g_string_append(svg->out, "<rect");
    put(svg, "x", x);
    put(svg, "y", y);
    put(svg, "width", MAX(width, 0));
    put(svg, "height", MAX(height, 0));
    g_string_append_printf(svg->out, " %s/>\n", style);
}

void svg_curve(Svg *svg, const double *points, size_t n, const char *style, const char *title)
{
    g_autofree char *safe_title = safe(title);

    g_string_append_printf(svg->out, "<polyline fill=\"none\" %s points=\"", style);
    for (size_t i = 0; i < n; i++) {
        char x[G_ASCII_DTOSTR_BUF_SIZE], y[G_ASCII_DTOSTR_BUF_SIZE];

        g_ascii_formatd(x, sizeof(x), "%.1f", isfinite(points[2 * i]) ? points[2 * i] : 0);
        g_ascii_formatd(y, sizeof(y), "%.1f", isfinite(points[2 * i + 1]) ? points[2 * i + 1] : 0);
        g_string_append_printf(svg->out, "%s%s,%s", i > 0 ? " " : "", x, y);
    }
    g_string_append_printf(svg->out, "\"><title>%s</title></polyline>\n", safe_title);
}
