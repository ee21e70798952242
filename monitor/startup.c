/*
 * See startup.h. Before the main loop.
 */
#include "monitor/startup.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend/base/error.h"

#define LOOP_DESCRIPTORS 4

/* Opens missing descriptors 0 to 2, so that no other file gets their numbers. */
static void hold_standard_descriptors(void)
{
    int fd;

    do {
        fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    } while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0) {
        close(fd);
    }
}

static void ignore_sigpipe(void)
{
    struct sigaction ignore = { .sa_handler = SIG_IGN };

    sigaction(SIGPIPE, &ignore, NULL);
}

/* /dev/null counts as no standard input, not as an empty script. */
static bool has_standard_input(void)
{
    struct stat input, null;

    return fstat(STDIN_FILENO, &input) == 0 &&
           !(stat("/dev/null", &null) == 0 && S_ISCHR(input.st_mode) &&
             input.st_rdev == null.st_rdev);
}

/* GLib's loop and its signals need descriptors, and GLib aborts when there are none. */
static bool can_loop(GError **error)
{
    int spare[LOOP_DESCRIPTORS];
    int n = 0;

    while (n < LOOP_DESCRIPTORS && (spare[n] = dup(STDERR_FILENO)) >= 0) {
        n++;
    }
    if (n < LOOP_DESCRIPTORS) {
        mig_error_set_errno(error, errno, "there are too few descriptors to start");
        mig_error_hint(error, "raise the limit: ulimit -n");
    }
    for (int i = 0; i < n; i++) {
        close(spare[i]);
    }
    return n == LOOP_DESCRIPTORS;
}

/* Larger allocations are mappings of their own, which free() gives back. */
#define MAPPED_BYTES (128 << 10)
/* Threads come and go with each migration, and glibc gives each a heap out of up to eight for each
 * processor, none of which becomes smaller while it is in use. */
#define HEAPS 2

/* glibc raises the first limit to 32 MiB as soon as a large buffer has been freed. The buffers of a
 * migration then stay in the heaps of its threads: 30 MiB after some hundred migrations. */
static void keep_heaps_small(void)
{
    mallopt(M_MMAP_THRESHOLD, MAPPED_BYTES);
    mallopt(M_TRIM_THRESHOLD, MAPPED_BYTES);
    mallopt(M_ARENA_MAX, HEAPS);
}

bool startup_prepare_process(GError **error)
{
    keep_heaps_small();
    hold_standard_descriptors();
    ignore_sigpipe();
    return can_loop(error);
}

bool startup_check(const Options *options, bool batch, GError **error)
{
    bool terminal = isatty(STDIN_FILENO) != 0;
    const char *problem = NULL;

    if (options->json && !batch && terminal) {
        problem = "--json goes with a batch (-c, --batch, lines on standard input)";
    } else if (options->dashboard && !(terminal && isatty(STDOUT_FILENO))) {
        problem = "--dashboard needs a terminal; --plain does without";
    }
    if (problem != NULL) {
        g_set_error_literal(error, MIG_ERROR, MIG_ERROR_GENERIC, problem);
    }
    return problem == NULL;
}

bool startup_has_work(const Options *options, bool batch, GError **error)
{
    if (batch || isatty(STDIN_FILENO) || options_serve_sockets(options) ||
        options->incoming != NULL) {
        return true;
    }
    g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC,
                "nothing to do: no commands, no socket, no --incoming");
    return false;
}

bool startup_collect_script(const Options *options, Script **ret_script, GError **error)
{
    g_autoptr(Script) script = script_new();
    bool lines = options->commands != NULL || options->batch_file != NULL;
    bool from_stdin = options->batch_file != NULL && strcmp(options->batch_file, "-") == 0;

    for (char **command = options->commands; command != NULL && *command != NULL; command++) {
        script_add_command(script, *command);
    }
    if (options->batch_file != NULL && !from_stdin &&
        !script_add_file(script, options->batch_file, error)) {
        return false;
    }
    /* With lines given, standard input may belong to another program. It is read only for an
     * option that wants it, or for a server, which runs as long as it is open. */
    if (!from_stdin && !isatty(STDIN_FILENO) && has_standard_input()) {
        from_stdin = !lines || options->interactive || options_serve_sockets(options);
    }
    if (from_stdin) {
        script_add_fd(script, STDIN_FILENO, "<stdin>");
    }
    if (lines || from_stdin) {
        *ret_script = g_steal_pointer(&script);
    }
    return true;
}

static bool set_option(TuiConfig *config, const char *key, const char *value, GError **error)
{
    if (value != NULL && !config_set(config, key, value, error)) {
        g_prefix_error(error, "--");
        return false;
    }
    return true;
}

bool startup_configure_dashboard(const Options *options, bool used, TuiConfig *ret_config,
                                 GError **error)
{
    config_init(ret_config);
    return (!used || config_load(ret_config, error)) &&
           set_option(ret_config, "color", options->color, error) &&
           set_option(ret_config, "theme", options->theme, error) &&
           set_option(ret_config, "refresh", options->refresh, error) &&
           set_option(ret_config, "ascii", options->ascii ? "on" : NULL, error) &&
           set_option(ret_config, "mouse", options->no_mouse ? "off" : NULL, error);
}
