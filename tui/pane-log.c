/*
 * The event log with its filters, and the output of commands.
 */
#include <string.h>

#include "tui/ui-internal.h"

/* ---- log ---- */

static bool compile(const char *text, GRegex **ret, GError **error)
{
    GRegex *regex = NULL;

    if (*text != '\0') {
        regex = g_regex_new(text, G_REGEX_CASELESS, 0, error);
        if (!regex) { /* GLib repeats the pattern first */
            const char *why = error ? g_strrstr((*error)->message, ": ") : NULL;
            g_autofree char *short_why = g_strdup(why ? why + 2 : "");

            if (error) {
                g_free((*error)->message);
                (*error)->message = g_strconcat("not a regular expression: ", short_why, NULL);
            }
            return false;
        }
    }
    g_clear_pointer(ret, g_regex_unref);
    *ret = regex;
    return true;
}

bool log_set_filter(Ui *ui, const char *text, GError **error)
{
    bool inverse = text[0] == '!';

    if (!compile(inverse ? text + 1 : text, &ui->filter_regex, error)) {
        return false;
    }
    ui->inverse = inverse;
    g_free(ui->filter);
    ui->filter = g_strdup(text);
    ui->log_back = 0;
    return true;
}

bool log_set_search(Ui *ui, const char *text, GError **error)
{
    if (!compile(text, &ui->search_regex, error)) {
        return false;
    }
    g_free(ui->search);
    ui->search = g_strdup(text);
    return true;
}

static bool is_shown(const Ui *ui, const LogEntry *entry)
{
    if (entry->level < ui->level || (ui->frozen && entry->time_us > ui_sample(ui)->time_us)) {
        return false;
    }
    return !ui->filter_regex ||
           g_regex_match(ui->filter_regex, entry->text, 0, NULL) != ui->inverse;
}

static bool is_found(const Ui *ui, const LogEntry *entry)
{
    return ui->search_regex && g_regex_match(ui->search_regex, entry->text, 0, NULL);
}

/* Indexes of the entries shown, newest first, at most @limit. */
static GArray *shown_entries(const Ui *ui, unsigned limit)
{
    GArray *shown = g_array_new(FALSE, FALSE, sizeof(unsigned));

    for (unsigned i = model_log_length(ui->model); i > 0 && shown->len < limit; i--) {
        unsigned index = i - 1;

        if (is_shown(ui, model_log_entry(ui->model, index))) {
            g_array_append_val(shown, index);
        }
    }
    return shown;
}

void log_find(Ui *ui, bool forwards)
{
    g_autoptr(GArray) shown = shown_entries(ui, G_MAXUINT);

    for (unsigned step = 1; step < shown->len; step++) {
        unsigned back = ui->log_back + (forwards ? -step : step);

        if (back < shown->len &&
            is_found(ui, model_log_entry(ui->model, g_array_index(shown, unsigned, back)))) {
            ui->log_back = back;
            return;
        }
    }
    ui_say(ui, false, "no further match of '%s'", ui->search);
}

void pane_draw_log(const Ui *ui, Rect area, Canvas *canvas)
{
    static const Style styles[LEVEL__COUNT] = { STYLE_DIM, STYLE_NORMAL, STYLE_WARN, STYLE_BAD };
    unsigned rows = (unsigned)MAX(area.h, 0);
    g_autoptr(GArray) shown = shown_entries(ui, ui->log_back + rows);
    unsigned back = MIN(ui->log_back, shown->len > rows ? shown->len - rows : 0);
    unsigned n = MIN(shown->len - back, rows);

    for (unsigned i = 0; i < n; i++) {
        const LogEntry *entry =
            model_log_entry(ui->model, g_array_index(shown, unsigned, back + n - 1 - i));
        g_autoptr(GDateTime) time = g_date_time_new_from_unix_local(entry->wall_us / 1000000);
        g_autofree char *clock = time ? g_date_time_format(time, "%H:%M:%S") : g_strdup("");
        int x = canvas_printf(canvas, area, 0, (int)i, STYLE_DIM, "%s.%d", clock,
                              (int)(entry->wall_us / 100000 % 10));

        x = canvas_printf(canvas, area, x + 1, (int)i, styles[entry->level], "%-7s ",
                          log_level_names[entry->level]);
        canvas_text(canvas, area, x, (int)i,
                    is_found(ui, entry) ? STYLE_FOUND : styles[entry->level], entry->text);
    }
    if (n == 0 && rows > 0) {
        canvas_text(canvas, area, 0, 0, STYLE_DIM,
                    ui->filter[0] != '\0' ? "nothing matches the filter"
                                          : "nothing has happened yet");
    }
}

void pane_scroll_log(Ui *ui, int lines)
{
    int most = (int)model_log_length(ui->model) - 1;

    ui->log_back = (unsigned)CLAMP((int)ui->log_back - lines, 0, MAX(most, 0));
}

/* ---- output ---- */

void pane_draw_output(const Ui *ui, Rect area, Canvas *canvas)
{
    unsigned rows = (unsigned)MAX(area.h, 0), len = ui->output->len;
    unsigned back = MIN(ui->output_back, len > rows ? len - rows : 0);
    unsigned n = MIN(len - back, rows);

    for (unsigned i = 0; i < n; i++) {
        const char *line = g_ptr_array_index(ui->output, len - back - n + i);

        canvas_text(canvas, area, 0, (int)i,
                    g_str_has_prefix(line, "Error:")      ? STYLE_BAD
                    : g_str_has_prefix(line, "(migmon) ") ? STYLE_TITLE
                                                          : STYLE_NORMAL,
                    line);
    }
    if (n == 0) {
        canvas_text(canvas, area, 0, 0, STYLE_DIM, "output of commands; press : to type one");
    }
}

void pane_scroll_output(Ui *ui, int lines)
{
    ui->output_back =
        (unsigned)CLAMP((int)ui->output_back - lines, 0, MAX((int)ui->output->len - 1, 0));
}
