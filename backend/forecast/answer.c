/*
 * See answer.h.
 */
#include "backend/forecast/answer.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "backend/base/json.h"
#include "backend/base/size.h"

/* Above this share of the time the limit holds the sending. */
#define HELD 0.5
/* A longer pause is not proposed, nor one so many times the limit. */
#define PAUSE_MAX_US    2000000
#define PAUSE_MAX_TIMES 10

/* "84 ms", "2.4 s", "3 min 20 s" */
static char *time_text(int64_t us)
{
    int64_t seconds = (us + 500000) / 1000000;

    if (us < 950000) {
        return g_strdup_printf("%" PRId64 " ms", (us + 500) / 1000);
    }
    if (us < 100000000) {
        return g_strdup_printf("%.1f s", (double)us / 1e6);
    }
    return g_strdup_printf("%" PRId64 " min %" PRId64 " s", seconds / 60, seconds % 60);
}

static char *pages_text(const Forecast *f, double pages)
{
    return size_format((uint64_t)(pages * f->page_size));
}

char *forecast_text(const Forecast *f)
{
    if (f == NULL || f->pass == 0) {
        return g_strdup("");
    }
    g_autofree char *limit = time_text(f->limit_us), *pause = time_text(f->pause_us.p50);
    g_autofree char *eta = time_text(f->eta_us.p50), *next = time_text(f->next_pass_us);
    g_autofree char *floor = pages_text(f, f->floor), *fits = pages_text(f, f->threshold);

    switch (f->verdict) {
    case FORECAST_WILL_FINISH:
        return f->has_eta ? g_strdup_printf("will finish in about %s: pause about %s, limit %s",
                                            eta, pause, limit)
                          : g_strdup("will finish");
    case FORECAST_WILL_NOT_FINISH:
        return g_strdup_printf("will not finish: %s stay dirty, %s fit into the limit of %s", floor,
                               fits, limit);
    default:
        return f->next_pass_us > 0
                   ? g_strdup_printf("not yet clear (%.0f %%): the next pass takes about %s",
                                     f->probability * 100, next)
                   : g_strdup("not yet clear");
    }
}

/* Rounded up to a step that people would choose. */
static uint64_t stepped(uint64_t value)
{
    uint64_t step = value < 1000 ? 50 : value < 10000 ? 500 : 5000;

    return (value + step - 1) / step * step;
}

static bool limit_helps(const Forecast *f)
{
    return f->need_limit_us > f->limit_us && f->need_limit_us <= PAUSE_MAX_US &&
           f->need_limit_us <= f->limit_us * PAUSE_MAX_TIMES;
}

/* Only the limit itself can be raised; what the link gives is given. */
static bool bandwidth_helps(const Forecast *f)
{
    return f->limiter_share > HELD && f->need_bandwidth > 0 &&
           (double)f->need_bandwidth <= f->switchover_bandwidth;
}

char *forecast_advice(const Forecast *f)
{
    g_autoptr(GString) text = g_string_new(NULL);

    if (f == NULL || f->pass == 0 || f->verdict != FORECAST_WILL_NOT_FINISH) {
        return g_strdup("");
    }
    if (bandwidth_helps(f)) {
        g_string_append_printf(text, "migrate_set_parameter max-bandwidth %" PRIu64 "M; or ",
                               (f->need_bandwidth >> 20) + 1);
    }
    if (limit_helps(f)) {
        g_string_append_printf(
            text, "migrate_set_parameter downtime-limit %" PRIu64 " accepts that pause; or ",
            stepped((uint64_t)f->need_limit_us / 1000));
    }
    if (f->need_throttle > 0 && f->throttle == 0) {
        g_string_append_printf(text, "auto-converge slows the guest by about %u %%; or ",
                               f->need_throttle);
    }
    g_string_append(text, "postcopy-ram moves it as it is");
    return g_string_free(g_steal_pointer(&text), FALSE);
}

/* ---- as data ---- */

