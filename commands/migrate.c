/*
 * migrate, migrate_incoming, migrate_cancel.
 *
 * A URI is converted to a channels list here; the backend never gets a uri.
 * Without -d the line waits for the end and shows the progress. Ctrl-C then
 * requests a cancel, and the line keeps waiting, because only the end shows
 * where the guest is. When it is too late to cancel, the line ends and the
 * migration continues without it.
 */
#include "commands/hmp/hmp-internal.h"

#include <string.h>

#include "backend/base/address.h"
#include "backend/base/error.h"
#include "backend/tables/info.h"

enum { PROGRESS_PERIOD_MS = 250 };

static json_object *channels_from_uri(const char *uri, GError **error)
{
    g_autoptr(Address) address = address_from_uri(uri, error);

    return address ? address_to_channels(address) : NULL;
}

/* A valid address that this build does not support is refused; it is not a syntax error. */
static HmpResult address_result(const GError *error)
{
    return g_error_matches(error, MIG_ERROR, MIG_ERROR_UNSUPPORTED) ? HMP_ERROR_FAILED
                                                                    : HMP_ERROR_SYNTAX;
}

/* ---- waiting for the end ---- */

static void end_progress(HmpCall *call)
{
    const HmpCallbacks *callbacks = &call->hmp->callbacks;

    if (callbacks->progress) {
        callbacks->progress(NULL, NULL, call->hmp->data);
    }
}

/* What went wrong and where the guest is now: the engine's sentence without the name of the
 * peer, which is in the line already. */
static char *tell_failure(json_object *info, json_object *history, const char *otherwise)
{
    const char *sentence = json_text(history, "outcome");
    const char *reason = json_text(info, "error-desc");
    const char *at = *reason != '\0' ? strstr(sentence, reason) : NULL;

    if (at && strncmp(at + strlen(reason), "; ", 2) == 0) {
        return g_strdup(at);
    }
    return g_strdup(*sentence != '\0' ? sentence : *reason != '\0' ? reason : otherwise);
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

/* Prints the verdict when it says that the migration will not finish, and when that is taken
 * back. */
static void tell_verdict(HmpCall *call, json_object *history)
{
    const char *verdict = json_text(history, "verdict");
    const char *advice = json_text(history, "advice");
    bool *told = watch_data(call);

    bool bad = g_str_has_prefix(verdict, "will not finish");

    if (*told == bad || *verdict == '\0') {
        return;
    }
    *told = bad;
    call_print(call, "%s\n", verdict);
    if (*advice != '\0') {
        call_hint(call, "%s", advice);
    }
}

static void show_state(HmpCall *call, json_object *info, json_object *history)
{
    const HmpCallbacks *callbacks = &call->hmp->callbacks;
    const char *status = info_status(info);

    if (callbacks->progress) {
        callbacks->progress(info, history, call->hmp->data);
    }
    tell_verdict(call, history);
    if (strcmp(status, "completed") == 0) {
        end_wait(call, info, NULL);
    } else if (strcmp(status, "failed") == 0) {
        g_autofree char *text = tell_failure(info, history, "migration failed");

        end_wait(call, info, text);
    } else if (strcmp(status, "cancelled") == 0) {
        g_autofree char *text = tell_failure(info, history, "migration was cancelled");

        end_wait(call, info, text);
    } else if (strcmp(status, "pre-switchover") == 0) {
        /* The migration waits for a command of the operator, so this line must end. */
        end_progress(call);
        call_hint(call,
                  "the guest stands and waits: migrate_continue pre-switchover hands it over, "
                  "migrate_cancel lets it go on here");
        end_wait(call, info, NULL);
    } else if (strcmp(status, "postcopy-paused") == 0 && !json_flag(history, "resuming")) {
        const char *both_ends = "migrate_to -r [URI] with both ends attached";
        const char *one_end = "migrate_recover URI there, then migrate -r URI here";
        g_autofree char *text = g_strdup_printf(
            "migration is paused in postcopy, the guest is at the destination and needs pages that "
            "are only here\nhint: once the link is back: %s",
            backend_target(call->hmp->backend) ? both_ends : one_end);

        end_wait(call, info, text);
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
        g_autoptr(GError) late = g_error_copy(error);

        mig_error_hint(&late, "it goes on in the background; info migrate shows it");
        end_progress(call);
        call_fail(call, HMP_ERROR_FAILED, late);
    }
}

static void cancel_wait(HmpCall *call)
{
    call_request(call, "migrate_cancel", NULL, cancel_done);
}

/* ---- migrate ---- */

void migrate_allow_interrupt(HmpCall *call)
{
    if (!(call->hmp->flags & HMP_NO_WAIT)) {
        call->interrupt = cancel_wait;
    }
}

void migrate_wait_for_end(HmpCall *call)
{
    if (call->hmp->flags & HMP_NO_WAIT) {
        call_print(call, "terminal does not allow synchronous migration, continuing detached\n");
        call_finish(call, HMP_OK);
        return;
    }
    watch_start(call, &wait_for_end, g_new0(bool, 1), g_free);
}

static void migrate_done(HmpCall *call, json_object *value, const GError *error)
{
    if (error || call_has(call, "d")) {
        call_finish_with(call, value, error);
        return;
    }
    migrate_wait_for_end(call);
}

/* Warns like HMP; the backend checks whether the flag can be used. */
static void add_old_flag(HmpCall *call, json_object *args, const char *flag, const char *member)
{
    if (call_has(call, flag)) {
        g_autofree char *text = g_strdup_printf(
            "option '-%s' is deprecated; use blockdev-mirror with NBD instead", flag);

        call_warn(call, text);
        json_add_flag(args, member, TRUE);
    }
}

static void run_migrate(HmpCall *call)
{
    g_autoptr(GError) error = NULL;
    json_object *args = json_object_new_object();

    add_old_flag(call, args, "i", "inc");
    add_old_flag(call, args, "b", "blk");
    json_object *channels = channels_from_uri(call_text(call, "uri"), &error);
    if (!channels) {
        json_object_put(args);
        call_fail(call, address_result(error), error);
        return;
    }
    json_object_object_add(args, "channels", channels);
    if (call_has(call, "r")) {
        json_add_flag(args, "resume", TRUE);
    }
    if (!call_has(call, "d")) {
        migrate_allow_interrupt(call);
    }
    call_request(call, "migrate", args, migrate_done);
}

/* ---- the others ---- */

static void run_incoming(HmpCall *call)
{
    g_autoptr(GError) error = NULL;
    json_object *channels = channels_from_uri(call_text(call, "uri"), &error);

    if (!channels) {
        call_fail(call, address_result(error), error);
        return;
    }

    json_object *args = json_object_new_object();
    json_object_object_add(args, "channels", channels);
    call_request(call, "migrate-incoming", args, call_finish_with);
}

/* HMP prints nothing, even when there is no migration to cancel. */
static void cancel_known(HmpCall *call, json_object *info, const GError *error)
{
    const char *status = error ? "" : info_status(info);
    MigrationStatus known;

    if (migration_status_from_name(status, &known) && migration_status_is_over(known)) {
        call_hint(call, "nothing was cancelled: %s",
                  known == MIGRATION_NONE ? "no migration was started" : "the migration is over");
    }
    call_request(call, "migrate_cancel", NULL, call_finish_with);
}

static void run_cancel(HmpCall *call)
{
    call_request(call, "query-migrate", NULL, cancel_known);
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
