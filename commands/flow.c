/*
 * Batches only: wait until a migration is in a state, sleep, echo.
 */
#include "commands/hmp-internal.h"

#include <string.h>

#include "backend/base/error.h"
#include "backend/info.h"
#include "commands/suggest.h"

/* ---- wait ---- */

typedef struct {
    HmpCall *call;
    const char *wanted; /* of the table of names */
    bool entered;       /* an event said so; the state may be another one by now */
    guint timer;
    char last[24];      /* status of the last look, for the message */
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
    g_free(wait);
}

static gboolean timeout_came(void *data)
{
    Wait *wait = data;

    wait->timer = 0;
    wait_timed_out(wait->call);
    return G_SOURCE_REMOVE;
}

/* The clock starts with the first look, so that even "wait STATE 0" has looked once. */
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

static void run_wait(HmpCall *call)
{
    const char *name = call_text(call, "state");
    MigrationStatus status;

    if (!migration_status_from_name(name, &status)) {
        g_autoptr(GError) error =
            g_error_new(MIG_ERROR, MIG_ERROR_GENERIC, "invalid parameter value: %s", name);
        Suggestion near;

        suggestion_init(&near, name, strlen(name));
        for (size_t i = 0; migration_status_names[i]; i++) {
            suggestion_offer(&near, migration_status_names[i]);
        }
        suggestion_hint(&near, "", &error);
        call_fail(call, HMP_ERROR_SYNTAX, error);
        return;
    }

    Wait *wait = g_new0(Wait, 1);
    wait->call = call;
    wait->wanted = migration_status_name(status);
    watch_start(call, &wait_for_state, wait, wait_free);
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
}

static void run_echo(HmpCall *call)
{
    const char *text = call_text(call, "text");

    call_print(call, "%s\n", text ? text : "");
    call_finish(call, HMP_OK);
}

const Command cmd_wait = {
    .name = "wait",
    .params = "state [timeout]",
    .help = "wait until the migration is in this state, at most so many seconds",
    .args = (const ArgSpec[]){ { "state", ARG_STATUS, .help = "a migration status" },
                               { "timeout", ARG_SECONDS, .optional = true, .help = "seconds" },
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
