/*
 * See page-faults-report.h. Any thread.
 */
#include "backend/engine/attempt/page-faults-report.h"

static void add(json_object *o, const char *key, uint64_t value)
{
    json_object_object_add(o, key, json_object_new_uint64(value));
}

/* Buckets without a value say nothing. */
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
