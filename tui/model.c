/*
 * See model.h. Replies fill the present sample (model-take.c); this file keeps
 * the rings: samples, passes, log.
 */
#include "backend/base/shown.h"
#include "tui/model-internal.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>

const char *const log_level_names[LEVEL__COUNT] = { "debug", "info", "warning", "error" };

/* ---- samples ---- */

static void heat_map_unref(HeatMap *map)
{
    if (map && --map->refs == 0) {
        g_free(map->data);
        g_free(map->dirty);
        g_free(map->sent);
        g_free(map);
    }
}

void model_set_map(TuiModel *model, HeatMap *map)
{
    heat_map_unref(model->now.map);
    model->now.map = map;
}

void model_set_text(char **place, const char *text)
{
    if (strcmp(*place, text) != 0) {
        g_ref_string_release(*place);
        *place = g_ref_string_new(text);
    }
}

#define TEXTS(sample)                                                                              \
    {                                                                                              \
        &(sample)->status, &(sample)->direction, &(sample)->peer, &(sample)->owner,                \
            &(sample)->evidence, &(sample)->run_state, &(sample)->reason, &(sample)->outcome,      \
            &(sample)->verdict, &(sample)->advice, &(sample)->time                                 \
    }

static void sample_init(ModelSample *sample)
{
    char **texts[] = TEXTS(sample);

    memset(sample, 0, sizeof(*sample));
    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
        *texts[i] = g_ref_string_new("");
    }
}

static void sample_clear(ModelSample *sample)
{
    char **texts[] = TEXTS(sample);

    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_ref_string_release(*texts[i]);
    }
    heat_map_unref(sample->map);
}

static void sample_copy(ModelSample *to, const ModelSample *from)
{
    char **texts[] = TEXTS(to);

    *to = *from;
    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_ref_string_acquire(*texts[i]);
    }
    if (to->map) {
        to->map->refs++;
    }
}

/* Only the time differs. Equal texts share one pointer. */
static bool sample_is_same(const ModelSample *a, const ModelSample *b)
{
    ModelSample copy = *a;

    copy.time_us = b->time_us;
    return memcmp(&copy, b, sizeof(copy)) == 0;
}

static const char *const running[] = { "setup",           "active",      "pre-switchover",
                                       "device",          "cancelling",  "postcopy-active",
                                       "postcopy-paused", "wait-unplug", "postcopy-recover" };

bool sample_is_running(const ModelSample *sample)
{
    for (size_t i = 0; i < G_N_ELEMENTS(running); i++) {
        if (strcmp(sample->status, running[i]) == 0) {
            return true;
        }
    }
    return false;
}

bool sample_is_outgoing(const ModelSample *sample)
{
    return strcmp(sample->direction, "outgoing") == 0;
}

static ModelSample *slot(const TuiModel *model, uint64_t number)
{
    return &((ModelSample *)(void *)model->ring->data)[number % MAX_SAMPLES];
}

/* A scale that never decreases: the first half is the first pass; the second half is how close the
 * remainder after a sync came to the threshold, on a logarithmic scale, at best so far. */
static double progress_of(const TuiModel *model)
{
    const ModelSample *now = &model->now;
    const ModelPass *last =
        now->end_pass > now->first_pass ? model_pass(model, now->end_pass - 1) : NULL;
    double value = 0, part;

    if (strcmp(now->status, "completed") == 0) {
        return 1;
    }
    if (now->total == 0) {
        return now->progress;
    }
    if (!last) {
        value = 0.5 * (1 - (double)MIN(now->remaining, now->total) / (double)now->total);
    } else if (now->threshold == 0 || now->threshold >= now->total) {
        value = 0.5;
    } else if (last->remaining <= now->threshold) {
        value = 0.99;
    } else {
        part = log((double)now->total / (double)MIN(last->remaining, now->total)) /
               log((double)now->total / (double)now->threshold);
        value = 0.5 + 0.48 * CLAMP(part, 0, 1);
    }
    return MAX(value, now->progress);
}

