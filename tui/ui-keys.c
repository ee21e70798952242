/*
 * The keys in one table: dispatch, the key bar, the help overlay and the manual
 * read the same rows.
 */
#include <inttypes.h>
#include <string.h>

#include "backend/base/error.h"
#include "backend/base/json.h"
#include "backend/base/size.h"
#include "tui/ui-internal.h"

/* ---- refusals ---- */

static const char *only_observes(const Ui *ui)
{
    return json_flag(model_target(ui->model), "observe") ? "--observe changes nothing" : NULL;
}

static const char *not_running(const Ui *ui)
{
    if (only_observes(ui)) {
        return only_observes(ui);
    }
    return sample_is_running(model_now(ui->model)) ? NULL : "no migration is under way";
}

static const char *no_postcopy(const Ui *ui)
{
    const ModelSample *now = model_now(ui->model);

    if (only_observes(ui)) {
        return only_observes(ui);
    }
    if (strcmp(now->status, "active") != 0 || !sample_is_outgoing(now)) {
        return "no guest is leaving";
    }
    return settings_is_on(ui, CAPABILITY_POSTCOPY_RAM) ? NULL
                                                       : "the capability postcopy-ram is off";
}

static const char *no_history(const Ui *ui)
{
    return model_end(ui->model) > 0 ? NULL : "nothing was recorded yet";
}

static const char *not_frozen(const Ui *ui)
{
    return ui->frozen ? NULL : "Space freezes first";
}

static const char *no_limit(const Ui *ui)
{
    if (only_observes(ui)) {
        return only_observes(ui);
    }
    return model_now(ui->model)->limit > 0 ? NULL : "max-bandwidth is not limited";
}

static const char *no_search(const Ui *ui)
{
    return ui->search_regex ? NULL : "s searches first";
}

static const char *not_settings(const Ui *ui)
{
    return ui->focus != PANE_SETTINGS ? "in the settings (F2)" : only_observes(ui);
}

static const char *not_scrolling(const Ui *ui)
{
    return pane_table[ui->focus].scroll ? NULL : "this pane does not scroll";
}

/* ---- actions ---- */

static void execute(Ui *ui, const char *line)
{
    ui_say(ui, false, "%s", line);
    ui->ops->execute(line, ui->data);
}

/* Runs @line, which sets @name to @text; asks first if that may be a slip. */
static void execute_setting(Ui *ui, const char *name, const char *text, const char *line)
{
    char *doubt = settings_doubt(ui, name, text);

    ui->overlay = OVERLAY_NONE;
    if (!doubt) {
        execute(ui, line);
        return;
    }
    ui->overlay = OVERLAY_QUESTION;
    ui->question = QUESTION_PAUSE;
    g_free(ui->pending);
    g_free(ui->pending_text);
    ui->pending = g_strdup(line);
    ui->pending_text = doubt;
}

static void ask_for(Ui *ui, InputFor what, const char *text)
{
    ui->overlay = OVERLAY_INPUT;
    ui->input_for = what;
    g_string_assign(ui->input, text);
    ui->input_fresh = *text != '\0';
    g_clear_pointer(&ui->input_error, g_free);
}

static void show_help(Ui *ui, uint32_t code)
{
    (void)code;
    ui->overlay = OVERLAY_HELP;
    ui->help_top = 0;
}

static void open_command(Ui *ui, uint32_t code)
{
    (void)code;
    ui_open_command(ui);
}

static void ask_filter(Ui *ui, uint32_t code)
{
    (void)code;
    ui->focus = PANE_LOG;
    ask_for(ui, INPUT_FILTER, ui->filter);
}

static void ask_search(Ui *ui, uint32_t code)
{
    (void)code;
    ui->focus = PANE_LOG;
    ask_for(ui, INPUT_SEARCH, ui->search);
}

static void find(Ui *ui, uint32_t code)
{
    log_find(ui, code == 'N');
}

static void change_level(Ui *ui, uint32_t code)
{
    (void)code;
    ui->level = (ui->level + 1) % LEVEL__COUNT;
    ui_say(ui, false, "events: %s and above", log_level_names[ui->level]);
}

static void leave(Ui *ui, uint32_t code)
{
    (void)code;
    ui->ops->leave(ui->data);
}

static bool is_on_screen(const Ui *ui, PaneId id)
{
    Layout layout;

    ui_layout(ui, &layout);
    return layout.pane[id].w > 0;
}

