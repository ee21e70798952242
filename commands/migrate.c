/*
 * migrate, migrate_incoming, migrate_cancel.
 *
 * A URI becomes a channels list here; the backend never sees a uri. Without -d
 * the line waits for the end and shows how it goes; Ctrl-C then asks to cancel
 * and the line waits on, because only the end tells where the guest is.
 */
#include "commands/hmp-internal.h"

#include <string.h>

#include "backend/base/address.h"
#include "backend/base/error.h"

enum { PROGRESS_PERIOD_MS = 250 };

static json_object *channels_from_uri(const char *uri, GError **error)
{
    g_autoptr(Address) address = address_from_uri(uri, error);

    return address ? address_to_channels(address) : NULL;
}

/* ---- waiting for the end ---- */

static void end_progress(HmpCall *call)
{
    const HmpCallbacks *callbacks = &call->hmp->callbacks;

    if (callbacks->progress) {
        callbacks->progress(NULL, NULL, call->hmp->data);
    }
}

static void end_wait(HmpCall *call, json_object *info, const char *failure)
{
    end_progress(call);
    if (failure) {
        g_autoptr(GError) error = g_error_new_literal(MIG_ERROR, MIG_ERROR_GENERIC, failure);

        call_fail(call, HMP_ERROR_FAILED, error);
        return;
    }
    call_set_value(call, info);
    call_finish(call, HMP_OK);
}

static void show_state(HmpCall *call, json_object *info, json_object *history)
{
    const HmpCallbacks *callbacks = &call->hmp->callbacks;
    const char *status = info_status(info);

    if (callbacks->progress) {
        callbacks->progress(info, history, call->hmp->data);
    }
    if (strcmp(status, "completed") == 0) {
        end_wait(call, info, NULL);
    } else if (strcmp(status, "failed") == 0) {
        const char *text = json_text(info, "error-desc");

        end_wait(call, info, *text != '\0' ? text : "migration failed");
    } else if (strcmp(status, "cancelled") == 0) {
        end_wait(call, info, "migration was cancelled");
    } else if (strcmp(status, "postcopy-paused") == 0) {
        end_wait(call, info, "migration is paused in postcopy, the guest stands on the destination"
                             "\nhint: once the link is back: migrate -r URI");
    }
}

static const WatchOps wait_for_end = {
    .snapshot = show_state,
    .failing = end_progress,
    .with_history = true,
    .period_ms = PROGRESS_PERIOD_MS,
};

static void cancel_done(HmpCall *call, json_object *value, const GError *error)
{
    (void)value;
    if (error) {
        call_warn(call, error->message); /* too late to cancel: the wait goes on */
    }
}

static void cancel_wait(HmpCall *call)
{
    call_request(call, "migrate_cancel", NULL, cancel_done);
}

/* ---- migrate ---- */

static void migrate_done(HmpCall *call, json_object *value, const GError *error)
{
    if (error || call_has(call, "d")) {
        call_finish_with(call, value, error);
        return;
    }
    if (call->hmp->flags & HMP_NO_WAIT) {
        call_print(call, "terminal does not allow synchronous migration, continuing detached\n");
        call_finish(call, HMP_OK);
        return;
    }
    watch_start(call, &wait_for_end, NULL, NULL);
}

static void run_migrate(HmpCall *call)
{
    g_autoptr(GError) error = NULL;

    if (call_has(call, "b") || call_has(call, "i")) {
        g_set_error(&error, MIG_ERROR, MIG_ERROR_UNSUPPORTED,
                    "block migration is not supported by this build");
        call_fail(call, HMP_ERROR_FAILED, error);
        return;
    }

    json_object *channels = channels_from_uri(call_text(call, "uri"), &error);
    if (!channels) {
        call_fail(call, HMP_ERROR_SYNTAX, error);
        return;
    }

    json_object *args = json_object_new_object();
    json_object_object_add(args, "channels", channels);
    if (call_has(call, "r")) {
        json_object_object_add(args, "resume", json_object_new_boolean(TRUE));
    }
    if (!call_has(call, "d") && !(call->hmp->flags & HMP_NO_WAIT)) {
        call->interrupt = cancel_wait;
    }
    call_request(call, "migrate", args, migrate_done);
}

/* ---- the others ---- */

static void run_incoming(HmpCall *call)
{
    g_autoptr(GError) error = NULL;
    json_object *channels = channels_from_uri(call_text(call, "uri"), &error);

    if (!channels) {
        call_fail(call, HMP_ERROR_SYNTAX, error);
        return;
    }

    json_object *args = json_object_new_object();
    json_object_object_add(args, "channels", channels);
    call_request(call, "migrate-incoming", args, call_finish_with);
}

static void run_cancel(HmpCall *call)
{
    call_request(call, "migrate_cancel", NULL, call_finish_with);
}

const Command cmd_migrate = {
    .name = "migrate",
    .params = "[-d] [-b] [-i] [-r] uri",
    .help = "migrate to URI (using -d to not wait for completion)"
            "\n\t\t\t -b for migration without shared storage with full copy of disk"
            "\n\t\t\t -i for migration without shared storage with incremental copy of disk"
            " (base image shared between src and destination)"
            "\n\t\t\t -r to resume a paused migration",
    .args = (const ArgSpec[]){ { "d", ARG_FLAG, .optional = true, .help = "do not wait" },
                               { "b", ARG_FLAG, .optional = true, .help = "not supported" },
                               { "i", ARG_FLAG, .optional = true, .help = "not supported" },
                               { "r", ARG_FLAG, .optional = true, .help = "resume after a pause" },
                               { "uri", ARG_URI, .help = "where the destination listens" },
                               { 0 } },
    .run = run_migrate,
};

const Command cmd_migrate_incoming = {
    .name = "migrate_incoming",
    .params = "uri",
    .help = "Continue an incoming migration from an -incoming defer",
    .args = (const ArgSpec[]){ { "uri", ARG_INCOMING_URI, .help = "where to listen" }, { 0 } },
    .run = run_incoming,
};

const Command cmd_migrate_cancel = {
    .name = "migrate_cancel",
    .params = "",
    .help = "cancel the current VM migration",
    .run = run_cancel,
};
