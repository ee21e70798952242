/*
 * A histogram of durations with four buckets per power of two, so that the relative error of a
 * percentile is below a fifth from a microsecond to an hour. The owner does the locking.
 */
#pragma once

#include <stdint.h>

#define LATENCY_BUCKETS 128u

typedef struct {
    uint64_t count;
    uint64_t max_us;
    uint64_t buckets[LATENCY_BUCKETS];
} Latency;

void latency_add(Latency *latency, uint64_t us);

/* Microseconds below which @percent of the values lie (end of the bucket, at most the longest
 * value); 0 = no values. */
uint64_t latency_percentile(const Latency *latency, unsigned percent);

/* Upper bound of bucket @i, exclusive. */
uint64_t latency_bucket_end(unsigned i);
