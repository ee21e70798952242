/*
 * The numbers of x-query-migrate-history: rows of history.def. Pure.
 */
#pragma once

#include <json-c/json.h>
#include <stdint.h>

/* A number that is left out of the reply. */
#define HISTORY_UNKNOWN UINT64_MAX

/* Counts within a pass: the first one after 0.1 s, each next one after twice the time. */
enum { PASS_COUNTS = 12, PASS_COUNT_FIRST_US = 100000 };

typedef struct {
    int64_t us; /* since the beginning of the pass */
    uint64_t pages;
} PassCount;

/* One pass over RAM: from one dirty sync to the next. */
typedef struct {
    uint64_t number;
    int64_t start_us, end_us;      /* monotonic */
    PassCount counts[PASS_COUNTS]; /* pages written so far within the pass; the first @n_counts */
    unsigned n_counts;
    /* HISTORY_UNKNOWN = not known, as the last six are where a QEMU does not tell. @dirtied_pages:
     * found by the sync at its end. @left_bytes, @remaining_bytes: not sent before
     * and after that sync. @threshold_bytes: with so many left the switchover would begin.
     * @fresh_pages: the part of @zero_pages that was never touched. The times are those of the
     * channels, as in XTime. */
#define MIG_PASS(field, member) uint64_t field;
#include "backend/tables/history.def"
} MigPass;

/* An element of "passes" and of "states". The reply counts times from @start_us. Caller puts. */
json_object *history_pass_to_json(const MigPass *pass, int64_t start_us);
/* The number of passes in a reply. Its oldest rows may have been dropped, or the first passes not
 * been seen. */
uint64_t history_count_passes(json_object *history);
json_object *history_state_to_json(const char *status, int64_t time_us, int64_t wall_us,
                                   int64_t start_us);

/* Parts of the pause in order; microseconds. */
typedef enum {
#define MIG_PAUSE_PART(mark, ...) PAUSE_##mark,
#include "backend/tables/history.def"
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
#include "backend/tables/history.def"
    SAMPLE__COUNT,
} SampleFigure;

typedef struct {
    const char *member; /* "bytes-per-second" */
    const char *name;   /* "throughput" */
    const char *unit;   /* "bytes/s" */
} SampleFigureDesc;
extern const SampleFigureDesc sample_figures[SAMPLE__COUNT];

/* Kinds of time of an outgoing attempt. */
typedef enum {
#define MIG_TIME(id, ...) TIME_##id,
#include "backend/tables/history.def"
    TIME__COUNT,
} TimeKind;

typedef struct {
    const char *member;  /* "link-us" */
    const char *name;    /* "link" */
    SampleFigure sample; /* the same kind of time in the samples */
} TimeKindDesc;
extern const TimeKindDesc time_kinds[TIME__COUNT];

/* The shares of an XTime, the greatest first: "receiver 71 %, own work 29 %"; "" when all are 0.
 * Caller frees. */
char *history_time_text(json_object *time);
