/*
 * The program: makes the backend, puts the front ends before it, runs the main
 * loop, and says with its exit status what became of it all.
 *
 * A run goes through stages. A batch runs its lines; then the program waits
 * for a migration that still runs; then it ends, or stays (an incoming guest
 * lives here until somebody ends it), or goes on with the prompt. A program
 * without lines that serves sockets stays from the beginning.
 */
#include <glib-unix.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "backend/backend.h"
#include "backend/base/error.h"
#include "backend/base/fault.h"
#include "backend/base/inherited-fd.h"
#include "commands/json-line.h"
#include "monitor/batch.h"
#include "monitor/console.h"
#include "monitor/dashboard.h"
#include "monitor/ending.h"
#include "monitor/exit-code.h"
#include "monitor/options.h"
#include "monitor/outcome.h"
#include "monitor/prompt.h"
#include "monitor/script.h"
#include "monitor/servers.h"
#include "monitor/startup.h"

/* How long the end of the program waits for those who read its output. */
#define FLUSH_MS 1000
/* How long it waits for replies that are under way. */
#define LAST_REPLIES_MS 300
/* --plain: how often it looks for what events do not tell. */
#define PLAIN_MS 1000

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
    bool cut; /* the end came upon a migration that ran */
    ExitCode first_error; /* of a line that the batch went on after; it stays */
    ExitCode code;
} Program;

static void shut_down(Program *program);

/* ---- the end ---- */

static gboolean stop_loop(void *data)
{
    Program *program = data;

    g_main_loop_quit(program->loop);
    return G_SOURCE_CONTINUE; /* whichever comes first; both go with the loop */
}

/* Lets replies go out first: what is ready now is handled before the idle source, the timer is for
 * the case that there is always something ready. */
static void stop_soon(Program *program)
{
    g_idle_add_full(G_PRIORITY_LOW, stop_loop, program, NULL);
    g_timeout_add_full(G_PRIORITY_HIGH, LAST_REPLIES_MS, stop_loop, program, NULL);
}

static void end_program(Program *program)
{
    if (!program->ending) {
        program->ending = true;
        stop_soon(program);
    }
}

static void on_last_outcome(ExitCode code, const char *text, void *data)
{
    Program *program = data;

    if (program->first_error == EXIT_CODE_OK &&
        (program->cut || program->code == EXIT_CODE_OK)) {
        program->code = code;
    }
    if (text != NULL) {
        console_complain(program->console, "%s", text);
    }
    stop_soon(program);
}

/* quit (@asked) or a signal ends the program. */
static void wind_up(Program *program, bool asked)
{
    if (program->ending) {
        return;
    }
    program->ending = true;
    program->cut = program->migrating;
    g_clear_pointer(&program->outcome, outcome_wait_free);
    if (!asked && !program->cut) {
        stop_soon(program);
        return;
    }
    program->end = ending_new(program->backend, program->cut, on_last_outcome, program);
}

/* ---- stages ---- */

static void on_hangup(void *data)
{
    shut_down(data);
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
    /* Without a line of its own and a guest to wait for it only served others. */
    if (program->options.incoming != NULL || (program->batch && batch_has_run(program->batch))) {
        program->code = program->first_error != EXIT_CODE_OK ? program->first_error
                                                             : outcome_exit_code(program->result, outcome);
    }
    g_clear_pointer(&program->outcome, outcome_wait_free);
    if (program->options.incoming != NULL && program->result == HMP_OK) {
        program->stage = STAGE_STAY;
    } else {
        end_program(program);
    }
}

static void watch_outcome(Program *program)
{
    /* After an error nobody waits for a peer who may never come. */
    program->outcome = outcome_wait_new(
        program->backend, program->result == HMP_OK ? OUTCOME_AFTER_PEER : OUTCOME_AFTER_RUNNING,
        on_outcome, program);
}

