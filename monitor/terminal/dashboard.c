/*
 * See dashboard.h. Main thread.
 *
 * The dashboard is a user of the terminal above the prompt (terminal.h). The
 * screen's thread does the output. Leaving waits for that thread from the main
 * loop, so that a terminal that takes no output delays nothing else.
 */
#include "monitor/terminal/dashboard.h"

#include <errno.h>
#include <fcntl.h>
#include <langinfo.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "backend/base/clock.h"
#include "backend/base/error.h"
#include "commands/hmp/hmp.h"
#include "monitor/startup.h"
#include "monitor/terminal/dashboard-feed.h"
#include "monitor/terminal/terminal.h"
#include "tui/keys.h"
#include "tui/screen.h"

/* Time to wait for the rest of a key's sequence after an escape byte. */
#define ESCAPE_MS 50
/* Longest wait for the terminal before a stop by SIGTSTP. */
#define SUSPEND_MS 1000

struct Dashboard {
    Backend *backend;
    Console *console;
    Prompt *prompt;
    const Options *options;
    TuiConfig config; /* read at each opening */
    TuiModel *model;
    Ui *ui;
    DashboardFeed *feed; /* while open */
    Screen *screen;      /* while open or leaving */
    bool leaving;
    GByteArray *input; /* not yet decoded */
    guint escape;
    /* Monitor lines run by keys. */
    Hmp *hmp;
    GString *said; /* output of the running line */
    char *line;
    GQueue lines; /* not yet run */
    guint turn;
    bool was_running;
};

static void draw(Dashboard *dashboard)
{
    if (dashboard->screen != NULL && !dashboard->leaving) {
        screen_show(dashboard->screen, ui_draw(dashboard->ui));
    }
}

static void note(Dashboard *dashboard, LogLevel level, const char *text)
{
    if (level == LEVEL_ERROR) {
        ui_tell(dashboard->ui, true, text);
    }
    model_log(dashboard->model, level, mig_clock_now_us(), mig_clock_wall_us(), "%s", text);
}

/* ---- lines of keys ---- */

static gboolean run_next(void *data);

static void on_line_done(HmpResult result, void *data)
{
    Dashboard *dashboard = data;

    if (result != HMP_OK) {
        g_autofree char *text =
            g_strdup_printf("%s: %s", dashboard->line, g_strchomp(dashboard->said->str));

        note(dashboard, LEVEL_ERROR, text);
    }
    if (dashboard->feed != NULL) {
        dashboard_feed_refresh(dashboard->feed);
    }
    if (dashboard->turn == 0) {
        dashboard->turn = g_idle_add(run_next, dashboard);
    }
    draw(dashboard);
}

static gboolean run_next(void *data)
{
    Dashboard *dashboard = data;

    dashboard->turn = 0;
    if (!hmp_is_busy(dashboard->hmp) && !g_queue_is_empty(&dashboard->lines)) {
        g_autofree char *text = NULL;

        g_free(dashboard->line);
        dashboard->line = g_queue_pop_head(&dashboard->lines);
        g_string_truncate(dashboard->said, 0);
        text = g_strdup_printf("key: %s", dashboard->line);
        note(dashboard, LEVEL_INFO, text);
        hmp_execute(dashboard->hmp, dashboard->line, on_line_done, dashboard);
    }
    return G_SOURCE_REMOVE;
}

static void on_print(const char *text, void *data)
{
    Dashboard *dashboard = data;

    g_string_append(dashboard->said, text);
    ui_output(dashboard->ui, text);
}

static void on_execute(const char *line, void *data)
{
    Dashboard *dashboard = data;

    if (g_queue_get_length(&dashboard->lines) <
        100) { /* bounds the queue while a key is held down */
        g_queue_push_tail(&dashboard->lines, g_strdup(line));
    }
    if (dashboard->turn == 0) {
        dashboard->turn = g_idle_add(run_next, dashboard);
    }
}

/* ---- export ---- */

