/*
 * The numbers of x-query-migrate-history by name: rows of history.def. Pure.
 */
#pragma once

/* Parts of the pause, in their order; microseconds. */
typedef enum {
#define MIG_PAUSE_PART(mark, ...) PAUSE_##mark,
#include "backend/history.def"
    PAUSE__COUNT,
} PausePart;

typedef struct {
    const char *member; /* "ram-us" */
    const char *name;   /* "last RAM" */
} PausePartDesc;
extern const PausePartDesc pause_parts[PAUSE__COUNT];

/* Figures of a sample. */
typedef enum {
#define MIG_SAMPLE(id, ...) SAMPLE_##id,
#include "backend/history.def"
    SAMPLE__COUNT,
} SampleFigure;

typedef struct {
    const char *member; /* "bytes-per-second" */
    const char *name;   /* "throughput" */
    const char *unit;   /* "bytes/s" */
} SampleFigureDesc;
extern const SampleFigureDesc sample_figures[SAMPLE__COUNT];
