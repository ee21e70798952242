/*
 * See history.h. A pass ends when the count of dirty syncs has grown, so the
 * precision of its duration and bytes depends on how often query-migrate is
 * asked.
 */
#include "backend/attach/history.h"

#include <string.h>

#include "backend/base/clock.h"
#include "backend/base/json.h"
#include "backend/base/size.h"
#include "backend/engine/course.h"
#include "backend/forecast/answer.h"
#include "backend/tables/history.h"
#include "backend/tables/info.h"

/* QEMU measures the dirty rate at the first sync that comes so long after the one before. Until
 * then its rate is 0. The rest is what a poll may be late. */
#define RATE_US 1500000

/* After a resume a paused source counts as connecting for this long. */
#define RESUME_US 10000000

#define MAX_MOVES  1000
#define MAX_PASSES 10000

typedef struct {
    char *status;
    int64_t time_us, wall_us;
} Move;

struct History {
    GArray *moves;  /* Move */
    GArray *passes; /* MigPass */
    char *peer, *outcome;
    bool incoming, snapshot;
    int64_t resuming_until_us; /* a paused source reconnects until then; 0 = it does not */
    int64_t start_us, end_us;  /* end 0 = running */
    /* The counters at the start of the current pass. */
    uint64_t sync_count, began_bytes, began_pages, began_zero;
    int64_t began_us;
    int64_t first_sync_us; /* when it was first seen; 0 = not yet */
    /* From the last reply of query-migrate. */
    uint64_t bandwidth, page_size, total, transferred, throttle;
    ForecastSettings settings; /* as far as they are known */
    Course *course;
    bool active;
};

static void clear_move(void *data)
{
    g_free(((Move *)data)->status);
}

History *history_new(void)
{
    History *history = g_new0(History, 1);

    history->moves = g_array_new(FALSE, FALSE, sizeof(Move));
    g_array_set_clear_func(history->moves, clear_move);
    history->passes = g_array_new(FALSE, FALSE, sizeof(MigPass));
    history->peer = g_strdup("");
    history->outcome = g_strdup("");
    history->course = course_new();
    return history;
}

void history_free(History *history)
{
    if (history != NULL) {
        course_free(history->course);
        g_array_unref(history->moves);
        g_array_unref(history->passes);
        g_free(history->peer);
        g_free(history->outcome);
        g_free(history);
    }
}

static void set_text(char **place, const char *text)
{
    char *copy = g_strdup(text);

    g_free(*place);
    *place = copy;
}

void history_set_peer(History *history, const char *peer)
{
    set_text(&history->peer, peer);
}

void history_set_incoming(History *history, bool incoming)
{
    history->incoming = incoming;
}

void history_set_snapshot(History *history)
{
    history->snapshot = true;
    history->incoming = false;
}

void history_set_resuming(History *history)
{
    history->resuming_until_us = mig_clock_now_us() + RESUME_US;
}

void history_set_outcome(History *history, const char *outcome)
{
    set_text(&history->outcome, outcome);
}

bool history_is_incoming(const History *history)
{
    return history->incoming;
}

const char *history_last_status(const History *history)
{
    return history->moves->len > 0
               ? g_array_index(history->moves, Move, history->moves->len - 1).status
               : "none";
}

static bool is_over(const char *status)
{
    MigrationStatus known;

    return migration_status_from_name(status, &known) && migration_status_is_over(known);
}

bool history_is_over(const History *history)
{
    return is_over(history_last_status(history));
}

static void begin(History *history, int64_t now_us)
{
    g_array_set_size(history->moves, 0);
    g_array_set_size(history->passes, 0);
    set_text(&history->outcome, "");
    history->start_us = history->began_us = now_us;
    history->end_us = history->first_sync_us = 0;
    history->snapshot = false;
    history->sync_count = history->began_bytes = history->began_pages = history->began_zero = 0;
    history->bandwidth = history->total = history->transferred = 0;
    course_free(history->course);
    history->course = course_new();
}

void history_status(History *history, const char *status, int64_t wall_us)
{
    int64_t now_us = mig_clock_now_us();

    if (strcmp(status, history_last_status(history)) == 0) {
        return;
    }
    history->resuming_until_us = 0;
    if (!is_over(status) && history_is_over(history)) {
        begin(history, now_us);
    }
    if (history->moves->len < MAX_MOVES) {
        Move move = { g_strdup(status), now_us, wall_us };

        g_array_append_val(history->moves, move);
    }
    if (history->start_us == 0) {
        history->start_us = now_us;
    }
    history->active = strcmp(status, "active") == 0;
    history->end_us = is_over(status) ? now_us : 0;
}

static uint64_t pages_of(json_object *ram)
{
    return json_number(ram, "normal") + json_number(ram, "duplicate");
}

static void end_pass(History *history, json_object *ram, int64_t now_us)
{
    uint64_t dirty_rate =
        json_number(ram, "dirty-pages-rate"); /* pages/s over the pass that has just ended */
    MigPass pass = {
        .number = history->sync_count,
        .start_us = history->began_us,
        .end_us = now_us,
        .bytes = json_number(ram, "transferred") - history->began_bytes,
        .pages = pages_of(ram) - history->began_pages,
        .zero_pages = json_number(ram, "duplicate") - history->began_zero,
        .remaining_bytes = json_number(ram, "remaining"),
        .threshold_bytes = history->settings.threshold,
        .throttle = history->throttle,
        .left_bytes = HISTORY_UNKNOWN,
        .fresh_pages = HISTORY_UNKNOWN,
        .link_us = HISTORY_UNKNOWN,
        .receiver_us = HISTORY_UNKNOWN,
        .limiter_us = HISTORY_UNKNOWN,
        .work_us = HISTORY_UNKNOWN,
    };

    pass.dirtied_pages =
        dirty_rate == 0 && now_us - history->first_sync_us < RATE_US
            ? HISTORY_UNKNOWN
            : saturate_u64((double)dirty_rate * (double)(now_us - pass.start_us) / 1e6);
    if (history->passes->len < MAX_PASSES) {
        g_array_append_val(history->passes, pass);
    }
    course_add_pass(history->course, &pass, &history->settings);
}

