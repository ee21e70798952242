/*
 * The header and the progress pane. They show where the guest is, whether the
 * migration will finish, and how long the pause would be. Pure.
 */
#include <inttypes.h>
#include <string.h>

#include "backend/base/json.h"
#include "backend/base/size.h"
#include "tui/progress.h"
#include "tui/ui-internal.h"

/* A glyph is always followed by the name of its status. */
static const struct {
    const char *status;
    gunichar glyph;
    Style style;
} states[] = {
    { "completed", 0x2713, STYLE_GOOD }, { "failed", 0x2717, STYLE_BAD },
    { "cancelled", 0x00d7, STYLE_WARN }, { "cancelling", 0x00d7, STYLE_WARN },
    { "active", 0x25b6, STYLE_GOOD },    { "setup", 0x25cb, STYLE_NORMAL },
    { "device", 0x25c6, STYLE_WARN },    { "pre-switchover", 0x25c6, STYLE_WARN },
};

static void state_look(const char *status, gunichar *ret_glyph, Style *ret_style)
{
    *ret_glyph = 0x00b7;
    *ret_style = STYLE_NORMAL;
    for (size_t i = 0; i < G_N_ELEMENTS(states); i++) {
        if (strcmp(states[i].status, status) == 0) {
            *ret_glyph = states[i].glyph;
            *ret_style = states[i].style;
        }
    }
}

static char *clock_text(uint64_t ms)
{
    return ms >= 3600000 ? g_strdup_printf("%" PRIu64 ":%02u:%02u", ms / 3600000,
                                           (unsigned)(ms / 60000 % 60), (unsigned)(ms / 1000 % 60))
                         : g_strdup_printf("%02u:%02u.%u", (unsigned)(ms / 60000),
                                           (unsigned)(ms / 1000 % 60), (unsigned)(ms / 100 % 10));
}

/* " QEMU 7.2.22 > QEMU 10.0.2" */
static char *versions_text(json_object *ends)
{
    GString *versions = g_string_new(NULL);

    for (size_t i = 0; i < json_length(ends); i++) {
        g_string_append_printf(versions, "%s%s", i == 0 ? "  " : " → ",
                               json_text(json_at(ends, i), "version"));
    }
    return g_string_free(versions, FALSE);
}

static void draw_bar(const Ui *ui, Rect area, Canvas *canvas)
{
    const ModelSample *sample = ui_sample(ui);
    const char *name = model_name(ui->model), *memory = model_guest(ui->model, "memory");
    g_autofree char *time = clock_text(sample->elapsed_ms);
    g_autofree char *left = NULL, *right = NULL;
    g_autofree char *versions =
        model_ends(ui->model) ? versions_text(model_ends(ui->model)) : g_strdup("");
    size_t comma = strcspn(memory, ",");

    canvas_fill(canvas, (Rect){ area.x, area.y, area.w, 1 }, STYLE_BAR, ' ');
    left = g_strdup_printf(" migmon  %s%s%.*s%s", *name ? name : "guest", *memory ? ", " : "",
                           (int)comma, memory, versions);
    canvas_text(canvas, area, 0, 0, STYLE_BAR, left);
    right = g_strdup_printf("%s%s ",
                            !ui->frozen           ? ""
                            : sample->attempt > 0 ? "FROZEN at "
                                                  : "FROZEN",
                            sample->attempt > 0 ? time : "");
    canvas_text(canvas, area, MAX(canvas_columns(left) + 2, area.w - canvas_columns(right)), 0,
                STYLE_BAR, right);
}

static void draw_state(const Ui *ui, Rect area, Canvas *canvas, int y)
{
    const ModelSample *sample = ui_sample(ui);
    gunichar glyph;
    Style style;
    int x;

    if (*sample->status == '\0') {
        canvas_text(canvas, area, 1, y, STYLE_NORMAL,
                    "· no migration yet; press : and type migrate URI");
        return;
    }
    state_look(sample->status, &glyph, &style);
    canvas_cell(canvas, area, 1, y, style, glyph);
    x = canvas_printf(canvas, area, 3, y, style, "%s", sample->status);
    if (*sample->peer) {
        x = canvas_printf(canvas, area, x + 2, y, STYLE_NORMAL, "%s %s",
                          sample_is_outgoing(sample) ? "→ to" : "← from", sample->peer);
    }
    if (*sample->reason) {
        canvas_text(canvas, area, x + 2, y, STYLE_BAD, sample->reason);
    }
}

