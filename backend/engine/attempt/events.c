/*
 * The event queue: a list under a lock and a source of the main loop that
 * becomes ready when something is posted.
 */
#include "backend/engine/attempt/events.h"

#include "backend/base/clock.h"
#include "backend/base/lock.h"

struct EventQueue {
    pthread_mutex_t lock;
    GQueue waiting;
    GSource *source;
    void (*handle)(const EngineEvent *event, void *data);
    void *data;
};

static void event_free(EngineEvent *event)
{
    if (event->migration != NULL) {
        event->drop(event->migration);
    }
    g_free(event->text);
    g_free(event);
}

static EngineEvent *take(EventQueue *queue)
{
    MIG_LOCK(&queue->lock);
    return g_queue_pop_head(&queue->waiting);
}

void event_queue_drain(EventQueue *queue)
{
    EngineEvent *event;

    while ((event = take(queue)) != NULL) {
        queue->handle(event, queue->data);
        event_free(event);
    }
}

static gboolean on_ready(void *p)
{
    EventQueue *queue = p;

    /* This comes first, so that an event posted during the drain makes the source ready again. */
    g_source_set_ready_time(queue->source, -1);
    event_queue_drain(queue);
    return G_SOURCE_CONTINUE;
}

static gboolean dispatch(GSource *source, GSourceFunc callback, void *data)
{
    (void)source;
    return callback(data);
}

EventQueue *event_queue_new(void (*handle)(const EngineEvent *event, void *data), void *data)
{
    static GSourceFuncs funcs = { .dispatch = dispatch };
    EventQueue *queue = g_new0(EventQueue, 1);

    pthread_mutex_init(&queue->lock, NULL);
    g_queue_init(&queue->waiting);
    queue->handle = handle;
    queue->data = data;
    queue->source = g_source_new(&funcs, sizeof(GSource));
    g_source_set_static_name(queue->source, "engine events");
    g_source_set_priority(queue->source, G_PRIORITY_HIGH);
    g_source_set_callback(queue->source, on_ready, queue, NULL);
    g_source_attach(queue->source, NULL);
    return queue;
}

void event_queue_free(EventQueue *queue)
{
    EngineEvent *event;

    if (queue == NULL) {
        return;
    }
    g_source_destroy(queue->source);
    g_source_unref(queue->source);
    while ((event = take(queue)) != NULL) {
        event_free(event);
    }
    pthread_mutex_destroy(&queue->lock);
    g_free(queue);
}

void event_post_of(EventQueue *queue, EngineEventType type, Migration *migration,
                   GDestroyNotify drop, uint64_t number, const char *text)
{
    EngineEvent *event = g_new0(EngineEvent, 1);

    event->type = type;
    event->time_us = mig_clock_wall_us();
    event->status = type == ENGINE_EVENT_STATUS ? (MigrationStatus)number : MIGRATION_NONE;
    event->number = number;
    event->text = g_strdup(text);
    event->migration = migration;
    event->drop = drop;
    pthread_mutex_lock(&queue->lock);
    g_queue_push_tail(&queue->waiting, event);
    pthread_mutex_unlock(&queue->lock);
    g_source_set_ready_time(queue->source, 0);
}

void event_post(EventQueue *queue, EngineEventType type, const char *text)
{
    event_post_of(queue, type, NULL, NULL, 0, text);
}
