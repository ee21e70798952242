/*
 * Draws the dashboard: its panes, the command line and the overlays. Pure.
 */
#include "tui/ui-internal.h"

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
    size_t bytes = g_utf8_get_char_validated(at, -1) <= 0x10ffff ? g_utf8_skip[(uint8_t)*at] : 1;
    g_autofree char *under = g_strndup(*at != '\0' ? at : " ", bytes);

    canvas_text(canvas, line, cursor - scroll, 0, STYLE_SELECT, under);
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

static void draw_question(const Ui *ui, Canvas *canvas)
{
    const QuestionRow *row = &question_table[ui->question];
    Rect area = overlay_box(ui, canvas, 74, 6, row->title);
    int x;

    canvas_text(canvas, area, 1, 0, STYLE_NORMAL,
                !row->source                               ? ui->pending_text
                : sample_is_outgoing(model_now(ui->model)) ? row->source
                                                           : row->destination);
    canvas_printf(canvas, area, 1, 1, STYLE_DIM, "Runs: %s", row->line ? row->line : ui->pending);
    canvas_text(canvas, area, 1, 3, STYLE_KEY, "y");
    x = canvas_text(canvas, area, 3, 3, STYLE_NORMAL, row->yes) + 4;
    canvas_text(canvas, area, x, 3, STYLE_KEY, "n");
    canvas_text(canvas, area, x + 2, 3, STYLE_NORMAL, row->no);
}

static void draw_input(const Ui *ui, Canvas *canvas)
{
    static const char *const titles[] = {
        [INPUT_FILTER] = "Show events that match (regular expression; ! before it: that do not)",
        [INPUT_SEARCH] = "Mark events that match (regular expression; then n and N)",
        [INPUT_DOWNTIME] = "Longest pause at the switchover, ms (or 2s, 1.5s)",
    };
    Rect area;

    if (ui->input_for == INPUT_SETTING) {
        return; /* edited in its row */
    }
    area = overlay_box(ui, canvas, 76, 4, titles[ui->input_for]);
    canvas_printf(canvas, area, 0, 0, ui->input_fresh ? STYLE_SELECT : STYLE_NORMAL, "%s%s",
                  ui->input->str, ui->input_fresh ? "" : "_");
    canvas_text(canvas, area, 0, 1, ui->input_error ? STYLE_BAD : STYLE_DIM,
                ui->input_error ? ui->input_error
                                : "Enter applies the value, Escape keeps the old one");
}

static void draw_overlay(const Ui *ui, Canvas *canvas)
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

/* ---- the screen ---- */

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
    draw_overlay(ui, canvas);
    return canvas;
}
