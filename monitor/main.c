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
#include "backend/engine/engine.h"
#include "monitor/batch.h"
#include "monitor/console.h"
#include "monitor/exit-code.h"
#include "monitor/monitor-socket.h"
#include "monitor/options.h"
#include "monitor/outcome.h"
#include "monitor/prompt.h"
#include "monitor/qmp-server.h"
#include "monitor/script.h"
#include "monitor/startup.h"

/* How long the end of the program waits for those who read its output. */
#define FLUSH_MS 1000
/* How long it waits for replies that are under way. */
#define LAST_REPLIES_MS 300

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
    GPtrArray *monitors;
    GPtrArray *qmps;
    Script *script; /* until the batch takes it */
    Batch *batch;
    Prompt *prompt;
    OutcomeWait *outcome;
    unsigned subscription;
    Stage stage;
    HmpResult result; /* of the batch */
    bool migrated;    /* there has been a migration */
    bool migrating;   /* by the last MIGRATION event */
    bool batch_quit;  /* a line of the batch ended the program */
    bool ending;
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
static void end_program(Program *program)
{
    if (!program->ending) {
        program->ending = true;
        g_idle_add_full(G_PRIORITY_LOW, stop_loop, program, NULL);
        g_timeout_add_full(G_PRIORITY_HIGH, LAST_REPLIES_MS, stop_loop, program, NULL);
    }
}

/* ---- stages ---- */

static void on_hangup(void *data)
{
    shut_down(data);
}

static void enter_prompt(Program *program)
{
    program->stage = STAGE_PROMPT;
    program->prompt = prompt_new(program->backend, program->console, on_hangup, program);
}

