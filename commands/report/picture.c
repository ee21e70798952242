/*
 * The report as a picture: title and answers, throughput and dirty rate,
 * remaining bytes, parts of the pause.
 *
 * Curves differ in colour (blue and vermilion of the palette of Okabe and
 * Ito, which colour-blind people can tell apart) and in their dashes. Each
 * has its name beside its line.
 */
#include <inttypes.h>
#include <string.h>

#include "backend/base/size.h"
#include "commands/report/report.h"
#include "commands/report/svg.h"

#define INK      "fill=\"#222222\""
#define FAINT    "fill=\"#5a5a5a\" font-size=\"12\""
#define HEAD     "fill=\"#222222\" font-weight=\"bold\" font-size=\"15\""
#define GRID     "stroke=\"#dddddd\""
#define AXIS     "stroke=\"#444444\""
#define PASS_END "stroke=\"#bbbbbb\" stroke-dasharray=\"1 3\""

enum {
    WIDTH = 960,
    LEFT = 96,
    BARS = 130, /* where the bars begin */
    RIGHT = 24,
    ANSWERS = 232, /* where the answers begin */
    WRAP = 106,
    PLOT_HEIGHT = 180,
    LINE = 20,
    GRID_LINES = 4,
    TIMES = 8,
    SHOWN_PASSES = 60, /* with more passes the marks would fill the plot */
};

/* How a figure is drawn. */
typedef struct {
    SampleFigure figure;
    const char *style;
} Curve;

#define CURVE(id, color, dashes)                                                                   \
    {                                                                                              \
        SAMPLE_##id, "stroke=\"" color "\" stroke-width=\"2\" stroke-dasharray=\"" dashes "\""     \
    }

static const Curve rates[] = { CURVE(RATE, "#0072b2", "none"),
                               CURVE(DIRTY_RATE, "#d55e00", "7 4") };
static const Curve rests[] = { CURVE(REMAINING, "#0072b2", "none"),
                               CURVE(THRESHOLD, "#009e73", "2 3") };
static const char limit_style[] =
    "stroke=\"#000000\" stroke-width=\"1.5\" stroke-dasharray=\"10 4 2 4\"";

/* A plot: maps a time and a value to a position. */
typedef struct {
    double top, end_ms, most;
} Frame;

static double at_time(const Frame *frame, double ms)
{
    return LEFT + (WIDTH - LEFT - RIGHT) * (frame->end_ms > 0 ? ms / frame->end_ms : 0);
}

static double at_value(const Frame *frame, double value)
{
    return frame->top + PLOT_HEIGHT * (1 - MIN(value / frame->most, 1));
}

/* The next round number at or above @value; @unit_step: 1024 for bytes, 1 for plain numbers. */
static double round_up(double value, double unit_step)
{
    static const double steps[] = { 1, 1.5, 2, 3, 4, 5, 6, 8 };
    double unit = 1, ten = unit_step > 1 ? 1 : 1e-3;

    while (unit_step > 1 && value / unit >= unit_step) {
        unit *= unit_step;
    }
    for (; steps[G_N_ELEMENTS(steps) - 1] * ten * unit < value; ten *= 10) {}
    for (size_t i = 0; i < G_N_ELEMENTS(steps); i++) {
        if (steps[i] * ten * unit >= value) {
            return steps[i] * ten * unit;
        }
    }
    return value;
}

/* ---- words ---- */

/* Writes @text in lines of at most WRAP characters. Returns the position below them. */
static double put_lines(Svg *svg, double x, double y, const char *style, const char *text)
{
    g_auto(GStrv) words = g_strsplit_set(text, " \n", -1);
    g_autoptr(GString) line = g_string_new(NULL);

    for (char **word = words; *word; word++) {
        if (line->len > 0 && g_utf8_strlen(line->str, -1) + g_utf8_strlen(*word, -1) >= WRAP) {
            svg_text(svg, x, y, SVG_START, style, line->str);
            y += LINE - 2;
            g_string_truncate(line, 0);
        }
        g_string_append_printf(line, "%s%s", line->len > 0 ? " " : "", *word);
    }
    svg_text(svg, x, y, SVG_START, style, line->str);
    return y + LINE;
}

static double put_head(Svg *svg, const ReportFacts *facts, int64_t now_us)
{
    g_autofree char *title = report_title(facts), *now = report_moment(now_us);
    double y = 32;

    svg_text(svg, RIGHT, y, SVG_START, "fill=\"#222222\" font-weight=\"bold\" font-size=\"18\"",
             title);
    y += 26;
    for (int i = 0; i < ANSWER__COUNT; i++) {
        g_autofree char *answer = report_answer(facts, (ReportAnswer)i);

        svg_text(svg, RIGHT, y, SVG_START, INK " font-weight=\"bold\"",
                 report_questions[i].question);
        y = put_lines(svg, ANSWERS, y, INK, answer);
    }
    g_autofree char *began = report_moment(facts->began_us);
    g_autofree char *when = g_strdup_printf("Began %s; report of %s.", began, now);

    return *began ? put_lines(svg, RIGHT, y, FAINT, when) : y;
}