/* One line per sample, oldest first; an existing file is not overwritten. */
static bool dashboard_export(const TuiModel *model, const char *path, GError **error)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "w");
    bool good;

    if (file == NULL) {
        mig_error_set_errno(error, errno, "%s", path);
        if (fd >= 0) {
            close(fd);
            unlink(path);
        }
        return false;
    }
    for (uint64_t i = model_first(model); i < model_end(model); i++) {
        g_autofree char *line = sample_to_json(model_at(model, i));

        fprintf(file, "%s\n", line);
    }
    good = !ferror(file);
    if (fclose(file) != 0 || !good) {
        mig_error_set_errno(error, errno, "%s", path);
        return false;
    }
    return true;
}

static void on_export(void *data)
{
    Dashboard *dashboard = data;
    g_autoptr(GDateTime) time = g_date_time_new_now_local();
    g_autofree char *stamp = g_date_time_format(time, "%Y%m%d-%H%M%S");
    g_autofree char *path = g_strdup_printf("migmon-%s.jsonl", stamp);
    g_autofree char *text = NULL;
    g_autoptr(GError) error = NULL;

    if (dashboard_export(dashboard->model, path, &error)) {
        text = g_strdup_printf("exported %" G_GUINT64_FORMAT " samples to %s",
                               model_end(dashboard->model) - model_first(dashboard->model), path);
        note(dashboard, LEVEL_INFO, text);
        ui_tell(dashboard->ui, false, text);
    } else {
        text = g_strdup_printf("export: %s", error->message);
        note(dashboard, LEVEL_ERROR, text);
    }
}

/* ---- leaving ---- */

static void give_terminal_back(Dashboard *dashboard)
{
    terminal_remove();
    console_divert(dashboard->console, NULL, NULL);
    prompt_set_view(dashboard->prompt, NULL, NULL);
    ui_end_command(dashboard->ui);
    dashboard->leaving = false;
}

static void on_left(void *data)
{
    Dashboard *dashboard = data;

    screen_close(g_steal_pointer(&dashboard->screen), 0);
    give_terminal_back(dashboard);
}

static void leave(Dashboard *dashboard, void (*left)(void *data))
{
    if (dashboard->screen != NULL && !dashboard->leaving) {
        dashboard->leaving = true;
        g_clear_pointer(&dashboard->feed, dashboard_feed_free);
        g_clear_handle_id(&dashboard->escape, g_source_remove);
        screen_leave(dashboard->screen, left, dashboard);
    }
}

static void on_leave(void *data)
{
    leave(data, on_left);
}

/* ---- keys ---- */

static void decode(Dashboard *dashboard, bool last)
{
    GByteArray *input = dashboard->input;
    UiKey key;
    size_t used;

    while (input->len > 0 && (used = keys_decode(input->data, input->len, last, &key)) > 0) {
        bool mouse = key.code >= KEY_MOUSE;

        if (!ui_is_command(dashboard->ui) || mouse || key.code == KEY_PAGE_UP ||
            key.code == KEY_PAGE_DOWN) {
            ui_key(dashboard->ui, &key);
        } else if (key.code == KEY_ESCAPE && used == input->len) {
            ui_end_command(dashboard->ui);
        } else {
            prompt_type(dashboard->prompt, input->data, used);
        }
        g_byte_array_remove_range(input, 0, (unsigned)used);
        if (dashboard->leaving || dashboard->screen == NULL) {
            g_byte_array_set_size(input, 0);
        }
    }
    draw(dashboard);
}

static gboolean on_escape(void *data)
{
    Dashboard *dashboard = data;

    dashboard->escape = 0;
    decode(dashboard, true);
    return G_SOURCE_REMOVE;
}

static void on_typed(const uint8_t *bytes, size_t n, void *data)
{
    Dashboard *dashboard = data;

    g_clear_handle_id(&dashboard->escape, g_source_remove);
    if (dashboard->leaving) {
        return;
    }
    g_byte_array_append(dashboard->input, bytes, (unsigned)n);
    decode(dashboard, false);
    if (dashboard->input->len > 0) {
        dashboard->escape = g_timeout_add(ESCAPE_MS, on_escape, dashboard);
    }
}

