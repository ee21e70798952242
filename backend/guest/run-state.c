/*
 * Names of the run states. Constant data, any thread.
 */
#include "backend/guest/run-state.h"

#include <glib.h>

static const char *const names[RUN_STATE__COUNT] = {
    [RUN_STATE_PRELAUNCH] = "prelaunch",
    [RUN_STATE_RUNNING] = "running",
    [RUN_STATE_PAUSED] = "paused",
    [RUN_STATE_INMIGRATE] = "inmigrate",
    [RUN_STATE_FINISH_MIGRATE] = "finish-migrate",
    [RUN_STATE_POSTMIGRATE] = "postmigrate",
};

const char *run_state_name(RunState state)
{
    g_assert(state < RUN_STATE__COUNT);
    return names[state];
}

bool run_state_from_name(const char *name, RunState *ret)
{
    for (unsigned i = 0; i < RUN_STATE__COUNT; i++) {
        /* A guest is in these two states only during a migration. */
        bool passing = i == RUN_STATE_INMIGRATE || i == RUN_STATE_FINISH_MIGRATE;

        if (!passing && g_str_equal(name, names[i])) {
            *ret = (RunState)i;
            return true;
        }
    }
    return false;
}
