/*
 * One run of the program, shared by main.c and stages.c. main.c sets it up, handles events and
 * signals, and frees it; stages.c changes its stage. Main thread.
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
#include "monitor/prefill.h"
#include "monitor/script.h"
#include "monitor/server/servers.h"
#include "monitor/terminal/console.h"
#include "monitor/terminal/dashboard.h"
#include "monitor/terminal/prompt.h"

typedef enum {
    STAGE_BATCH,  /* runs lines or waits for more */
    STAGE_FINISH, /* no lines left, a migration may still run */
    STAGE_STAY,   /* runs until quit or a signal */
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
    FillWait *fill; /* prefill=on: before the first line of a batch */
    OutcomeWait *outcome;
    Ending *end;
    unsigned subscription;
    Stage stage;
    HmpResult result; /* of the batch */
    HmpResult failed; /* of the first failed line after which it continued */
    bool migrated;    /* there has been a migration */
    bool migrating;   /* by the last MIGRATION event */
    bool batch_quit;  /* a line of the batch ended the program */
    bool ending;
    bool cut;             /* the end of the program cancels a running migration */
    ExitCode first_error; /* of @failed; later errors do not replace it */
    ExitCode code;
} Program;

/* Enters the first stage for the options. */
void program_enter_first_stage(Program *program);

/* STAGE_STAY or STAGE_FINISH: waits for the end of the migration, then ends the program or stays.
 */
void program_watch_outcome(Program *program);

/* Ends the loop after pending replies are sent. */
void program_end(Program *program);

/* quit (@asked) or a signal ends the program. */
void program_wind_up(Program *program, bool asked);

/* A signal or a closed terminal: ends the program like quit and sends SHUTDOWN to clients. */
void program_shut_down(Program *program);

/* A signal or another client ended the program before its batch was done. */
bool program_was_interrupted(const Program *program);
