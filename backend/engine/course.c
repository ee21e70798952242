/*
 * See course.h.
 */
#include "backend/engine/course.h"

#define BLOCK_US 500000

/* Parts of the pause besides RAM: an average host takes about so long. */
#define FIXED_US 20000

/* What is sent between two looks at the threshold: about 20 ms of the limit, or a full batch. */
#define BATCH_MIN (UINT64_C(64) << 10)
#define BATCH_MAX (UINT64_C(2) << 20)

struct Course {
    Forecaster *forecaster;
    uint64_t newest;         /* number of the newest pass, 0 = none */
    bool new_pass;           /* since the last forecast */
    ForecastSettings judged; /* the settings of the last forecast */
    uint64_t threshold;      /* with which the newest pass ended */
    int64_t block_us;        /* beginning of the present half second, 0 = none */
    uint64_t block_bytes, block_limiter_us;
};

Course *course_new(void)
{
    Course *course = g_new0(Course, 1);

    course->forecaster = forecaster_new();
    return course;
}

void course_free(Course *course)
{
    if (course != NULL) {
        forecaster_free(course->forecaster);
        g_free(course);
    }
}

uint64_t course_newest(const Course *course)
{
    return course->newest;
}

static uint64_t known(uint64_t value, uint64_t otherwise)
{
    return value != HISTORY_UNKNOWN ? value : otherwise;
}

void course_add_pass(Course *course, const MigPass *pass, const ForecastSettings *settings)
{
    uint64_t page = MAX(settings->page_size, 1u);
    const ForecastPass seen = {
        .duration_us = pass->end_us - pass->start_us,
        .pages = pass->pages,
        .zero_pages = pass->zero_pages,
        .fresh_pages = known(pass->fresh_pages, 0),
        .dirtied = known(pass->dirtied_pages, pass->remaining_bytes / page),
        .remaining = pass->remaining_bytes / page,
        .bytes = pass->bytes,
        .limiter_us = (int64_t)known(pass->limiter_us, 0),
        .throttle = (unsigned)MIN(pass->throttle, 100u),
    };

    for (unsigned i = 0; i < pass->n_counts; i++) {
        const ForecastWindow window = {
            .duration_us = pass->counts[i].us * (100 - (int64_t)seen.throttle) / 100,
            .pages = pass->counts[i].pages,
            .pass = pass->number,
        };

        forecaster_add_window(course->forecaster, &window);
    }
    forecaster_add_pass(course->forecaster, &seen);
    course->newest = pass->number;
    course->threshold = pass->threshold_bytes;
    course->new_pass = true;
}

void course_sent(Course *course, uint64_t transferred, uint64_t limiter_us, int64_t now_us,
                 const ForecastSettings *settings)
{
    int64_t span = now_us - course->block_us;

    if (course->block_us != 0 && span < BLOCK_US) {
        return;
    }
    if (course->block_us != 0 && transferred >= course->block_bytes) {
        const ForecastBlock block = {
            .duration_us = span,
            .bytes = transferred - course->block_bytes,
            .limiter_us = (int64_t)MIN(limiter_us - course->block_limiter_us, (uint64_t)span),
            .threshold = settings->threshold,
            .limit_us = settings->limit_us,
            .max_bandwidth = settings->max_bandwidth,
            .has_settings = true,
        };

        forecaster_add_block(course->forecaster, &block);
    }
    course->block_us = now_us;
    course->block_bytes = transferred;
    course->block_limiter_us = limiter_us;
}

static bool same_settings(const ForecastSettings *a, const ForecastSettings *b)
{
    return a->limit_us == b->limit_us && a->max_bandwidth == b->max_bandwidth &&
           a->switchover_bandwidth == b->switchover_bandwidth &&
           a->throttle_max == b->throttle_max && a->throttle_initial == b->throttle_initial &&
           a->throttle_increment == b->throttle_increment &&
           a->throttle_trigger == b->throttle_trigger;
}

void course_judge(Course *course, const ForecastSettings *given)
{
    ForecastSettings settings = *given;
    bool same = same_settings(given, &course->judged);

    if (course->newest == 0 || (!course->new_pass && same)) {
        return;
    }
    if (course->new_pass) { /* else a setting has changed, and the present threshold with it */
        settings.threshold = course->threshold;
    }
    settings.batch = given->max_bandwidth == 0
                         ? BATCH_MAX
                         : CLAMP(given->max_bandwidth / 50, BATCH_MIN, BATCH_MAX);
    settings.fixed_us = FIXED_US;
    course->judged = *given;
    course->new_pass = false;
    forecaster_judge(course->forecaster, &settings);
}

const Forecast *course_forecast(const Course *course)
{
    const Forecast *last = forecaster_last(course->forecaster);

    return last->pass > 0 ? last : NULL;
}
