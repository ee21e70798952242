/*
 * See series.h.
 */
#include "backend/engine/attempt/series.h"

#include <string.h>

#include "backend/base/size.h"
#include "backend/engine/attempt/migration.h"
#include "backend/guest/memory/block.h"

/* A timer may fire a little early or late. */
#define SLACK_US  (SERIES_PERIOD_MS * 1000 / 2)
#define SECOND_US 1000000

typedef enum { LEVEL, GROWTH } Kind;

/* The engine's part of the rows of history.def. */
static const struct {
    size_t counter; /* in MigCounters */
    uint64_t factor;
    Kind kind;
} sources[SAMPLE__COUNT] = {
#define MIG_SAMPLE(id, counter, factor, member, name, unit, kind)                                  \
    { offsetof(MigCounters, counter), factor, kind },
#include "backend/tables/history.def"
};

static uint64_t read_counter(const MigCounters *counters, size_t i)
{
    const _Atomic uint64_t *counter = G_STRUCT_MEMBER_P(counters, sources[i].counter);

    return atomic_load(counter) * sources[i].factor;
}

void series_init(MigSeries *series)
{
    *series = (MigSeries){ .samples = g_array_new(FALSE, FALSE, sizeof(MigSample)) };
}

void series_clear(MigSeries *series)
{
    g_array_unref(series->samples);
}

void series_begin(MigSeries *series, const MigCounters *counters, int64_t now_us)
{
    g_array_set_size(series->samples, 0);
    series->period_us = SERIES_PERIOD_MS * 1000;
    series->last_us = now_us;
    for (size_t i = 0; i < SAMPLE__COUNT; i++) {
        series->last[i] = read_counter(counters, i);
    }
}

static MigSample merge(const MigSample *a, const MigSample *b)
{
    MigSample both = { .start_us = a->start_us, .end_us = b->end_us };
    double share = (double)(a->end_us - a->start_us) / (double)(b->end_us - a->start_us);

    for (size_t i = 0; i < SAMPLE__COUNT; i++) {
        both.figure[i] = sources[i].kind == LEVEL
                             ? b->figure[i]
                             : saturate_u64((double)a->figure[i] * share +
                                            (double)b->figure[i] * (1 - share) + 0.5);
    }
    return both;
}

static void thin_out(MigSeries *series)
{
    MigSample *samples = (MigSample *)(void *)series->samples->data;
    guint n = series->samples->len / 2;

    for (guint i = 0; i < n; i++) {
        samples[i] = merge(&samples[2 * i], &samples[2 * i + 1]);
    }
    g_array_set_size(series->samples, n);
    series->period_us *= 2;
}

void series_take(MigSeries *series, const MigCounters *counters, int64_t now_us, bool last)
{
    int64_t span = now_us - series->last_us;
    MigSample sample = { .start_us = series->last_us, .end_us = now_us };

    if (series->last_us == 0 || span <= 0 || (!last && span < series->period_us - SLACK_US)) {
        return;
    }
    for (size_t i = 0; i < SAMPLE__COUNT; i++) {
        uint64_t now = read_counter(counters, i), before = series->last[i];

        sample.figure[i] = sources[i].kind == LEVEL ? now
                           : now < before
                               ? 0
                               : saturate_u64((double)(now - before) * 1e6 / (double)span);
        series->last[i] = now;
    }
    series->last_us = now_us;
    if (series->samples->len >= SERIES_MAX) {
        thin_out(series);
    }
    g_array_append_val(series->samples, sample);
}

void series_last_second(const MigSeries *series, uint64_t ret[SAMPLE__COUNT])
{
    memset(ret, 0, SAMPLE__COUNT * sizeof *ret);
    for (guint k = series->samples->len; k > 0; k--) {
        const MigSample *sample = &g_array_index(series->samples, MigSample, k - 1);
        double seconds = (double)(sample->end_us - sample->start_us) / 1e6;

        if (series->last_us - sample->start_us > SECOND_US + SLACK_US && k < series->samples->len) {
            break;
        }
        for (size_t i = 0; i < SAMPLE__COUNT; i++) {
            ret[i] +=
                sources[i].kind == GROWTH ? saturate_u64((double)sample->figure[i] * seconds) : 0;
        }
    }
}

json_object *series_to_json(const MigSeries *series, int64_t start_us)
{
    json_object *list = json_object_new_array();

    for (guint k = 0; k < series->samples->len; k++) {
        const MigSample *sample = &g_array_index(series->samples, MigSample, k);
        json_object *o = json_object_new_object();

        json_object_object_add(o, "time-ms",
                               json_object_new_int64((sample->end_us - start_us) / 1000));
        json_object_object_add(
            o, "span-ms", json_object_new_int64((sample->end_us - sample->start_us + 500) / 1000));
        for (size_t i = 0; i < SAMPLE__COUNT; i++) {
            json_object_object_add(o, sample_figures[i].member,
                                   json_object_new_uint64(sample->figure[i]));
        }
        json_object_array_add(list, o);
    }
    return list;
}
