/*
 * Curves: throughput and dirty rate over the whole migration, and the remainder
 * after each pass. Pure.
 */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "backend/base/size.h"
#include "tui/ui-internal.h"

/* ---- rates ---- */

typedef struct {
    double rate, dirty;  /* averages of @n samples */
    unsigned n, n_dirty; /* the dirty rate is unknown until the first pass has ended */
} Column;

/* A column filled up to level 0..8 in its cell (left and right half for braille). */
static gunichar fill_glyph(const Ui *ui, int left, int right)
{
    static const uint8_t dots_left[] = { 0, 0x40, 0x44, 0x46, 0x47 };
    static const uint8_t dots_right[] = { 0, 0x80, 0xa0, 0xb0, 0xb8 };
    int most = MAX(left, right);

    switch (ui->graph) {
    case GRAPH_BRAILLE:
        return 0x2800 + dots_left[(left + 1) / 2] + dots_right[(right + 1) / 2];
    case GRAPH_BLOCK:
        return most == 0 ? ' ' : 0x2580 + (gunichar)most;
    default:
        return most == 0 ? ' ' : most >= 4 ? '#' : '.';
    }
}

static int level(double value, double top, int rows, int row)
{
    double eighths = top > 0 ? value / top * rows * 8 : 0;

    return CLAMP((int)lround(eighths) - (rows - 1 - row) * 8, 0, 8);
}

/* Averages of the samples of this migration per column; a column without samples repeats the last.
 */
static void fill_columns(const Ui *ui, Column *columns, int n, uint64_t span_ms)
{
    const ModelSample *at = ui_sample(ui);
    uint64_t end = ui_sample_end(ui), first = model_first(ui->model);

    for (uint64_t i = end; i > first; i--) {
        const ModelSample *sample = model_at(ui->model, i - 1);
        int column;

        if (sample->attempt != at->attempt) {
            break;
        }
        column = (int)(sample->elapsed_ms * (uint64_t)n / (span_ms + 1));
        if (column < n && sample->has_ram) {
            columns[column].rate += (double)sample->rate;
            columns[column].dirty += sample->knows_dirty ? (double)sample->dirty_rate : 0;
            columns[column].n++;
            columns[column].n_dirty += sample->knows_dirty;
        }
    }
    for (int i = 0; i < n; i++) {
        columns[i].rate /= MAX(columns[i].n, 1u);
        columns[i].dirty /= MAX(columns[i].n_dirty, 1u);
    }
    for (int i = 1, last = (int)(at->elapsed_ms * (uint64_t)n / (span_ms + 1)); i < n; i++) {
        if (columns[i].n == 0 && columns[i - 1].n > 0 && i <= last) {
            columns[i] = columns[i - 1];
        }
    }
}

static void draw_marks(const Ui *ui, Rect area, Canvas *canvas, int y, uint64_t span_ms)
{
    const ModelSample *at = ui_sample(ui);
    int free_from = 0;

    for (int x = 0; x < area.w; x++) {
        canvas_cell(canvas, area, x, y, STYLE_FRAME, 0x2500);
    }
    for (uint64_t i = at->first_pass; i < at->end_pass; i++) {
        const ModelPass *pass = model_pass(ui->model, i);
        int x = pass ? (int)(pass->end_ms * (uint64_t)area.w / (span_ms + 1)) : area.w;

        if (x >= area.w) {
            continue;
        }
        canvas_cell(canvas, area, x, y, STYLE_LIMIT, 0x2534);
        if (x >= free_from + 1) {
            g_autofree char *number = g_strdup_printf("%" PRIu64, pass->number);
            int begin = x - (int)strlen(number);

            if (begin >= free_from) {
                canvas_text(canvas, area, begin, y, STYLE_NORMAL, number);
                free_from = x + 1;
            }
        }
    }
}

/* "sent 59.6 MiB/s", without the figure when it is unknown; nothing when it does not fit. Returns
 * the column after it. */
static int put_legend(Rect area, Canvas *canvas, int x, Style style, const char *name,
                      uint64_t rate, bool with_rate)
{
    g_autofree char *size = size_format(rate);
    g_autofree char *text =
        g_strconcat(name, with_rate ? " " : "", with_rate ? size : "", with_rate ? "/s" : "", NULL);

    return x + canvas_columns(text) <= area.w ? canvas_text(canvas, area, x, 0, style, text) + 1
                                              : area.w;
}

static void draw_legend(Rect area, Canvas *canvas, const ModelSample *sample)
{
    bool runs = sample_is_running(sample);
    int x = put_legend(area, canvas, 0, STYLE_RATE, "█ sent", sample->rate, runs);

    x = put_legend(area, canvas, x, STYLE_DIRTY, "● dirtied", sample->dirty_rate,
                   runs && sample->knows_dirty);
    if (sample->limit > 0) {
        put_legend(area, canvas, x, STYLE_LIMIT, "┄ limit", sample->limit, true);
    }
}

