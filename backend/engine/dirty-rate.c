/*
 * The commands that measure how fast the guest writes. Main thread; the measurement itself is in
 * backend/guest/dirty/rate.h.
 */
#include "backend/engine/engine-internal.h"

#include <string.h>

#include "backend/base/error.h"

#define MIN_CALC_MS          50
#define MAX_CALC_MS          60000
#define MIN_SAMPLE_PAGES     128
#define MAX_SAMPLE_PAGES     16384
#define DEFAULT_SAMPLE_PAGES 512

static const char *const mode_names[] = {
    [DIRTY_RATE_PAGE_SAMPLING] = "page-sampling",
    [DIRTY_RATE_DIRTY_BITMAP] = "dirty-bitmap",
};

static const char *const status_names[] = {
    [DIRTY_RATE_UNSTARTED] = "unstarted",
    [DIRTY_RATE_MEASURING] = "measuring",
    [DIRTY_RATE_MEASURED] = "measured",
};

static void add_text(json_object *object, const char *key, const char *value)
{
    json_object_object_add(object, key, json_object_new_string(value));
}

static void add_uint(json_object *object, const char *key, uint64_t value)
{
    json_object_object_add(object, key, json_object_new_uint64(value));
}

/* ---- calc-dirty-rate ---- */

static bool take_mode(Engine *e, const char *name, DirtyRateMode *ret, GError **error)
{
    *ret = DIRTY_RATE_PAGE_SAMPLING;
    if (strcmp(name, mode_names[DIRTY_RATE_DIRTY_BITMAP]) == 0) {
        *ret = DIRTY_RATE_DIRTY_BITMAP;
        /* An arriving guest may need the kernel's only tracker. */
        return guest_run_state(e->guest) != RUN_STATE_INMIGRATE ||
               mig_fail(error, MIG_ERROR_GENERIC, "Guest is waiting for an incoming migration");
    }
    if (strcmp(name, mode_names[DIRTY_RATE_PAGE_SAMPLING]) == 0) {
        return true;
    }
    /* No machine here has a dirty ring; QEMU 8.2 without KVM crashes on this request. */
    g_set_error_literal(error, MIG_ERROR, MIG_ERROR_GENERIC,
                        "mode dirty-ring is not enabled, use other method instead.");
    mig_error_hint(error, "dirty-bitmap counts the same pages, and tells the vCPUs of the machine "
                          "stress apart");
    return false;
}

/* The checks are in QEMU's order. */
static bool take_request(Engine *e, json_object *args, DirtyRateRequest *ret, GError **error)
{
    int64_t time = json_object_get_int64(json_object_object_get(args, "calc-time"));
    const char *unit = json_object_get_string(json_object_object_get(args, "calc-time-unit"));
    const char *mode = json_object_get_string(json_object_object_get(args, "mode"));
    json_object *samples = json_object_object_get(args, "sample-pages");
    int64_t factor = unit != NULL && strcmp(unit, "millisecond") == 0 ? 1 : 1000;
    int64_t pages = samples != NULL ? json_object_get_int64(samples) : DEFAULT_SAMPLE_PAGES;

    mode = mode != NULL ? mode : mode_names[DIRTY_RATE_PAGE_SAMPLING];
    if (time > MAX_CALC_MS / factor || time < 0 || time * factor < MIN_CALC_MS) {
        return mig_fail(error, MIG_ERROR_GENERIC, "Calculation time is out of range [%dms, %dms].",
                        MIN_CALC_MS, MAX_CALC_MS);
    }
    if (samples != NULL && strcmp(mode, mode_names[DIRTY_RATE_PAGE_SAMPLING]) != 0) {
        return mig_fail(error, MIG_ERROR_GENERIC,
                        "sample-pages is used only in page-sampling mode");
    }
    if (pages < MIN_SAMPLE_PAGES || pages > MAX_SAMPLE_PAGES) {
        return mig_fail(error, MIG_ERROR_GENERIC, "sample-pages is out of range[%d, %d].",
                        MIN_SAMPLE_PAGES, MAX_SAMPLE_PAGES);
    }
    ret->window_ms = (uint64_t)(time * factor);
    ret->samples_per_gib = (uint64_t)pages;
    return take_mode(e, mode, &ret->mode, error);
}

