/*
 * The guest's run control: stop, cont, quit. The engine decides whether a
 * guest may run; "cont -f" only passes on that the operator insists.
 */
#include "commands/hmp/hmp-internal.h"

#include "backend/base/json.h"
#include "backend/tables/info.h"

static void run_stop(HmpCall *call)
{
    call_request(call, "stop", NULL, call_finish_with);
}

static void force_cont(HmpCall *call)
{
    json_object *args = json_object_new_object();

    json_add_flag(args, "x-force", TRUE);
    call_request(call, "cont", args, call_finish_with);
}

/* Where the destination has said that it has the guest, -f makes a second copy, unless it has died
 * since: a person is asked again. */
static void cont_owner_known(HmpCall *call, json_object *owner, const GError *error)
{
    if (error || !g_str_has_prefix(json_text(owner, "owner"), "peer")) {
        force_cont(call);
        return;
    }
    call->hmp->asked = call->command;
    call_print(call,
               "the guest is elsewhere: %s. cont -f again runs it here as it was when it was "
               "handed over; if it runs there, there are two copies then, which can never be "
               "joined again\n",
               json_text(owner, "evidence"));
    call_finish(call, HMP_OK);
}

static void run_cont(HmpCall *call)
{
    if (!call_has(call, "f")) {
        call_request(call, "cont", NULL, call_finish_with);
    } else if ((call->hmp->flags & HMP_PERSON) && !call->hmp->asked) {
        call_request(call, "x-query-owner", NULL, cont_owner_known);
    } else {
        force_cont(call);
    }
}

static void quit_done(HmpCall *call, json_object *value, const GError *error)
{
    const HmpCallbacks *callbacks = &call->hmp->callbacks;

    if (!error && callbacks->quit) {
        callbacks->quit(call->hmp->data);
    }
    call_finish_with(call, value, error);
}

/* A migration in setup needs no question: nothing has been sent, and setup can last forever. */
static void quit_known(HmpCall *call, json_object *info, const GError *error)
{
    const char *status = error ? "" : info_status(info);
    MigrationStatus known;

    /* The migration of an attached QEMU continues without this program. */
    if (migration_status_from_name(status, &known) && !migration_status_is_over(known) &&
        known != MIGRATION_SETUP && !backend_target(call->hmp->backend)) {
        call->hmp->asked = call->command;
        call_print(call, "a migration runs: quit again to cancel it and end the guest\n");
        call_finish(call, HMP_OK);
        return;
    }
    call_request(call, "quit", NULL, quit_done);
}

static void run_quit(HmpCall *call)
{
    if ((call->hmp->flags & HMP_PERSON) && !call->hmp->asked) {
        call_request(call, "query-migrate", NULL, quit_known);
    } else {
        call_request(call, "quit", NULL, quit_done);
    }
}

const Command cmd_stop = {
    .name = "stop|s",
    .params = "",
    .help = "stop emulation",
    .run = run_stop,
};

const Command cmd_cont = {
    .name = "cont|c",
    .params = "",
    .help = "resume emulation",
    .args = (const ArgSpec[]){ { "f", ARG_FLAG, .optional = true,
                                 .help = "even when the guest may run elsewhere: as it was when "
                                         "it was handed over" },
                               { 0 } },
    .run = run_cont,
};

const Command cmd_quit = {
    .name = "quit|q",
    .params = "",
    .help = "quit the emulator",
    .run = run_quit,
};
