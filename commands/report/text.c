/*
 * The report as a document: text for a monitor, Markdown for a ticket.
 */
#include <inttypes.h>
#include <string.h>

#include "backend/base/size.h"
#include "commands/hmp/hmp-internal.h"
#include "commands/report/document.h"
#include "commands/report/report.h"

enum {
    PLOT_WIDTH = 56,
    PLOT_HEIGHT = 6,
    SCALE_WIDTH = 13,
    HEAD_PASSES = 5, /* of many passes only the first and the last are shown */
    TAIL_PASSES = 15,
};

/* ---- what and when ---- */

static void add_fact(Document *d, const char *name, const char *value)
{
    if (*value) {
        document_row(d, name, value, NULL);
    }
}

static void add_overview(Document *d, const ReportFacts *facts, int64_t now_us)
{
    g_autofree char *began = report_moment(facts->began_us), *now = report_moment(now_us);
    g_autofree char *elapsed = report_time((double)facts->elapsed_ms * 1000);
    g_autofree char *transport = report_transport(facts);
    g_autofree char *total = size_format(facts->total), *sent = size_format(facts->sent);
    g_autofree char *mean = size_format(report_mean_rate(facts));
    g_autofree char *moved = g_strdup_printf("%s %s, %s/s on average", sent,
                                             facts->outgoing ? "sent" : "received", mean);
    g_autofree char *owner = g_strdup_printf("%s%s%s%s", facts->owner, *facts->evidence ? " (" : "",
                                             facts->evidence, *facts->evidence ? ")" : "");

    document_heading(d, "The attempt");
    document_table(d, "<what", "<value", NULL);
    add_fact(d, "guest", facts->name);
    add_fact(d, "direction", facts->direction);
    add_fact(d, "peer", facts->peer);
    add_fact(d, "transport", transport);
    add_fact(d, "began", began);
    add_fact(d, "took", facts->elapsed_ms > 0 ? elapsed : "less than 1 ms");
    add_fact(d, "guest RAM", facts->total > 0 ? total : "");
    add_fact(d, "moved", moved);
    add_fact(d, "owner", owner);
    add_fact(d, "reason", facts->error);
    add_fact(d, "report of", now);
    if (*facts->outcome) {
        document_paragraph(d, facts->outcome);
    }
}

static void add_answers(Document *d, const ReportFacts *facts)
{
    document_heading(d, "In short");
    for (int i = 0; i < ANSWER__COUNT; i++) {
        g_autofree char *answer = report_answer(facts, (ReportAnswer)i);
        g_autofree char *text = g_strdup_printf("%s\n%s", report_questions[i].question, answer);

        document_paragraph(d, text);
    }
}

static void add_states(Document *d, const ReportFacts *facts)
{
    size_t n = json_length(facts->states);

    if (n == 0) {
        return;
    }
    document_heading(d, "States");
    document_table(d, ">after", "<state", "<at", NULL);
    for (size_t i = 0; i < n; i++) {
        json_object *row = json_at(facts->states, i);
        int64_t ms = json_integer(row, "time-ms");
        g_autofree char *time = report_time((double)(ms < 0 ? -ms : ms) * 1000);
        g_autofree char *after = g_strconcat(ms < 0 ? "-" : "", time, NULL);
        g_autofree char *at = report_moment((int64_t)json_number(row, "wall-us"));

        document_row(d, after, json_text(row, "status"), at, NULL);
    }
}

/* ---- times ---- */

static void add_share(Document *d, const char *name, uint64_t us, uint64_t all_us)
{
    double share = (double)us / (double)MAX(all_us, UINT64_C(1));
    g_autofree char *time = report_time((double)us);
    g_autofree char *percent = g_strdup_printf("%.0f %%", share * 100);
    g_autofree char *bar = g_strnfill((gsize)(CLAMP(share, 0, 1) * 30 + 0.5), '=');

    document_row(d, name, time, percent, bar, NULL);
}

static void add_pause(Document *d, const ReportFacts *facts)
{
    if (!facts->has_pause) {
        return;
    }
    document_heading(d, "Where the pause went");
    document_table(d, "<part", ">time", ">share", "<", NULL);
    for (int i = 0; i < PAUSE__COUNT; i++) {
        if (facts->has_part[i]) {
            add_share(d, pause_parts[i].name, facts->part_us[i], facts->pause_us);
        }
    }
    g_autofree char *total = report_time((double)facts->pause_us);
    document_row(d, "all of it", total, "100 %", "", NULL);
}

static void add_time(Document *d, const ReportFacts *facts)
{
    uint64_t all = 0;

    for (int i = 0; i < TIME__COUNT; i++) {
        all += facts->time_us[i];
    }
    if (all == 0) {
        return;
    }
    document_heading(d, "Where its time went");
    document_table(d, "<spent on", ">time", ">share", "<", NULL);
    for (int i = 0; i < TIME__COUNT; i++) {
        add_share(d, time_kinds[i].name, facts->time_us[i], all);
    }
}

/* ---- passes ---- */

static void add_pass(Document *d, const ReportPass *pass)
{
    g_autofree char *number = g_strdup_printf("%" PRIu64, pass->number);
    g_autofree char *at = report_time((double)pass->start_ms * 1000);
    g_autofree char *took = report_time((double)pass->duration_ms * 1000);
    g_autofree char *sent = size_format(pass->bytes), *dirtied = size_format(pass->dirtied);
    g_autofree char *rate_size = size_format(pass->rate), *left = size_format(pass->remaining);
    g_autofree char *rate = g_strdup_printf("%s/s", rate_size);

    document_row(d, number, at, took, sent, rate, pass->knows_dirtied ? dirtied : "not known", left,
                 NULL);
}

