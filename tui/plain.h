/*
 * The dashboard as sentences, for screen readers and logs: one for each change, printable ASCII
 * only. Pure.
 */
#pragma once

#include "tui/model.h"

typedef struct {
    unsigned attempt;
    char *status;
    char *owner;
    char *run_state;
    uint64_t end_pass;
    uint64_t limit, downtime_limit_ms;
    int tenth; /* of the progress, that was said last */
    bool begun;
} PlainState;

void plain_clear(PlainState *state);

/* What has to be said now, lines with \n, "" for nothing; caller frees. */
char *plain_say(PlainState *state, const TuiModel *model);
