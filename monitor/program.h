/*
 * One run of the program, as main.c and the stages see it. main.c sets it up, listens to events and
 * signals, and frees it; stages.c leads it from the batch to its end. Main thread.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "backend/backend.h"
#include "commands/hmp/hmp.h"
#include "monitor/attach.h"
#include "monitor/batch.h"
#include "monitor/ending.h"
#include "monitor/exit-code.h"
#include "monitor/options.h"
#include "monitor/outcome.h"
#include "monitor/script.h"
#include "monitor/server/servers.h"
#include "monitor/terminal/console.h"
#include "monitor/terminal/dashboard.h"
#include "monitor/terminal/prompt.h"

typedef enum {
    STAGE_BATCH,  /* lines are run or waited for */
    STAGE_FINISH, /* the lines are over, a migration may still run */
    STAGE_STAY,   /* until quit or a signal */
    STAGE_PROMPT,
} Stage;

typedef struct {
    Options options;
    Backend *backend;
    Console *console;
    GMainLoop *loop;
    Servers *servers;
    Script *script; /* until the batch takes it */
    Batch *batch;
    Prompt *prompt;
    Dashboard *dashboard; /* with the prompt */
    PlainView *plain;
    Attach *attach; /* --connect, --peer: before the first stage */
    OutcomeWait *outcome;
    Ending *end;
    unsigned subscription;
    Stage stage;
    HmpResult result; /* of the batch */
    HmpResult failed; /* of the first line that it went on after */
    bool migrated;    /* there has been a migration */
    bool migrating;   /* by the last MIGRATION event */
    bool batch_quit;  /* a line of the batch ended the program */
    bool ending;
    bool cut;             /* the end came upon a migration that ran */
    ExitCode first_error; /* of a line that the batch went on after; it stays */
    ExitCode code;
} Program;

/* The stage that the options ask for first. */
void program_enter_first_stage(Program *program);

/* STAGE_STAY or STAGE_FINISH: waits for a migration to end, then ends the program or goes on. */
void program_watch_outcome(Program *program);

/* Ends the loop, after the replies that are ready. */
void program_end(Program *program);

/* quit (@asked) or a signal ends the program. */
void program_wind_up(Program *program, bool asked);

/* A signal, or the terminal has gone: ends the program as quit does, and tells the clients. */
void program_shut_down(Program *program);

/* Somebody else ended the program in the middle of its work. */
bool program_was_interrupted(const Program *program);
