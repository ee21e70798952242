/*
 * Commands for a running QEMU: connect and peer attach the two ends of a
 * migration by their monitors, qemu passes a line to QEMU's human monitor.
 */
#include "commands/hmp/hmp-internal.h"

#include <string.h>

#include "backend/base/error.h"

/* ---- connect, peer, disconnect ---- */

/* "source: QEMU 7.2.22 at unix:/a.qmp, guest vm1 running, migration none" */
static void print_end(HmpCall *call, json_object *end)
{
    const char *name = json_text(end, "name"), *trouble = json_text(end, "trouble");
    const char *error = json_text(end, "error-desc");

    call_print(call, "%s: %s at %s, guest%s%s %s, migration %s%s%s%s%s%s\n", json_text(end, "side"),
               json_text(end, "version"), json_text(end, "address"), *name ? " " : "", name,
               json_text(end, "run-state"), json_text(end, "status"), *error ? " (" : "", error,
               *error ? ")" : "", *trouble ? "; " : "", trouble);
}

static void print_ends(HmpCall *call, json_object *value, const GError *error)
{
    json_object *ends = error ? NULL : json_member(value, "ends");

    for (JsonEach end = json_each(ends); json_next(&end);) {
        print_end(call, end.value);
    }
    if (!error && json_length(ends) == 0) {
        call_print(call, "nothing is attached: requests go to the guest of this process\n");
    }
    call_finish_with(call, value, error);
}

static void attached(HmpCall *call, json_object *value, const GError *error)
{
    (void)value;
    if (error) {
        call_fail(call, HMP_ERROR_CONNECT, error);
        return;
    }
    call_request(call, "x-query-target", NULL, print_ends);
}

static void attach(HmpCall *call, const char *side)
{
    json_object *args = json_object_new_object();

    json_add_text(args, "address", call_text(call, "address"));
    json_add_text(args, "side", side);
    call_request(call, "x-connect", args, attached);
}

static void run_connect(HmpCall *call)
{
    attach(call, "source");
}

static void run_peer(HmpCall *call)
{
    attach(call, "destination");
}

static void run_disconnect(HmpCall *call)
{
    call_request(call, "x-disconnect", NULL, call_finish_with);
}

static void run_info_target(HmpCall *call)
{
    call_request(call, "x-query-target", NULL, print_ends);
}

/* ---- qemu ---- */

/* That monitor reports a failure only in its text. */
static void print_text(HmpCall *call, json_object *value, const GError *error)
{
    g_auto(GStrv) lines = error ? NULL : g_strsplit(json_object_get_string(value), "\r\n", -1);
    g_autofree char *text = error ? NULL : g_strjoinv("\n", lines); /* it writes for a terminal */

    if (error) {
        call_fail(call, HMP_ERROR_FAILED, error);
        return;
    }
    call_print_lines(call, text);
    if (*text != '\0' && !g_str_has_suffix(text, "\n")) {
        call_print(call, "\n");
    }
    call_finish(call,
                g_str_has_prefix(text, "Error: ") || g_str_has_prefix(text, "unknown command:")
                    ? HMP_ERROR_FAILED
                    : HMP_OK);
}

static void run_qemu(HmpCall *call)
{
    const char *rest = call_text(call, "arguments");
    g_autofree char *line =
        g_strdup_printf("%s%s%s", call_text(call, "command"), rest ? " " : "", rest ? rest : "");
    json_object *args = json_object_new_object();

    json_add_text(args, "command-line", line);
    if (call_has(call, "p")) {
        json_add_text(args, "side", "destination");
    }
    call_request(call, "x-peer-command", args, print_text);
}

const Command cmd_connect = {
    .name = "connect",
    .params = "address",
    .help = "attach to a running QEMU by its QMP monitor: commands are for its guest from then on",
    .args = (const ArgSpec[]){ { "address", ARG_MONITOR, .help = "unix:PATH or tcp:HOST:PORT" },
                               { 0 } },
    .run = run_connect,
};

const Command cmd_peer = {
    .name = "peer",
    .params = "address",
    .help = "attach to the QEMU that is the destination, beside the source",
    .args = (const ArgSpec[]){ { "address", ARG_MONITOR, .help = "unix:PATH or tcp:HOST:PORT" },
                               { 0 } },
    .run = run_peer,
};

const Command cmd_disconnect = {
    .name = "disconnect",
    .params = "",
    .help = "let go of what is attached; it goes on as it is",
    .run = run_disconnect,
};

const Command cmd_qemu = {
    .name = "qemu",
    .params = "[-p] command",
    .help = "run a command of the attached QEMU's own human monitor",
    .args =
        (const ArgSpec[]){ { "p", ARG_FLAG, .optional = true, .help = "the destination's" },
                           { "command", ARG_PEER_COMMAND, .help = "name of the command" },
                           { "arguments", ARG_REST, .optional = true, .help = "as QEMU has them" },
                           { 0 } },
    .run = run_qemu,
};

const Command info_target = {
    .name = "target",
    .params = "",
    .help = "show what is attached: both ends of a migration",
    .run = run_info_target,
};
