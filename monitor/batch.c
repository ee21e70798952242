/*
 * See batch.h. Main thread.
 *
 * Every line starts from the main loop, so that sockets and events are served
 * between two lines and long scripts do not recurse. A slow reader of standard
 * output delays the script, not the migration.
 */
#include "monitor/batch.h"

#include <string.h>

#include "backend/base/json.h"
#include "commands/hmp/json-line.h"
#include "monitor/terminal/progress-view.h"

struct Batch {
    Console *console;
    Script *script;
    Hmp *hmp;
    ProgressView *view;
    bool json;
    bool busy;
    bool keeps_on; /* on-error continue */
    bool held;     /* between failed and batch_go_on() */
    bool has_run;
    bool over; /* ended or quit was reported */
    char *where;
    char *line;
    guint turn;
    const BatchCallbacks *callbacks;
    void *data;
};

static void next_turn(Batch *batch);

/* The first word of a line, for messages. */
static char *command_name(const char *line)
{
    line += strspn(line, " \t");
    return g_strndup(line, strcspn(line, " \t/"));
}

/* A syntax error begins with the command's name, which the message has already. */
static const char *find_reason(const Batch *batch, const char *command)
{
    g_autofree char *lead = g_strconcat(command, ": ", NULL);
    const char *reason = hmp_failure(batch->hmp);

    return g_str_has_prefix(reason, lead) ? reason + strlen(lead) : reason;
}

static void complain(Batch *batch, HmpResult result)
{
    g_autofree char *command = command_name(batch->line);
    const char *reason = find_reason(batch, command);

    if (*reason == '\0') {
        reason = result == HMP_ERROR_TIMEOUT ? "ran out of time" : "failed";
    } else if (!batch->json && console_shows_both(batch->console)) {
        reason = "failed"; /* the error stands above this line */
    }
    console_complain(batch->console, "%s: %s: %s", batch->where, command, reason);
}

/* Reports a line that is too long or cannot be read. */
static void complain_about_lines(Batch *batch, const GError *error)
{
    console_complain(batch->console, "%s: %s", batch->where, error->message);
    if (batch->json) {
        json_object *object = json_line_new();
        json_object *problem = json_error(error);

        json_error_set_kind(problem, HMP_ERROR_SYNTAX);
        json_add_text(object, "place", batch->where);
        json_object_object_add(object, "error", problem);

        console_print_object(batch->console, object);
    }
}

static void end(Batch *batch, HmpResult result)
{
    batch->over = true;
    batch->callbacks->ended(result, batch->data);
}

static void on_line_done(HmpResult result, void *data)
{
    Batch *batch = data;

    batch->busy = false;
    if (batch->over) {
        return;
    }
    if (result != HMP_OK) {
        complain(batch, result);
        batch->held = batch->keeps_on;
        if (batch->keeps_on) {
            batch->callbacks->failed(result, batch->data);
        } else {
            end(batch, result);
        }
        return;
    }
    next_turn(batch);
}

void batch_go_on(Batch *batch)
{
    batch->held = false;
    next_turn(batch);
}

static bool is_blank_or_comment(const char *line)
{
    line += strspn(line, " \t");
    return line[0] == '\0' || line[0] == '#';
}

static void on_ready(void *data)
{
    next_turn(data);
}

/* Starts the next line, or arranges a call when it can start. */
static gboolean take_turn(void *data)
{
    Batch *batch = data;
    g_autoptr(GError) error = NULL;
    bool skip;

    batch->turn = 0;
    if (progress_view_is_busy(batch->view)) {
        return G_SOURCE_REMOVE; /* the view calls on_ready */
    }
    if (console_is_behind(batch->console)) {
        console_when_calm(batch->console, on_ready, batch);
        return G_SOURCE_REMOVE;
    }
    do {
        g_clear_pointer(&batch->where, g_free);
        g_clear_pointer(&batch->line, g_free);
        switch (script_next(batch->script, &batch->line, &batch->where, &error)) {
        case SCRIPT_WAIT:
            script_when_ready(batch->script, on_ready, batch);
            return G_SOURCE_REMOVE;
        case SCRIPT_END:
            end(batch, HMP_OK);
            return G_SOURCE_REMOVE;
        case SCRIPT_ERROR:
            batch->has_run = true;
            complain_about_lines(batch, error);
            end(batch, HMP_ERROR_SYNTAX);
            return G_SOURCE_REMOVE;
        case SCRIPT_LINE:
            break;
        }
        skip = is_blank_or_comment(batch->line);
    } while (skip);
    batch->busy = true;
    batch->has_run = true;
    hmp_set_place(batch->hmp, batch->where);
    hmp_execute(batch->hmp, batch->line, on_line_done, batch);
    return G_SOURCE_REMOVE;
}

static void next_turn(Batch *batch)
{
    if (batch->turn == 0 && !batch->busy && !batch->held && !batch->over) {
        batch->turn = g_idle_add_full(G_PRIORITY_DEFAULT, take_turn, batch, NULL);
    }
}

static void on_print(const char *text, void *data)
{
    Batch *batch = data;

    if (batch->json) {
        console_print_json(batch->console, text);
    } else {
        console_print(batch->console, text);
    }
}

static void on_progress(json_object *info, json_object *history, void *data)
{
    Batch *batch = data;

    if (!batch->json) { /* only objects on standard output */
        progress_view_update(batch->view, info, history);
    }
}

static void on_quit(void *data)
{
    Batch *batch = data;

    if (!batch->over) {
        batch->over = true;
        batch->callbacks->quit(batch->data);
    }
}

static bool on_source(const char *path, GError **error, void *data)
{
    Batch *batch = data;

    return script_insert_file(batch->script, path, error);
}

static void on_error_means(bool go_on, void *data)
{
    ((Batch *)data)->keeps_on = go_on;
}

Batch *batch_new(Backend *backend, Console *console, Script *script, bool json,
                 const BatchCallbacks *callbacks, void *data)
{
    static const HmpCallbacks hmp_callbacks = {
        .print = on_print,
        .progress = on_progress,
        .quit = on_quit,
        .source = on_source,
        .on_error = on_error_means,
    };
    Batch *batch = g_new0(Batch, 1);

    batch->console = console;
    batch->script = script;
    batch->json = json;
    batch->callbacks = callbacks;
    batch->data = data;
    batch->view = progress_view_new(backend, console, on_ready, batch);
    batch->hmp =
        hmp_new(command_table, backend, &hmp_callbacks, batch, HMP_BATCH | (json ? HMP_JSON : 0));
    next_turn(batch);
    return batch;
}

void batch_free(Batch *batch)
{
    if (batch == NULL) {
        return;
    }
    if (batch->turn != 0) {
        g_source_remove(batch->turn);
    }
    console_when_calm(batch->console, NULL, NULL);
    hmp_free(batch->hmp);
    progress_view_free(batch->view);
    script_free(batch->script);
    g_free(batch->where);
    g_free(batch->line);
    g_free(batch);
}

bool batch_has_run(const Batch *batch)
{
    return batch->has_run;
}

bool batch_is_unfinished(const Batch *batch)
{
    return batch->busy || (!batch->over && script_has_more(batch->script));
}

bool batch_tells_end(const Batch *batch)
{
    return !batch->json && hmp_waits_for_migration(batch->hmp);
}