static void on_outcome(const Outcome *outcome, void *data)
{
    Program *program = data;
    ExitFacts facts = {
        .result = program->result,
        .status = outcome->status,
        .direction = outcome->direction,
        .owner = outcome->owner,
        .connected = outcome->connected,
    };

    if (program->ending) {
        return;
    }
    /* Without a line of its own and a guest to wait for it only served others. */
    if (program->options.incoming != NULL || (program->batch && batch_has_run(program->batch))) {
        program->code = exit_code_for(&facts);
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
    program->outcome =
        outcome_wait_new(program->backend, program->result == HMP_OK, on_outcome, program);
}

static void enter_finish(Program *program)
{
    static const Outcome nothing = { 0 };

    program->stage = STAGE_FINISH;
    if (program->result == HMP_ERROR_TIMEOUT) {
        /* The script's own deadline has passed: a migration that still runs is cancelled by the end. */
        program->code = EXIT_CODE_TIMEOUT;
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

static void on_batch_quit(void *data)
{
    Program *program = data;

    program->batch_quit = true;
}

static void enter_batch(Program *program)
{
    static const BatchCallbacks callbacks = {
        .ended = on_batch_ended,
        .quit = on_batch_quit,
    };

    program->stage = STAGE_BATCH;
    program->batch =
        batch_new(program->backend, program->console, g_steal_pointer(&program->script),
                  program->options.json, &callbacks, program);
}

/* ---- events and signals ---- */

static void show_notice(Program *program, json_object *data)
{
    json_object *text = NULL;

    if (!json_object_object_get_ex(data, "text", &text)) {
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

static void print_event(Program *program, const BackendEvent *event)
{
    json_object *object = backend_event_to_json(event);
    g_autofree char *line =
        g_strconcat(json_object_to_json_string_ext(object, JSON_C_TO_STRING_SPACED |
                                                               JSON_C_TO_STRING_NOSLASHESCAPE),
                    "\n", NULL);

    console_print(program->console, line);
    json_object_put(object);
}

static void on_event(const BackendEvent *event, void *data)
{
    Program *program = data;

    bool as_json = program->options.json && program->stage != STAGE_PROMPT;

    if (as_json) {
        print_event(program, event);
    }
    if (strcmp(event->name, "MIGRATION") == 0) {
        note_status(program, event->data);
    } else if (strcmp(event->name, "X_NOTICE") == 0 && !as_json) {
        show_notice(program, event->data);
    } else if (strcmp(event->name, "X_INCOMING_FAILED") == 0 && !program->ending) {
        program->code = EXIT_CODE_CONNECT; /* the notice has said why */
        end_program(program);
    } else if (strcmp(event->name, "SHUTDOWN") == 0) {
        end_program(program);
    }
}

/* Ends the program as quit does, and tells the clients that it was a signal. */
static void shut_down(Program *program)
{
    bool at_work = program->migrating || (program->batch != NULL && program->stage == STAGE_BATCH &&
                                          batch_is_busy(program->batch));
    json_object *data = json_object_new_object();

    if (at_work && !program->ending) {
        program->code = EXIT_CODE_INTERRUPTED;
    }
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
    if (program->stage != STAGE_STAY && !program->ending) {
        program->code = EXIT_CODE_INTERRUPTED;
    }
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
    const Options *options = &program->options;
    const EngineOptions engine = {
        .guest = {
            .machine = options->machine,
            .memory = options->memory,
            .smp = options->smp,
            .ram_file = options->ram_file,
            .ram_id = options->ram_id,
            .name = options->name,
            .uuid = options->uuid,
        },
        .tracker = options->tracker,
        .incoming = options->incoming,
        .paused = options->paused,
    };

    program->backend = engine_new(&engine, error);
    if (program->backend == NULL) {
        return false;
    }
    if (options->trace_requests) {
        backend_set_trace(program->backend, on_trace, program);
    }
    program->subscription = backend_subscribe(program->backend, on_event, program);
    return true;
}

/* A port that the kernel chose has to be told. */
static void announce(Program *program, const char *what, const char *asked, const char *name)
{
    if (strcmp(asked, name) != 0) {
        console_complain(program->console, "%s: listening on %s", what, name);
    }
}

static bool is_none_machine(const Options *options)
{
    return options->machine != NULL && strcmp(options->machine, "none") == 0;
}

static bool open_sockets(Program *program, GError **error)
{
    const Options *options = &program->options;

    for (char **address = options->monitors; address != NULL && *address != NULL; address++) {
        MonitorSocket *monitor = monitor_socket_new(program->backend, *address, error);

        if (monitor == NULL) {
            g_prefix_error(error, "--monitor: ");
            return false;
        }
        g_ptr_array_add(program->monitors, monitor);
        announce(program, "--monitor", *address, monitor_socket_name(monitor));
    }
    for (char **address = options->qmps; address != NULL && *address != NULL; address++) {
        QmpServer *qmp = qmp_server_new(program->backend, *address,
                                        is_none_machine(options) ? 0 : options->smp, error);

        if (qmp == NULL) {
            g_prefix_error(error, "--qmp: ");
            return false;
        }
        g_ptr_array_add(program->qmps, qmp);
        announce(program, "--qmp", *address, qmp_server_name(qmp));
    }
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
    g_clear_pointer(&program->prompt, prompt_free);
    g_clear_pointer(&program->batch, batch_free);
    for (unsigned i = 0; i < program->monitors->len; i++) {
        monitor_socket_flush(g_ptr_array_index(program->monitors, i), FLUSH_MS);
    }
    for (unsigned i = 0; i < program->qmps->len; i++) {
        qmp_server_flush(g_ptr_array_index(program->qmps, i), FLUSH_MS);
    }
    g_ptr_array_set_size(program->monitors, 0);
    g_ptr_array_set_size(program->qmps, 0);
}

/* Everything that can go wrong before the loop; the error says what, the result how to end. */
static ExitCode set_up(Program *program, GError **error)
{
    g_autofree char *fault = fault_configure(g_getenv("MIGMON_FAULT"));

    if (fault != NULL) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC, "MIGMON_FAULT: %s", fault);
        return EXIT_CODE_USAGE;
    }
    if (!startup_collect_script(&program->options, &program->script, error)) {
        return EXIT_CODE_USAGE;
    }
    if (program->options.json && program->script == NULL && isatty(STDIN_FILENO)) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC,
                    "--json goes with a batch (-c, --batch, lines on standard input)");
        return EXIT_CODE_USAGE;
    }
    if (!make_backend(program, error) || !open_sockets(program, error)) {
        return g_error_matches(*error, MIG_ERROR, MIG_ERROR_IO) ? EXIT_CODE_CONNECT
                                                                : EXIT_CODE_USAGE;
    }
    return EXIT_CODE_OK;
}

/* Somebody else ended the program in the middle of its work. */
static bool was_interrupted(const Program *program)
{
    return (program->stage == STAGE_BATCH && batch_is_busy(program->batch) &&
            !program->batch_quit) ||
           (program->outcome != NULL && program->stage == STAGE_FINISH && program->migrating);
}

static ExitCode run(Program *program)
{
    g_autoptr(GError) error = NULL;
    ExitCode code = set_up(program, &error);

    if (error != NULL) {
        console_complain(program->console, "migmon: %s", error->message);
        return code;
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
    g_autofree char *help = NULL;
    ExitCode code;

    inherited_fds_note();
    startup_prepare_process();
    setlocale(LC_CTYPE, "");
    if (!options_parse(argc, argv, &program.options, &error)) {
        fprintf(stderr, "migmon: %s\ntry: migmon --help\n", error->message);
        return EXIT_CODE_USAGE;
    }
    if (program.options.help || program.options.version) {
        help = program.options.help ? options_help()
                                    : g_strdup("migmon " MIGMON_VERSION
                                               " (speaks QEMU 8.2 HMP/QMP, migration stream 3)\n");
        options_clear(&program.options);
        return fputs(help, stdout) < 0 || fflush(stdout) != 0 ? EXIT_CODE_REFUSED : EXIT_CODE_OK;
    }
    program.console = console_new();
    program.loop = g_main_loop_new(NULL, FALSE);
    program.monitors = g_ptr_array_new_with_free_func((GDestroyNotify)monitor_socket_free);
    program.qmps = g_ptr_array_new_with_free_func((GDestroyNotify)qmp_server_free);
    code = run(&program);
    close_front_ends(&program);
    if (program.backend != NULL) {
        backend_free(program.backend);
    }
    console_flush(program.console, FLUSH_MS);
    console_free(program.console);
    script_free(program.script);
    g_ptr_array_unref(program.monitors);
    g_ptr_array_unref(program.qmps);
    g_main_loop_unref(program.loop);
    options_clear(&program.options);
    return (int)code;
}