static void enter_finish(Program *program)
{
    static const Outcome nothing = { 0 };

    program->stage = STAGE_FINISH;
    if (program->result == HMP_ERROR_TIMEOUT) {
        /* The script's own deadline has passed: a migration that still runs is cancelled by the end. */
        program->code =
            program->first_error != EXIT_CODE_OK ? program->first_error : EXIT_CODE_TIMEOUT;
        end_program(program);
    } else if (program->migrated || program->options.incoming != NULL) {
        watch_outcome(program);
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

/* What the first error means is decided by how things stand when it happens. */
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

static void enter_batch(Program *program)
{
    static const BatchCallbacks callbacks = {
        .ended = on_batch_ended,
        .failed = on_batch_failed,
        .quit = on_batch_quit,
    };

    program->stage = STAGE_BATCH;
    program->batch =
        batch_new(program->backend, program->console, g_steal_pointer(&program->script),
                  program->options.json, &callbacks, program);
}

/* ---- events and signals ---- */

/* A line that waits for an outgoing migration says itself how it ended. */
static bool is_told_anyway(const Program *program, json_object *notice)
{
    return json_object_get_boolean(json_object_object_get(notice, "outgoing")) &&
           (program->cut || (program->batch != NULL && batch_tells_end(program->batch)) ||
            (program->prompt != NULL && prompt_tells_end(program->prompt)));
}

static void show_notice(Program *program, json_object *data)
{
    json_object *text = NULL;

    if (!json_object_object_get_ex(data, "text", &text) || is_told_anyway(program, data)) {
        return;
    }
    if (program->stage == STAGE_PROMPT) {
        g_autofree char *line = g_strconcat(json_object_get_string(text), "\n", NULL);

        console_print(program->console, line);
    } else {
        console_complain(program->console, "%s", json_object_get_string(text));
    }
}

static void note_status(Program *program, json_object *data)
{
    json_object *member = NULL;
    const char *status;

    if (!json_object_object_get_ex(data, "status", &member)) {
        return;
    }
    status = json_object_get_string(member);
    program->migrated = true;
    /* A destination that waits for its first peer is not at work. */
    program->migrating = outcome_status_is_running(status) &&
                         !(program->options.incoming != NULL && strcmp(status, "setup") == 0);
    if (program->stage == STAGE_STAY && program->options.incoming != NULL &&
        !outcome_status_is_running(status) && program->outcome == NULL && !program->ending) {
        watch_outcome(program);
    }
}

static void on_event(const BackendEvent *event, void *data)
{
    Program *program = data;

    bool as_json = program->options.json && program->stage != STAGE_PROMPT;

    if (as_json) {
        console_print_object(program->console, json_line_of_event(event));
    }
    if (strcmp(event->name, "MIGRATION") == 0) {
        note_status(program, event->data);
    } else if (strcmp(event->name, "X_NOTICE") == 0 && !as_json) {
        show_notice(program, event->data);
    } else if (strcmp(event->name, "X_INCOMING_FAILED") == 0 && !program->ending) {
        program->code = EXIT_CODE_CONNECT; /* the notice has said why */
        end_program(program);
    } else if (strcmp(event->name, "SHUTDOWN") == 0) {
        wind_up(program, true);
    }
}

/* Ends the program as quit does, and tells the clients that it was a signal. */
static void shut_down(Program *program)
{
    json_object *data;

    if (program->ending) {
        return;
    }
    wind_up(program, false);
    data = json_object_new_object();
    json_object_object_add(data, "guest", json_object_new_boolean(false));
    json_object_object_add(data, "reason", json_object_new_string("host-signal"));
    backend_emit(program->backend,
                 &(BackendEvent){ .name = "SHUTDOWN", .data = data, .time_us = g_get_real_time() });
    json_object_put(data);
    end_program(program);
}

static gboolean on_terminate(void *data)
{
    shut_down(data);
    return G_SOURCE_CONTINUE;
}

static gboolean on_interrupt(void *data)
{
    Program *program = data;

    if (program->stage == STAGE_PROMPT) {
        prompt_interrupt(program->prompt);
        return G_SOURCE_CONTINUE;
    }
    if (program->stage == STAGE_BATCH && !program->ending) {
        program->code = EXIT_CODE_INTERRUPTED;
    }
    console_leave_status(program->console);
    shut_down(program);
    return G_SOURCE_CONTINUE;
}

static void on_trace(const char *json, void *data)
{
    Program *program = data;

    console_complain(program->console, "-> %s", json);
}

/* ---- setting up ---- */

static bool make_backend(Program *program, GError **error)
{
    program->backend = startup_make_backend(&program->options, error);
    if (program->backend == NULL) {
        return false;
    }
    if (program->options.trace_requests) {
        backend_set_trace(program->backend, on_trace, program);
    }
    program->subscription = backend_subscribe(program->backend, on_event, program);
    return true;
}

static void watch_signals(Program *program)
{
    g_unix_signal_add(SIGINT, on_interrupt, program);
    g_unix_signal_add(SIGTERM, on_terminate, program);
    g_unix_signal_add(SIGHUP, on_terminate, program);
}

static void enter_first_stage(Program *program)
{
    if (program->script != NULL) {
        enter_batch(program);
    } else if (isatty(STDIN_FILENO)) {
        enter_prompt(program);
    } else if (options_serve_sockets(&program->options)) {
        program->stage = STAGE_STAY;
    } else {
        enter_finish(program); /* nothing to do but to wait for an incoming migration */
    }
}

static void close_front_ends(Program *program)
{
    if (program->subscription != 0) {
        backend_unsubscribe(program->backend, program->subscription);
    }
    g_clear_pointer(&program->outcome, outcome_wait_free);
    ending_free(program->end);
    dashboard_free(program->dashboard, FLUSH_MS);
    g_clear_pointer(&program->plain, plain_view_free);
    g_clear_pointer(&program->prompt, prompt_free);
    g_clear_pointer(&program->batch, batch_free);
    servers_close(program->servers, FLUSH_MS);
}

/* Everything that can go wrong before the loop; the error says what, the result how to end. */
static ExitCode set_up(Program *program, GError **error)
{
    g_autofree char *fault = fault_configure(g_getenv("MIGMON_FAULT"));
    TuiConfig config;

    if (fault != NULL) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC, "MIGMON_FAULT: %s", fault);
        return EXIT_CODE_USAGE;
    }
    if (!startup_collect_script(&program->options, &program->script, error) ||
        !startup_check(&program->options, program->script != NULL, error)) {
        return EXIT_CODE_USAGE;
    }
    if (program->options.plain && program->options.json) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC,
                    "--plain and --json do not go together: the events of --json say the same");
        return EXIT_CODE_USAGE;
    }
    if ((program->options.dashboard || program->options.plain) &&
        !startup_configure_dashboard(&program->options, &config, error)) {
        return EXIT_CODE_USAGE;
    }
    if (!make_backend(program, error)) {
        return EXIT_CODE_USAGE; /* what only shows later, a socket in use, comes as an event */
    }
    if (!servers_open(program->servers, program->backend, program->console, &program->options,
                      error)) {
        return g_error_matches(*error, MIG_ERROR, MIG_ERROR_IO) ? EXIT_CODE_CONNECT
                                                                : EXIT_CODE_USAGE;
    }
    return EXIT_CODE_OK;
}

