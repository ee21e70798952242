/*
 * The dashboard as text for screen readers and logs: one sentence for each change, printable ASCII
 * only. Pure.
 */
#pragma once

#include "tui/model.h"

typedef struct {
    unsigned attempt;
    char *status;
    char *owner;
    char *run_state;
    char *verdict; /* its first words */
    uint64_t end_pass;
    uint64_t limit, downtime_limit_ms;
    int tenth; /* of the progress, reported last */
    bool begun;
} PlainState;

void plain_clear(PlainState *state);

/* The changes since the last call as lines, "" for none; caller frees. */
char *plain_say(PlainState *state, const TuiModel *model);
