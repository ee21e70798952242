/*
 * The program: creates the backend and the front ends, runs the main loop and
 * returns the exit status. stages.c has the stages of a run.
 */
#include <glib-unix.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "backend/attach/attach.h"
#include "backend/base/error.h"
#include "backend/base/fault.h"
#include "backend/base/inherited-fd.h"
#include "backend/base/json.h"
#include "backend/base/shown.h"
#include "commands/hmp/json-line.h"
#include "monitor/objects.h"
#include "monitor/program.h"
#include "monitor/startup.h"
#include "monitor/terminal/terminal.h"

/* Longest wait for readers of the output at the end of the program. */
#define FLUSH_MS 1000
/* --plain: period of queries for changes that cause no event. */
#define PLAIN_MS 1000

/* ---- events and signals ---- */

/* A command that waits for an outgoing migration reports its end itself. */
static bool is_told_anyway(const Program *program, json_object *notice)
{
    return json_flag(notice, "outgoing") &&
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
        console_tell(program->console, json_object_get_string(text));
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
    /* A destination that waits for its source does not count. */
    program->migrating = outcome_status_is_running(status) &&
                         !(program->options.incoming != NULL && strcmp(status, "setup") == 0);
    if (program->stage == STAGE_STAY && program->options.incoming != NULL &&
        !outcome_status_is_running(status) && program->outcome == NULL && !program->ending) {
        program_watch_outcome(program);
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
        program_end(program);
    } else if (strcmp(event->name, "SHUTDOWN") == 0 && !event->attached) {
        program_wind_up(program, true);
    }
}

static gboolean on_terminate(void *data)
{
    program_shut_down(data);
    return G_SOURCE_CONTINUE;
}

static gboolean on_interrupt(void *data)
{
    Program *program = data;

    if (program->stage == STAGE_PROMPT) {
        terminal_interrupt();
        return G_SOURCE_CONTINUE;
    }
    if (program->stage == STAGE_BATCH && !program->ending) {
        program->code = EXIT_CODE_INTERRUPTED;
    }
    console_leave_status(program->console);
    program_shut_down(program);
    return G_SOURCE_CONTINUE;
}

static void on_trace(const char *json, void *data)
{
    Program *program = data;

    console_complain(program->console, "-> %s", json);
}

/* ---- setting up ---- */

/* The guest here or what the options attach; an error is one of the options. */
static Backend *new_backend(const Options *options, GError **error)
{
    const EngineOptions engine = {
        .guest = {
            .machine = options->machine,
            .memory = options->memory,
            .smp = options->smp,
            .ram_file = options->ram_file,
            .prealloc = options->prealloc,
            .ram_id = options->ram_id,
            .name = options->name,
            .uuid = options->uuid,
        },
        .tracker = options->tracker,
        .incoming = options->incoming,
        .paused = options->paused,
    };

    const ManagedOptions managed = {
        .engine = options->connect == NULL ? &engine : NULL,
        .observe = options->observe,
        .connect_ms = options->peer_timeout,
        .answer_ms = options->peer_timeout,
    };

    return managed_new(&managed, error);
}

static bool make_backend(Program *program, GError **error)
{
    program->backend = new_backend(&program->options, error);
    if (program->backend == NULL) {
        return false;
    }
    if (program->options.trace_requests) {
        backend_set_trace(program->backend, on_trace, program);
    }
    program->subscription = backend_subscribe(program->backend, on_event, program);
    return true;
}

/* Before the sockets exist: a source may connect at once. */
static bool make_objects(Program *program, GError **error)
{
    const Options *options = &program->options;
    g_autoptr(GString) hints = g_string_new(NULL);

    if (options->objects != NULL && options->connect != NULL) {
        return mig_fail(
            error, MIG_ERROR_GENERIC,
            "--object makes objects for the guest of this process; for an attached QEMU "
            "use object_add");
    }
    if (!objects_make(program->backend, options->objects, hints, error)) {
        return false;
    }
    g_strchomp(hints->str);
    if (*hints->str != '\0') {
        console_complain(program->console, "%s", hints->str);
    }
    return true;
}

