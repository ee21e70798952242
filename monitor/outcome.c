/*
 * See outcome.h. Main thread.
 *
 * Three requests one after another: query-migrate (again after every event while
 * a migration runs), the history, the owner. The struct is counted, because a
 * reply may come after outcome_wait_free().
 */
#include "monitor/outcome.h"

#include <string.h>

#include "backend/base/json.h"

struct OutcomeWait {
    unsigned refs;
    Backend *backend;
    BackendSession *session;
    unsigned subscription;
    OutcomePatience patience;
    bool freed;
    bool asking; /* a request is pending */
    bool again;  /* an event came while a request was pending */
    Outcome outcome;
    void (*done)(const Outcome *outcome, void *data);
    void *data;
};

bool outcome_status_is_running(const char *status)
{
    static const char *const at_rest[] = { "none", "completed",       "failed", "cancelled",
                                           "colo", "postcopy-paused", NULL };

    return status != NULL && !g_strv_contains(at_rest, status);
}

static void wait_unref(OutcomeWait *wait)
{
    if (--wait->refs > 0) {
        return;
    }
    g_free(wait->outcome.status);
    g_free(wait->outcome.direction);
    g_free(wait->outcome.owner);
    g_free(wait->outcome.peer);
    g_free(wait->outcome.sentence);
    g_free(wait);
}

void outcome_wait_free(OutcomeWait *wait)
{
    if (wait == NULL || wait->freed) {
        return;
    }
    wait->freed = true;
    if (wait->subscription != 0) {
        backend_unsubscribe(wait->backend, wait->subscription);
    }
    backend_session_close(wait->session);
    wait_unref(wait);
}

static void ask(OutcomeWait *wait, const char *command, BackendDone done)
{
    json_object *request = json_object_new_object();

    json_add_text(request, "execute", command);
    wait->asking = true;
    wait->refs++;
    backend_execute(wait->backend, wait->session, request, done, wait);
    json_object_put(request);
}

/* First call of every reply handler: false after outcome_wait_free(). */
static bool reply_is_wanted(OutcomeWait *wait)
{
    bool wanted = !wait->freed;

    wait->asking = false;
    wait_unref(wait);
    return wanted;
}

static char *dup_member(json_object *object, const char *name)
{
    json_object *member;

    if (object == NULL || !json_object_object_get_ex(object, name, &member)) {
        return NULL;
    }
    return g_strdup(json_object_get_string(member));
}

static void on_owner(json_object *value, const GError *error, void *data)
{
    OutcomeWait *wait = data;

    (void)error;
    if (!reply_is_wanted(wait)) {
        return;
    }
    wait->outcome.owner = dup_member(value, "owner");
    wait->refs++;
    wait->done(&wait->outcome, wait->data);
    wait_unref(wait);
}

static bool has_been_active(json_object *history)
{
    for (JsonEach row = json_each(json_member(history, "states")); json_next(&row);) {
        if (strcmp(json_text(row.value, "status"), "active") == 0) {
            return true;
        }
    }
    return false;
}

static void on_migrate(json_object *value, const GError *error, void *data);

/* A migration runs: the next event triggers another query. */
static void go_on_waiting(OutcomeWait *wait)
{
    if (wait->again) {
        wait->again = false;
        ask(wait, "query-migrate", on_migrate);
    }
}

static void on_history(json_object *value, const GError *error, void *data)
{
    OutcomeWait *wait = data;

    (void)error;
    if (!reply_is_wanted(wait)) {
        return;
    }
    g_free(wait->outcome.direction);
    g_free(wait->outcome.peer);
    g_free(wait->outcome.sentence);
    wait->outcome.direction = dup_member(value, "direction");
    wait->outcome.sentence = dup_member(value, "outcome");
    wait->outcome.peer = dup_member(value, "peer");
    /* An attached QEMU does not say whether there was a connection. exec: connects at once, so that
     * its failure is one of the migration. */
    wait->outcome.connected =
        has_been_active(value) || json_flag(value, "connected") ||
        (wait->outcome.peer != NULL && g_str_has_prefix(wait->outcome.peer, "exec:"));
    if (outcome_status_is_running(wait->outcome.status) && wait->patience != OUTCOME_NOW &&
        g_strcmp0(wait->outcome.direction, "incoming") != 0) {
        go_on_waiting(wait);
        return;
    }
    if (wait->subscription != 0) {
        backend_unsubscribe(wait->backend, wait->subscription);
        wait->subscription = 0;
    }
    ask(wait, "x-query-owner", on_owner);
}

static void on_migrate(json_object *value, const GError *error, void *data)
{
    OutcomeWait *wait = data;
    bool listens;

    (void)error;
    if (!reply_is_wanted(wait)) {
        return;
    }
    g_free(wait->outcome.status);
    wait->outcome.status = dup_member(value, "status");
    listens = g_strcmp0(wait->outcome.status, "setup") ==
              0; /* or connects: the history has the direction */
    if (!outcome_status_is_running(wait->outcome.status) || wait->patience == OUTCOME_NOW ||
        (listens && wait->patience != OUTCOME_AFTER_PEER)) {
        ask(wait, "x-query-migrate-history", on_history);
    } else {
        go_on_waiting(wait);
    }
}

static void on_event(const BackendEvent *event, void *data)
{
    OutcomeWait *wait = data;

    if (strcmp(event->name, "MIGRATION") != 0) {
        return;
    }
    if (wait->asking) {
        wait->again = true;
    } else {
        ask(wait, "query-migrate", on_migrate);
    }
}

OutcomeWait *outcome_wait_new(Backend *backend, OutcomePatience patience,
                              void (*done)(const Outcome *outcome, void *data), void *data)
{
    OutcomeWait *wait = g_new0(OutcomeWait, 1);

    wait->refs = 1;
    wait->backend = backend;
    wait->patience = patience;
    wait->done = done;
    wait->data = data;
    wait->session = backend_session_new(backend, NULL, NULL);
    wait->subscription = backend_subscribe(backend, on_event, wait);
    ask(wait, "query-migrate", on_migrate);
    return wait;
}