static void add_passes(Document *d, const ReportFacts *facts)
{
    size_t n = facts->n_passes;

    if (n == 0) {
        return;
    }
    document_heading(d, "Passes");
    document_table(d, ">pass", ">began after", ">took", ">sent", ">rate", ">dirtied meanwhile",
                   ">left", NULL);
    for (size_t i = 0; i < n; i++) {
        if (n > HEAD_PASSES + TAIL_PASSES + 1 && i == HEAD_PASSES) {
            document_row(d, "...", "", "", "", "", "", "", NULL);
            i = n - TAIL_PASSES;
        }
        add_pass(d, &facts->passes[i]);
    }
    if (n > HEAD_PASSES + TAIL_PASSES + 1) {
        g_autofree char *text =
            g_strdup_printf("%zu passes in all; the report in JSON has every one.", n);

        document_paragraph(d, text);
    }
}

/* ---- curves ---- */

static uint64_t highest(const ReportFacts *facts, SampleFigure figure)
{
    uint64_t most = 0;

    for (size_t i = 0; i < facts->n_samples; i++) {
        most = MAX(most, facts->samples[i].figure[figure]);
    }
    return most;
}

/* The figure for each column: the mean of the samples that end in its time, or the last known
 * value. */
static void columns_of(const ReportFacts *facts, SampleFigure figure, double *columns)
{
    double begin = facts->samples[0].end_ms - facts->samples[0].span_ms;
    double width = facts->samples[facts->n_samples - 1].end_ms - begin;
    size_t i = 0;

    for (int x = 0; x < PLOT_WIDTH; x++) {
        double end = begin + width * (x + 1) / PLOT_WIDTH, sum = 0;
        size_t first = i;

        for (; i < facts->n_samples && facts->samples[i].end_ms <= end + 0.5; i++) {
            sum += (double)facts->samples[i].figure[figure];
        }
        columns[x] = i > first
                         ? sum / (double)(i - first)
                         : (double)facts->samples[MIN(i, facts->n_samples - 1)].figure[figure];
    }
}

static void add_curve(Document *d, const ReportFacts *facts, SampleFigure figure)
{
    uint64_t most = highest(facts, figure);
    bool is_rate = g_str_has_suffix(sample_figures[figure].unit, "/s");
    double columns[PLOT_WIDTH];
    g_autofree char *size = size_format(most);
    g_autofree char *top = g_strconcat(size, is_rate ? "/s" : "", NULL);
    g_autofree char *end = report_time(facts->samples[facts->n_samples - 1].end_ms * 1000);
    g_autoptr(GString) text = g_string_new(sample_figures[figure].name);

    if (most == 0) {
        return;
    }
    columns_of(facts, figure, columns);
    g_string_append_c(text, '\n');
    for (int y = PLOT_HEIGHT - 1; y >= 0; y--) {
        g_string_append_printf(text, "%*s |", SCALE_WIDTH, y == PLOT_HEIGHT - 1 ? top : "");
        for (int x = 0; x < PLOT_WIDTH; x++) {
            double level = columns[x] / (double)most * PLOT_HEIGHT - y;

            g_string_append_c(text, level >= 0.75 ? '#' : level >= 0.25 ? ':' : ' ');
        }
        while (text->str[text->len - 1] == ' ') {
            g_string_truncate(text, text->len - 1);
        }
        g_string_append_c(text, '\n');
    }
    g_autofree char *axis = g_strnfill(PLOT_WIDTH, '-');
    g_string_append_printf(text, "%*s +%s\n%*s%*s\n", SCALE_WIDTH, "0", axis, SCALE_WIDTH + 2, "",
                           PLOT_WIDTH, end);
    document_drawing(d, text->str);
}

static void add_curves(Document *d, const ReportFacts *facts)
{
    if (facts->n_samples == 0) {
        return;
    }
    document_heading(d, "Course");
    add_curve(d, facts, SAMPLE_RATE);
    add_curve(d, facts, SAMPLE_DIRTY_RATE);
    add_curve(d, facts, SAMPLE_REMAINING);
}

/* ---- settings ---- */

static void add_setting(const char *name, const char *value, const char *initial, void *data)
{
    document_row(data, name, value, initial, NULL);
}

static void count_setting(const char *name, const char *value, const char *initial, void *data)
{
    (void)name, (void)value, (void)initial;
    ++*(unsigned *)data;
}

static void add_settings(Document *d, const ReportFacts *facts)
{
    unsigned n = 0;

    document_heading(d, "Settings that differ from the defaults");
    report_settings(facts, count_setting, &n);
    if (n == 0) {
        document_paragraph(d, "None.");
        return;
    }
    document_table(d, "<name", "<now", "<default", NULL);
    report_settings(facts, add_setting, d);
}

char *report_to_text(const ReportFacts *facts, int64_t now_us, bool markdown)
{
    g_autofree char *title = report_title(facts);
    g_autoptr(Document) d = document_new(title);

    add_answers(d, facts);
    add_overview(d, facts, now_us);
    add_pause(d, facts);
    add_time(d, facts);
    add_curves(d, facts);
    add_passes(d, facts);
    add_states(d, facts);
    add_settings(d, facts);
    return markdown ? document_to_markdown(d) : document_to_text(d);
}