static void watch_signals(Program *program)
{
    g_unix_signal_add(SIGINT, on_interrupt, program);
    g_unix_signal_add(SIGTERM, on_terminate, program);
    g_unix_signal_add(SIGHUP, on_terminate, program);
}

static void complain(Program *program, const GError *error)
{
    console_complain(program->console, "migmon: %s", error->message);
    if (program->options.json) {
        console_print_object(program->console, json_line_with("error", json_error(error)));
    }
}

static void fail(Program *program, ExitCode code, const GError *error)
{
    complain(program, error);
    program->code = code;
    program_end(program);
}

/* A fault of the options or of an attached QEMU comes before the complaint about nothing to do. */
static void begin(Program *program)
{
    g_autoptr(GError) error = NULL;

    if (startup_has_work(&program->options, program->script != NULL, &error)) {
        program_enter_first_stage(program);
    } else {
        fail(program, EXIT_CODE_USAGE, error);
    }
}

static void on_attached(const GError *error, void *data)
{
    Program *program = data;

    g_clear_pointer(&program->attach, attach_free);
    if (program->ending) {
        return;
    }
    if (error == NULL) {
        begin(program);
        return;
    }
    fail(program, EXIT_CODE_CONNECT, error);
}

static void close_front_ends(Program *program)
{
    attach_free(program->attach);
    fill_wait_free(program->fill);
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

/* Every step before the loop that can fail; with @error set the result is the exit status. */
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
    if (!startup_configure_dashboard(&program->options,
                                     program->options.dashboard || program->options.plain, &config,
                                     error)) {
        return EXIT_CODE_USAGE;
    }
    /* Before the sockets exist: another program may wait for one and then send a signal. */
    watch_signals(program);
    if (!make_backend(program, error)) {
        return EXIT_CODE_USAGE; /* later failures, like a socket in use, come as events */
    }
    if (!make_objects(program, error)) {
        return EXIT_CODE_USAGE;
    }
    if (!servers_open(program->servers, program->backend, program->console, &program->options,
                      error)) {
        return g_error_matches(*error, MIG_ERROR, MIG_ERROR_IO) ? EXIT_CODE_CONNECT
                                                                : EXIT_CODE_USAGE;
    }
    return EXIT_CODE_OK;
}

static ExitCode run(Program *program)
{
    g_autoptr(GError) error = NULL;
    ExitCode code;

    /* Before a socket exists: a client that sees the socket may send a signal at once. */
    watch_signals(program);
    code = set_up(program, &error);
    if (error != NULL) {
        complain(program, error);
        return code;
    }
    if (program->options.plain) {
        program->plain = plain_view_new(program->backend, program->console, PLAIN_MS);
    }
    if (program->options.connect != NULL || program->options.peer != NULL) {
        program->attach = attach_new(program->backend, &program->options, on_attached, program);
    } else {
        begin(program);
    }
    g_main_loop_run(program->loop);
    return program_was_interrupted(program) ? EXIT_CODE_INTERRUPTED : program->code;
}

int main(int argc, char **argv)
{
    Program program = { .stage = STAGE_BATCH };
    g_autoptr(GError) error = NULL;
    g_autofree char *text = NULL;
    ExitCode code;

    inherited_fds_note();
    if (!startup_prepare_process(&error)) {
        fprintf(stderr, "migmon: %s\n", error->message);
        return EXIT_CODE_USAGE;
    }
    setlocale(LC_CTYPE, "");
    if (!options_parse(argc, argv, &program.options, &error)) {
        g_autofree char *shown = shown_message(error->message);

        fprintf(stderr, "migmon: %s\ntry: migmon --help\n", shown);
        return EXIT_CODE_USAGE;
    }
    if (options_text(&program.options, &text, &error)) {
        options_clear(&program.options);
        if (text == NULL) {
            g_autofree char *shown = shown_message(error->message);

            fprintf(stderr, "migmon: %s\n", shown);
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
        /* A full disk. A script must not take a guest that has left for one that is here. */
        fprintf(stderr, "migmon: not all of the output could be written\n");
        code = program.migrated ? EXIT_CODE_OK : EXIT_CODE_REFUSED;
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
