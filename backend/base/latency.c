/*
 * See latency.h. The bucket of a value is 4 times the index of its highest bit plus the next two
 * bits; each value below 4 has its own bucket.
 */
#include "backend/base/latency.h"

#include <glib.h>

static unsigned bucket_of(uint64_t us)
{
    if (us < 4) {
        return (unsigned)us;
    }
    unsigned high = 63u - (unsigned)__builtin_clzll(us);

    return MIN(4 * (high - 1) + (unsigned)(us >> (high - 2) & 3), LATENCY_BUCKETS - 1);
}

uint64_t latency_bucket_end(unsigned i)
{
    if (i < 4) {
        return i + 1;
    }
    return (UINT64_C(5) + i % 4) << (i / 4 - 1);
}

void latency_add(Latency *latency, uint64_t us)
{
    latency->count++;
    latency->max_us = MAX(latency->max_us, us);
    latency->buckets[bucket_of(us)]++;
}

uint64_t latency_percentile(const Latency *latency, unsigned percent)
{
    uint64_t wanted = (latency->count * percent + 99) / 100, seen = 0;

    for (unsigned i = 0; i < LATENCY_BUCKETS && latency->count > 0; i++) {
        seen += latency->buckets[i];
        if (seen >= MAX(wanted, 1)) {
            return MIN(latency_bucket_end(i), latency->max_us);
        }
    }
    return 0;
}