static void note_settings(History *history, json_object *parameters, int64_t now_us)
{
    uint64_t given = json_number(parameters, "avail-switchover-bandwidth");
    uint64_t limit_ms = json_number(parameters, "downtime-limit");
    uint64_t bandwidth = given != 0 ? given : history->bandwidth;
    bool throttled = history->throttle > 0; /* auto-converge is on */

    history->settings = (ForecastSettings){
        .page_size = history->page_size,
        .ram_pages = history->total / MAX(history->page_size, 1u),
        .limit_us = (int64_t)limit_ms * 1000,
        .max_bandwidth = json_number(parameters, "max-bandwidth"),
        .switchover_bandwidth = given,
        .threshold = saturate_u64((double)bandwidth * (double)limit_ms / 1000),
        .elapsed_us = now_us - history->start_us,
        .throttle = (unsigned)history->throttle,
        .throttle_initial = (unsigned)json_number(parameters, "cpu-throttle-initial"),
        .throttle_increment = (unsigned)json_number(parameters, "cpu-throttle-increment"),
        .throttle_max = throttled ? (unsigned)json_number(parameters, "max-cpu-throttle") : 0,
        .throttle_trigger = (unsigned)json_number(parameters, "throttle-trigger-threshold"),
    };
}

static void begin_pass(History *history, json_object *ram, uint64_t count, int64_t now_us)
{
    if (history->sync_count > 0) {
        end_pass(history, ram, now_us);
        history->began_us = now_us;
    } else {
        history->first_sync_us = now_us;
    }
    history->sync_count = count;
    history->began_bytes = json_number(ram, "transferred");
    history->began_pages = pages_of(ram);
    history->began_zero = json_number(ram, "duplicate");
}

void history_seen(History *history, json_object *info, json_object *parameters)
{
    json_object *ram = NULL;
    int64_t now_us = mig_clock_now_us();

    if (!json_object_object_get_ex(info, "ram", &ram) ||
        !json_object_is_type(ram, json_type_object)) {
        return;
    }
    uint64_t count = json_number(ram, "dirty-sync-count");
    double mbps = json_real(ram, "mbps");

    history->incoming = false; /* only a source reports "ram" */
    history->page_size = json_number(ram, "page-size");
    history->total = json_number(ram, "total");
    history->transferred = json_number(ram, "transferred");
    history->bandwidth = mbps > 0 ? saturate_u64(mbps * 1e6 / 8) : history->bandwidth;
    if (history->end_us != 0 && count == history->sync_count && count > 0 &&
        pages_of(ram) > history->began_pages) { /* what the guest's pause was for */
        end_pass(history, ram, history->end_us);
        history->began_pages = pages_of(ram);
        return;
    }
    note_settings(history, parameters, now_us);
    course_sent(history->course, history->transferred, 0, now_us, &history->settings);
    if (count > history->sync_count) {
        begin_pass(history, ram, count, now_us);
        history->throttle = json_number(info, "cpu-throttle-percentage");
    }
    if (history->active && history->settings.limit_us > 0) {
        course_judge(history->course, &history->settings);
    }
}

/* ---- as an answer ---- */

static void add_text(json_object *object, const char *key, const char *value)
{
    json_object_object_add(object, key, json_object_new_string(value));
}

json_object *history_to_json(const History *history)
{
    json_object *o = json_object_new_object();
    json_object *states = json_object_new_array(), *passes = json_object_new_array();
    guint n = history->passes->len;
    int64_t end = history->end_us != 0 ? history->end_us : mig_clock_now_us();

    for (guint i = 0; i < history->moves->len; i++) {
        const Move *move = &g_array_index(history->moves, Move, i);

        json_object_array_add(states, history_state_to_json(move->status, move->time_us,
                                                            move->wall_us, history->start_us));
    }
    for (guint i = 0; i < n; i++) {
        json_object_array_add(
            passes,
            history_pass_to_json(&g_array_index(history->passes, MigPass, i), history->start_us));
    }
    add_text(o, "direction",
             history->moves->len == 0 ? "none"
             : history->snapshot      ? "snapshot"
             : history->incoming      ? "incoming"
                                      : "outgoing");
    add_text(o, "peer", history->peer);
    json_object_object_add(o, "states", states);
    json_object_object_add(o, "passes", passes);
    if (history->total > 0) {
        json_add_number(o, "total-bytes", history->total);
        json_add_number(o, "transferred-bytes", history->transferred);
    }
    json_add_number(o, "threshold-bytes", history->settings.threshold);
    json_add_integer(o, "elapsed-ms",
                     history->moves->len > 0 ? (end - history->start_us) / 1000 : 0);
    forecast_add_to_history(course_forecast(history->course), history->active, o);
    json_add_text(o, "outcome", history->outcome);
    if (mig_clock_now_us() < history->resuming_until_us) {
        json_add_flag(o, "resuming", true);
    }
    return o;
}
