/*
 * Features that only migmon's guest has: its workload, the verification of its RAM, planted faults.
 * Main thread; a verification reads all RAM in a separate thread.
 */
#include "backend/engine/engine-internal.h"

#include "backend/base/error.h"
#include "backend/base/fault.h"

void engine_query_guest(Engine *e, BackendSession *session, json_object *args, BackendReply *reply)
{
    json_object *list = json_object_new_array();
    g_auto(GStrv) pairs = guest_describe(e->guest);

    (void)session, (void)args;
    for (size_t i = 0; pairs[i] != NULL; i += 2) {
        json_object *o = json_object_new_object();

        json_object_object_add(o, "name", json_object_new_string(pairs[i]));
        json_object_object_add(o, "value", json_object_new_string(pairs[i + 1]));
        json_object_array_add(list, o);
    }
    backend_reply_return(reply, list);
}

void engine_guest_set(Engine *e, BackendSession *session, json_object *args, BackendReply *reply)
{
    GError *error = NULL;

    (void)session;
    if (!guest_set(e->guest, json_object_get_string(json_object_object_get(args, "key")),
                   json_object_get_string(json_object_object_get(args, "value")), &error)) {
        backend_reply_error(reply, error);
        return;
    }
    backend_reply_return(reply, NULL);
}

/* ---- verification ---- */

/* Owned by the thread until it is joined; the thread reads nothing else of the engine. */
struct VerifyJob {
    Engine *engine; /* for verify_done() */
    Guest *guest;
    bool ok;
    VerifyReport report;
    GError *error;
};

static void add_uint(json_object *object, const char *key, uint64_t value)
{
    json_object_object_add(object, key, json_object_new_uint64(value));
}

static json_object *report_to_json(const VerifyReport *report)
{
    json_object *o = json_object_new_object();
    json_object *counts = json_object_new_array();
    json_object *findings = json_object_new_array();
    uint64_t faults = 0;

    for (int i = 0; i < VERIFY__COUNT; i++) {
        json_object *c = json_object_new_object();

        faults += report->n_faults[i];
        json_object_object_add(c, "fault", json_object_new_string(verify_fault_name(i)));
        add_uint(c, "count", report->n_faults[i]);
        json_object_array_add(counts, c);
    }
    for (guint i = 0; report->findings != NULL && i < report->findings->len; i++) {
        const VerifyFinding *f = &g_array_index(report->findings, VerifyFinding, i);
        g_autofree char *text = verify_finding_text(f);
        json_object *j = json_object_new_object();

        json_object_object_add(j, "fault", json_object_new_string(verify_fault_name(f->fault)));
        json_object_object_add(j, "text", json_object_new_string(text));
        add_uint(j, "page", f->page);
        json_object_array_add(findings, j);
    }
    json_object_object_add(o, "ok", json_object_new_boolean(faults == 0));
    add_uint(o, "pages-checked", report->pages_checked);
    add_uint(o, "pages-written", report->pages_written);
    add_uint(o, "steps", report->steps);
    add_uint(o, "faults", faults);
    json_object_object_add(o, "counts", counts);
    json_object_object_add(o, "findings", findings);
    return o;
}

static void verify_job_free(VerifyJob *job)
{
    verify_report_clear(&job->report);
    g_clear_error(&job->error);
    g_free(job);
}

static gboolean verify_done(void *data)
{
    Engine *e = data;
    BackendReply *reply = g_steal_pointer(&e->verify_reply);
    VerifyJob *job = g_steal_pointer(&e->verify_job);

    g_thread_join(g_steal_pointer(&e->verify_thread));
    if (guest_is_empty(e->guest)) {
        backend_reply_failure(reply, "the guest's memory here was given back (release-ram)");
    } else if (job->ok) {
        backend_reply_return(reply, report_to_json(&job->report));
    } else {
        backend_reply_error(reply, g_steal_pointer(&job->error));
    }
    verify_job_free(job);
    return G_SOURCE_REMOVE;
}

static void *verify_thread(void *data)
{
    VerifyJob *job = data;

    job->ok = guest_verify(job->guest, &job->report, &job->error);
    g_idle_add_full(G_PRIORITY_DEFAULT, verify_done, job->engine, NULL);
    return NULL;
}

void engine_guest_verify(Engine *e, BackendSession *session, json_object *args, BackendReply *reply)
{
    (void)session, (void)args;
    if (e->verify_thread != NULL) {
        backend_reply_failure(reply, "a verification is running already");
        return;
    }
    if (guest_run_state(e->guest) == RUN_STATE_INMIGRATE) {
        backend_reply_failure(reply, "Guest is waiting for an incoming migration");
        return;
    }
    if (guest_is_empty(e->guest)) {
        backend_reply_failure(reply, "the guest's memory here was given back (release-ram)");
        return;
    }
    GError *error = NULL;
    if (!engine_ram_is_whole(e, &error)) {
        backend_reply_error(reply, error);
        return;
    }
    e->verify_job = g_new0(VerifyJob, 1);
    e->verify_job->engine = e;
    e->verify_job->guest = e->guest;
    e->verify_reply = reply;
    e->verify_thread =
        fault_thread_new("thread-verify", "verify", verify_thread, e->verify_job, &error);
    if (e->verify_thread == NULL) {
        verify_job_free(g_steal_pointer(&e->verify_job));
        backend_reply_error(g_steal_pointer(&e->verify_reply), error);
    }
}

void engine_guest_clear(Engine *e)
{
    if (e->verify_thread != NULL) {
        guest_verify_abort(e->guest);
        g_thread_join(g_steal_pointer(&e->verify_thread));
        g_idle_remove_by_data(e);
        verify_job_free(g_steal_pointer(&e->verify_job));
        backend_reply_failure(g_steal_pointer(&e->verify_reply), "migmon is quitting");
    }
}

/* ---- planted faults ---- */

static bool faults_are_on(BackendReply *reply)
{
    if (fault_enabled()) {
        return true;
    }
    backend_reply_failure(reply,
                          "faults can be injected only when MIGMON_FAULT is in the environment");
    return false;
}

void engine_guest_plant(Engine *e, BackendSession *session, json_object *args, BackendReply *reply)
{
    const char *name = json_object_get_string(json_object_object_get(args, "fault"));
    VerifyFault fault;
    uint64_t page;
    GError *error = NULL;

    (void)session;
    if (!faults_are_on(reply)) {
        return;
    }
    if (!verify_fault_from_name(name, &fault)) {
        backend_reply_failure(reply, "Parameter 'fault' does not accept value '%s'", name);
        return;
    }
    if (!engine_ram_is_whole(e, &error) || !guest_plant_fault(e->guest, fault, &page, &error)) {
        backend_reply_error(reply, error);
        return;
    }

    json_object *o = json_object_new_object();
    add_uint(o, "page", page);
    backend_reply_return(reply, o);
}

void engine_fault_release(Engine *e, BackendSession *session, json_object *args,
                          BackendReply *reply)
{
    (void)e, (void)session, (void)args;
    if (faults_are_on(reply)) {
        fault_release();
        backend_reply_return(reply, NULL);
    }
}
