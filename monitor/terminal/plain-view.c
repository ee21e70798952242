/*
 * --plain: see dashboard.h. The console prints the lines above the prompt, or into
 * the output of a batch.
 */
#include "monitor/terminal/dashboard-feed.h"
#include "monitor/terminal/dashboard.h"
#include "tui/plain.h"

struct PlainView {
    Console *console;
    TuiModel *model;
    DashboardFeed *feed;
    PlainState state;
};

static void on_fresh(void *data)
{
    PlainView *view = data;
    g_autofree char *text = plain_say(&view->state, view->model);

    console_print(view->console, text);
}

PlainView *plain_view_new(Backend *backend, Console *console, unsigned period_ms)
{
    PlainView *view = g_new0(PlainView, 1);

    view->console = console;
    view->model = model_new();
    view->feed = dashboard_feed_new(backend, view->model, period_ms, on_fresh, view);
    return view;
}

void plain_view_free(PlainView *view)
{
    if (view == NULL) {
        return;
    }
    dashboard_feed_free(view->feed);
    model_free(view->model);
    plain_clear(&view->state);
    g_free(view);
}
