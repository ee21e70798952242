/*
 * Figures of channels. See statistics.h.
 */
#include "backend/engine/attempt/statistics.h"

static const char *const state_names[CHANNEL_STATE__COUNT] = {
    [CHANNEL_STATE_WAITING] = "waiting", [CHANNEL_STATE_CONNECTED] = "connected",
    [CHANNEL_STATE_ACTIVE] = "active",   [CHANNEL_STATE_SYNC] = "sync",
    [CHANNEL_STATE_DONE] = "done",       [CHANNEL_STATE_FAILED] = "failed",
};

void channels_init(Channels *channels, unsigned count)
{
    g_assert(channels->stats == NULL);
    channels->stats = g_new0(ChannelStats, count);
    channels->count = count;
}

void channels_clear(Channels *channels)
{
    g_free(channels->stats);
}

uint64_t channels_bytes(const Channels *channels)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < channels->count; i++) {
        sum += atomic_load(&channels->stats[i].bytes);
    }
    return sum;
}

uint64_t channels_copied_syncs(const Channels *channels)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < channels->count; i++) {
        sum += atomic_load(&channels->stats[i].copied_syncs);
    }
    return sum;
}

static json_object *channel_to_json(const ChannelStats *stats, unsigned id, int64_t elapsed_us)
{
    uint64_t bytes = atomic_load(&stats->bytes);
    g_autofree char *name = g_strdup_printf("multifd %u", id);
    json_object *o = json_object_new_object();

    json_object_object_add(o, "name", json_object_new_string(name));
    json_object_object_add(o, "bytes", json_object_new_uint64(bytes));
    json_object_object_add(
        o, "bytes-per-second",
        json_object_new_uint64((uint64_t)((double)bytes * 1e6 / (double)MAX(elapsed_us, 1))));
    json_object_object_add(o, "normal-pages",
                           json_object_new_uint64(atomic_load(&stats->normal_pages)));
    json_object_object_add(o, "zero-pages",
                           json_object_new_uint64(atomic_load(&stats->zero_pages)));
    json_object_object_add(o, "state",
                           json_object_new_string(state_names[atomic_load(&stats->state)]));
    return o;
}

json_object *channels_to_json(const Channels *channels, int64_t elapsed_us)
{
    json_object *list = json_object_new_array();

    for (unsigned i = 0; i < channels->count; i++) {
        json_object_array_add(list, channel_to_json(&channels->stats[i], i, elapsed_us));
    }
    return list;
}
