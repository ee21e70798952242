/*
 * The report of a migration, finished or not: the operator's questions with
 * answers and evidence. The command is in report.c. The other files read the
 * replies (facts.h), draw conclusions (answers.c), write text and Markdown
 * (text.c) and pictures (picture.c). Pure.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "commands/report/facts.h"

typedef enum { REPORT_TEXT, REPORT_MARKDOWN, REPORT_JSON, REPORT_SVG, REPORT__COUNT } ReportFormat;

extern const char *const report_format_names[];        /* REPORT__COUNT entries, then NULL */
const char *report_format_ending(ReportFormat format); /* ".md" */
const char *report_format_help(ReportFormat format);

/* The report; caller frees. @replies: as report_facts_read(). @now_us: since 1970. */
char *report_make(json_object *replies, ReportFormat format, int64_t now_us);

/* ---- for the files of the report ---- */

/* The operator's questions, in the usual order. */
typedef enum {
    ANSWER_FINISHED,
    ANSWER_PAUSE,
    ANSWER_LIMIT,
    ANSWER_WHERE,
    ANSWER_NEXT,
    ANSWER__COUNT,
} ReportAnswer;

typedef struct {
    const char *member;   /* member of the JSON report: "finished" */
    const char *question; /* "Did it finish?" */
} ReportQuestion;
extern const ReportQuestion report_questions[ANSWER__COUNT];

/* One or two sentences; caller frees. */
char *report_answer(const ReportFacts *facts, ReportAnswer which);

/* "Migration of web1 to tcp:peer:4444: completed"; caller frees. */
char *report_title(const ReportFacts *facts);

/* Calls @setting for each setting that differs from its default, parameters before capabilities. */
void report_settings(const ReportFacts *facts,
                     void (*setting)(const char *name, const char *value, const char *initial,
                                     void *data),
                     void *data);

char *report_to_text(const ReportFacts *facts, int64_t now_us, bool markdown);
char *report_to_svg(const ReportFacts *facts, int64_t now_us);