static void on_line(const char *text, size_t cursor, void *data)
{
    Dashboard *dashboard = data;

    ui_command_line(dashboard->ui, text, cursor);
    draw(dashboard);
}

static void on_busy(bool busy, void *data)
{
    Dashboard *dashboard = data;

    ui_set_busy(dashboard->ui, busy);
    if (dashboard->feed != NULL && !busy) {
        dashboard_feed_refresh(dashboard->feed);
    }
    draw(dashboard);
}

static void on_close(void *data)
{
    Dashboard *dashboard = data;

    ui_end_command(dashboard->ui);
    draw(dashboard);
}

static const PromptView prompt_view = { .line = on_line, .busy = on_busy, .close = on_close };

static bool on_interrupt(void *data)
{
    Dashboard *dashboard = data;

    if (ui_is_command(dashboard->ui)) {
        return false;
    }
    ui_tell(dashboard->ui, false, "Ctrl-C: q leaves the dashboard, c cancels the migration");
    draw(dashboard);
    return true;
}

/* ---- output and events ---- */

static void on_console(const char *text, void *data)
{
    Dashboard *dashboard = data;

    ui_output(dashboard->ui, text);
    draw(dashboard);
}

static void announce_end(Dashboard *dashboard, const char *status)
{
    if (dashboard->config.bell) {
        screen_send(dashboard->screen, "\a");
    }
    if (dashboard->config.notify) {
        g_autofree char *text = g_strdup_printf("migration %s", status);

        for (char *c = text; *c != '\0'; c++) {
            *c = g_ascii_isalnum(*c) || *c == '-' ? *c : ' ';
        }
        g_autofree char *bytes =
            g_strdup_printf("\033]9;migmon: %s\033\\\033]777;notify;migmon;%s\033\\", text, text);

        screen_send(dashboard->screen, bytes);
    }
}

static void on_fresh(void *data)
{
    Dashboard *dashboard = data;
    const ModelSample *now = model_now(dashboard->model);
    bool running = sample_is_running(now);

    if (dashboard->was_running && !running) {
        announce_end(dashboard, now->status);
    }
    dashboard->was_running = running;
    draw(dashboard);
}

/* ---- the screen ---- */

static void measure(Dashboard *dashboard)
{
    int columns, rows;

    terminal_size(&columns, &rows);
    ui_resize(dashboard->ui, columns, rows);
}

static void on_resized(void *data)
{
    measure(data);
    draw(data);
}

static bool open_screen(Dashboard *dashboard, GError **error)
{
    const char *no_color = g_getenv("NO_COLOR");
    ScreenOptions options = {
        .colors = dashboard->config.colors,
        .theme = dashboard->config.theme,
        .mouse = dashboard->config.mouse,
    };

    if (options.colors < 0 && no_color != NULL && no_color[0] != '\0') {
        options.colors = 0;
    }
    measure(dashboard);
    dashboard->screen = screen_open(&options, error);
    return dashboard->screen != NULL;
}

static void begin_feed(Dashboard *dashboard)
{
    dashboard->feed = dashboard_feed_new(dashboard->backend, dashboard->model,
                                         dashboard->config.refresh_ms, on_fresh, dashboard);
    draw(dashboard);
}

static void on_suspend(void *data)
{
    Dashboard *dashboard = data;
    g_autoptr(GError) error = NULL;

    if (dashboard->screen == NULL || dashboard->leaving) {
        return;
    }
    g_clear_pointer(&dashboard->feed, dashboard_feed_free);
    screen_close(g_steal_pointer(&dashboard->screen), SUSPEND_MS);
    terminal_stop();
    if (open_screen(dashboard, &error)) {
        begin_feed(dashboard);
    } else {
        give_terminal_back(dashboard);
        console_complain(dashboard->console, "%s", error->message);
    }
}

