/*
 * Layout of the dashboard and the overlays. Pure.
 */
#include <string.h>

#include "tui/ui-internal.h"

const Pane pane_table[PANE__COUNT] = {
    [PANE_PROGRESS] = { "Progress", pane_draw_progress, NULL },
    [PANE_RATES] = { "Throughput and dirty rate", pane_draw_rates, NULL },
    [PANE_PASSES] = { "Left after each pass", pane_draw_passes, NULL },
    [PANE_RAM] = { "Guest RAM", pane_draw_ram, NULL },
    [PANE_CHANNELS] = { "Channels", pane_draw_channels, NULL },
    [PANE_DOWNTIME] = { "Downtime", pane_draw_downtime, NULL },
    [PANE_SETTINGS] = { "Settings", pane_draw_settings, pane_scroll_settings },
    [PANE_LOG] = { "Events", pane_draw_log, pane_scroll_log },
    [PANE_OUTPUT] = { "Output", pane_draw_output, pane_scroll_output },
};

enum { HEADER_ROWS = 3, FULL_WIDTH = 80, FULL_HEIGHT = 24, WIDE = 120, TALL = 36 };

/* Two panes side by side. */
static void put_pair(Layout *layout, Rect area, PaneId left, PaneId right)
{
    int half = area.w / 2;

    layout->pane[left] = (Rect){ area.x, area.y, half - 1, area.h };
    layout->pane[right] = (Rect){ area.x + half, area.y, area.w - half, area.h };
}

/* The panes that fit; digits show the others in full size. */
static void put_full(const Ui *ui, Layout *layout, Rect body)
{
    bool tall = body.h >= TALL - HEADER_ROWS - 2;
    bool wide = body.w >= WIDE;
    int progress = 5;
    int rest = body.h - progress;
    int graphs = MAX(rest * 2 / 5, 6);
    int middle = tall ? MAX(rest / 4, wide ? 12 : 8) : MAX(rest / 4, 5);
    int bottom = rest - graphs - middle;
    bool typing = ui->command && !tall && !wide; /* the pane "Output" replaces others */
    Rect row = { body.x, body.y, body.w, progress };
    PaneId last = ui->focus == PANE_OUTPUT || ui->command ? PANE_OUTPUT : PANE_LOG;

    layout->pane[PANE_PROGRESS] = row;
    row = (Rect){ body.x, row.y + row.h, body.w, graphs };
    put_pair(layout, row, PANE_RATES, PANE_PASSES);
    row = (Rect){ body.x, row.y + row.h, body.w, middle };
    if (typing) {
        row.h = 0;
        bottom += middle;
    } else if (tall) {
        int channels = 3 + (int)MIN(pane_channel_count(ui), 4);

        put_pair(layout, row, PANE_RAM, PANE_DOWNTIME);
        if (wide) {
            Rect right = layout->pane[PANE_DOWNTIME];

            layout->pane[PANE_CHANNELS] = (Rect){ right.x, right.y, right.w, channels };
            layout->pane[PANE_DOWNTIME] =
                (Rect){ right.x, right.y + channels, right.w, right.h - channels };
        }
    } else {
        put_pair(layout, row, PANE_RAM, ui->focus == PANE_CHANNELS ? PANE_CHANNELS : PANE_DOWNTIME);
    }
    row = (Rect){ body.x, row.y + row.h, body.w, bottom };
    if (wide) {
        put_pair(layout, row, PANE_LOG, PANE_OUTPUT);
    } else {
        layout->pane[last] = row;
    }
    if (ui->focus == PANE_SETTINGS) { /* replaces the panes below the progress */
        Rect settings = { body.x, body.y + progress, body.w, rest };

        memset(&layout->pane[PANE_RATES], 0, sizeof(Rect) * (PANE__COUNT - PANE_RATES));
        layout->pane[PANE_SETTINGS] = settings;
    }
}

