/*
 * The data of the dashboard: the latest replies of the backend and rings of earlier samples, passes
 * and log entries. Takes replies and events, uses the caller's clock and draws nothing. Main
 * thread.
 */
#pragma once

#include <glib.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

#include "backend/tables/history.h"

/* Guest RAM in cells of equal size; 255 = all pages of the cell, 0 = no page at all. */
typedef struct {
    unsigned refs;
    unsigned n;
    uint64_t pages_per_cell;
    uint8_t *data;  /* share of pages that hold data */
    uint8_t *dirty; /* share of pages still to be sent */
    uint8_t *sent;  /* how often the pages with data were sent, in sixteenths: 16 = once */
} HeatMap;

typedef struct {
    uint64_t number;
    uint64_t end_ms; /* since the migration began */
    uint64_t duration_ms;
    uint64_t bytes, dirtied, remaining; /* bytes */
    bool knows_dirtied;                 /* an attached QEMU measures it once a second */
} ModelPass;

/* Parts of the pause in microseconds. */
typedef struct {
    bool known;
    uint64_t part[PAUSE__COUNT];
    uint64_t total;
} ModelDowntime;

/* Everything known at one moment. Texts are never NULL. */
typedef struct {
    int64_t time_us;
    unsigned attempt;       /* number of the migration */
    char *status;           /* "" = no migration yet */
    char *direction, *peer; /* "outgoing" */
    char *owner, *evidence;
    char *run_state;
    char *reason; /* why it failed */
    char *outcome;
    char *verdict, *advice; /* whether it will finish, and what would help; "" = unknown */
    char *time;             /* how the newest second was spent, in shares; "" = unknown */
    bool has_ram, has_downtime;
    bool knows_dirty; /* @dirty_rate is one, not the 0 of a rate that was not measured yet */
    uint64_t elapsed_ms, downtime_ms, downtime_limit_ms;
    uint64_t total, remaining, transferred, threshold; /* bytes */
    uint64_t rate, dirty_rate, limit;                  /* bytes/s; limit 0 = none */
    uint64_t sync_count;
    double progress; /* toward the switchover, 0..1; never decreases during a migration */
    uint64_t first_pass, end_pass; /* for model_pass() */
    HeatMap *map;                  /* NULL = none */
    ModelDowntime downtime;
} ModelSample;

typedef enum { LEVEL_DEBUG, LEVEL_INFO, LEVEL_WARNING, LEVEL_ERROR, LEVEL__COUNT } LogLevel;
extern const char *const log_level_names[LEVEL__COUNT];

typedef struct {
    int64_t time_us; /* of the samples' clock */
    int64_t wall_us;
    LogLevel level;
    char *text;
} LogEntry;

typedef struct TuiModel TuiModel;

TuiModel *model_new(void);
void model_free(TuiModel *model);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(TuiModel, model_free)

/* ---- feeding ---- */

/* Sets the time of the next sample: monotonic and wall clock. */
void model_clock(TuiModel *model, int64_t now_us, int64_t wall_us);
/* Takes the reply of @command; unknown commands and members are ignored. */
void model_take(TuiModel *model, const char *command, json_object *reply);
/* @now_us: the samples' clock. */
void model_event(TuiModel *model, const char *name, json_object *data, int64_t now_us,
                 int64_t wall_us);
void model_log(TuiModel *model, LogLevel level, int64_t now_us, int64_t wall_us, const char *format,
               ...) G_GNUC_PRINTF(5, 6);
/* Adds the present sample to the ring, unless no migration runs and nothing has changed. */
void model_sample(TuiModel *model);

/* ---- reading ---- */

/* The present sample. */
const ModelSample *model_now(const TuiModel *model);
/* Samples are numbered from 0; the ring holds those from first to end - 1. */
uint64_t model_first(const TuiModel *model);
uint64_t model_end(const TuiModel *model);
const ModelSample *model_at(const TuiModel *model, uint64_t number);
/* NULL when the pass was dropped because of its age. */
const ModelPass *model_pass(const TuiModel *model, uint64_t index);
/* How much was dirtied during a pass; "" when that is not known. Caller frees. */
char *model_pass_dirtied(const ModelPass *pass);
/* Log entries, oldest first. */
unsigned model_log_length(const TuiModel *model);
const LogEntry *model_log_entry(const TuiModel *model, unsigned index);

const char *model_name(const TuiModel *model);
/* A member of the reply of x-query-guest, "" when missing. */
const char *model_guest(const TuiModel *model, const char *name);
/* The settings of the attached source as in backend_target(); NULL = nothing is attached. */
json_object *model_target(const TuiModel *model);
/* The attached ends, a list from x-query-target; NULL = none. */
json_object *model_ends(const TuiModel *model);
/* Latest replies; NULL = none yet. */
json_object *model_reply_migrate(const TuiModel *model);
json_object *model_reply_history(const TuiModel *model);
json_object *model_reply_parameters(const TuiModel *model);
json_object *model_reply_capabilities(const TuiModel *model);

/* A migration is running. */
bool sample_is_running(const ModelSample *sample);
bool sample_is_outgoing(const ModelSample *sample);

/* ---- as text for other programs ---- */

/* One line of JSON with the figures of a sample. */
char *sample_to_json(const ModelSample *sample);
