/*
 * See ending.h. Main thread.
 *
 * Without a running migration one query is enough. Otherwise: a query for its
 * peer, migrate_cancel, then a wait for its end, because the handover may have
 * been faster than the cancel and only the end tells where the guest runs. The
 * wait is bounded; after it the reply of the cancel decides.
 */
#include "monitor/ending.h"

#include <string.h>

#include "backend/base/json.h"

/* Longest wait for the end after a cancel that was accepted, and after one that was refused. */
#define CANCELLED_MS   1000
#define HANDED_OVER_MS 3000

struct Ending {
    unsigned refs; /* the user's and that of the pending cancel */
    bool freed;
    Backend *backend;
    BackendSession *session; /* NULL: nothing to cancel */
    OutcomeWait *wait;
    guint timer;
    bool refused; /* it was too late to cancel */
    bool incoming;
    char *peer;
    EndingDone done;
    void *data;
};

ExitCode outcome_exit_code(HmpResult result, const Outcome *outcome)
{
    const ExitFacts facts = {
        .result = result,
        .status = outcome->status,
        .direction = outcome->direction,
        .owner = outcome->owner,
        .connected = outcome->connected,
    };
    ExitCode code = exit_code_for(&facts);

    /* No connection was tried: this build has no RDMA. */
    if (code == EXIT_CODE_CONNECT && outcome->peer != NULL &&
        g_str_has_prefix(outcome->peer, "rdma:")) {
        code = EXIT_CODE_REFUSED;
    }
    return code;
}

static void ending_unref(Ending *ending)
{
    if (--ending->refs == 0) {
        g_free(ending->peer);
        g_free(ending);
    }
}

static void tell_cut(Ending *ending)
{
    g_autofree char *text = g_strdup_printf(
        ending->incoming ? "the migration from %s is cut off, nothing of it runs here"
                         : "the migration to %s is cancelled and the guest ends with this process",
        ending->peer);

    ending->done(EXIT_CODE_INTERRUPTED, text, ending->data);
}

static void on_end(const Outcome *outcome, void *data)
{
    Ending *ending = data;
    ExitCode code = outcome_exit_code(HMP_OK, outcome);

    g_clear_handle_id(&ending->timer, g_source_remove);
    if (code == EXIT_CODE_UNKNOWN || g_strcmp0(outcome->status, "completed") == 0) {
        ending->done(code, outcome->sentence, ending->data);
    } else {
        tell_cut(ending);
    }
}

static gboolean on_time_over(void *data)
{
    Ending *ending = data;

    ending->timer = 0;
    g_clear_pointer(&ending->wait, outcome_wait_free);
    if (ending->refused) {
        ending->done(EXIT_CODE_UNKNOWN, "the guest was handed over without a confirmation",
                     ending->data);
    } else {
        tell_cut(ending);
    }
    return G_SOURCE_REMOVE;
}

static void on_cancelled(json_object *value, const GError *error, void *data)
{
    Ending *ending = data;

    (void)value;
    if (ending->freed || ending->wait == NULL) {
        ending_unref(ending);
        return;
    }
    ending_unref(ending);
    ending->refused = error != NULL;
    g_clear_handle_id(&ending->timer, g_source_remove);
    ending->timer =
        g_timeout_add(ending->refused ? HANDED_OVER_MS : CANCELLED_MS, on_time_over, ending);
}

static void cancel(Ending *ending)
{
    json_object *request = json_object_new_object();

    ending->refs++;
    json_add_text(request, "execute", "migrate_cancel");
    backend_execute(ending->backend, ending->session, request, on_cancelled, ending);
    json_object_put(request);
}

static void on_first_look(const Outcome *outcome, void *data)
{
    Ending *ending = data;

    if (ending->session == NULL) {
        ending->done(outcome_exit_code(HMP_OK, outcome), NULL, ending->data);
        return;
    }
    ending->peer = g_strdup(outcome->peer != NULL ? outcome->peer : "its peer");
    ending->incoming = g_strcmp0(outcome->direction, "incoming") == 0;
    g_clear_pointer(&ending->wait, outcome_wait_free);
    if (!outcome_status_is_running(outcome->status)) {
        on_end(outcome, ending); /* it ended before the cancel */
        return;
    }
    ending->wait = outcome_wait_new(ending->backend, OUTCOME_AFTER_RUNNING, on_end, ending);
    ending->timer = g_timeout_add(CANCELLED_MS, on_time_over, ending);
    cancel(ending);
}

Ending *ending_new(Backend *backend, bool cut, EndingDone done, void *data)
{
    Ending *ending = g_new0(Ending, 1);

    ending->refs = 1;
    ending->backend = backend;
    ending->session = cut ? backend_session_new(backend, NULL, NULL) : NULL;
    ending->done = done;
    ending->data = data;
    ending->wait = outcome_wait_new(backend, OUTCOME_NOW, on_first_look, ending);
    return ending;
}

void ending_free(Ending *ending)
{
    if (ending == NULL) {
        return;
    }
    g_clear_pointer(&ending->wait, outcome_wait_free);
    g_clear_handle_id(&ending->timer, g_source_remove);
    if (ending->session != NULL) {
        backend_session_close(ending->session);
    }
    ending->freed = true;
    ending_unref(ending);
}