static gboolean answer_begun(void *data)
{
    Engine *e = data;
    BackendReply *reply = g_steal_pointer(&e->rate_reply);
    GError *error = dirty_rate_take_error(e->rate);

    if (error != NULL) {
        backend_reply_error(reply, error);
    } else {
        backend_reply_return(reply, NULL);
    }
    return G_SOURCE_REMOVE;
}

static void has_begun(void *data)
{
    g_idle_add_full(G_PRIORITY_DEFAULT, answer_begun, data, NULL);
}

void engine_calc_dirty_rate(Engine *e, BackendSession *session, json_object *args,
                            BackendReply *reply)
{
    GError *error = NULL;
    DirtyRateRequest request;

    (void)session;
    if (e->rate_reply != NULL) {
        backend_reply_failure(reply, "the dirty rate is already being measured.");
        return;
    }
    if (!take_request(e, args, &request, &error)) {
        backend_reply_error(reply, error);
        return;
    }
    e->rate_reply = reply;
    if (!dirty_rate_begin(e->rate, &request, has_begun, e, &error)) {
        e->rate_reply = NULL;
        backend_reply_error(reply, error);
    }
}

/* ---- query-dirty-rate ---- */

/* QEMU's "MB/s" are MiB/s. */
static int64_t mib_rate(const DirtyRateResult *r, uint64_t pages)
{
    return (int64_t)(dirty_rate_of(r, pages) / (1 << 20) + 0.5);
}

static json_object *vcpu_rates(const DirtyRateResult *r)
{
    json_object *list = json_object_new_array();

    for (unsigned i = 0; i < r->n_vcpus; i++) {
        json_object *row = json_object_new_object();

        json_object_object_add(row, "id", json_object_new_int64(i));
        json_object_object_add(row, "dirty-rate",
                               json_object_new_int64(mib_rate(r, r->vcpu_pages[i])));
        json_object_array_add(list, row);
    }
    return list;
}

void engine_query_dirty_rate(Engine *e, BackendSession *session, json_object *args,
                             BackendReply *reply)
{
    const char *unit = json_object_get_string(json_object_object_get(args, "calc-time-unit"));
    json_object *o = json_object_new_object();
    g_auto(DirtyRateResult) r = { 0 };

    (void)session;
    dirty_rate_get(e->rate, &r);
    unit = unit != NULL ? unit : "second";
    if (r.status == DIRTY_RATE_MEASURED) {
        json_object_object_add(o, "dirty-rate", json_object_new_int64(mib_rate(&r, r.pages)));
    }
    add_text(o, "status", status_names[r.status]);
    json_object_object_add(o, "start-time",
                           json_object_new_int64(r.start_wall_us / G_USEC_PER_SEC));
    add_uint(o, "calc-time",
             strcmp(unit, "second") == 0 ? r.request.window_ms / 1000 : r.request.window_ms);
    add_text(o, "calc-time-unit", unit);
    add_uint(o, "sample-pages", r.request.samples_per_gib);
    add_text(o, "mode", mode_names[r.request.mode]);
    if (r.status == DIRTY_RATE_MEASURED && r.n_vcpus > 0) {
        json_object_object_add(o, "vcpu-dirty-rate", vcpu_rates(&r));
    }
    backend_reply_return(reply, o);
}

/* The same result in pages, and the workload's own figures beside it. */
void engine_query_dirty_pages(Engine *e, BackendSession *session, json_object *args,
                              BackendReply *reply)
{
    json_object *o = json_object_new_object();
    g_auto(DirtyRateResult) r = { 0 };

    (void)session, (void)args;
    dirty_rate_get(e->rate, &r);
    add_text(o, "status", status_names[r.status]);
    json_object_object_add(o, "elapsed-us", json_object_new_int64(r.elapsed_us));
    add_uint(o, "pages", r.pages);
    add_uint(o, "written-pages", r.proof);
    backend_reply_return(reply, o);
}

/* ---- life ---- */

void engine_dirty_let_go(Engine *e)
{
    dirty_rate_abort(e->rate);
    dirty_limit_let_go(e->limit);
}

void engine_dirty_clear(Engine *e)
{
    g_clear_pointer(&e->limit, dirty_limit_free);
    g_clear_pointer(&e->rate, dirty_rate_free);
    if (e->rate_reply != NULL) {
        g_idle_remove_by_data(e);
        backend_reply_failure(g_steal_pointer(&e->rate_reply), "migmon is quitting");
    }
    g_clear_pointer(&e->dirty, dirty_share_free);
}
