/*
 * See statistics.h. Any thread.
 */
#include "backend/engine/attempt/statistics.h"

#include "backend/base/size.h"

/* ---- channels ---- */

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
        json_object_new_uint64(saturate_u64((double)bytes * 1e6 / (double)MAX(elapsed_us, 1))));
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

/* ---- encoders ---- */

void codec_counters_fill_info(const CodecCounters *counters, MigInfo *info)
{
    info->has_xbzrle = atomic_load(&counters->xbzrle);
    info->has_compression = atomic_load(&counters->compression);
#define FILL_COUNTED(object, field)
#define FILL_FILLED(object, field)
#define FILL_ENCODED(object, field) info->object.field = atomic_load(&counters->object##_##field);
#define MIG_STAT(name, object, field, member, type, label, form, suffix, when, source)             \
    FILL_##source(object, field)
#include "backend/tables/info.def"
}

/* ---- page faults ---- */

static void add(json_object *o, const char *key, uint64_t value)
{
    json_object_object_add(o, key, json_object_new_uint64(value));
}

/* Empty buckets are left out. */
static json_object *histogram(const Latency *latency)
{
    json_object *list = json_object_new_array();

    for (unsigned i = 0; i < LATENCY_BUCKETS; i++) {
        if (latency->buckets[i] > 0) {
            json_object *o = json_object_new_object();

            add(o, "below-us", latency_bucket_end(i));
            add(o, "count", latency->buckets[i]);
            json_object_array_add(list, o);
        }
    }
    return list;
}

json_object *page_faults_to_json(const PageFaultStats *stats)
{
    json_object *o = json_object_new_object();
    json_object *vcpus = json_object_new_array();

    for (unsigned i = 0; i < stats->n_vcpus; i++) {
        json_object_array_add(vcpus, json_object_new_uint64(stats->vcpu_us[i]));
    }
    add(o, "requests", stats->requests);
    add(o, "waiting-vcpus", stats->n_waiting);
    add(o, "blocktime-us", stats->blocktime_us);
    json_object_object_add(o, "vcpu-blocktime-us", vcpus);
    add(o, "median-us", latency_percentile(&stats->latency, 50));
    add(o, "p99-us", latency_percentile(&stats->latency, 99));
    add(o, "max-us", stats->latency.max_us);
    json_object_object_add(o, "histogram", histogram(&stats->latency));
    return o;
}
