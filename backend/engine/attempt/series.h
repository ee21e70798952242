/*
 * How the counters of a migration went over its time: samples at even distances, ten a second at
 * first. When there are too many, two become one and the distance doubles, so the memory is bounded
 * and a migration of a day still shows its whole course.
 * What is sampled: backend/tables/history.def.
 *
 * No locking: the migration's record holds its lock around these.
 */
#pragma once

#include <glib.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

#include "backend/tables/history.h"

enum { SERIES_MAX = 600, SERIES_PERIOD_MS = 100 };

typedef struct MigCounters MigCounters;

typedef struct {
    int64_t start_us, end_us; /* monotonic */
    uint64_t figure[SAMPLE__COUNT];
} MigSample;

typedef struct {
    GArray *samples;              /* MigSample */
    int64_t period_us;            /* distance of samples now */
    int64_t last_us;              /* 0 = has not begun */
    uint64_t last[SAMPLE__COUNT]; /* counters at @last_us */
} MigSeries;

void series_init(MigSeries *series);
void series_clear(MigSeries *series);

/* The first sample counts from here; those before are forgotten. */
void series_begin(MigSeries *series, const MigCounters *counters, int64_t now_us);

/* Adds a sample when it is time for one, or at the end of it all (@last). Nothing before the begin.
 */
void series_take(MigSeries *series, const MigCounters *counters, int64_t now_us, bool last);

/* What figures of kind GROWTH grew by in the newest second or, where samples are farther apart, in
 * the newest of them; in their own unit. */
void series_last_second(const MigSeries *series, uint64_t ret[SAMPLE__COUNT]);

/* "samples" of XMigrateHistory; times count from @start_us. Caller puts. */
json_object *series_to_json(const MigSeries *series, int64_t start_us);