void ui_layout(const Ui *ui, Layout *ret_layout)
{
    Rect body = { 0, HEADER_ROWS, ui->width, ui->height - HEADER_ROWS - 2 };

    memset(ret_layout, 0, sizeof(*ret_layout));
    if (ui->width < 40 || ui->height < 12) {
        ret_layout->one_line = true;
        return;
    }
    ret_layout->header = (Rect){ 0, 0, ui->width, HEADER_ROWS };
    ret_layout->command = (Rect){ 0, ui->height - 2, ui->width, 1 };
    ret_layout->keys = (Rect){ 0, ui->height - 1, ui->width, 1 };
    if (ui->zoomed) {
        ret_layout->pane[ui->focus] = body;
    } else if (ui->width >= FULL_WIDTH && ui->height >= FULL_HEIGHT) {
        put_full(ui, ret_layout, body);
    } else if (ui->focus == PANE_SETTINGS || ui->focus == PANE_OUTPUT || ui->command) {
        ret_layout->pane[ui->command ? PANE_OUTPUT : ui->focus] = body;
    } else {
        /* A small screen: the most important panes. */
        ret_layout->pane[PANE_PROGRESS] = (Rect){ 0, body.y, body.w, MIN(4, body.h) };
        ret_layout->pane[ui->focus == PANE_PROGRESS ? PANE_LOG : ui->focus] =
            (Rect){ 0, body.y + 4, body.w, body.h - 4 };
    }
}

static void draw_pane(const Ui *ui, PaneId id, Rect area, Canvas *canvas)
{
    g_autofree char *title = NULL;
    bool focused = ui->focus == id && !ui->command;

    if (area.w < 3 || area.h < 2) {
        return;
    }
    if (id == PANE_LOG && ui->filter[0] != '\0') {
        title = g_strdup_printf("%d %s, filter %s", (int)id + 1, pane_table[id].title, ui->filter);
    } else if (id == PANE_LOG && ui->level > LEVEL_DEBUG) {
        title = g_strdup_printf("%d %s, %s and above", (int)id + 1, pane_table[id].title,
                                log_level_names[ui->level]);
    } else {
        title = g_strdup_printf("%d %s", (int)id + 1, pane_table[id].title);
    }
    pane_table[id].draw(ui, canvas_rule(canvas, area, focused ? STYLE_FOCUS : STYLE_FRAME, title),
                        canvas);
}

/* The edited line, scrolled to show its cursor. */
static void draw_command(const Ui *ui, Rect area, Canvas *canvas)
{
    g_autofree char *before = g_strndup(ui->line, ui->line_cursor);
    const char *at = ui->line + ui->line_cursor;
    int begin, cursor;

    if (!ui->command) {
        canvas_text(canvas, area, 0, 0, ui->message_bad ? STYLE_BAD : STYLE_DIM, ui->message);
        return;
    }
    begin = canvas_text(canvas, area, 0, 0, STYLE_KEY, ui->busy ? "in work " : ": ");
    cursor = canvas_columns(before);
    Rect line = { area.x + begin, area.y, area.w - begin, 1 };
    int scroll = MAX(cursor - line.w + 1, 0);

    canvas_text(canvas, line, -scroll, 0, STYLE_NORMAL, ui->line);
    canvas_cell(canvas, line, cursor - scroll, 0, STYLE_SELECT,
                *at == '\0'                                     ? ' '
                : g_utf8_get_char_validated(at, -1) <= 0x10ffff ? g_utf8_get_char(at)
                                                                : '?');
}

Canvas *ui_draw(const Ui *ui)
{
    Canvas *canvas = canvas_new(ui->width, ui->height, ui->ascii);
    Layout layout;

    ui_layout(ui, &layout);
    if (layout.one_line) {
        pane_draw_one_line(ui, canvas_area(canvas), canvas);
    } else {
        pane_draw_header(ui, layout.header, canvas);
        for (int i = 0; i < PANE__COUNT; i++) {
            draw_pane(ui, i, layout.pane[i], canvas);
        }
        draw_command(ui, layout.command, canvas);
        keys_bar(ui, layout.keys, canvas, -1);
    }
    ui_draw_overlay(ui, canvas);
    return canvas;
}