static void next_pane(Ui *ui, uint32_t code)
{
    int step = code == KEY_BACK_TAB ? PANE__COUNT - 1 : 1;

    for (int i = 0; i < PANE__COUNT; i++) {
        ui->focus = (ui->focus + (unsigned)step) % PANE__COUNT;
        if (ui->zoomed || is_on_screen(ui, ui->focus)) {
            return;
        }
    }
}

static void zoom(Ui *ui, uint32_t code)
{
    PaneId id = code - '1';

    ui->zoomed = !(ui->zoomed && ui->focus == id);
    ui->focus = id;
}

static void unzoom(Ui *ui, uint32_t code)
{
    (void)code;
    if (ui->focus == PANE_SETTINGS) {
        ui->focus = PANE_LOG;
    }
    ui->zoomed = false;
    ui->log_back = ui->output_back = 0;
}

static void freeze(Ui *ui, uint32_t code)
{
    (void)code;
    ui->frozen = !ui->frozen;
    ui->cursor = model_end(ui->model) - 1;
    ui_say(ui, false,
           ui->frozen ? "frozen; the migration goes on; left and right move in time" : "live");
}

/* By a hundredth of the recorded samples, at least one. */
static void move_in_time(Ui *ui, uint32_t code)
{
    uint64_t first = model_first(ui->model), last = model_end(ui->model) - 1;
    uint64_t step = 1 + (last - first) / 100;

    ui->cursor = CLAMP(ui->cursor, first, last);
    if (code == KEY_LEFT) {
        ui->cursor -= MIN(step, ui->cursor - first);
    } else if (code == KEY_RIGHT) {
        ui->cursor += MIN(step, last - ui->cursor);
    } else {
        ui->cursor = code == KEY_HOME ? first : last;
    }
}

static void ask_cancel(Ui *ui, uint32_t code)
{
    (void)code;
    ui->overlay = OVERLAY_QUESTION;
    ui->question = QUESTION_CANCEL;
}

static void ask_postcopy(Ui *ui, uint32_t code)
{
    (void)code;
    ui->overlay = OVERLAY_QUESTION;
    ui->question = QUESTION_POSTCOPY;
}

static void change_bandwidth(Ui *ui, uint32_t code)
{
    uint64_t limit = model_now(ui->model)->limit;
    uint64_t wanted = code == '-' ? limit - limit / 5 : limit + MAX(limit / 4, UINT64_C(1));
    g_autofree char *line = NULL, *people = NULL;

    if (wanted >= 1 << 20) { /* round to whole MiB */
        wanted = (wanted + (1 << 19)) >> 20 << 20;
        if (wanted == limit) {
            wanted += code == '-' ? -(UINT64_C(1) << 20) : UINT64_C(1) << 20;
        }
    }
    if (wanted == 0) {
        ui_say(ui, true, "max-bandwidth cannot be less (0 would be no limit)");
        return;
    }
    line = g_strdup_printf("migrate_set_parameter max-bandwidth %" PRIu64 "B", wanted);
    people = size_format(wanted);
    ui->ops->execute(line, ui->data);
    ui_say(ui, false, "%s (%s/s)", line, people);
}

static void ask_downtime(Ui *ui, uint32_t code)
{
    g_autofree char *now = g_strdup_printf("%" PRIu64, model_now(ui->model)->downtime_limit_ms);

    (void)code;
    ask_for(ui, INPUT_DOWNTIME, now);
}

static void export_samples(Ui *ui, uint32_t code)
{
    (void)code;
    ui->ops->export(ui->data);
}

static void show_settings(Ui *ui, uint32_t code)
{
    (void)code;
    ui->focus = ui->focus == PANE_SETTINGS ? PANE_LOG : PANE_SETTINGS;
}

static void take_setting(Ui *ui, const char *text)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *line = settings_command(ui, ui->selected, text, &error);

    if (!line) {
        g_free(ui->input_error);
        ui->input_error = mig_error_first_line(error);
        return;
    }
    g_clear_pointer(&ui->input_error, g_free);
    execute_setting(ui, settings_name(ui, ui->selected), text, line);
}

static void edit_setting(Ui *ui, uint32_t code)
{
    g_autofree char *refusal = settings_refusal(ui, ui->selected);
    g_autofree char *value = settings_value(ui, ui->selected);

    (void)code;
    g_clear_pointer(&ui->input_error, g_free);
    if (refusal) {
        ui_say(ui, true, "%s %s", settings_name(ui, ui->selected), refusal);
    } else if (settings_is_switch(ui, ui->selected)) {
        take_setting(ui, strcmp(value, "on") == 0 ? "off" : "on");
    } else {
        ask_for(ui, INPUT_SETTING, value);
    }
}