/* "source: running, active" for each attached end, or the reason why it does not answer. */
static int draw_ends(Rect area, Canvas *canvas, int x, int y, json_object *ends)
{
    for (size_t i = 0; i < json_length(ends); i++) {
        json_object *end = json_at(ends, i);
        const char *trouble = json_text(end, "trouble"), *error = json_text(end, "error-desc");

        x = canvas_printf(canvas, area, x + 2, y, *trouble ? STYLE_BAD : STYLE_NORMAL, "%s: %s",
                          json_text(end, "side"), *trouble ? trouble : json_text(end, "run-state"));
        if (!*trouble) {
            x = canvas_printf(canvas, area, x, y, STYLE_NORMAL, ", %s", json_text(end, "status"));
        }
        if (*error) {
            x = canvas_printf(canvas, area, x + 1, y, STYLE_BAD, "(%s)", error);
        }
    }
    return x;
}

static void draw_owner(const Ui *ui, Rect area, Canvas *canvas, int y)
{
    const ModelSample *sample = ui_sample(ui);
    bool unknown = g_str_has_prefix(sample->owner, "unknown");
    bool here = strcmp(sample->owner, "here") == 0;
    Style style = unknown ? STYLE_BAD : STYLE_GOOD;
    int x;

    if (*sample->owner == '\0') {
        return;
    }
    canvas_cell(canvas, area, 1, y, style, here ? 0x25cf : unknown ? '!' : 0x25cb);
    x = canvas_printf(canvas, area, 3, y, style, "guest is %s", sample->owner);
    if (*sample->run_state && (!model_ends(ui->model) || ui->frozen)) {
        x = canvas_printf(canvas, area, x, y, STYLE_NORMAL, ", %s", sample->run_state);
    }
    if (model_ends(ui->model) && !ui->frozen) {
        draw_ends(area, canvas, x, y, model_ends(ui->model));
        return; /* the ends replace the evidence */
    }
    canvas_printf(canvas, area, x + 2, y, STYLE_DIM, "%s", sample->evidence);
}

void pane_draw_header(const Ui *ui, Rect area, Canvas *canvas)
{
    draw_bar(ui, area, canvas);
    draw_state(ui, area, canvas, 1);
    draw_owner(ui, area, canvas, 2);
}

/* ---- progress ---- */

void pane_bar(const Ui *ui, Canvas *canvas, Rect area, int x, int y, int width, Style style,
              double share)
{
    int eighths = (int)(CLAMP(share, 0, 1) * width * 8 + 0.5);

    for (int i = 0; i < width; i++) {
        int part = CLAMP(eighths - i * 8, 0, 8);

        if (part == 8 || (ui->ascii && part >= 4)) {
            canvas_cell(canvas, area, x + i, y, style, 0x2588);
        } else if (part > 0 && !ui->ascii) {
            canvas_cell(canvas, area, x + i, y, style, 0x2590 - (gunichar)part);
        } else {
            canvas_cell(canvas, area, x + i, y, STYLE_DIM, 0x00b7);
        }
    }
}

/* Whether the migration will finish. Only ends of passes count: the amount left during a pass does
 * not show whether passes get shorter. */
static char *verdict(const Ui *ui, Style *ret_style)
{
    const ModelSample *sample = ui_sample(ui);
    const ModelPass *last =
        sample->end_pass > sample->first_pass ? model_pass(ui->model, sample->end_pass - 1) : NULL;
    g_autofree char *left = size_format(last ? last->remaining : sample->remaining);
    g_autofree char *enough = size_format(sample->threshold);

    *ret_style = STYLE_NORMAL;
    if (*sample->outcome && !sample_is_running(sample)) {
        *ret_style = strcmp(sample->status, "completed") == 0 ? STYLE_GOOD : STYLE_WARN;
        return g_strdup(sample->outcome);
    }
    if (!sample_is_running(sample) || !sample_is_outgoing(sample)) {
        return g_strdup("");
    }
    if (*sample->verdict) {
        *ret_style = g_str_has_prefix(sample->verdict, "will not")      ? STYLE_WARN
                     : g_str_has_prefix(sample->verdict, "will finish") ? STYLE_GOOD
                                                                        : STYLE_NORMAL;
        return g_strdup(sample->verdict);
    }
    if (!last) {
        return g_strdup_printf("first pass: %s of RAM to go", left);
    }
    return g_strdup_printf("%s left after the last pass, %s fit into the pause", left, enough);
}

