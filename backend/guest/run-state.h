/*
 * The states of QEMU's RunState (run-state.json) that a guest of migmon can
 * have.
 */
#pragma once

#include <stdbool.h>

typedef enum {
    RUN_STATE_PRELAUNCH,
    RUN_STATE_RUNNING,
    RUN_STATE_PAUSED,
    RUN_STATE_INMIGRATE,
    RUN_STATE_FINISH_MIGRATE,
    RUN_STATE_POSTMIGRATE,
    RUN_STATE__COUNT,
} RunState;

/* QAPI name ("finish-migrate"). */
const char *run_state_name(RunState state);

/* False when @name is not a run state that a guest can stay in. */
bool run_state_from_name(const char *name, RunState *ret);
