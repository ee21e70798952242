/*
 * Input: keys go to ui-keys.c; the mouse selects panes, keys of the key bar, the
 * command line and moments on the curves.
 */
#include "tui/ui-internal.h"

static bool is_inside(Rect area, const UiKey *key)
{
    return key->x >= area.x && key->x < area.x + area.w && key->y >= area.y &&
           key->y < area.y + area.h;
}

/* A click on the curves selects that moment. */
static void freeze_at(Ui *ui, Rect area, int x)
{
    const ModelSample *at = ui_sample(ui);
    uint64_t span_ms = MAX(at->elapsed_ms, UINT64_C(10000));
    uint64_t wanted =
        span_ms * (uint64_t)CLAMP(x - area.x - 1, 0, area.w) / (uint64_t)MAX(area.w - 2, 1);
    unsigned attempt = at->attempt;

    for (uint64_t i = model_end(ui->model); i > model_first(ui->model); i--) {
        const ModelSample *sample = model_at(ui->model, i - 1);

        if (sample->attempt != attempt) {
            break;
        }
        ui->cursor = i - 1;
        if (sample->elapsed_ms <= wanted) {
            break;
        }
    }
    ui->frozen = true;
}

static void click(Ui *ui, const UiKey *key)
{
    Layout layout;

    ui_layout(ui, &layout);
    if (is_inside(layout.keys, key)) {
        const KeyRow *row = keys_bar(ui, layout.keys, NULL, key->x);

        if (row) {
            keys_run(ui, row, row->codes[0]);
        }
    } else if (is_inside(layout.command, key)) {
        ui_open_command(ui);
    } else {
        for (int i = 0; i < PANE__COUNT; i++) {
            if (!is_inside(layout.pane[i], key)) {
                continue;
            }
            if (i == PANE_RATES && ui->focus == PANE_RATES && model_end(ui->model) > 0) {
                freeze_at(ui, layout.pane[i], key->x);
            } else if (i == PANE_SETTINGS) {
                unsigned rows = (unsigned)MAX(layout.pane[i].h - 3, 1);
                unsigned top = ui->selected >= rows ? ui->selected - rows + 1 : 0;

                ui->selected = MIN(top + (unsigned)MAX(key->y - layout.pane[i].y - 1, 0),
                                   settings_count(ui) - 1);
            }
            ui->focus = i;
        }
    }
}

static void wheel(Ui *ui, const UiKey *key)
{
    Layout layout;

    ui_layout(ui, &layout);
    for (int i = 0; i < PANE__COUNT; i++) {
        if (is_inside(layout.pane[i], key) && pane_table[i].scroll) {
            pane_table[i].scroll(ui, key->code == KEY_WHEEL_UP ? -3 : 3);
        }
    }
}

void ui_key(Ui *ui, const UiKey *key)
{
    if (key->code < KEY_MOUSE) {
        keys_press(ui, key->code);
    } else if (ui->overlay == OVERLAY_NONE && key->code == KEY_MOUSE) {
        click(ui, key);
    } else if (ui->overlay == OVERLAY_NONE) {
        wheel(ui, key);
    }
}