static void on_redraw(void *data)
{
    Dashboard *dashboard = data;

    if (dashboard->screen != NULL && !dashboard->leaving) {
        on_resized(dashboard);
        screen_repaint(dashboard->screen);
    }
}

static const TerminalUser terminal_user = {
    .typed = on_typed,
    .interrupt = on_interrupt,
    .resized = on_resized,
    .redraw = on_redraw,
    .suspend = on_suspend,
    .rescue = screen_rescue,
};

/* ---- begin and end ---- */

static void choose_style(Dashboard *dashboard)
{
    const TuiConfig *config = &dashboard->config;
    const char *terminal = g_getenv("TERM");
    bool utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    bool console = g_strcmp0(terminal, "linux") == 0; /* its font lacks braille */
    bool ascii = config->ascii == CONFIG_ON || !utf8; /* the locale cannot show other characters */
    int graph = config->graph >= 0 ? config->graph : console ? GRAPH_BLOCK : GRAPH_BRAILLE;

    ui_set_style(dashboard->ui, ascii, (GraphStyle)graph);
}

bool dashboard_open(Dashboard *dashboard, GError **error)
{
    if (dashboard->screen != NULL) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC, "the dashboard is open already");
        return false;
    }
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_UNSUPPORTED,
                    "the dashboard needs a terminal for input and output");
        mig_error_hint(error, "--plain shows the migration in lines");
        return false;
    }
    if (!startup_configure_dashboard(dashboard->options, true, &dashboard->config, error)) {
        return false;
    }
    choose_style(dashboard);
    if (!open_screen(dashboard, error)) {
        return false;
    }
    g_byte_array_set_size(dashboard->input, 0);
    console_divert(dashboard->console, on_console, dashboard);
    prompt_set_view(dashboard->prompt, &prompt_view, dashboard);
    terminal_add(&terminal_user, dashboard);
    dashboard->was_running = false;
    begin_feed(dashboard);
    return true;
}

static bool on_command(GError **error, void *data)
{
    return dashboard_open(data, error);
}

Dashboard *dashboard_new(Backend *backend, Console *console, Prompt *prompt, const Options *options)
{
    static const HmpCallbacks hmp_callbacks = { .print = on_print };
    static const UiOps ui_ops = {
        .execute = on_execute,
        .leave = on_leave,
        .export = on_export,
    };
    Dashboard *dashboard = g_new0(Dashboard, 1);

    dashboard->backend = backend;
    dashboard->console = console;
    dashboard->prompt = prompt;
    dashboard->options = options;
    dashboard->model = model_new();
    dashboard->ui = ui_new(dashboard->model, &ui_ops, dashboard);
    dashboard->input = g_byte_array_new();
    dashboard->said = g_string_new(NULL);
    dashboard->hmp = hmp_new(command_table, backend, &hmp_callbacks, dashboard, HMP_NO_WAIT);
    prompt_set_dashboard(prompt, on_command, dashboard);
    return dashboard;
}

void dashboard_free(Dashboard *dashboard, unsigned timeout_ms)
{
    if (dashboard == NULL) {
        return;
    }
    g_clear_handle_id(&dashboard->escape, g_source_remove);
    g_clear_handle_id(&dashboard->turn, g_source_remove);
    g_clear_pointer(&dashboard->feed, dashboard_feed_free);
    if (dashboard->screen != NULL) {
        screen_close(dashboard->screen, timeout_ms);
        give_terminal_back(dashboard);
    }
    prompt_set_dashboard(dashboard->prompt, NULL, NULL);
    hmp_free(dashboard->hmp);
    ui_free(dashboard->ui);
    model_free(dashboard->model);
    g_queue_clear_full(&dashboard->lines, g_free);
    g_string_free(dashboard->said, TRUE);
    g_byte_array_unref(dashboard->input);
    g_free(dashboard->line);
    g_free(dashboard);
}
