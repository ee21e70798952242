/*
 * The counters of a migration over time: samples at equal intervals, ten a second at first. When
 * there are too many, pairs of samples are merged and the interval doubles. So memory is bounded,
 * and the series of a migration that takes a day still covers all of it. backend/tables/history.def
 * lists the sampled figures.
 *
 * No locking here: the migration's record calls it under its own lock.
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
    int64_t period_us;            /* present interval */
    int64_t last_us;              /* 0 = not begun */
    uint64_t last[SAMPLE__COUNT]; /* counters at @last_us */
} MigSeries;

void series_init(MigSeries *series);
void series_clear(MigSeries *series);

/* The first sample begins at @now_us; earlier samples are dropped. */
void series_begin(MigSeries *series, const MigCounters *counters, int64_t now_us);

/* Adds a sample when one is due, or always with @last. Does nothing before series_begin(). */
void series_take(MigSeries *series, const MigCounters *counters, int64_t now_us, bool last);

/* The growth of the figures of kind GROWTH in the last second, in their own unit. When a sample
 * covers more than a second: the growth in the last sample. */
void series_last_second(const MigSeries *series, uint64_t ret[SAMPLE__COUNT]);

/* "samples" of XMigrateHistory; times are relative to @start_us. Caller puts. */
json_object *series_to_json(const MigSeries *series, int64_t start_us);
