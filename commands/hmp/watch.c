/*
 * Watches a migration for a line that waits for it: queries the backend at
 * every MIGRATION event (hidden ones too) and, if wanted, at an interval.
 * Only one query is in flight at a time.
 */
#include "commands/hmp/hmp-internal.h"

#include <string.h>

typedef struct {
    HmpCall *call;
    const WatchOps *ops;
    void *data;
    GDestroyNotify free_data;
    unsigned subscription;
    guint timer;
    json_object *info; /* reply of query-migrate while its history is being queried */
    bool in_flight;
    bool again; /* an event came during the query */
} Watch;

static void ask(Watch *watch);

static void watch_free(void *data)
{
    Watch *watch = data;

    backend_unsubscribe(watch->call->hmp->backend, watch->subscription);
    if (watch->timer) {
        g_source_remove(watch->timer);
    }
    json_object_put(watch->info);
    if (watch->free_data) {
        watch->free_data(watch->data);
    }
    g_free(watch);
}

/* The watch may be freed by this call. */
static void deliver(Watch *watch, json_object *history)
{
    json_object *info = g_steal_pointer(&watch->info);

    watch->in_flight = false;
    if (watch->again) {
        ask(watch);
    }
    watch->ops->snapshot(watch->call, info, history);
    json_object_put(info);
}

static void got_history(HmpCall *call, json_object *value, const GError *error)
{
    deliver(call->state, error ? NULL : value);
}

static void got_info(HmpCall *call, json_object *value, const GError *error)
{
    Watch *watch = call->state;

    if (error) {
        if (watch->ops->failing) {
            watch->ops->failing(call);
        }
        call_fail(call, HMP_ERROR_FAILED, error);
        return;
    }
    watch->info = json_object_get(value);
    if (watch->ops->with_history) {
        call_request(call, "x-query-migrate-history", NULL, got_history);
    } else {
        deliver(watch, NULL);
    }
}

static void ask(Watch *watch)
{
    watch->again = watch->in_flight;
    if (!watch->in_flight) {
        watch->in_flight = true;
        call_request(watch->call, "query-migrate", NULL, got_info);
    }
}

static gboolean period_over(void *data)
{
    Watch *watch = data;

    if (!watch->in_flight) { /* a slow answer must not cause a second query */
        ask(watch);
    }
    return G_SOURCE_CONTINUE;
}

static void event_came(const BackendEvent *event, void *data)
{
    Watch *watch = data;

    bool status = strcmp(event->name, "MIGRATION") == 0;
    /* The notice may report that an attached QEMU was lost, and no other event may follow. */
    bool notice = strcmp(event->name, "X_NOTICE") == 0;

    if (watch->ops->heard) {
        watch->ops->heard(watch->call, event);
    } else if (!status && !notice) {
        return;
    }
    if (status && watch->ops->entered) {
        watch->ops->entered(watch->call, info_status(event->data));
    }
    ask(watch);
}

void watch_start(HmpCall *call, const WatchOps *ops, void *data, GDestroyNotify free_data)
{
    Watch *watch = g_new0(Watch, 1);

    g_assert(!call->state);
    watch->call = call;
    watch->ops = ops;
    watch->data = data;
    watch->free_data = free_data;
    call->state = watch;
    call->free_state = watch_free;
    watch->subscription = backend_subscribe(call->hmp->backend, event_came, watch);
    if (ops->period_ms > 0) {
        watch->timer = g_timeout_add(ops->period_ms, period_over, watch);
    }
    ask(watch);
}

void *watch_data(HmpCall *call)
{
    return ((Watch *)call->state)->data;
}
