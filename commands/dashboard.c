/*
 * dashboard: opens the screen of the front end that read the line. A front
 * end without one refuses.
 */
#include "commands/hmp/hmp-internal.h"

#include "backend/base/error.h"

static void run_dashboard(HmpCall *call)
{
    const HmpCallbacks *callbacks = &call->hmp->callbacks;
    g_autoptr(GError) error = NULL;

    if (!callbacks->dashboard) {
        g_set_error(&error, MIG_ERROR, MIG_ERROR_UNSUPPORTED, "the dashboard needs a terminal");
        mig_error_hint(&error, "type it at migmon's own prompt, or start migmon with --dashboard");
    }
    if (error || !callbacks->dashboard(&error, call->hmp->data)) {
        call_fail(call, HMP_ERROR_FAILED, error);
    } else {
        call_finish(call, HMP_OK);
    }
}

const Command cmd_dashboard = {
    .name = "dashboard",
    .params = "",
    .help = "show the migration on the whole screen (? there shows the keys)",
    .run = run_dashboard,
};
