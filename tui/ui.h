/*
 * The dashboard without a terminal: takes keys and a model, and draws a canvas. Actions outside the
 * dashboard go through UiOps. Main thread.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "tui/canvas.h"
#include "tui/model.h"

/* Keys beyond characters. */
typedef enum {
    KEY_NONE = 0,
    KEY_ENTER = '\r',
    KEY_ESCAPE = 27,
    KEY_TAB = '\t',
    KEY_BACKSPACE = 127,
    KEY_UP = 0x200000, /* above the range of Unicode */
    KEY_DOWN,
    KEY_LEFT,
    KEY_RIGHT,
    KEY_HOME,
    KEY_END,
    KEY_PAGE_UP,
    KEY_PAGE_DOWN,
    KEY_DELETE,
    KEY_BACK_TAB,
    KEY_F1,
    KEY_F2,
    KEY_MOUSE, /* a click at x, y */
    KEY_WHEEL_UP,
    KEY_WHEEL_DOWN,
} UiKeyCode;

typedef struct {
    uint32_t code; /* a character or a UiKeyCode */
    int x, y;      /* cell of the screen, for KEY_MOUSE and KEY_WHEEL_* */
} UiKey;

typedef enum { GRAPH_BRAILLE, GRAPH_BLOCK, GRAPH_ASCII } GraphStyle;

typedef struct {
    /* Runs a monitor line for a key and logs it; its output comes back by ui_output(). */
    void (*execute)(const char *line, void *data);
    void (*leave)(void *data);
    /* Writes all samples as JSON lines to a file and names the file in the log. */
    void (*export)(void *data);
} UiOps;

typedef struct Ui Ui;

/* @model is borrowed. */
Ui *ui_new(TuiModel *model, const UiOps *ops, void *data);
void ui_free(Ui *ui);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Ui, ui_free)

void ui_set_style(Ui *ui, bool ascii, GraphStyle graph);

/* Size of the screen, from 1 by 1. */
void ui_resize(Ui *ui, int width, int height);
void ui_key(Ui *ui, const UiKey *key);
/* The same state gives the same picture. */
Canvas *ui_draw(const Ui *ui);

/* Adds output of commands to the pane "Output". */
void ui_output(Ui *ui, const char *text);

/* Shows @text above the key bar until the next message. */
void ui_tell(Ui *ui, bool bad, const char *text);

/* What the line editor shows; @cursor in bytes. */
void ui_command_line(Ui *ui, const char *text, size_t cursor);
/* The command line is open and takes the keys. */
bool ui_is_command(const Ui *ui);
void ui_end_command(Ui *ui);
/* A line of the command line is being executed. */
void ui_set_busy(Ui *ui, bool busy);

/* The same as key ':' or a click there. */
void ui_open_command(Ui *ui);

/* The table of keys, for the help overlay and the manual. */
unsigned ui_key_count(void);
void ui_key_row(unsigned index, const char **ret_keys, const char **ret_help);
