/*
 * See dashboard-feed.h. A round sends one request after another and ends with a
 * sample. A timer or an event starts the next round.
 */
#include "monitor/terminal/dashboard-feed.h"

#include <string.h>

#include "backend/base/clock.h"
#include "backend/base/error.h"
#include "backend/base/json.h"

/* The queries and the least time between two of the same. */
static const struct {
    const char *command;
    unsigned every_ms;
    bool while_running; /* only while a migration runs, and once after its end */
} questions[] = {
    { "query-migrate", 0, false },
    { "x-query-migrate-history", 200, false },
    { "x-query-owner", 500, false },
    { "x-query-target", 500, false },
    { "query-status", 500, false },
    { "query-migrate-parameters", 1000, false },
    { "query-migrate-capabilities", 2000, false },
    { "query-name", 10000, false },
    { "x-query-guest", 10000, false },
    { "x-query-ram-map", 500, true },
};
enum { QUESTIONS = G_N_ELEMENTS(questions) };

/* The least time between two of the same while an attached QEMU runs no migration. */
#define IDLE_MS 1000

struct DashboardFeed {
    unsigned refs; /* the owner and each request in flight */
    bool freed;
    Backend *backend;
    BackendSession *session;
    TuiModel *model;
    unsigned subscription;
    guint timer;
    guint soon;
    int64_t asked_us[QUESTIONS]; /* 0 = never */
    bool unknown[QUESTIONS];     /* the backend has no such command */
    bool attached;               /* a QEMU was attached in the last round */
    unsigned next;               /* next query of the round; QUESTIONS = no round */
    unsigned in_flight;
    bool again;
    void (*fresh)(void *data);
    void *data;
};

static void go_on(DashboardFeed *feed);

static void unref(DashboardFeed *feed)
{
    if (--feed->refs == 0) {
        g_free(feed);
    }
}

static void on_reply(json_object *value, const GError *error, void *data)
{
    DashboardFeed *feed = data;
    unsigned index = feed->in_flight;

    if (!feed->freed) {
        if (error == NULL) {
            model_take(feed->model, questions[index].command, value);
        } else if (g_error_matches(error, MIG_ERROR, MIG_ERROR_COMMAND_NOT_FOUND)) {
            feed->unknown[index] = true;
        }
        go_on(feed);
    }
    unref(feed);
}

static void ask(DashboardFeed *feed, unsigned index)
{
    json_object *request = json_object_new_object();

    json_add_text(request, "execute", questions[index].command);
    feed->in_flight = index;
    feed->refs++;
    backend_execute(feed->backend, feed->session, request, on_reply, feed);
    json_object_put(request);
}

static bool is_due(const DashboardFeed *feed, unsigned index, int64_t now_us)
{
    if (feed->unknown[index] || (questions[index].while_running && feed->asked_us[index] != 0 &&
                                 !sample_is_running(model_now(feed->model)))) {
        return false;
    }
    /* An idle QEMU is queried less often. */
    bool idle = backend_target(feed->backend) != NULL && !sample_is_running(model_now(feed->model));
    unsigned every_ms = idle ? MAX(questions[index].every_ms, IDLE_MS) : questions[index].every_ms;

    return feed->asked_us[index] == 0 || now_us - feed->asked_us[index] >= every_ms * INT64_C(1000);
}

static gboolean begin_soon(void *data);

static void go_on(DashboardFeed *feed)
{
    int64_t now_us = mig_clock_now_us();

    model_clock(feed->model, now_us, mig_clock_wall_us());
    if (feed->attached !=
        (backend_target(feed->backend) != NULL)) { /* another backend replies now */
        feed->attached = !feed->attached;
        memset(feed->unknown, 0, sizeof(feed->unknown));
    }
    while (feed->next < QUESTIONS) {
        unsigned index = feed->next++;

        if (is_due(feed, index, now_us)) {
            feed->asked_us[index] = now_us;
            ask(feed, index);
            return;
        }
    }
    model_sample(feed->model);
    feed->fresh(feed->data);
    if (feed->again && feed->soon == 0) {
        feed->again = false;
        feed->soon = g_idle_add(begin_soon, feed);
    }
}

static void begin(DashboardFeed *feed)
{
    if (feed->next == QUESTIONS) { /* otherwise the backend has not replied yet */
        feed->next = 0;
        go_on(feed);
    } else {
        feed->again = true;
    }
}

static gboolean begin_soon(void *data)
{
    DashboardFeed *feed = data;

    feed->soon = 0;
    begin(feed);
    return G_SOURCE_REMOVE;
}

static gboolean on_period(void *data)
{
    DashboardFeed *feed = data;

    if (feed->next == QUESTIONS) {
        begin(feed);
    }
    return G_SOURCE_CONTINUE;
}

void dashboard_feed_refresh(DashboardFeed *feed)
{
    memset(feed->asked_us, 0, sizeof(feed->asked_us));
    if (feed->soon == 0) {
        feed->soon = g_idle_add(begin_soon, feed);
    }
}

static void on_event(const BackendEvent *event, void *data)
{
    DashboardFeed *feed = data;

    model_event(feed->model, event->name, event->data, mig_clock_now_us(), event->time_us);
    if (strcmp(event->name, "MIGRATION_PASS") != 0) { /* the history has the pass */
        dashboard_feed_refresh(feed);
    }
}

DashboardFeed *dashboard_feed_new(Backend *backend, TuiModel *model, unsigned period_ms,
                                  void (*fresh)(void *data), void *data)
{
    DashboardFeed *feed = g_new0(DashboardFeed, 1);

    feed->refs = 1;
    feed->backend = backend;
    feed->model = model;
    feed->fresh = fresh;
    feed->data = data;
    feed->next = QUESTIONS;
    feed->session = backend_session_new(backend, NULL, NULL);
    feed->subscription = backend_subscribe(backend, on_event, feed);
    feed->timer = g_timeout_add(period_ms, on_period, feed);
    dashboard_feed_refresh(feed);
    return feed;
}

void dashboard_feed_free(DashboardFeed *feed)
{
    if (feed == NULL) {
        return;
    }
    feed->freed = true;
    g_clear_handle_id(&feed->timer, g_source_remove);
    g_clear_handle_id(&feed->soon, g_source_remove);
    backend_unsubscribe(feed->backend, feed->subscription);
    backend_session_close(feed->session);
    unref(feed);
}
