/*
 * See prefill.h. Main thread.
 *
 * The vCPUs report no event, so x-query-guest is asked again after a pause. The struct is counted,
 * because a reply may come after fill_wait_free().
 */
#include "monitor/prefill.h"

#include <string.h>

#include "backend/base/json.h"

#define PERIOD_MS 10

struct FillWait {
    unsigned refs;
    bool freed;
    Backend *backend;
    BackendSession *session;
    guint timer;
    void (*done)(void *data);
    void *data;
};

static void ask(FillWait *wait, const char *command, BackendDone done);

static void unref(FillWait *wait)
{
    if (--wait->refs == 0) {
        g_free(wait);
    }
}

bool fill_is_wanted(const char *machine)
{
    return machine != NULL && strstr(machine, "prefill=on") != NULL;
}

static bool is_filling(json_object *rows)
{
    for (JsonEach row = json_each(rows); json_next(&row);) {
        if (strcmp(json_text(row.value, "name"), "prefill") == 0) {
            return true;
        }
    }
    return false;
}

static void on_guest(json_object *value, const GError *error, void *data);

static gboolean on_timer(void *data)
{
    FillWait *wait = data;

    wait->timer = 0;
    ask(wait, "x-query-guest", on_guest);
    return G_SOURCE_REMOVE;
}

static void on_status(json_object *value, const GError *error, void *data)
{
    FillWait *wait = data;

    if (!wait->freed && error == NULL && json_flag(value, "running")) {
        wait->timer = g_timeout_add(PERIOD_MS, on_timer, wait);
    } else if (!wait->freed) {
        wait->done(wait->data);
    }
    unref(wait);
}

static void on_guest(json_object *value, const GError *error, void *data)
{
    FillWait *wait = data;

    if (!wait->freed && error == NULL && is_filling(value)) {
        ask(wait, "query-status", on_status);
    } else if (!wait->freed) {
        wait->done(wait->data);
    }
    unref(wait);
}

static void ask(FillWait *wait, const char *command, BackendDone done)
{
    json_object *request = json_object_with_text("execute", command);

    wait->refs++;
    backend_execute(wait->backend, wait->session, request, done, wait);
    json_object_put(request);
}

FillWait *fill_wait_new(Backend *backend, void (*done)(void *data), void *data)
{
    FillWait *wait = g_new0(FillWait, 1);

    wait->refs = 1;
    wait->backend = backend;
    wait->session = backend_session_new(backend, NULL, NULL);
    wait->done = done;
    wait->data = data;
    ask(wait, "x-query-guest", on_guest);
    return wait;
}

void fill_wait_free(FillWait *wait)
{
    if (wait == NULL) {
        return;
    }
    wait->freed = true;
    g_clear_handle_id(&wait->timer, g_source_remove);
    backend_session_close(wait->session);
    unref(wait);
}