void pane_draw_rates(const Ui *ui, Rect area, Canvas *canvas)
{
    const ModelSample *at = ui_sample(ui);
    Rect plot = { area.x, area.y + 1, area.w, area.h - 2 };
    uint64_t span_ms = MAX(at->elapsed_ms, UINT64_C(10000));
    int per_cell = ui->graph == GRAPH_BRAILLE ? 2 : 1;
    int n = plot.w * per_cell;
    double top = 1;

    if (at->attempt == 0 || !sample_is_outgoing(at)) {
        canvas_text(canvas, area, 0, 0, STYLE_DIM,
                    at->attempt == 0 ? "begins with a migration" : "known on the source");
        return;
    }
    if (area.h < 3 || area.w < 4) {
        draw_legend(area, canvas, at);
        return;
    }

    g_autofree Column *columns = g_new0(Column, (size_t)n);

    fill_columns(ui, columns, n, span_ms);
    for (int i = 0; i < n; i++) {
        top = MAX(top, MAX(columns[i].rate, columns[i].dirty));
    }
    /* A limit far above the rates would flatten the curves. */
    bool limit_shown = at->limit > 0 && (double)at->limit <= top * 2;
    top = (limit_shown ? MAX(top, (double)at->limit) : top) * 1.05;

    draw_legend(area, canvas, at);
    for (int x = 0; x < plot.w; x++) {
        const Column *left = &columns[x * per_cell], *right = &columns[x * per_cell + per_cell - 1];
        double dirty = MAX(left->dirty, right->dirty);

        for (int y = 0; y < plot.h; y++) {
            int a = level(left->rate, top, plot.h, y), b = level(right->rate, top, plot.h, y);

            if (a > 0 || b > 0) {
                canvas_cell(canvas, plot, x, y, STYLE_RATE, fill_glyph(ui, a, b));
            }
            if (limit_shown && y == plot.h - 1 - (int)((double)at->limit / top * plot.h)) {
                canvas_cell(canvas, plot, x, y, STYLE_LIMIT, 0x2504);
            }
        }
        if (left->n_dirty > 0 || right->n_dirty > 0) {
            canvas_cell(canvas, plot, x, plot.h - 1 - MIN((int)(dirty / top * plot.h), plot.h - 1),
                        STYLE_DIRTY, 0x25cf);
        }
    }
    draw_marks(ui, area, canvas, area.h - 1, span_ms);
}

/* ---- passes ---- */

static double log_share(uint64_t value, uint64_t low, uint64_t high)
{
    if (value <= low || high <= low) {
        return 0;
    }
    return MIN(log((double)value / (double)low) / log((double)high / (double)low), 1);
}

void pane_draw_passes(const Ui *ui, Rect area, Canvas *canvas)
{
    const ModelSample *at = ui_sample(ui);
    uint64_t known = at->end_pass - at->first_pass;
    uint64_t rows = (uint64_t)MAX(area.h - 1, 0), shown = MIN(known, rows);
    uint64_t low = at->threshold > 0 ? MAX(at->threshold / 8, UINT64_C(1)) : 4096;
    int bar = area.w - 29;
    g_autofree char *enough = size_format(at->threshold);

    if (known == 0) {
        canvas_text(canvas, area, 0, 0, STYLE_DIM, "no pass has ended yet");
        return;
    }
    canvas_text(canvas, area, 0, 0, STYLE_DIM, "pass  to go");
    canvas_text(canvas, area, 17, 0, STYLE_DIM, "dirtied");
    if (bar > 8 && at->threshold > 0) {
        g_autofree char *mark = g_strdup_printf("┃ = %s: fits", enough);

        canvas_text(canvas, area, 29, 0, STYLE_LIMIT,
                    canvas_columns(mark) <= bar ? mark : "┃ fits");
    }
    for (uint64_t i = 0; i < shown; i++) {
        const ModelPass *pass = model_pass(ui->model, at->end_pass - shown + i);
        int y = (int)i + 1;

        if (!pass) {
            continue;
        }
        g_autofree char *left = size_format(pass->remaining), *dirty = model_pass_dirtied(pass);

        canvas_printf(canvas, area, 0, y, STYLE_NORMAL, "%4" PRIu64, pass->number);
        canvas_printf(canvas, area, 6, y, STYLE_NORMAL, "%s", left);
        canvas_printf(canvas, area, 17, y, STYLE_DIRTY, "%s", dirty);
        if (bar > 4) {
            int mark = (int)(log_share(at->threshold, low, at->total) * bar);

            pane_bar(ui, canvas, area, 29, y, bar,
                     pass->remaining <= at->threshold ? STYLE_GOOD : STYLE_RATE,
                     log_share(pass->remaining, low, at->total));
            if (at->threshold > 0) {
                canvas_cell(canvas, area, 29 + MIN(mark, bar - 1), y, STYLE_LIMIT, 0x2503);
            }
        }
    }
}
