/*
 * Queries that only migmon answers: the owner of the guest, the course of the newest attempt, the
 * map of RAM. Main thread. It also samples the counters of a running attempt ten times a second,
 * because the threads of the attempt may be blocked.
 */
#include "backend/engine/engine-internal.h"

#include "backend/base/clock.h"
#include "backend/forecast/answer.h"

/* In postcopy the guest runs on one side while part of its RAM exists only on the other. */
static void add_missing_pages(const Engine *e, char **evidence)
{
    g_autofree char *before = NULL;

    if (e->last == NULL || !migration_is_in_postcopy(e->last)) {
        return;
    }
    before = *evidence;
    *evidence = g_strdup_printf("%s; %" PRIu64 " pages are still %s", before,
                                atomic_load(&e->last->counters.remaining) / MIG_PAGE_SIZE,
                                e->last->outgoing ? "here" : "at the source");
}

void engine_query_owner(Engine *e, BackendSession *session, json_object *args, BackendReply *reply)
{
    json_object *o = json_object_new_object();
    bool waits = guest_run_state(e->guest) == RUN_STATE_INMIGRATE;
    Owner owner = waits ? OWNER_NONE : OWNER_HERE;
    g_autofree char *evidence = NULL;

    (void)session, (void)args;
    if (e->last != NULL) {
        owner = migration_get_owner(e->last, &evidence);
    } else {
        evidence = g_strdup(waits ? "this side waits for a guest" : "it was started here");
    }
    add_missing_pages(e, &evidence);
    json_object_object_add(o, "owner", json_object_new_string(owner_name(owner)));
    json_object_object_add(o, "evidence", json_object_new_string(evidence));
    json_object_object_add(o, "migrated", json_object_new_boolean(e->last != NULL));
    backend_reply_return(reply, o);
}

/* ---- the forecast ---- */

static ForecastSettings forecast_settings(const Engine *e)
{
    const LiveSettings *live = &e->settings;
    const MigCounters *c = &e->last->counters;
    bool converge = capability_is_on(e->capabilities, CAPABILITY_AUTO_CONVERGE);

    return (ForecastSettings){
        .page_size = MIG_PAGE_SIZE,
        .ram_pages = atomic_load(&c->total) / MIG_PAGE_SIZE,
        .limit_us = (int64_t)atomic_load(&live->downtime_limit) * 1000,
        .max_bandwidth = atomic_load(&live->max_bandwidth),
        .switchover_bandwidth = atomic_load(&live->avail_switchover_bandwidth),
        .threshold = atomic_load(&c->threshold),
        .elapsed_us = mig_clock_now_us() - e->last->start_us,
        .throttle = (unsigned)atomic_load(&c->cpu_throttle),
        .throttle_initial = (unsigned)atomic_load(&live->cpu_throttle_initial),
        .throttle_increment = (unsigned)atomic_load(&live->cpu_throttle_increment),
        .throttle_max = converge ? (unsigned)atomic_load(&live->max_cpu_throttle) : 0,
        .throttle_trigger = (unsigned)atomic_load(&live->throttle_trigger_threshold),
    };
}

/* Brings the forecast up to date. The passes of the pause are not part of it. */
static void follow_course(Engine *e)
{
    if (e->course == NULL || !migration_is_in_precopy(e->last)) {
        return;
    }
    const MigCounters *c = &e->last->counters;
    ForecastSettings settings = forecast_settings(e);
    g_autoptr(GArray) passes = migration_passes_after(e->last, course_newest(e->course));

    course_sent(e->course, atomic_load(&c->transferred), atomic_load(&c->limiter_us),
                mig_clock_now_us(), &settings);
    for (guint i = 0; i < passes->len; i++) {
        course_add_pass(e->course, &g_array_index(passes, MigPass, i), &settings);
    }
    course_judge(e->course, &settings);
}

void engine_query_history(Engine *e, BackendSession *session, json_object *args,
                          BackendReply *reply)
{
    bool with_samples = json_object_get_boolean(json_object_object_get(args, "samples"));

    (void)session;
    if (e->incoming != NULL) {
        incoming_note_faults(e->incoming);
    }
    if (e->last != NULL) {
        json_object *history = migration_history_to_json(e->last, with_samples);

        follow_course(e);
        forecast_add_to_history(e->course != NULL ? course_forecast(e->course) : NULL,
                                migration_get_status(e->last) == MIGRATION_ACTIVE, history);
        if (e->outgoing != NULL && outgoing_is_resuming(e->outgoing)) {
            json_object_object_add(history, "resuming", json_object_new_boolean(TRUE));
        }
        backend_reply_return(reply, history);
        return;
    }

    json_object *o = json_object_new_object();
    json_object_object_add(o, "direction", json_object_new_string("none"));
    json_object_object_add(o, "peer", json_object_new_string(""));
    json_object_object_add(o, "states", json_object_new_array());
    json_object_object_add(o, "passes", json_object_new_array());
    json_object_object_add(o, "threshold-bytes", json_object_new_int64(0));
    json_object_object_add(o, "elapsed-ms", json_object_new_int64(0));
    forecast_add_to_history(NULL, false, o);
    json_object_object_add(o, "outcome", json_object_new_string(""));
    backend_reply_return(reply, o);
}

void engine_query_ram_map(Engine *e, BackendSession *session, json_object *args,
                          BackendReply *reply)
{
    static const RamMap none;

    (void)session, (void)args;
    backend_reply_return(reply, ram_map_to_json(e->last != NULL ? &e->last->ram_map : &none));
}

/* ---- samples ---- */

/* False in setup: a destination may wait there for its source for a long time, with nothing to
 * sample. */
static bool has_course(const Engine *e)
{
    MigrationStatus status = e->last != NULL ? migration_get_status(e->last) : MIGRATION_NONE;

    return status != MIGRATION_SETUP && !migration_status_is_over(status);
}

static gboolean on_sample_time(void *data)
{
    Engine *e = data;

    if (has_course(e)) {
        if (e->outgoing != NULL) {
            outgoing_account_waits(e->outgoing);
        }
        migration_sample(e->last);
        follow_course(e);
        return G_SOURCE_CONTINUE;
    }
    e->sample_timer = 0;
    return G_SOURCE_REMOVE;
}

void engine_watch_course(Engine *e)
{
    if (e->sample_timer == 0 && has_course(e)) {
        e->sample_timer = g_timeout_add(SERIES_PERIOD_MS, on_sample_time, e);
    }
}

void engine_history_clear(Engine *e)
{
    if (e->sample_timer != 0) {
        g_source_remove(e->sample_timer);
        e->sample_timer = 0;
    }
    g_clear_pointer(&e->course, course_free);
}
