/*
 * The main thread's part of multifd: settings, and channels that connect before the main channel of
 * their migration.
 */
#include "backend/engine/engine-internal.h"

#include "backend/base/error.h"

/* After this time the source of a channel without a main channel is taken for gone. */
#define EARLY_SECONDS 30

/* ---- channels that came before the main channel ---- */

void engine_multifd_drop_early(Engine *e)
{
    if (e->early_timer != 0) {
        g_source_remove(e->early_timer);
        e->early_timer = 0;
    }
    if (e->early_channels != NULL) {
        g_ptr_array_set_size(e->early_channels, 0);
    }
}

static gboolean on_early_timeout(void *data)
{
    Engine *e = data;
    g_autofree char *text =
        g_strdup_printf("dropped %u multifd channels: no main channel came within %d s",
                        e->early_channels->len, EARLY_SECONDS);

    e->early_timer = 0;
    engine_multifd_drop_early(e);
    event_post(e->events, ENGINE_EVENT_NOTICE, text);
    return G_SOURCE_REMOVE;
}

/* Channels that come after the main connection of the next attempt are that one's. */
static bool wants_channels(const Engine *e)
{
    return e->incoming != NULL && !(e->listener != NULL && listener_has_next(e->listener)) &&
           !migration_status_is_over(migration_get_status(incoming_record(e->incoming)));
}

void engine_multifd_channel(Engine *e, Transport *transport)
{
    const char *why = NULL;

    if (!capability_is_on(e->capabilities, CAPABILITY_MULTIFD)) {
        why = "capability multifd is off here";
    } else if (wants_channels(e)) {
        incoming_add_multifd(e->incoming, transport);
        return;
    } else if (e->early_channels != NULL &&
               e->early_channels->len >= e->parameters.multifd_channels) {
        why = "there are as many as multifd-channels says, and no main channel";
    }
    if (why != NULL) {
        g_autofree char *text = g_strdup_printf("dropped a multifd channel from %s: %s",
                                                transport_name(transport), why);
        transport_free(transport);
        event_post(e->events, ENGINE_EVENT_NOTICE, text);
        return;
    }
    if (e->early_channels == NULL) {
        e->early_channels = g_ptr_array_new_with_free_func((GDestroyNotify)transport_free);
    }
    g_ptr_array_add(e->early_channels, transport);
    if (e->early_timer == 0) {
        e->early_timer = g_timeout_add_seconds(EARLY_SECONDS, on_early_timeout, e);
    }
}

void engine_multifd_hand_over_early(Engine *e)
{
    if (e->early_channels == NULL) {
        return;
    }
    while (e->early_channels->len > 0) {
        Transport *transport = g_ptr_array_steal_index(e->early_channels, 0);

        if (transport_peer_has_left(transport)) {
            transport_free(transport); /* it belongs to an attempt that is over */
        } else {
            incoming_add_multifd(e->incoming, transport);
        }
    }
    engine_multifd_drop_early(e);
}
