/*
 * The terminal: a thread of its own that draws the latest canvas. A terminal that stands still
 * holds up that thread and nothing else. Input is not its business. One a process. Main thread,
 * unless said otherwise.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "tui/canvas.h"

typedef struct {
    int colors; /* at most so many: 0, 8, 16, 256; -1 = what the terminal has */
    int theme;  /* index into screen_themes */
    bool mouse;
} ScreenOptions;

/* "default", "high-contrast", "mono"; NULL ends. */
extern const char *const screen_themes[];

typedef struct Screen Screen;

/* NULL with an error on a terminal that cannot place its cursor. The screen changes with the first
 * canvas. */
Screen *screen_open(const ScreenOptions *options, GError **error);

/* Takes @canvas over; one that is not drawn yet is dropped. */
void screen_show(Screen *screen, Canvas *canvas);

/* Sets curses' mode of the terminal and draws every cell again, after another program has used the
 * terminal. */
void screen_repaint(Screen *screen);

/* Bytes to the terminal as they are, between two canvases: bell and notifications. */
void screen_send(Screen *screen, const char *bytes);

/* Asks the thread to restore the terminal; @left comes from the main loop when it has. */
void screen_leave(Screen *screen, void (*left)(void *data), void *data);

/* Restores the terminal if that was not done, waiting no longer than @timeout_ms, and frees. False:
 * the terminal stands still, its thread is left behind and the terminal as it is. */
bool screen_close(Screen *screen, unsigned timeout_ms);

/* Sequences that bring a terminal back from whatever curses.c did, for a handler of crashes. */
extern const char screen_rescue[];