/* ---- plots ---- */

static void put_legend(Svg *svg, double x, double y, const char *style, const char *name)
{
    svg_line(svg, x, y - 4, x + 34, y - 4, style);
    svg_text(svg, x + 40, y, SVG_START, INK, name);
}

static void put_times(Svg *svg, const Frame *frame)
{
    bool minutes = frame->end_ms >= 240e3, seconds = frame->end_ms >= 2e3;
    double unit = minutes ? 60e3 : seconds ? 1e3 : 1;
    double step = round_up(frame->end_ms / unit / TIMES, 1) * unit;

    for (double ms = 0; step > 0 && ms <= frame->end_ms; ms += step) {
        g_autofree char *time = g_strdup_printf("%g %s", ms / unit,
                                                minutes   ? "min"
                                                : seconds ? "s"
                                                          : "ms");

        svg_line(svg, at_time(frame, ms), frame->top + PLOT_HEIGHT, at_time(frame, ms),
                 frame->top + PLOT_HEIGHT + 4, AXIS);
        svg_text(svg, at_time(frame, ms), frame->top + PLOT_HEIGHT + 18,
                 ms > 0 ? SVG_MIDDLE : SVG_START, FAINT, time);
    }
}

static void put_axes(Svg *svg, const ReportFacts *facts, const Frame *frame, const char *unit)
{
    for (int i = 0; i <= GRID_LINES; i++) {
        double value = frame->most * i / GRID_LINES, y = at_value(frame, value);
        g_autofree char *size = size_format((uint64_t)value);
        g_autofree char *label = g_strconcat(i == 0 ? "0" : size, i == 0 ? "" : unit, NULL);

        svg_line(svg, LEFT, y, WIDTH - RIGHT, y, i == 0 ? AXIS : GRID);
        svg_text(svg, LEFT - 6, y + 4, SVG_END, FAINT, label);
    }
    put_times(svg, frame);
    for (size_t i = 0; i < facts->n_passes && facts->n_passes <= SHOWN_PASSES; i++) {
        double end = (double)(facts->passes[i].start_ms + facts->passes[i].duration_ms);

        svg_line(svg, at_time(frame, end), frame->top, at_time(frame, end),
                 frame->top + PLOT_HEIGHT, PASS_END);
    }
    svg_line(svg, LEFT, frame->top, LEFT, frame->top + PLOT_HEIGHT, AXIS);
}

static void put_curve(Svg *svg, const ReportFacts *facts, const Frame *frame, const Curve *curve)
{
    g_autofree double *points = g_new(double, 2 * facts->n_samples + 2);
    size_t n = 0;

    for (size_t i = 0; i < facts->n_samples; i++) {
        const ReportSample *sample = &facts->samples[i];
        double y = at_value(frame, (double)sample->figure[curve->figure]);

        if (i == 0) { /* draws a single sample as a line too */
            points[n++] = at_time(frame, sample->end_ms - sample->span_ms);
            points[n++] = y;
        }
        points[n++] = at_time(frame, sample->end_ms);
        points[n++] = y;
    }
    g_autofree char *title = g_strdup_printf("%s in %s", sample_figures[curve->figure].name,
                                             sample_figures[curve->figure].unit);
    svg_curve(svg, points, n / 2, curve->style, title);
}

static double most_of(const ReportFacts *facts, SampleFigure figure)
{
    uint64_t most = 0;

    for (size_t i = 0; i < facts->n_samples; i++) {
        most = MAX(most, facts->samples[i].figure[figure]);
    }
    return (double)most;
}

/* @limit: 0 = none. Curves that are always 0 are left out. */
static double put_plot(Svg *svg, const ReportFacts *facts, double y, const char *title,
                       const Curve *curves, size_t n, const char *limit_name, uint64_t limit)
{
    const char *unit = strchr(sample_figures[curves[0].figure].unit, '/');
    Frame frame = { .top = y + 48, .end_ms = facts->samples[facts->n_samples - 1].end_ms };
    double most = most_of(facts, curves[0].figure), x = LEFT;

    for (size_t i = 1; i < n; i++) {
        /* Large values of the other curves must not flatten the first one. */
        most = MAX(most, MIN(most_of(facts, curves[i].figure), most * 2));
    }
    bool limit_shown = limit > 0 && (double)limit <= most * 2;
    frame.most = round_up(MAX(limit_shown ? MAX(most, (double)limit) : most, 1), 1024);
    svg_text(svg, RIGHT, y + 18, SVG_START, HEAD, title);
    put_axes(svg, facts, &frame, unit ? unit : "");
    for (size_t i = 0; i < n; i++) {
        if (most_of(facts, curves[i].figure) > 0) {
            put_curve(svg, facts, &frame, &curves[i]);
            put_legend(svg, x, y + 40, curves[i].style, sample_figures[curves[i].figure].name);
            x += 190;
        }
    }
    if (limit_shown) {
        double at = at_value(&frame, (double)limit);

        svg_line(svg, LEFT, at, WIDTH - RIGHT, at, limit_style);
        put_legend(svg, x, y + 40, limit_style, limit_name);
        x += 190;
    }
    if (facts->n_passes > 0 && facts->n_passes <= SHOWN_PASSES) {
        put_legend(svg, x, y + 40, PASS_END, "end of a pass");
    }
    return frame.top + PLOT_HEIGHT + 36;
}

