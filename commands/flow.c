/*
 * Batches only: wait until a migration is in a state or an event comes, sleep,
 * echo.
 */
#include "commands/hmp/hmp-internal.h"

#include <string.h>

#include "backend/base/error.h"
#include "backend/tables/info.h"
#include "commands/hmp/suggest.h"
#include "commands/topics.h"

/* ---- wait ---- */

typedef struct {
    HmpCall *call;
    const char *wanted; /* the state or event */
    bool entered;       /* an event reported the state; the current state may already be another */
    json_object *data;  /* the event that was waited for */
    guint timer;
    char last[24]; /* status of the last look, for the error message */
} Wait;

static void wait_timed_out(HmpCall *call)
{
    Wait *wait = watch_data(call);
    g_autoptr(GError) error =
        g_error_new(MIG_ERROR, MIG_ERROR_GENERIC, "waited %g s for '%s', migration is '%s'",
                    call_seconds(call, "timeout"), wait->wanted, wait->last);

    call_fail(call, HMP_ERROR_TIMEOUT, error);
}

static void wait_impossible(HmpCall *call, const char *status, const char *reason)
{
    Wait *wait = watch_data(call);
    g_autoptr(GError) error = g_error_new(MIG_ERROR, MIG_ERROR_GENERIC,
                                          "waited for '%s', but migration ended as '%s'%s%s",
                                          wait->wanted, status, *reason ? ": " : "", reason);

    call_fail(call, HMP_ERROR_FAILED, error);
}

static void wait_free(void *data)
{
    Wait *wait = data;

    if (wait->timer) {
        g_source_remove(wait->timer);
    }
    json_object_put(wait->data);
    g_free(wait);
}

static gboolean timeout_came(void *data)
{
    Wait *wait = data;

    wait->timer = 0;
    wait_timed_out(wait->call);
    return G_SOURCE_REMOVE;
}

/* The timeout starts with the first look, so even "wait STATE 0" looks once. */
static void start_clock(HmpCall *call, Wait *wait)
{
    if (wait->timer || !call_has(call, "timeout")) {
        return;
    }

    double ms = MIN(call_seconds(call, "timeout") * 1000, (double)G_MAXINT);
    wait->timer = g_timeout_add((guint)ms, timeout_came, wait);
}

static void look(HmpCall *call, json_object *info, json_object *history)
{
    Wait *wait = watch_data(call);
    const char *name = info_status(info);
    MigrationStatus status = MIGRATION_NONE;

    (void)history;
    if (wait->entered || strcmp(name, wait->wanted) == 0) {
        call_set_value(call, info);
        call_finish(call, HMP_OK);
        return;
    }
    g_strlcpy(wait->last, name, sizeof wait->last);
    migration_status_from_name(name, &status);
    if (status != MIGRATION_NONE && migration_status_is_over(status)) {
        wait_impossible(call, name, json_text(info, "error-desc"));
        return;
    }
    start_clock(call, wait);
}

static void note_state(HmpCall *call, const char *status)
{
    Wait *wait = watch_data(call);

    wait->entered |= strcmp(status, wait->wanted) == 0;
}

static const WatchOps wait_for_state = { .snapshot = look, .entered = note_state };

/* ---- wait for an event ---- */

/* Events of a migration: they do not come any more once it is over. */
static bool belongs_to_migration(const char *event)
{
    return g_str_has_prefix(event, "MIGRATION");
}

static void look_for_event(HmpCall *call, json_object *info, json_object *history)
{
    Wait *wait = watch_data(call);

    if (!wait->entered && !belongs_to_migration(wait->wanted)) {
        g_strlcpy(wait->last, info_status(info), sizeof wait->last);
        start_clock(call, wait);
    } else if (wait->entered) {
        call_set_value(call, wait->data);
        call_finish(call, HMP_OK);
    } else {
        look(call, info, history);
    }
}

static void note_event(HmpCall *call, const BackendEvent *event)
{
    Wait *wait = watch_data(call);

    if (!wait->entered && strcmp(event->name, wait->wanted) == 0) {
        wait->entered = true;
        wait->data = backend_event_to_json(event);
    }
}

static const WatchOps wait_for_event = { .snapshot = look_for_event, .heard = note_event };

/* ---- the command ---- */

static void refuse_wait(HmpCall *call, const char *name)
{
    g_autoptr(GError) error =
        g_error_new(MIG_ERROR, MIG_ERROR_GENERIC, "invalid parameter value: %s", name);
    const char *known;
    Suggestion near;

    suggestion_init(&near, name, strlen(name));
    for (size_t i = 0; (known = topic_name(TOPIC_STATUS, i)) != NULL; i++) {
        suggestion_offer(&near, known);
    }
    for (size_t i = 0; (known = topic_name(TOPIC_EVENT, i)) != NULL; i++) {
        suggestion_offer(&near, known);
    }
    suggestion_hint(&near, "", &error);
    call_fail(call, HMP_ERROR_SYNTAX, error);
}

static void run_wait(HmpCall *call)
{
    const char *name = call_text(call, "state|event");
    bool is_event = topic_exists(TOPIC_EVENT, name);

    if (!is_event && !topic_exists(TOPIC_STATUS, name)) {
        refuse_wait(call, name);
        return;
    }

    Wait *wait = g_new0(Wait, 1);
    call->only_waits = true;
    wait->call = call;
    wait->wanted = name; /* valid as long as the line */
    watch_start(call, is_event ? &wait_for_event : &wait_for_state, wait, wait_free);
}

/* ---- sleep, echo ---- */

static gboolean slept(void *data)
{
    HmpCall *call = data;

    call->state = NULL;
    call_finish(call, HMP_OK);
    return G_SOURCE_REMOVE;
}

static void stop_sleeping(void *data)
{
    if (data) {
        g_source_remove(GPOINTER_TO_UINT(data));
    }
}

static void run_sleep(HmpCall *call)
{
    double ms = MIN(call_seconds(call, "seconds") * 1000, (double)G_MAXINT);

    call->state = GUINT_TO_POINTER(g_timeout_add((guint)ms, slept, call));
    call->free_state = stop_sleeping;
    call->only_waits = true;
}

static void run_echo(HmpCall *call)
{
    const char *text = call_text(call, "text");

    call_print_lines(call, text ? text : "");
    call_print(call, "\n");
    call_finish(call, HMP_OK);
}

const Command cmd_wait = {
    .name = "wait",
    .params = "state|event [timeout]",
    .help = "wait for a state of the migration or for an event, at most so many seconds",
    .args = (const ArgSpec[]){ { "state|event", ARG_WAIT,
                                 .help = "a state that is or comes; an event that is yet to come" },
                               { "timeout", ARG_SECONDS, .optional = true,
                                 .help = "seconds, or with a unit: 500ms, 10min" },
                               { 0 } },
    .options = (const ArgSpec[]){ { "timeout", ARG_SECONDS, .value = "TIME",
                                    .help = "give up after this time; seconds without a unit" },
                                  { 0 } },
    .run = run_wait,
    .batch_only = true,
};

const Command cmd_sleep = {
    .name = "sleep",
    .params = "seconds",
    .help = "let time pass; a fraction will do",
    .args = (const ArgSpec[]){ { "seconds", ARG_SECONDS, .help = "seconds" }, { 0 } },
    .run = run_sleep,
    .batch_only = true,
};

const Command cmd_echo = {
    .name = "echo",
    .params = "[text]",
    .help = "print the rest of the line",
    .args = (const ArgSpec[]){ { "text", ARG_REST, .optional = true, .help = "any text" }, { 0 } },
    .run = run_echo,
    .batch_only = true,
};