static void scroll(Ui *ui, uint32_t code)
{
    int page = MAX(ui->height / 3, 1);

    pane_table[ui->focus].scroll(ui, code == KEY_UP        ? -1
                                     : code == KEY_DOWN    ? 1
                                     : code == KEY_PAGE_UP ? -page
                                                           : page);
}

static void none(Ui *ui, uint32_t code)
{
    (void)ui;
    (void)code;
}

const KeyRow key_table[] = {
    { { '?', KEY_F1 }, "?", "help", "this help", show_help },
    { { 'q' }, "q", "leave", "leave the dashboard; the migration continues", leave },
    { { 'c' }, "c", "cancel", "cancel the migration (asks first)", ask_cancel, not_running },
    { { ':' }, ":", "cmd", "command line; Escape or an empty line closes it", open_command },
    { { '/' },
      "/",
      "filter",
      "show only matching events; a leading ! inverts the match",
      ask_filter },
    { { KEY_F2 }, "F2", "set", "parameters and capabilities", show_settings },
    { { '+', '=' }, "+", "fast", "raise max-bandwidth by a quarter", change_bandwidth, no_limit },
    { { '-' }, "-", "slow", "lower max-bandwidth by a fifth", change_bandwidth, no_limit },
    { { 'd' },
      "d",
      "pause",
      "set the longest pause (downtime-limit)",
      ask_downtime,
      only_observes },
    { { 'p' }, "p", "post", "switch to postcopy (asks first)", ask_postcopy, no_postcopy },
    { { ' ' }, "Spc", "hold", "freeze the picture; the migration continues", freeze, no_history },
    { { 'x' },
      "x",
      "export",
      "write the recorded figures as JSON lines",
      export_samples,
      no_history },
    { { KEY_LEFT, KEY_RIGHT }, "Left Right", NULL, "move in time", move_in_time, not_frozen },
    { { KEY_HOME, KEY_END }, "Home End", NULL, "first and last moment", move_in_time, not_frozen },
    { { KEY_TAB, KEY_BACK_TAB }, "Tab", NULL, "next pane; Shift-Tab: the one before", next_pane },
    { { 0 }, "1 to 9", NULL, "this pane in full size; again: all panes", none },
    { { KEY_UP, KEY_DOWN }, "Up Down", NULL, "scroll", scroll, not_scrolling },
    { { KEY_PAGE_UP, KEY_PAGE_DOWN },
      "PgUp PgDn",
      NULL,
      "scroll by a page",
      scroll,
      not_scrolling },
    { { KEY_ENTER, '\n' },
      "Enter",
      NULL,
      "change the selected setting",
      edit_setting,
      not_settings },
    { { 'l' }, "l", NULL, "least level of the events", change_level },
    { { 's' }, "s", NULL, "search the events", ask_search },
    { { 'n', 'N' }, "n N", NULL, "next match, towards older or newer", find, no_search },
    { { KEY_ESCAPE }, "Esc", NULL, "back to all panes", unzoom },
};
const unsigned key_count = G_N_ELEMENTS(key_table);

unsigned ui_key_count(void)
{
    return key_count;
}

void ui_key_row(unsigned index, const char **ret_keys, const char **ret_help)
{
    g_assert(index < key_count);
    *ret_keys = key_table[index].keys;
    *ret_help = key_table[index].help;
}

static const KeyRow *row_of(uint32_t code)
{
    for (unsigned i = 0; i < key_count; i++) {
        for (size_t k = 0; k < G_N_ELEMENTS(key_table[i].codes) && key_table[i].codes[k]; k++) {
            if (key_table[i].codes[k] == code) {
                return &key_table[i];
            }
        }
    }
    return NULL;
}

void keys_run(Ui *ui, const KeyRow *row, uint32_t code)
{
    const char *refusal = row->refusal ? row->refusal(ui) : NULL;

    if (refusal) {
        ui_say(ui, true, "%s: %s", row->keys, refusal);
    } else {
        row->run(ui, code);
    }
}

