/*
 * The stages of a run. See program.h. A batch runs its lines; then the program
 * waits for a running migration; then it ends, stays (an incoming guest runs here
 * until a user ends it) or shows the prompt. A program without lines that serves
 * sockets stays from the beginning.
 */
#include "monitor/program.h"

#include <string.h>
#include <unistd.h>

/* Longest wait for pending replies at the end of the program. */
#define LAST_REPLIES_MS 300

/* ---- the end ---- */

static gboolean stop_loop(void *data)
{
    Program *program = data;

    g_main_loop_quit(program->loop);
    return G_SOURCE_CONTINUE; /* the idle source or the timer; both end with the loop */
}

/* Sends pending replies first: the idle source runs after all sources that are ready now. The timer
 * ends the loop when some source is always ready. */
static void stop_soon(Program *program)
{
    g_idle_add_full(G_PRIORITY_LOW, stop_loop, program, NULL);
    g_timeout_add_full(G_PRIORITY_HIGH, LAST_REPLIES_MS, stop_loop, program, NULL);
}

void program_end(Program *program)
{
    if (!program->ending) {
        program->ending = true;
        stop_soon(program);
    }
}

static void on_last_outcome(ExitCode code, const char *text, void *data)
{
    Program *program = data;

    if (program->first_error == EXIT_CODE_OK && (program->cut || program->code == EXIT_CODE_OK)) {
        program->code = code;
    }
    if (text != NULL) {
        console_complain(program->console, "%s", text);
    }
    stop_soon(program);
}

void program_wind_up(Program *program, bool asked)
{
    if (program->ending) {
        return;
    }
    program->ending = true;
    /* A migration of an attached QEMU continues without this program. */
    program->cut = program->migrating && backend_target(program->backend) == NULL;
    g_clear_pointer(&program->outcome, outcome_wait_free);
    if (!asked && !program->cut) {
        stop_soon(program);
        return;
    }
    program->end = ending_new(program->backend, program->cut, on_last_outcome, program);
}

void program_shut_down(Program *program)
{
    if (program->ending) {
        return;
    }
    program_wind_up(program, false);
    backend_emit_shutdown(program->backend, "host-signal");
    program_end(program);
}

bool program_was_interrupted(const Program *program)
{
    if (program->fill != NULL) {
        return true;
    }
    return program->batch != NULL && program->stage == STAGE_BATCH &&
           batch_is_unfinished(program->batch) && !program->batch_quit &&
           program->code != EXIT_CODE_UNKNOWN;
}

/* ---- stages ---- */

static void on_hangup(void *data)
{
    program_shut_down(data);
}

static void enter_prompt(Program *program)
{
    g_autoptr(GError) error = NULL;

    program->stage = STAGE_PROMPT;
    program->prompt = prompt_new(program->backend, program->console, on_hangup, program);
    program->dashboard =
        dashboard_new(program->backend, program->console, program->prompt, &program->options);
    if (program->options.dashboard && !dashboard_open(program->dashboard, &error)) {
        console_complain(program->console, "%s", error->message);
    }
}

static void on_outcome(const Outcome *outcome, void *data)
{
    Program *program = data;

    if (program->ending) {
        return;
    }
    /* A program that only served sockets has no outcome to report. */
    if (program->options.incoming != NULL || (program->batch && batch_has_run(program->batch))) {
        program->code = program->first_error != EXIT_CODE_OK
                            ? program->first_error
                            : outcome_exit_code(program->result, outcome);
    }
    g_clear_pointer(&program->outcome, outcome_wait_free);
    if (program->options.incoming != NULL && program->result == HMP_OK) {
        program->stage = STAGE_STAY;
    } else {
        program_end(program);
    }
}

void program_watch_outcome(Program *program)
{
    /* After an error the program does not wait for a peer, which may never connect. */
    program->outcome = outcome_wait_new(
        program->backend, program->result == HMP_OK ? OUTCOME_AFTER_PEER : OUTCOME_AFTER_RUNNING,
        on_outcome, program);
}

static void enter_finish(Program *program)
{
    static const Outcome nothing = { 0 };

    program->stage = STAGE_FINISH;
    if (program->result == HMP_ERROR_TIMEOUT) {
        /* The script's deadline has passed: the end of the program cancels a running migration. */
        program->code =
            program->first_error != EXIT_CODE_OK ? program->first_error : EXIT_CODE_TIMEOUT;
        program_end(program);
    } else if (program->migrated || program->options.incoming != NULL) {
        program_watch_outcome(program);
    } else {
        on_outcome(&nothing, program);
    }
}

static void on_batch_ended(HmpResult result, void *data)
{
    Program *program = data;

    program->result = result;
    if (program->ending) {
        return;
    }
    if (program->options.interactive && isatty(STDIN_FILENO)) {
        enter_prompt(program);
    } else {
        enter_finish(program);
    }
}

/* The state at the time of the first error decides its exit status. */
static void on_first_error(const Outcome *outcome, void *data)
{
    Program *program = data;

    program->code = program->first_error = outcome_exit_code(program->failed, outcome);
    g_clear_pointer(&program->outcome, outcome_wait_free);
    batch_go_on(program->batch);
}

static void on_batch_failed(HmpResult result, void *data)
{
    Program *program = data;

    if (program->first_error != EXIT_CODE_OK || program->ending) {
        batch_go_on(program->batch);
        return;
    }
    program->failed = result;
    program->outcome = outcome_wait_new(program->backend, OUTCOME_NOW, on_first_error, program);
}

static void on_batch_quit(void *data)
{
    Program *program = data;

    program->batch_quit = true;
}

static void start_batch(Program *program)
{
    static const BatchCallbacks callbacks = {
        .ended = on_batch_ended,
        .failed = on_batch_failed,
        .quit = on_batch_quit,
    };

    program->batch =
        batch_new(program->backend, program->console, g_steal_pointer(&program->script),
                  program->options.json, &callbacks, program);
}

static void on_filled(void *data)
{
    Program *program = data;

    g_clear_pointer(&program->fill, fill_wait_free);
    if (!program->ending) {
        start_batch(program);
    }
}

static void enter_batch(Program *program)
{
    program->stage = STAGE_BATCH;
    if (fill_is_wanted(program->options.machine)) {
        program->fill = fill_wait_new(program->backend, on_filled, program);
    } else {
        start_batch(program);
    }
}

void program_enter_first_stage(Program *program)
{
    if (program->script != NULL) {
        enter_batch(program);
    } else if (isatty(STDIN_FILENO)) {
        enter_prompt(program);
    } else if (options_serve_sockets(&program->options)) {
        program->stage = STAGE_STAY;
    } else {
        enter_finish(program); /* only an incoming migration to wait for */
    }
}
