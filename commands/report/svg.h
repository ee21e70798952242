/*
 * Writes a picture in SVG: shapes in the order of painting, texts escaped for
 * XML. Pure.
 */
#pragma once

#include <glib.h>

typedef struct Svg Svg;

/* @title, @description: for readers who cannot see the picture. Free with svg_end(). */
Svg *svg_new(double width, double height, const char *title, const char *description);
/* The whole picture; caller frees. Frees @svg. */
char *svg_end(Svg *svg);

typedef enum { SVG_START, SVG_MIDDLE, SVG_END } SvgAnchor;

/* @style: attributes as written in the file, "" = none. */
void svg_text(Svg *svg, double x, double y, SvgAnchor anchor, const char *style, const char *text);
void svg_line(Svg *svg, double x1, double y1, double x2, double y2, const char *style);
void svg_rect(Svg *svg, double x, double y, double width, double height, const char *style);
/* A line through @n points, each x and y; @title is shown under the pointer. */
void svg_curve(Svg *svg, const double *points, size_t n, const char *style, const char *title);
