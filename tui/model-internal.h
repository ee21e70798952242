/*
 * Shared by model.c, which keeps the rings, and model-take.c, which reads replies and events.
 */
#pragma once

#include "tui/model.h"

enum {
    MAX_SAMPLES = 18000, /* half an hour at ten per second */
    MAX_PASSES = 4000,
    MAX_LOG = 2000,
};

struct TuiModel {
    ModelSample now;
    GArray *ring; /* ModelSample; number n at n % MAX_SAMPLES */
    uint64_t end;
    GArray *passes; /* ModelPass, of all attempts */
    uint64_t forgotten_passes;
    uint64_t last_number; /* of a pass of this attempt */
    int64_t began_us;     /* wall clock: identifies the attempt */
    GPtrArray *log;       /* LogEntry */
    char *name;
    json_object *migrate, *history, *parameters, *capabilities, *guest, *target;
    int64_t now_us, wall_us; /* model_clock() */
};

void model_set_text(char **place, const char *text);
/* Takes ownership of @map. */
void model_set_map(TuiModel *model, HeatMap *map);
void model_add_pass(TuiModel *model, const ModelPass *pass);
