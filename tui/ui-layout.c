/*
 * The panes, and where each is on the screen. Pure.
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
