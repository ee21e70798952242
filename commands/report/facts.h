/*
 * The facts of a report: the replies of a backend as figures. Members that a
 * reply does not have are 0 or "". Pure.
 */
#pragma once

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backend/tables/history.h"

typedef struct {
    double end_ms, span_ms; /* since the beginning */
    uint64_t figure[SAMPLE__COUNT];
} ReportSample;

typedef struct {
    uint64_t number, start_ms, duration_ms;
    uint64_t bytes, rate, dirtied, remaining; /* bytes, bytes/s */
    bool knows_dirtied;                       /* else @dirtied is 0 */
} ReportPass;

/* Texts are never NULL and are as a person may see them (backend/base/shown.h). */
typedef struct {
    char *name, *status, *direction, *peer, *outcome, *error;
    char *owner, *evidence, *run_state;
    bool outgoing;
    bool over;
    int64_t began_us; /* since 1970; 0 = not known */
    uint64_t elapsed_ms;
    uint64_t total, sent, threshold;        /* bytes */
    uint64_t max_bandwidth, downtime_limit; /* the present settings: bytes/s, ms */
    bool has_pause;
    bool has_part[PAUSE__COUNT];
    uint64_t part_us[PAUSE__COUNT], pause_us;
    bool has_time; /* the times of an outgoing attempt are known */
    uint64_t time_us[TIME__COUNT];
    ReportSample *samples;
    size_t n_samples;
    ReportPass *passes;
    size_t n_passes;
    json_object *forecast; /* the last one, NULL = none; borrowed */
    json_object *states;   /* list, NULL = not known; borrowed */
    json_object *parameters, *capabilities;
} ReportFacts;

/* @replies: an object of replies by the names of their requests; borrowed until
 * report_facts_clear(). */
void report_facts_read(ReportFacts *facts, json_object *replies);
void report_facts_clear(ReportFacts *facts);

/* The scheme of the peer's address: "tcp"; caller frees. */
char *report_transport(const ReportFacts *facts);

/* Bytes per second over the time in which data was sent. */
uint64_t report_mean_rate(const ReportFacts *facts);

/* The longest part of the pause, PAUSE__COUNT when there is none. */
PausePart report_longest_part(const ReportFacts *facts);

/* The kind with most of the time, TIME__COUNT when not known. @ret_percent: its share. */
TimeKind report_longest_time(const ReportFacts *facts, double *ret_percent);

/* "0 s", "412 us", "62.4 ms", "3.2 s", "2 min 5 s"; caller frees. */
char *report_time(double us);

/* The time as ISO 8601 in UTC, "" when not known. Caller frees. */
char *report_moment(int64_t wall_us);
