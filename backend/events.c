/*
 * Events of a backend: its subscribers, the emission of an event, the JSON.
 *
 * A subscriber may subscribe and unsubscribe itself or others while it is
 * called. A row that is unsubscribed then is only emptied; empty rows are
 * removed when the outermost emission is over. A new subscriber gets only
 * later events.
 */
#include "backend/backend.h"

#include "backend/base/json.h"

unsigned backend_subscribe(Backend *backend, BackendEventFn fn, void *data)
{
    BackendSubscriber subscriber = { ++backend->next_subscriber, fn, data };

    g_array_append_val(backend->subscribers, subscriber);
    return subscriber.id;
}

static void clear_away(Backend *backend)
{
    for (guint i = backend->subscribers->len; i-- > 0;) {
        if (g_array_index(backend->subscribers, BackendSubscriber, i).fn == NULL) {
            g_array_remove_index(backend->subscribers, i);
        }
    }
}

void backend_unsubscribe(Backend *backend, unsigned id)
{
    for (guint i = 0; i < backend->subscribers->len; i++) {
        BackendSubscriber *subscriber = &g_array_index(backend->subscribers, BackendSubscriber, i);

        if (subscriber->id == id) {
            subscriber->fn = NULL;
        }
    }
    if (!backend->emitting) {
        clear_away(backend);
    }
}

void backend_emit(Backend *backend, const BackendEvent *event)
{
    bool outermost = !backend->emitting;
    guint count = backend->subscribers->len;

    backend->emitting = true;
    for (guint i = 0; i < count; i++) {
        /* A copy, because the array may move when a callback subscribes. */
        BackendSubscriber subscriber = g_array_index(backend->subscribers, BackendSubscriber, i);

        if (subscriber.fn != NULL) {
            subscriber.fn(event, subscriber.data);
        }
    }
    if (outermost) {
        backend->emitting = false;
        clear_away(backend);
    }
}

void backend_emit_notice(Backend *backend, const char *text, bool outgoing, int64_t time_us)
{
    json_object *data = json_object_new_object();

    json_object_object_add(data, "text", json_object_new_string(text));
    if (outgoing) {
        json_object_object_add(data, "outgoing", json_object_new_boolean(true));
    }
    backend_emit(
        backend,
        &(BackendEvent){ .name = "X_NOTICE", .data = data, .time_us = time_us, .hidden = true });
    json_object_put(data);
}

void backend_emit_shutdown(Backend *backend, const char *reason)
{
    json_object *data = json_object_new_object();

    json_object_object_add(data, "guest", json_object_new_boolean(false));
    json_object_object_add(data, "reason", json_object_new_string(reason));
    backend_emit(backend,
                 &(BackendEvent){ .name = "SHUTDOWN", .data = data, .time_us = g_get_real_time() });
    json_object_put(data);
}

json_object *backend_event_to_json(const BackendEvent *event)
{
    json_object *object = json_object_new_object();
    json_object *timestamp = json_object_new_object();

    json_add_integer(timestamp, "seconds", event->time_us / 1000000);
    json_add_integer(timestamp, "microseconds", event->time_us % 1000000);
    json_object_object_add(object, "timestamp", timestamp);
    json_add_text(object, "event", event->name);
    if (event->data != NULL) {
        json_object_object_add(object, "data", json_object_get(event->data));
    }
    return object;
}