const KeyRow *keys_bar(const Ui *ui, Rect area, Canvas *canvas, int column)
{
    int x = 0;

    for (unsigned i = 0; i < key_count && key_table[i].label; i++) {
        const KeyRow *row = &key_table[i];
        bool refused = row->refusal && row->refusal(ui);
        int end = x + canvas_columns(row->keys) + canvas_columns(row->label) + 1;
        bool roomy = area.w >= 110;

        if (canvas) {
            int at = canvas_text(canvas, area, x, 0, refused ? STYLE_DIM : STYLE_KEY, row->keys);

            canvas_text(canvas, area, at + roomy, 0, refused ? STYLE_DIM : STYLE_NORMAL,
                        row->label);
        }
        end -= !roomy;
        if (column >= x && column < end) {
            return row;
        }
        x = end + (roomy ? 2 : 1);
    }
    return NULL;
}

/* ---- overlays ---- */

const QuestionRow question_table[] = {
    [QUESTION_CANCEL] = { "migrate_cancel", "Cancel the migration?", "cancel it",
                          "continue the migration",
                          "The guest goes on here. What was sent so far is lost.",
                          "The guest does not arrive here. It stays at the source." },
    [QUESTION_POSTCOPY] = { "migrate_start_postcopy", "Switch to postcopy?", "switch",
                            "continue the migration",
                            "The guest goes on there at once; a lost link stops it until "
                            "recovered.",
                            "Only the source can do that." },
    [QUESTION_PAUSE] = { NULL, "A long pause?", "set it", "change nothing" },
};

static void finish_input(Ui *ui)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *text = g_strdup(ui->input->str);
    g_autofree char *line = NULL;
    bool good = true;

    switch (ui->input_for) {
    case INPUT_FILTER:
        good = log_set_filter(ui, text, &error);
        break;
    case INPUT_SEARCH:
        good = log_set_search(ui, text, &error);
        break;
    case INPUT_DOWNTIME:
        line = settings_command_for(ui, "downtime-limit", text, &error);
        good = line != NULL;
        break;
    case INPUT_SETTING:
        take_setting(ui, text);
        return;
    }
    g_clear_pointer(&ui->input_error, g_free);
    if (!good) {
        ui->input_error = mig_error_first_line(error);
        return;
    }
    ui->overlay = OVERLAY_NONE;
    if (line) {
        execute_setting(ui, "downtime-limit", text, line);
    }
}

static void key_in_input(Ui *ui, uint32_t code)
{
    bool fresh = ui->input_fresh;

    ui->input_fresh = false; /* an arrow keeps the value to be edited */
    if (code == KEY_ESCAPE || code == 3 || code == 7) {
        ui->overlay = OVERLAY_NONE;
        g_clear_pointer(&ui->input_error, g_free);
    } else if (code == KEY_ENTER || code == '\n') {
        finish_input(ui);
    } else if (code == KEY_BACKSPACE || code == 8) {
        const char *last = g_utf8_find_prev_char(ui->input->str, ui->input->str + ui->input->len);

        g_string_truncate(ui->input, last && !fresh ? (size_t)(last - ui->input->str) : 0);
    } else if (code == 21) { /* Ctrl-U */
        g_string_truncate(ui->input, 0);
    } else if (code >= 32 && code < KEY_UP && code != 127 && ui->input->len < 400 &&
               g_unichar_validate(code)) {
        g_string_truncate(ui->input, fresh ? 0 : ui->input->len);
        g_string_append_unichar(ui->input, code);
    }
}

static void key_in_overlay(Ui *ui, uint32_t code)
{
    if (ui->overlay == OVERLAY_INPUT) {
        key_in_input(ui, code);
    } else if (ui->overlay == OVERLAY_QUESTION) {
        ui->overlay = OVERLAY_NONE;
        const QuestionRow *row = &question_table[ui->question];

        if (code == 'y' || code == 'Y') {
            execute(ui, row->line ? row->line : ui->pending);
        } else {
            ui_say(ui, false, "%s", row->line ? "the migration goes on" : "nothing was changed");
        }
    } else if (code == KEY_DOWN || code == KEY_PAGE_DOWN) {
        ui->help_top = MIN(ui->help_top + 1, key_count - 1);
    } else if (code == KEY_UP || code == KEY_PAGE_UP) {
        ui->help_top -= ui->help_top > 0;
    } else {
        ui->overlay = OVERLAY_NONE;
    }
}

void keys_press(Ui *ui, uint32_t code)
{
    const KeyRow *row;

    if (ui->overlay != OVERLAY_NONE) {
        key_in_overlay(ui, code);
    } else if (code >= '1' && code <= '9') {
        zoom(ui, code);
    } else if ((row = row_of(code))) {
        keys_run(ui, row, code);
    }
}
