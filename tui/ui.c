/*
 * State of the dashboard. See ui.h.
 */
#include <stdarg.h>
#include <string.h>

#include "backend/base/shown.h"
#include "tui/ui-internal.h"

Ui *ui_new(TuiModel *model, const UiOps *ops, void *data)
{
    Ui *ui = g_new0(Ui, 1);

    ui->model = model;
    ui->ops = ops;
    ui->data = data;
    ui->graph = GRAPH_BRAILLE;
    ui->width = 80;
    ui->height = 24;
    ui->focus = PANE_LOG;
    ui->level = LEVEL_DEBUG;
    ui->input = g_string_new(NULL);
    ui->filter = g_strdup("");
    ui->search = g_strdup("");
    ui->message = g_strdup("");
    ui->line = g_strdup("");
    ui->output = g_ptr_array_new_with_free_func(g_free);
    return ui;
}

void ui_free(Ui *ui)
{
    if (!ui) {
        return;
    }
    g_string_free(ui->input, TRUE);
    g_free(ui->pending);
    g_free(ui->pending_text);
    g_free(ui->input_error);
    g_free(ui->message);
    g_free(ui->filter);
    g_free(ui->search);
    g_clear_pointer(&ui->filter_regex, g_regex_unref);
    g_clear_pointer(&ui->search_regex, g_regex_unref);
    g_ptr_array_unref(ui->output);
    g_free(ui->line);
    g_free(ui);
}

void ui_set_style(Ui *ui, bool ascii, GraphStyle graph)
{
    ui->ascii = ascii;
    ui->graph = ascii ? GRAPH_ASCII : graph;
}

void ui_resize(Ui *ui, int width, int height)
{
    ui->width = CLAMP(width, 1, 1000);
    ui->height = CLAMP(height, 1, 1000);
}

const ModelSample *ui_sample(const Ui *ui)
{
    uint64_t first = model_first(ui->model), end = model_end(ui->model);

    if (!ui->frozen || end == 0) {
        return model_now(ui->model);
    }
    return model_at(ui->model, CLAMP(ui->cursor, first, end - 1));
}

uint64_t ui_sample_end(const Ui *ui)
{
    uint64_t first = model_first(ui->model), end = model_end(ui->model);

    return ui->frozen && end > 0 ? CLAMP(ui->cursor, first, end - 1) + 1 : end;
}

void ui_say(Ui *ui, bool bad, const char *format, ...)
{
    va_list args;

    g_free(ui->message);
    va_start(args, format);
    g_autofree char *raw = g_strdup_vprintf(format, args);
    va_end(args);
    ui->message = g_strdelimit(shown_message(g_strchomp(raw)), "\n", ' ');
    ui->message_bad = bad;
}

void ui_tell(Ui *ui, bool bad, const char *text)
{
    ui_say(ui, bad, "%s", text);
}

void ui_output(Ui *ui, const char *text)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

    for (size_t i = 0; lines[i]; i++) {
        if (lines[i][0] != '\0' || lines[i + 1]) {
            g_ptr_array_add(ui->output, g_strdelimit(g_strdup(lines[i]), "\t\r", ' '));
        }
    }
    if (ui->output->len > MAX_OUTPUT) {
        g_ptr_array_remove_range(ui->output, 0, ui->output->len - MAX_OUTPUT);
    }
    ui->output_back = 0;
}

void ui_command_line(Ui *ui, const char *text, size_t cursor)
{
    g_free(ui->line);
    ui->line = g_strdup(text);
    ui->line_cursor = MIN(cursor, strlen(text));
}

bool ui_is_command(const Ui *ui)
{
    return ui->command;
}

void ui_open_command(Ui *ui)
{
    if (!ui->command) {
        ui->command = true;
        ui->overlay = OVERLAY_NONE;
        ui->focus = PANE_OUTPUT;
    }
}

void ui_end_command(Ui *ui)
{
    ui->command = false;
}

void ui_set_busy(Ui *ui, bool busy)
{
    ui->busy = busy;
}