static char *pause_text(const ModelSample *sample, Style *ret_style)
{
    *ret_style = STYLE_NORMAL;
    if (sample->has_downtime) {
        return g_strdup_printf("pause was %" PRIu64 " ms (limit %" PRIu64 " ms)",
                               sample->downtime_ms, sample->downtime_limit_ms);
    }
    if (*sample->verdict && sample_is_running(sample)) {
        return g_strdup(""); /* the verdict contains it */
    }
    return g_strdup_printf("pause limit %" PRIu64 " ms", sample->downtime_limit_ms);
}

/* The pass under way; afterwards the last that the table has. */
static uint64_t pass_number(const Ui *ui, const ModelSample *sample)
{
    const ModelPass *last =
        sample->end_pass > sample->first_pass ? model_pass(ui->model, sample->end_pass - 1) : NULL;

    return last && !sample_is_running(sample) ? last->number : MAX(sample->sync_count, UINT64_C(1));
}

void pane_draw_progress(const Ui *ui, Rect area, Canvas *canvas)
{
    const ModelSample *sample = ui_sample(ui);
    Style verdict_style, pause_style;
    g_autofree char *whole = verdict(ui, &verdict_style);
    g_autofree char *judged = canvas_fit(whole, area.w);
    g_autofree char *pause = pause_text(sample, &pause_style);
    g_autofree char *sent = size_format(sample->transferred);
    g_autofree char *left = size_format(sample->remaining);
    int width = MAX(area.w - 29, 4), y = 2;

    if (sample_is_outgoing(sample)) {
        pane_bar(ui, canvas, area, 0, 0, width, STYLE_RATE, sample->progress);
        canvas_printf(canvas, area, width + 1, 0, STYLE_NORMAL,
                      "%3.0f %% of the way, pass %" PRIu64, sample->progress * 100,
                      pass_number(ui, sample));
    } else {
        canvas_text(canvas, area, 0, 0, STYLE_DIM,
                    strcmp(sample->direction, "incoming") == 0 ? "the source knows how far it is"
                                                               : "nothing under way");
    }
    canvas_text(canvas, area, 0, 1, verdict_style, judged);
    if (*sample->advice && area.h > 3) {
        g_autofree char *advice = canvas_fit(sample->advice, area.w);

        canvas_text(canvas, area, 0, y++, STYLE_NORMAL, advice);
    }
    canvas_text(canvas, area, 0, y, pause_style, pause);
    if (sample->has_ram) {
        canvas_printf(canvas, area, *pause ? canvas_columns(pause) + 3 : 0, y, STYLE_NORMAL,
                      "%s sent, %s to go", sent, left);
    }
    if (*sample->time && y + 1 < area.h) {
        canvas_printf(canvas, area, 0, y + 1, STYLE_NORMAL, "time %s to: %s",
                      sample_is_running(sample) ? "goes" : "went", sample->time);
    }
}

void pane_draw_one_line(const Ui *ui, Rect area, Canvas *canvas)
{
    json_object *info = model_reply_migrate(ui->model);
    g_autofree char *line = info && *model_now(ui->model)->status
                                ? progress_line(info, model_reply_history(ui->model), area.w)
                                : g_strdup("no migration");

    canvas_text(canvas, area, 0, 0, STYLE_NORMAL, line);
    canvas_printf(canvas, area, 0, 1, STYLE_GOOD, "guest is %s", model_now(ui->model)->owner);
    canvas_text(canvas, area, 0, 2, ui->message_bad ? STYLE_BAD : STYLE_DIM, ui->message);
}
