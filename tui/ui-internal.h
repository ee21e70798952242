/*
 * The dashboard from inside: ui.c keeps its state, ui-mouse.c takes keys and clicks, ui-keys.c
 * runs what a key does, ui-layout.c says where the panes are, ui-draw.c draws the screen, and one
 * file a family of panes draws these. A pane draws what is const to it.
 */
#pragma once

#include "backend/tables/capabilities.h"
#include "tui/ui.h"

typedef enum {
    PANE_PROGRESS,
    PANE_RATES,
    PANE_PASSES,
    PANE_RAM,
    PANE_CHANNELS,
    PANE_DOWNTIME,
    PANE_SETTINGS,
    PANE_LOG,
    PANE_OUTPUT,
    PANE__COUNT,
} PaneId;

typedef struct {
    const char *title;
    void (*draw)(const Ui *ui, Rect area, Canvas *canvas);
    /* Scrolls by @lines; NULL = the pane does not scroll. */
    void (*scroll)(Ui *ui, int lines);
} Pane;
extern const Pane pane_table[PANE__COUNT];

typedef enum {
    OVERLAY_NONE,
    OVERLAY_HELP,
    OVERLAY_QUESTION, /* confirmation, see question */
    OVERLAY_INPUT,    /* an input field, see input_for */
} Overlay;

/* Confirmations of actions that cannot be undone. */
typedef enum { QUESTION_CANCEL, QUESTION_POSTCOPY, QUESTION_PAUSE } Question;

typedef struct {
    const char *line; /* what yes runs, NULL = the pending one */
    const char *title, *yes, *no;
    const char *source, *destination; /* the consequence for each side, NULL = the pending text */
} QuestionRow;
extern const QuestionRow question_table[];

typedef enum { INPUT_FILTER, INPUT_SEARCH, INPUT_DOWNTIME, INPUT_SETTING } InputFor;

enum { MAX_OUTPUT = 2000 };

struct Ui {
    TuiModel *model;
    const UiOps *ops;
    void *data;
    bool ascii;
    GraphStyle graph;
    int width, height;

    PaneId focus;
    bool zoomed;
    bool frozen;
    uint64_t cursor; /* number of the sample shown while frozen */
    Overlay overlay;
    unsigned help_top;

    Question question;
    InputFor input_for;
    GString *input;
    bool input_fresh; /* the value as it is now: the first character replaces it */
    char *pending;    /* QUESTION_PAUSE: the line to run */
    char *pending_text;
    char *input_error;

    char *message; /* result of the last key */
    bool message_bad;

    /* Log. */
    LogLevel level;
    char *filter;
    GRegex *filter_regex;
    bool inverse;
    char *search;
    GRegex *search_regex;
    unsigned log_back; /* lines scrolled back from the end */

    /* Output. */
    GPtrArray *output; /* char* */
    unsigned output_back;

    /* Settings. */
    unsigned selected;

    /* Command line. */
    bool command;
    bool busy;
    char *line;
    size_t line_cursor;
};

/* Positions of the panes, for drawing and for the mouse; w 0 = not on the screen. */
typedef struct {
    Rect pane[PANE__COUNT];
    Rect header, command, keys;
    bool one_line; /* the screen is too small for panes */
} Layout;
void ui_layout(const Ui *ui, Layout *ret_layout);

/* The sample shown: the newest, or the one at the cursor while frozen. */
const ModelSample *ui_sample(const Ui *ui);
/* Number of the sample after the one shown. */
uint64_t ui_sample_end(const Ui *ui);

void ui_say(Ui *ui, bool bad, const char *format, ...) G_GNUC_PRINTF(3, 4);

/* ---- panes ---- */

void pane_draw_header(const Ui *ui, Rect area, Canvas *canvas);
void pane_draw_progress(const Ui *ui, Rect area, Canvas *canvas);
void pane_draw_one_line(const Ui *ui, Rect area, Canvas *canvas);
void pane_draw_rates(const Ui *ui, Rect area, Canvas *canvas);
void pane_draw_passes(const Ui *ui, Rect area, Canvas *canvas);
void pane_draw_ram(const Ui *ui, Rect area, Canvas *canvas);
void pane_draw_channels(const Ui *ui, Rect area, Canvas *canvas);
unsigned pane_channel_count(const Ui *ui); /* rows below the total */
void pane_draw_downtime(const Ui *ui, Rect area, Canvas *canvas);
void pane_draw_settings(const Ui *ui, Rect area, Canvas *canvas);
void pane_draw_log(const Ui *ui, Rect area, Canvas *canvas);
void pane_draw_output(const Ui *ui, Rect area, Canvas *canvas);

void pane_scroll_settings(Ui *ui, int lines);
void pane_scroll_log(Ui *ui, int lines);
void pane_scroll_output(Ui *ui, int lines);

/* A bar of @width columns with @share of it filled; without ASCII mode in eighths of a column. */
void pane_bar(const Ui *ui, Canvas *canvas, Rect area, int x, int y, int width, Style style,
              double share);

/* ---- settings: first those that can be changed; parameters before capabilities ---- */

unsigned settings_count(const Ui *ui);
const char *settings_name(const Ui *ui, unsigned row);
/* Why the row cannot be changed, NULL = it can; caller frees. */
char *settings_refusal(const Ui *ui, unsigned row);
/* Initial text of the editor; caller frees. */
char *settings_value(const Ui *ui, unsigned row);
/* The row is a capability: Enter toggles it. */
bool settings_is_switch(const Ui *ui, unsigned row);
bool settings_is_on(const Ui *ui, MigCapability capability);
/* Checks @text and returns the monitor line that sets it; caller frees. NULL with an error. */
char *settings_command(const Ui *ui, unsigned row, const char *text, GError **error);
/* The same for the parameter @name of the tables. */
char *settings_command_for(const Ui *ui, const char *name, const char *text, GError **error);
/* What such a line would do that is probably a slip: a pause of more than ten times the present
 * limit. NULL = nothing; caller frees. */
char *settings_doubt(const Ui *ui, const char *name, const char *text);

/* ---- log ---- */

/* Sets the filter: "" = all entries, a leading ! = those that do not match. False with an error. */
bool log_set_filter(Ui *ui, const char *text, GError **error);
bool log_set_search(Ui *ui, const char *text, GError **error);
/* Scrolls to the next match backwards (or forwards) in time. */
void log_find(Ui *ui, bool forwards);

/* ---- keys ---- */

typedef struct {
    uint32_t codes[3]; /* 0 ends */
    const char *keys;  /* printable name: "F2" */
    const char *label; /* in the key bar; NULL = not there */
    const char *help;
    void (*run)(Ui *ui, uint32_t code);
    /* Why the key does nothing now; NULL = it works. */
    const char *(*refusal)(const Ui *ui);
} KeyRow;
extern const KeyRow key_table[];
extern const unsigned key_count;
/* The key of the bar at @column, or NULL. Draws the bar when @canvas is given. */
const KeyRow *keys_bar(const Ui *ui, Rect area, Canvas *canvas, int column);
/* Runs the row, or shows why it cannot run now. */
void keys_run(Ui *ui, const KeyRow *row, uint32_t code);
/* A key of the keyboard: for the overlay if there is one, else for its row. */
void keys_press(Ui *ui, uint32_t code);
