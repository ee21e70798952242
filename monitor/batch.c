/*
 * See batch.h. Main thread.
 *
 * Every line begins from a turn of the main loop of its own, so that sockets
 * and events are served between two lines and long scripts need no stack. A
 * reader of standard output that falls behind holds the script, not the
 * migration.
 */
#include "monitor/batch.h"

#include <string.h>

#include "monitor/progress-view.h"

/* Of the output of a line, what is kept for the message when it fails. */
#define REASON_MAX (16u << 10)

struct Batch {
    Console *console;
    Script *script;
    Hmp *hmp;
    ProgressView *view;
    bool json;
    bool busy;
    bool has_run;
    bool over; /* ended or quit was reported */
    char *where;
    char *line;
    GString *output; /* beginning of what this line printed */
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

/* From {"command": ..., "error": {"desc": TEXT}}. */
static char *json_reason(const char *text)
{
    json_object *object = json_tokener_parse(text);
    json_object *error = NULL;
    json_object *desc = NULL;
    char *reason = NULL;

    if (json_object_object_get_ex(object, "error", &error) &&
        json_object_object_get_ex(error, "desc", &desc)) {
        reason = g_strdup(json_object_get_string(desc));
    }
    json_object_put(object);
    return reason;
}

/* The first line that was printed, without what every error begins with. */
static char *find_reason(const Batch *batch, const char *command)
{
    g_autofree char *lead = g_strconcat(command, ": ", NULL);
    g_auto(GStrv) lines = g_strsplit(batch->output->str, "\n", 2);
    const char *reason = lines[0] != NULL ? g_strchug(lines[0]) : "";
    const char *leads[] = { "Error: ", lead };

    for (size_t i = 0; i < G_N_ELEMENTS(leads); i++) {
        if (g_str_has_prefix(reason, leads[i])) {
            reason += strlen(leads[i]);
        }
    }
    return g_strdup(reason);
}

static void complain(Batch *batch, HmpResult result)
{
    g_autofree char *command = command_name(batch->line);
    g_autofree char *reason =
        batch->json ? json_reason(batch->output->str) : find_reason(batch, command);

    if (reason == NULL || reason[0] == '\0') {
        g_free(reason);
        reason = g_strdup(result == HMP_ERROR_TIMEOUT ? "ran out of time" : "failed");
    }
    console_complain(batch->console, "%s: %s: %s", batch->where, command, reason);
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
        end(batch, result);
        return;
    }
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

/* Begins the next line, or arranges for what it has to wait for. */
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
            console_complain(batch->console, "%s: %s", batch->where, error->message);
            end(batch, HMP_ERROR_SYNTAX);
            return G_SOURCE_REMOVE;
        case SCRIPT_LINE:
            break;
        }
        skip = is_blank_or_comment(batch->line);
    } while (skip);
    batch->busy = true;
    batch->has_run = true;
    g_string_truncate(batch->output, 0);
    hmp_execute(batch->hmp, batch->line, on_line_done, batch);
    return G_SOURCE_REMOVE;
}

static void next_turn(Batch *batch)
{
    if (batch->turn == 0 && !batch->busy && !batch->over) {
        batch->turn = g_idle_add_full(G_PRIORITY_DEFAULT, take_turn, batch, NULL);
    }
}

static void on_print(const char *text, void *data)
{
    Batch *batch = data;

    if (batch->busy && batch->output->len < REASON_MAX) {
        g_string_append_len(batch->output, text,
                            (ssize_t)MIN(strlen(text), REASON_MAX - batch->output->len));
    }
    console_print(batch->console, text);
}

static void on_progress(json_object *info, json_object *history, void *data)
{
    Batch *batch = data;

    progress_view_update(batch->view, info, history);
}

static void on_quit(void *data)
{
    Batch *batch = data;

    if (!batch->over) {
        batch->over = true;
        batch->callbacks->quit(batch->data);
    }
}

Batch *batch_new(Backend *backend, Console *console, Script *script, bool json,
                 const BatchCallbacks *callbacks, void *data)
{
    static const HmpCallbacks hmp_callbacks = {
        .print = on_print,
        .progress = on_progress,
        .quit = on_quit,
    };
    Batch *batch = g_new0(Batch, 1);

    batch->console = console;
    batch->script = script;
    batch->json = json;
    batch->callbacks = callbacks;
    batch->data = data;
    batch->output = g_string_new(NULL);
    batch->view = progress_view_new(backend, console, on_ready, batch);
    batch->hmp = hmp_new(backend, &hmp_callbacks, batch, HMP_BATCH | (json ? HMP_JSON : 0));
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
    g_string_free(batch->output, TRUE);
    g_free(batch->where);
    g_free(batch->line);
    g_free(batch);
}

bool batch_has_run(const Batch *batch)
{
    return batch->has_run;
}

bool batch_is_busy(const Batch *batch)
{
    return batch->busy;
}
