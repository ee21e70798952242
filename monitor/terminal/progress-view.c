/*
 * See progress-view.h. Main thread.
 *
 * The last state shown is not the final state, so the end queries again:
 * query-migrate, history, owner, then the summary. The view is counted, because
 * a reply may come after progress_view_free().
 */
#include "monitor/terminal/progress-view.h"

#include <string.h>

#include "backend/base/json.h"
#include "tui/progress.h"

struct ProgressView {
    unsigned refs;
    bool freed;
    bool active;
    bool summing_up;
    Backend *backend;
    BackendSession *session;
    Console *console;
    json_object *info;
    json_object *history;
    void (*idle)(void *data);
    void *data;
};

static void view_unref(ProgressView *view)
{
    if (--view->refs > 0) {
        return;
    }
    json_object_put(view->info);
    json_object_put(view->history);
    g_free(view);
}

ProgressView *progress_view_new(Backend *backend, Console *console, void (*idle)(void *data),
                                void *data)
{
    ProgressView *view = g_new0(ProgressView, 1);

    view->refs = 1;
    view->backend = backend;
    view->session = backend_session_new(backend, NULL, NULL);
    view->console = console;
    view->idle = idle;
    view->data = data;
    return view;
}

void progress_view_free(ProgressView *view)
{
    if (view == NULL) {
        return;
    }
    if (view->active) {
        console_set_status(view->console, NULL);
    }
    view->freed = true;
    backend_session_close(view->session);
    view_unref(view);
}

bool progress_view_is_active(const ProgressView *view)
{
    return view->active;
}

bool progress_view_is_busy(const ProgressView *view)
{
    return view->summing_up;
}

static void ask(ProgressView *view, const char *command, BackendDone done)
{
    json_object *request = json_object_new_object();

    json_add_text(request, "execute", command);
    view->refs++;
    backend_execute(view->backend, view->session, request, done, view);
    json_object_put(request);
}

static bool reply_is_wanted(ProgressView *view)
{
    bool wanted = !view->freed;

    view_unref(view);
    return wanted;
}

static void keep(json_object **place, json_object *value)
{
    json_object_put(*place);
    *place = json_object_get(value);
}

static bool has_completed(json_object *info)
{
    return strcmp(json_text(info, "status"), "completed") == 0;
}

static void on_owner(json_object *value, const GError *error, void *data)
{
    ProgressView *view = data;
    g_autofree char *summary = NULL;

    (void)error;
    if (!reply_is_wanted(view)) {
        return;
    }
    /* A failure or a cancel is reported by an error or a notice. */
    if (has_completed(view->info)) {
        summary = progress_summary(view->info, view->history, value);
    }
    if (summary != NULL && summary[0] != '\0') {
        if (console_is_terminal(view->console)) {
            g_autofree char *line = g_strconcat(summary, "\n", NULL);

            console_print(view->console, line);
        } else {
            console_complain(view->console, "%s", summary);
        }
    }
    view->summing_up = false;
    if (view->idle != NULL) {
        view->idle(view->data);
    }
}

static void on_history(json_object *value, const GError *error, void *data)
{
    ProgressView *view = data;

    if (!reply_is_wanted(view)) {
        return;
    }
    if (error == NULL) {
        keep(&view->history, value);
    }
    ask(view, "x-query-owner", on_owner);
}

static void on_migrate(json_object *value, const GError *error, void *data)
{
    ProgressView *view = data;

    if (!reply_is_wanted(view)) {
        return;
    }
    if (error == NULL) {
        keep(&view->info, value);
    }
    ask(view, "x-query-migrate-history", on_history);
}

void progress_view_update(ProgressView *view, json_object *info, json_object *history)
{
    g_autofree char *line = NULL;

    if (info != NULL) {
        view->active = true;
        keep(&view->info, info);
        keep(&view->history, history);
        if (console_is_terminal(view->console)) {
            /* Text in the last column would wrap the line. */
            line = progress_line(info, history, console_width(view->console) - 1);
            console_set_status(view->console, line);
        }
    } else if (view->active) {
        view->active = false;
        console_set_status(view->console, NULL);
        view->summing_up = true;
        ask(view, "query-migrate", on_migrate);
    }
}