void model_clock(TuiModel *model, int64_t now_us, int64_t wall_us)
{
    model->now_us = now_us;
    model->wall_us = wall_us;
}

void model_sample(TuiModel *model)
{
    ModelSample *now = &model->now;
    ModelSample *place;

    now->progress = progress_of(model);
    now->time_us = model->now_us;
    if (model->end > 0 && !sample_is_running(now) &&
        sample_is_same(slot(model, model->end - 1), now)) {
        return;
    }
    if (model->ring->len < MAX_SAMPLES) {
        g_array_set_size(model->ring, (unsigned)model->end + 1);
    }
    place = slot(model, model->end);
    if (model->end >= MAX_SAMPLES) {
        sample_clear(place);
    }
    sample_copy(place, now);
    model->end++;
}

const ModelSample *model_now(const TuiModel *model)
{
    return &model->now;
}

uint64_t model_first(const TuiModel *model)
{
    return model->end > MAX_SAMPLES ? model->end - MAX_SAMPLES : 0;
}

uint64_t model_end(const TuiModel *model)
{
    return model->end;
}

const ModelSample *model_at(const TuiModel *model, uint64_t number)
{
    g_assert(number >= model_first(model) && number < model->end);
    return slot(model, number);
}

/* ---- passes ---- */

void model_add_pass(TuiModel *model, const ModelPass *pass)
{
    if (model->passes->len >= MAX_PASSES) {
        g_array_remove_range(model->passes, 0, MAX_PASSES / 4);
        model->forgotten_passes += MAX_PASSES / 4;
    }
    g_array_append_val(model->passes, *pass);
    model->now.end_pass = model->forgotten_passes + model->passes->len;
}

const ModelPass *model_pass(const TuiModel *model, uint64_t index)
{
    if (index < model->forgotten_passes || index - model->forgotten_passes >= model->passes->len) {
        return NULL;
    }
    return &g_array_index(model->passes, ModelPass, index - model->forgotten_passes);
}

/* ---- log ---- */

static void free_entry(void *data)
{
    LogEntry *entry = data;

    g_free(entry->text);
    g_free(entry);
}

void model_log(TuiModel *model, LogLevel level, int64_t now_us, int64_t wall_us, const char *format,
               ...)
{
    LogEntry *entry = g_new0(LogEntry, 1);
    va_list args;

    va_start(args, format);
    g_autofree char *raw = g_strdup_vprintf(format, args);
    va_end(args);
    entry->text = g_strdelimit(shown_message(g_strchomp(raw)), "\n", ' ');
    entry->level = level;
    entry->time_us = now_us;
    entry->wall_us = wall_us;
    if (model->log->len >= MAX_LOG) {
        g_ptr_array_remove_range(model->log, 0, MAX_LOG / 4);
    }
    g_ptr_array_add(model->log, entry);
}

unsigned model_log_length(const TuiModel *model)
{
    return model->log->len;
}

const LogEntry *model_log_entry(const TuiModel *model, unsigned index)
{
    return g_ptr_array_index(model->log, index);
}

/* ---- begin and end ---- */

TuiModel *model_new(void)
{
    TuiModel *model = g_new0(TuiModel, 1);

    sample_init(&model->now);
    model->ring = g_array_new(FALSE, TRUE, sizeof(ModelSample));
    model->passes = g_array_new(FALSE, FALSE, sizeof(ModelPass));
    model->log = g_ptr_array_new_with_free_func(free_entry);
    model->name = g_strdup("");
    return model;
}

void model_free(TuiModel *model)
{
    if (!model) {
        return;
    }
    for (unsigned i = 0; i < model->ring->len; i++) {
        sample_clear(&g_array_index(model->ring, ModelSample, i));
    }
    sample_clear(&model->now);
    g_array_unref(model->ring);
    g_array_unref(model->passes);
    g_ptr_array_unref(model->log);
    g_free(model->name);
    json_object_put(model->migrate);
    json_object_put(model->history);
    json_object_put(model->parameters);
    json_object_put(model->capabilities);
    json_object_put(model->guest);
    json_object_put(model->target);
    g_free(model);
}
