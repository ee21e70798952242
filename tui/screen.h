/*
 * Output of the dashboard: a thread draws the latest canvas on the terminal. A terminal that takes
 * no output blocks only that thread. Input, signals and the mode outside the screen belong to
 * monitor/terminal/terminal.h. One per process. Main thread.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "tui/canvas.h"

typedef struct {
    int colors; /* maximum: 0, 8, 16, 256; -1 = as many as the terminal has */
    int theme;  /* as in TuiConfig */
    bool mouse;
} ScreenOptions;

typedef struct Screen Screen;

/* NULL with an error on a terminal that cannot place its cursor. The screen changes with the first
 * canvas. */
Screen *screen_open(const ScreenOptions *options, GError **error);

/* Takes ownership of @canvas; replaces a canvas that is not drawn yet. */
void screen_show(Screen *screen, Canvas *canvas);

/* Sets curses' mode of the terminal and draws every cell again, after another program has used the
 * terminal. */
void screen_repaint(Screen *screen);

/* Writes @bytes unchanged between two canvases: bell and notifications. */
void screen_send(Screen *screen, const char *bytes);

/* Asks the thread to restore the terminal; @left is called from the main loop afterwards. */
void screen_leave(Screen *screen, void (*left)(void *data), void *data);

/* Restores the terminal unless screen_leave() did, within @timeout_ms, and frees @screen. False:
 * the terminal takes no output; it stays as it is, and the thread frees @screen when it can. */
bool screen_close(Screen *screen, unsigned timeout_ms);

/* Sequences that undo what curses.c did to the screen, for the handler of a crash. */
extern const char screen_rescue[];