/* ---- overlays ---- */

static Rect overlay_box(const Ui *ui, Canvas *canvas, int width, int height, const char *title)
{
    int w = MIN(width, ui->width), h = MIN(height, ui->height);
    Rect box = { (ui->width - w) / 2, (ui->height - h) / 2, w, h };

    canvas_fill(canvas, box, STYLE_NORMAL, ' ');
    return w < 3 || h < 3 ? box : canvas_frame(canvas, box, STYLE_FOCUS, title);
}

static void draw_help(const Ui *ui, Canvas *canvas)
{
    Rect area =
        overlay_box(ui, canvas, 76, (int)key_count + 3, "Keys; any key closes, arrows scroll");
    int y = 0;

    for (unsigned i = ui->help_top; i < key_count; i++, y++) {
        const KeyRow *row = &key_table[i];
        const char *refusal = row->refusal ? row->refusal(ui) : NULL;
        int x = 11;

        canvas_text(canvas, area, 0, y, refusal ? STYLE_DIM : STYLE_KEY, row->keys);
        x = canvas_text(canvas, area, x, y, refusal ? STYLE_DIM : STYLE_NORMAL, row->help);
        if (refusal) {
            canvas_printf(canvas, area, x + 1, y, STYLE_DIM, "(%s)", refusal);
        }
    }
}

const QuestionRow question_table[] = {
    [QUESTION_CANCEL] = { "migrate_cancel", "Cancel the migration?", "cancel it",
                          "The guest goes on here. What was sent so far is lost.",
                          "The guest does not arrive here. It stays at the source." },
    [QUESTION_POSTCOPY] = { "migrate_start_postcopy", "Switch to postcopy?", "switch",
                            "The guest goes on there at once; a lost link stops it until "
                            "recovered.",
                            "Only the source can do that." },
};

static void draw_question(const Ui *ui, Canvas *canvas)
{
    const QuestionRow *row = &question_table[ui->question];
    Rect area = overlay_box(ui, canvas, 74, 6, row->title);
    int x;

    canvas_text(canvas, area, 1, 0, STYLE_NORMAL,
                sample_is_outgoing(model_now(ui->model)) ? row->source : row->destination);
    canvas_printf(canvas, area, 1, 1, STYLE_DIM, "Runs: %s", row->line);
    canvas_text(canvas, area, 1, 3, STYLE_KEY, "y");
    x = canvas_text(canvas, area, 3, 3, STYLE_NORMAL, row->yes) + 4;
    canvas_text(canvas, area, x, 3, STYLE_KEY, "n");
    canvas_text(canvas, area, x + 2, 3, STYLE_NORMAL, "continue the migration");
}

static void draw_input(const Ui *ui, Canvas *canvas)
{
    static const char *const titles[] = {
        [INPUT_FILTER] = "Show events that match (regular expression; ! before it: that do not)",
        [INPUT_SEARCH] = "Mark events that match (regular expression; then n and N)",
        [INPUT_DOWNTIME] = "Longest pause at the switchover, ms",
    };
    Rect area;

    if (ui->input_for == INPUT_SETTING) {
        return; /* edited in its row */
    }
    area = overlay_box(ui, canvas, 76, 4, titles[ui->input_for]);
    canvas_printf(canvas, area, 0, 0, STYLE_NORMAL, "%s_", ui->input->str);
    canvas_text(canvas, area, 0, 1, ui->input_error ? STYLE_BAD : STYLE_DIM,
                ui->input_error ? ui->input_error
                                : "Enter applies the value, Escape keeps the old one");
}

void ui_draw_overlay(const Ui *ui, Canvas *canvas)
{
    switch (ui->overlay) {
    case OVERLAY_HELP:
        draw_help(ui, canvas);
        break;
    case OVERLAY_QUESTION:
        draw_question(ui, canvas);
        break;
    case OVERLAY_INPUT:
        draw_input(ui, canvas);
        break;
    case OVERLAY_NONE:
        break;
    }
}
