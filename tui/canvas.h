/*
 * A picture of the screen in memory: cells with one character and one style each. Panes draw it;
 * curses.c and tests read it. Texts are shown as backend/base/shown.h does, so that no control
 * character reaches the terminal. Any thread, one at a time.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* The meaning of a cell; the theme defines its look. */
typedef enum {
    STYLE_NORMAL,
    STYLE_DIM, /* unavailable or unimportant */
    STYLE_TITLE,
    STYLE_FRAME,
    STYLE_FOCUS, /* frame of the pane that takes keys */
    STYLE_BAR,   /* header line */
    STYLE_KEY,   /* a key in the key bar */
    STYLE_GOOD,
    STYLE_WARN,
    STYLE_BAD,
    STYLE_RATE,
    STYLE_DIRTY,
    STYLE_LIMIT,
    STYLE_HEAT_1, /* dirty again: a few pages */
    STYLE_HEAT_2,
    STYLE_HEAT_3, /* most pages */
    STYLE_SELECT,
    STYLE_FOUND, /* a match of the search */
    STYLE__COUNT,
} Style;

typedef struct {
    int x, y, w, h;
} Rect;

typedef struct {
    gunichar ch; /* 0: right half of the wide character before it */
    uint8_t style;
} Cell;

typedef struct Canvas Canvas;

/* Blank. @ascii: every character above 126 is replaced by one that looks alike. */
Canvas *canvas_new(int width, int height, bool ascii);
void canvas_free(Canvas *canvas);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Canvas, canvas_free)

int canvas_width(const Canvas *canvas);
int canvas_height(const Canvas *canvas);
Rect canvas_area(const Canvas *canvas);
/* Row @y: canvas_width() cells. */
const Cell *canvas_row(const Canvas *canvas, int y);
bool canvas_equal(const Canvas *a, const Canvas *b);

/* Positions are relative to @area; cells outside it are not drawn. */
void canvas_cell(Canvas *canvas, Rect area, int x, int y, Style style, gunichar ch);
/* Returns the column after the whole text, also when some of it was cut. */
int canvas_text(Canvas *canvas, Rect area, int x, int y, Style style, const char *text);
int canvas_printf(Canvas *canvas, Rect area, int x, int y, Style style, const char *format, ...)
    G_GNUC_PRINTF(6, 7);
void canvas_fill(Canvas *canvas, Rect area, Style style, gunichar ch);
/* Changes the style of cells, not their characters. */
void canvas_paint(Canvas *canvas, Rect area, Style style);
/* A box with a title in its upper edge; returns the room inside it. */
Rect canvas_frame(Canvas *canvas, Rect area, Style style, const char *title);
/* A line with a title above the room that is returned. */
Rect canvas_rule(Canvas *canvas, Rect area, Style style, const char *title);

/* Columns that @text takes. */
int canvas_columns(const char *text);
/* @text cut to @width columns, with an ellipsis when something was cut; caller frees. */
char *canvas_fit(const char *text, int width);

/* Lines without blanks at their ends; caller frees. */
char *canvas_to_text(const Canvas *canvas);