/* Somebody else ended the program in the middle of its work. */
static bool was_interrupted(const Program *program)
{
    return program->stage == STAGE_BATCH && batch_is_unfinished(program->batch) &&
           !program->batch_quit && program->code != EXIT_CODE_UNKNOWN;
}

static ExitCode run(Program *program)
{
    g_autoptr(GError) error = NULL;
    ExitCode code = set_up(program, &error);

    if (error != NULL) {
        console_complain(program->console, "migmon: %s", error->message);
        if (program->options.json) {
            console_print_object(program->console, json_line_with("error", json_error(error)));
        }
        return code;
    }
    if (program->options.plain) {
        program->plain =
            plain_view_new(program->backend, program->console, PLAIN_MS);
    }
    watch_signals(program);
    enter_first_stage(program);
    g_main_loop_run(program->loop);
    return was_interrupted(program) ? EXIT_CODE_INTERRUPTED : program->code;
}

int main(int argc, char **argv)
{
    Program program = { .stage = STAGE_BATCH };
    g_autoptr(GError) error = NULL;
    g_autofree char *text = NULL;
    ExitCode code;

    inherited_fds_note();
    startup_prepare_process();
    setlocale(LC_CTYPE, "");
    if (!options_parse(argc, argv, &program.options, &error)) {
        fprintf(stderr, "migmon: %s\ntry: migmon --help\n", error->message);
        return EXIT_CODE_USAGE;
    }
    if (options_text(&program.options, &text, &error)) {
        options_clear(&program.options);
        if (text == NULL) {
            fprintf(stderr, "migmon: %s\n", error->message);
            return EXIT_CODE_USAGE;
        }
        return fputs(text, stdout) < 0 || fflush(stdout) != 0 ? EXIT_CODE_REFUSED : EXIT_CODE_OK;
    }
    program.console = console_new();
    program.loop = g_main_loop_new(NULL, FALSE);
    program.servers = servers_new();
    code = run(&program);
    close_front_ends(&program);
    if (code == EXIT_CODE_OK && console_has_failed(program.console)) {
        code = EXIT_CODE_REFUSED; /* a full disk: the output is not all there */
    }
    if (program.options.json && program.stage != STAGE_PROMPT) {
        console_print_object(program.console,
                             json_line_with("exit", json_object_new_int((int)code)));
    }
    if (program.backend != NULL) {
        backend_free(program.backend);
    }
    console_flush(program.console, FLUSH_MS);
    console_free(program.console);
    script_free(program.script);
    servers_free(program.servers);
    g_main_loop_unref(program.loop);
    options_clear(&program.options);
    return (int)code;
}