static void add_range(json_object *o, const char *name, const ForecastRange *range)
{
    json_object *ms = json_object_new_object();

    json_add_integer(ms, "p10", range->p10 / 1000);
    json_add_integer(ms, "p50", range->p50 / 1000);
    json_add_integer(ms, "p90", range->p90 / 1000);
    json_object_object_add(o, name, ms);
}

static void add_reason(json_object *list, char *text)
{
    json_object_array_add(list, json_object_new_string(text));
    g_free(text);
}

static json_object *reasons_of(const Forecast *f)
{
    json_object *list = json_object_new_array();
    g_autofree char *floor = pages_text(f, f->floor), *fits = pages_text(f, f->threshold);
    g_autofree char *left = pages_text(f, (double)f->remaining), *limit = time_text(f->limit_us);

    if ((double)f->remaining <= f->threshold) {
        add_reason(list, g_strdup_printf("%s are left and %s fit into the limit of %s", left, fits,
                                         limit));
    } else if (f->verdict == FORECAST_WILL_NOT_FINISH) {
        add_reason(list,
                   g_strdup_printf("about %s stay dirty however many passes are made; %s fit into "
                                   "the limit of %s",
                                   floor, fits, limit));
    } else if (f->verdict == FORECAST_WILL_FINISH) {
        add_reason(list, g_strdup_printf("the passes get shorter: %s are left now, %s fit into the "
                                         "limit of %s",
                                         left, fits, limit));
    } else if (f->pass < 2) {
        add_reason(list, g_strdup("one pass does not tell how much comes back in a shorter one"));
    } else if (f->probability < 0.2) {
        add_reason(list, g_strdup_printf("about %s stay dirty at this bandwidth, but more of it "
                                         "was seen or is allowed",
                                         floor));
    } else {
        add_reason(list, g_strdup_printf("curves that fit the passes so far end differently: "
                                         "%.0f %% of them in time",
                                         f->probability * 100));
    }
    if (f->limiter_share > HELD) {
        add_reason(list, g_strdup_printf("max-bandwidth holds the sending for %.0f %% of the time",
                                         f->limiter_share * 100));
    }
    if (f->throttle > 0) {
        add_reason(list, g_strdup_printf("the guest is slowed by %u %%", f->throttle));
    }
    return list;
}

static json_object *needs_of(const Forecast *f)
{
    json_object *needs = json_object_new_object();

    if (f->need_limit_us > f->limit_us) {
        json_add_integer(needs, "downtime-limit-ms", f->need_limit_us / 1000);
    }
    if ((double)f->need_bandwidth > f->bandwidth) {
        json_add_number(needs, "bandwidth", f->need_bandwidth);
    }
    if (f->need_throttle > f->throttle) {
        json_add_number(needs, "throttle", f->need_throttle);
    }
    return needs;
}

static json_object *inputs_of(const Forecast *f)
{
    json_object *inputs = json_object_new_object();

#define FORECAST_INPUT(member, value) json_add_number(inputs, member, (uint64_t)(value));
#include "backend/forecast/forecast.def"
    return inputs;
}

json_object *forecast_to_json(const Forecast *f)
{
    json_object *o = json_object_new_object();
    g_autofree char *text = forecast_text(f), *advice = forecast_advice(f);

    json_add_text(o, "verdict", forecast_verdict_name(f->verdict));
    json_add_text(o, "text", text);
    json_add_text(o, "advice", advice);
    json_object_object_add(o, "probability", json_object_new_double(f->probability));
    if (f->has_eta) {
        add_range(o, "eta-ms", &f->eta_us);
        add_range(o, "pause-ms", &f->pause_us);
    }
    json_object_object_add(o, "needs", needs_of(f));
    json_object_object_add(o, "reasons", reasons_of(f));
    json_object_object_add(o, "inputs", inputs_of(f));
    return o;
}

void forecast_add_to_history(const Forecast *f, bool running, json_object *history)
{
    g_autofree char *text = forecast_text(running ? f : NULL);
    g_autofree char *advice = forecast_advice(running ? f : NULL);

    json_add_text(history, "verdict", text);
    json_add_text(history, "advice", advice);
    if (f != NULL && f->pass > 0) {
        json_object_object_add(history, "forecast", forecast_to_json(f));
    }
}
