/*
 * The report of a migration, finished or not: what an operator asks afterwards, with the evidence.
 * The command is in report.c, one file each reads the replies (facts.h), draws conclusions
 * (answers.c), writes text and Markdown (text.c) and pictures (picture.c). Pure.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "commands/report/facts.h"

typedef enum { REPORT_TEXT, REPORT_MARKDOWN, REPORT_JSON, REPORT_SVG, REPORT__COUNT } ReportFormat;

extern const char *const report_format_names[];        /* REPORT__COUNT entries, then NULL */
const char *report_format_ending(ReportFormat format); /* ".md" */
const char *report_format_help(ReportFormat format);
bool report_format_from_name(const char *name, ReportFormat *ret, GError **error);
/* By the ending of the file's name. */
bool report_format_of_file(const char *path, ReportFormat *ret, GError **error);

/* The report, caller frees. @replies: as report_facts_read(). @now_us: since 1970. */
char *report_make(json_object *replies, ReportFormat format, int64_t now_us);
/* The one in JSON as an object. Caller puts. */
json_object *report_to_json(json_object *replies, int64_t now_us);

/* ---- for the files of the report ---- */

/* What people ask, in the order in which they ask it. */
typedef enum {
    ANSWER_FINISHED,
    ANSWER_PAUSE,
    ANSWER_LIMIT,
    ANSWER_WHERE,
    ANSWER_NEXT,
    ANSWER__COUNT,
} ReportAnswer;

typedef struct {
    const char *member;   /* of the JSON report: "finished" */
    const char *question; /* "Did it finish?" */
} ReportQuestion;
extern const ReportQuestion report_questions[ANSWER__COUNT];

/* A sentence or two; caller frees. */
char *report_answer(const ReportFacts *facts, ReportAnswer which);

/* "Migration of web1 to tcp:peer:4444: completed"; caller frees. */
char *report_title(const ReportFacts *facts);

/* Settings that differ from their defaults, parameters first and then capabilities; called for
 * each.
 */
void report_settings(const ReportFacts *facts,
                     void (*setting)(const char *name, const char *value, const char *initial,
                                     void *data),
                     void *data);

char *report_to_text(const ReportFacts *facts, int64_t now_us, bool markdown);
char *report_to_svg(const ReportFacts *facts, int64_t now_us);
