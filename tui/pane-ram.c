/*
 * The map of guest RAM, the traffic of the channels, and the parts of the
 * pause. Pure.
 */
#include <inttypes.h>
#include <string.h>

#include "backend/base/json.h"
#include "backend/base/size.h"
#include "tui/ui-internal.h"

/* The look of a range of map cells at one cell of the screen. */
static gunichar heat_glyph(const HeatMap *map, unsigned from, unsigned to, Style *ret_style)
{
    unsigned data = 0, dirty = 0, sent = 0;

    for (unsigned i = from; i < to; i++) {
        data = MAX(data, map->data[i]);
        dirty = MAX(dirty, map->dirty[i]);
        sent = MAX(sent, map->sent[i]);
    }
    *ret_style = STYLE_DIM;
    if (data == 0 && dirty == 0 && sent == 0) {
        return 0x00b7;
    }
    if (sent == 0) {
        return 0x2591;
    }
    if (dirty == 0) {
        *ret_style = STYLE_RATE;
        return 0x25a0;
    }
    /* Dirty again: the digit is how often the pages were sent, the style the share of dirty ones.
     */
    *ret_style = dirty < 64 ? STYLE_HEAT_1 : dirty < 128 ? STYLE_HEAT_2 : STYLE_HEAT_3;
    return '0' + CLAMP((sent + 8) / 16, 1, 9);
}

void pane_draw_ram(const Ui *ui, Rect area, Canvas *canvas)
{
    const ModelSample *at = ui_sample(ui);
    const HeatMap *map = at->map;
    int rows = area.h - 1;
    unsigned places, per_place;
    Style style;

    if (!map || rows < 1 || area.w < 1) {
        canvas_text(canvas, area, 0, 0, STYLE_DIM,
                    at->attempt == 0 ? "begins with a migration" : "no map of this migration");
        return;
    }
    per_place = MAX(1u, (map->n + (unsigned)(rows * area.w) - 1) / (unsigned)(rows * area.w));
    places = (map->n + per_place - 1) / per_place;
    for (unsigned i = 0; i < places; i++) {
        gunichar glyph = heat_glyph(map, i * per_place, MIN((i + 1) * per_place, map->n), &style);

        canvas_cell(canvas, area, (int)i % area.w, (int)i / area.w, style, glyph);
    }
    canvas_text(canvas, area, 0, rows, STYLE_DIM,
                area.w < 60
                    ? "· empty ░ to send ■ sent 1-9 redirtied"
                    : "· empty  ░ to send  ■ sent  1-9 dirty again, and how often it was sent");
}

static void draw_channel(Rect area, Canvas *canvas, int row, const char *name, uint64_t bytes,
                         uint64_t rate, const char *state)
{
    g_autofree char *sent = size_format(bytes), *speed = size_format(rate);

    canvas_text(canvas, area, 0, row, STYLE_NORMAL, name);
    canvas_text(canvas, area, 11, row, STYLE_NORMAL, sent);
    canvas_printf(canvas, area, 23, row, STYLE_RATE, "%s/s", speed);
    canvas_text(canvas, area, 37, row, STYLE_NORMAL, state);
}

unsigned pane_channel_count(const Ui *ui)
{
    json_object *list = json_member(model_reply_history(ui->model), "channels");

    return (unsigned)MIN(json_length(list), 255);
}

/* The first row is the whole; the newest answer has the rows of multifd, whatever moment is shown.
 */
void pane_draw_channels(const Ui *ui, Rect area, Canvas *canvas)
{
    const ModelSample *at = ui_sample(ui);
    json_object *list = json_member(model_reply_history(ui->model), "channels");
    unsigned n = pane_channel_count(ui);

    if (!at->has_ram) {
        canvas_text(canvas, area, 0, 0, STYLE_DIM, "no channel");
        return;
    }
    canvas_text(canvas, area, 0, 0, STYLE_DIM, "channel    bytes       rate          state");
    draw_channel(area, canvas, 1, n > 0 ? "all" : "main", at->transferred, at->rate, at->status);
    for (unsigned i = 0; i < n && (int)i + 2 < area.h; i++) {
        json_object *row = json_at(list, i);

        draw_channel(area, canvas, (int)i + 2, json_text(row, "name"), json_number(row, "bytes"),
                     json_number(row, "bytes-per-second"), json_text(row, "state"));
    }
}

static char *time_text(uint64_t us)
{
    return us < 1000 ? g_strdup_printf("%" PRIu64 " us", us)
                     : g_strdup_printf("%.1f ms", (double)us / 1000);
}

void pane_draw_downtime(const Ui *ui, Rect area, Canvas *canvas)
{
    const ModelSample *at = ui_sample(ui);
    const ModelDowntime *downtime = &at->downtime;
    uint64_t longest = 1;
    bool pairs = area.h <= PAUSE__COUNT; /* too few rows for one part each */
    int width = pairs ? 0 : MAX(area.w - 22, 0);

    if (!downtime->known) {
        if (at->has_downtime) {
            canvas_printf(canvas, area, 0, 0, STYLE_NORMAL,
                          "%" PRIu64 " ms in all; its parts are not known", at->downtime_ms);
        } else {
            canvas_text(canvas, area, 0, 0, STYLE_DIM, "no guest was handed over from here yet");
        }
        return;
    }
    for (int i = 0; i < PAUSE__COUNT; i++) {
        longest = MAX(longest, downtime->part[i]);
    }
    /* The total comes first, so that a small pane shows it. */
    g_autofree char *total = time_text(downtime->total);

    canvas_printf(canvas, area, 0, 0, STYLE_TITLE, "%-10s%10s", "pause", total);
    for (int i = 0; i < PAUSE__COUNT; i++) {
        g_autofree char *time = time_text(downtime->part[i]);

        if (pairs) {
            canvas_printf(canvas, area, i < 3 ? 0 : area.w / 2, i % 3 + 1, STYLE_NORMAL, "%-9s%9s",
                          pause_parts[i].name, time);
        } else {
            canvas_printf(canvas, area, 0, i + 1, STYLE_NORMAL, "%-10s%10s", pause_parts[i].name,
                          time);
        }
        if (width > 0) {
            pane_bar(ui, canvas, area, 22, i + 1, width, STYLE_RATE,
                     (double)downtime->part[i] / (double)longest);
        }
    }
}