/* ---- times ---- */

typedef struct {
    const char *name;
    uint64_t us;
} Part;

/* One bar for each part; the longest has the full width. */
static double put_parts(Svg *svg, double y, const char *title, const Part *parts, size_t n,
                        uint64_t all_us)
{
    uint64_t longest = 1;

    svg_text(svg, RIGHT, y + 18, SVG_START, HEAD, title);
    y += 30;
    for (size_t i = 0; i < n; i++) {
        longest = MAX(longest, parts[i].us);
    }
    for (size_t i = 0; i < n; i++) {
        double width = (double)parts[i].us / (double)longest * (WIDTH - BARS - RIGHT - 150);
        double percent = (double)parts[i].us * 100 / (double)MAX(all_us, UINT64_C(1));
        g_autofree char *time = report_time((double)parts[i].us);
        g_autofree char *label = g_strdup_printf("%s (%.0f %%)", time, percent);

        width = MAX(width, 1);
        svg_text(svg, BARS - 6, y + 13, SVG_END, INK, parts[i].name);
        svg_rect(svg, BARS, y, width, 16, "fill=\"#56b4e9\" stroke=\"#0072b2\"");
        svg_text(svg, BARS + width + 8, y + 13, SVG_START, INK, label);
        y += 24;
    }
    return y + 8;
}

static double put_pause(Svg *svg, const ReportFacts *facts, double y)
{
    g_autofree char *total = report_time((double)facts->pause_us);
    g_autofree char *title = g_strdup_printf("Where the pause of %s went", total);
    Part parts[PAUSE__COUNT];
    size_t n = 0;

    for (int i = 0; i < PAUSE__COUNT; i++) {
        if (facts->has_part[i]) {
            parts[n++] = (Part){ pause_parts[i].name, facts->part_us[i] };
        }
    }
    return put_parts(svg, y, title, parts, n, facts->pause_us);
}

static double put_time(Svg *svg, const ReportFacts *facts, double y)
{
    Part parts[TIME__COUNT];
    uint64_t all = 0;

    for (int i = 0; i < TIME__COUNT; i++) {
        parts[i] = (Part){ time_kinds[i].name, facts->time_us[i] };
        all += facts->time_us[i];
    }
    return all > 0 ? put_parts(svg, y, "Where its time went", parts, TIME__COUNT, all) : y;
}

/* Paints the picture. Returns its height. */
static double paint(Svg *svg, const ReportFacts *facts, int64_t now_us)
{
    double y = put_head(svg, facts, now_us);

    if (facts->n_samples > 0) {
        y = put_plot(svg, facts, y, facts->outgoing ? "Throughput and dirty rate" : "Throughput",
                     rates, G_N_ELEMENTS(rates), "max-bandwidth",
                     facts->outgoing ? facts->max_bandwidth : 0);
    }
    if (facts->n_samples > 0 && most_of(facts, SAMPLE_REMAINING) > 0) {
        y = put_plot(svg, facts, y, "Left to send", rests, G_N_ELEMENTS(rests), "", 0);
    }
    if (facts->has_pause) {
        y = put_pause(svg, facts, y);
    }
    return put_time(svg, facts, y);
}

char *report_to_svg(const ReportFacts *facts, int64_t now_us)
{
    g_autofree char *title = report_title(facts);
    g_autofree char *finished = report_answer(facts, ANSWER_FINISHED);
    g_autofree char *pause = report_answer(facts, ANSWER_PAUSE);
    g_autofree char *description = g_strdup_printf("%s %s", finished, pause);

    /* The height is known only after painting, so it is painted twice. */
    Svg *trial = svg_new(WIDTH, 1, "", "");
    double height = paint(trial, facts, now_us);
    g_free(svg_end(trial));

    Svg *svg = svg_new(WIDTH, height, title, description);
    svg_rect(svg, 0, 0, WIDTH, height, "fill=\"#ffffff\"");
    paint(svg, facts, now_us);
    return svg_end(svg);
}
