/*
 * The forecast of one attempt, fed from its record: passes, bytes sent, settings. The engine has
 * one for its own migration, attach/ one for that of an attached QEMU. Main thread.
 */
#pragma once

#include <glib.h>

#include "backend/forecast/forecaster.h"
#include "backend/tables/history.h"

typedef struct Course Course;

Course *course_new(void);
void course_free(Course *course);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Course, course_free)

/* The number of the newest pass that it has; the next one given should be newer. */
uint64_t course_newest(const Course *course);

/* Adds a pass; @page_size in bytes. @settings: those in force at its end. */
void course_add_pass(Course *course, const MigPass *pass, const ForecastSettings *settings);

/* The counters @transferred and @limiter_us at @now_us, as often as they are known: half seconds of
 * sending are made from them. */
void course_sent(Course *course, uint64_t transferred, uint64_t limiter_us, int64_t now_us,
                 const ForecastSettings *settings);

/* Makes a new forecast if there is a new pass or @settings have changed. */
void course_judge(Course *course, const ForecastSettings *settings);

/* NULL before the first forecast. */
const Forecast *course_forecast(const Course *course);
