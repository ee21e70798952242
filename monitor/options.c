/*
 * See options.h. Before the main loop.
 *
 * Texts are kept as raw bytes (G_OPTION_ARG_FILENAME), because a path or a command
 * does not depend on the locale.
 */
#include "monitor/options.h"

#include <string.h>

#include "backend/base/error.h"
#include "backend/base/size.h"

#define MIB            (UINT64_C(1) << 20)
#define PAGE           4096
#define DEFAULT_MEMORY (128 * MIB)
#define DEFAULT_SMP    2
#define MAX_SMP        1024

/* Targets of GOption, which uses gboolean. */
typedef struct {
    char *memory;
    char *smp;
    char *peer_timeout;
    gboolean observe;
    gboolean dashboard, plain, ascii, no_mouse;
    gboolean paused, prealloc, interactive, json, trace_requests, version, help;
    char **rest;
    Options *options;
} Raw;

#define TEXT  G_OPTION_ARG_FILENAME
#define TEXTS G_OPTION_ARG_FILENAME_ARRAY
#define FLAG  G_OPTION_ARG_NONE

#define N_ENTRIES 36

/* The table. */
static void fill_entries(Raw *raw, GOptionEntry entries[N_ENTRIES])
{
    Options *o = raw->options;
    const GOptionEntry table[N_ENTRIES] = {
        { "memory", 'm', 0, TEXT, &raw->memory, "guest RAM, MiB without a suffix (default 128M)",
          "SIZE" },
        { "smp", 0, 0, TEXT, &raw->smp, "vCPUs of the stress machine (default 2)", "N" },
        { "machine", 0, 0, TEXT, &o->machine,
          "the guest's machine; stress[,key=value...] has the keys pattern, rate, set, zero, "
          "compressible, "
          "seed, prefill "
          "(default stress)",
          "none|stress" },
        { "ram-file", 0, 0, TEXT, &o->ram_file, "keep guest RAM in this file", "PATH" },
        { "ram-id", 0, 0, TEXT, &o->ram_id, "name of the RAM block in the stream (default ram)",
          "NAME" },
        { "prealloc", 0, 0, FLAG, &raw->prealloc,
          "allocate guest RAM at the start, not when pages are touched", NULL },
        { "name", 0, 0, TEXT, &o->name, "name of the guest", "NAME" },
        { "uuid", 0, 0, TEXT, &o->uuid, "UUID of the guest", "UUID" },
        { "incoming", 0, 0, TEXT, &o->incoming,
          "wait for a migration; defer: until migrate_incoming says where", "URI|defer" },
        { "connect", 0, 0, TEXT, &o->connect,
          "control a running QEMU by its QMP monitor instead of a guest here: unix:PATH or "
          "tcp:HOST:PORT",
          "ADDR" },
        { "peer", 0, 0, TEXT, &o->peer,
          "attach the destination QEMU as well: unix:PATH or tcp:HOST:PORT", "ADDR" },
        { "observe", 0, 0, FLAG, &raw->observe, "send only queries to an attached QEMU", NULL },
        { "peer-timeout", 0, 0, TEXT, &raw->peer_timeout,
          "seconds until an attached QEMU counts as not answering (default 10)", "SECONDS" },
        { "object", 0, 0, TEXTS, &o->objects,
          "make an object before anything else, as object_add does: TLS credentials, a secret, "
          "an authorization; may be repeated",
          "TYPE,id=ID[,KEY=VALUE...]" },
        { "paused", 'S', 0, FLAG, &raw->paused, "do not start the guest", NULL },
        { "command", 'c', 0, TEXTS, &o->commands, "run this monitor command; may be repeated",
          "CMD" },
        { "batch", 0, 0, TEXT, &o->batch_file,
          "run the monitor commands of this file (- = standard input)", "FILE" },
        { "interactive", 0, 0, FLAG, &raw->interactive, "show the prompt after the batch", NULL },
        { "dashboard", 0, 0, FLAG, &raw->dashboard, "start with the dashboard (needs a terminal)",
          NULL },
        { "plain", 0, 0, FLAG, &raw->plain, "print every change of a migration as a line of text",
          NULL },
        { "ascii", 0, 0, FLAG, &raw->ascii, "the dashboard draws with ASCII characters only",
          NULL },
        { "no-mouse", 0, 0, FLAG, &raw->no_mouse, "the dashboard leaves the mouse to the terminal",
          NULL },
        { "color", 0, 0, TEXT, &o->color, "colours of the dashboard (default auto)",
          "auto|always|256|16|8|never" },
        { "theme", 0, 0, TEXT, &o->theme, "theme of the dashboard", "default|high-contrast|mono" },
        { "refresh", 0, 0, TEXT, &o->refresh,
          "milliseconds between two updates of the dashboard, 50 to 60000 (default 100)", "MS" },
        { "monitor", 0, 0, TEXTS, &o->monitors,
          "human monitor on a socket: unix:PATH or tcp:HOST:PORT", "ADDR" },
        { "qmp", 0, 0, TEXTS, &o->qmps, "QMP server on a socket: unix:PATH or tcp:HOST:PORT",
          "ADDR" },
        { "json", 0, 0, FLAG, &raw->json, "a batch prints one JSON object for each reply and event",
          NULL },
        { "trace-requests", 0, 0, FLAG, &raw->trace_requests,
          "show the request behind each command on standard error", NULL },
        { "tracker", 0, 0, TEXT, &o->tracker, "dirty tracking (default: the best available)",
          "async|sync" },
        { "completion", 0, 0, TEXT, &o->completion,
          "print the completion of these options for a shell", "bash|zsh" },
        { "version", 0, 0, FLAG, &raw->version, "print the version", NULL },
        { "help", 'h', 0, FLAG, &raw->help, "print this help", NULL },
        { G_OPTION_REMAINING, 0, 0, TEXTS, &raw->rest, NULL, NULL },
        { NULL },
    };

    memcpy(entries, table, sizeof(table));
}

static GOptionContext *make_context(Raw *raw)
{
    GOptionContext *context = g_option_context_new(NULL);
    GOptionEntry entries[N_ENTRIES];

    fill_entries(raw, entries);
    g_option_context_set_help_enabled(context, FALSE);
    g_option_context_set_summary(context, "The operator's console for live migration.");
    g_option_context_set_description(
        context,
        "Commands come from -c, from --batch, from standard input, or from a prompt when "
        "that is a\n"
        "terminal. With -c or --batch, standard input is read only for --batch -, "
        "--interactive, or\n"
        "when a socket is served: then until it ends. In a batch one Ctrl-C ends the program "
        "and the\nguest. See migmon(1) for the exit status.");
    g_option_context_add_main_entries(context, entries, NULL);
    return context;
}

static bool complain(GError **error, const char *option, const char *value, const char *wanted)
{
    g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC, "%s: '%s' is not %s", option, value, wanted);
    return false;
}

static bool read_memory(const char *text, uint64_t *ret, GError **error)
{
    bool range = false;

    if (text == NULL) {
        *ret = DEFAULT_MEMORY;
        return true;
    }
    if (!size_parse(text, MIB, ret, &range)) {
        return complain(error, "--memory", text,
                        range ? "a size that fits (too large or negative)" : "a size (128M, 1.5G)");
    }
    if (*ret == 0 || *ret % PAGE != 0) {
        return complain(error, "--memory", text, "a positive multiple of 4 KiB");
    }
    return true;
}

static bool read_smp(const char *text, unsigned *ret, GError **error)
{
    guint64 value = DEFAULT_SMP;

    if (text != NULL && !g_ascii_string_to_unsigned(text, 10, 1, MAX_SMP, &value, NULL)) {
        return complain(error, "--smp", text, "a number from 1 to 1024");
    }
    *ret = (unsigned)value;
    return true;
}

static bool read_peer_timeout(const char *text, unsigned *ret, GError **error)
{
    char *end = NULL;
    double seconds = text != NULL ? g_ascii_strtod(text, &end) : 0;

    if (text != NULL && (end == text || *end != '\0' || !(seconds >= 0.1 && seconds <= 86400))) {
        return complain(error, "--peer-timeout", text, "a number of seconds, 0.1 to 86400");
    }
    *ret = (unsigned)(seconds * 1000);
    return true;
}

/* Options for a guest of this process exclude --connect. */
static bool check_attached(const Options *o, GError **error)
{
    if (o->connect != NULL && (o->incoming != NULL || o->ram_file != NULL || o->machine != NULL)) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC,
                    "--connect drives a guest that runs elsewhere: --machine, --ram-file and "
                    "--incoming are of a guest here");
        return false;
    }
    if (o->observe && o->connect == NULL && o->peer == NULL) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC, "--observe goes with --connect or --peer");
        return false;
    }
    return true;
}

static bool check(Raw *raw, GError **error)
{
    Options *o = raw->options;

    if (raw->rest != NULL && raw->rest[0] != NULL) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC,
                    "'%s' is no option; a command goes with -c", raw->rest[0]);
        return false;
    }
    if (o->tracker != NULL && strcmp(o->tracker, "async") != 0 && strcmp(o->tracker, "sync") != 0) {
        return complain(error, "--tracker", o->tracker, "async or sync");
    }
    return read_memory(raw->memory, &o->memory, error) && read_smp(raw->smp, &o->smp, error) &&
           read_peer_timeout(raw->peer_timeout, &o->peer_timeout, error) &&
           check_attached(o, error);
}

bool options_parse(int argc, char **argv, Options *ret, GError **error)
{
    Raw raw = { .options = ret };
    /* GOption reorders what it is given. */
    char **copy = g_new0(char *, (size_t)argc + 1);
    g_autoptr(GOptionContext) context = NULL;
    bool good;

    memset(ret, 0, sizeof(*ret));
    for (int i = 0; i < argc; i++) {
        copy[i] = g_strdup(argv[i]);
    }
    context = make_context(&raw);
    good = g_option_context_parse_strv(context, &copy, error);
    ret->paused = raw.paused;
    ret->observe = raw.observe;
    ret->prealloc = raw.prealloc;
    ret->dashboard = raw.dashboard;
    ret->plain = raw.plain;
    ret->ascii = raw.ascii;
    ret->no_mouse = raw.no_mouse;
    ret->interactive = raw.interactive || raw.dashboard;
    ret->json = raw.json;
    ret->trace_requests = raw.trace_requests;
    ret->version = raw.version;
    ret->help = raw.help;
    if (good && !ret->help && !ret->version) {
        good = check(&raw, error);
    }
    g_strfreev(copy);
    g_strfreev(raw.rest);
    g_free(raw.memory);
    g_free(raw.smp);
    g_free(raw.peer_timeout);
    if (!good) {
        options_clear(ret);
    }
    return good;
}

void options_clear(Options *options)
{
    g_free(options->machine);
    g_free(options->ram_file);
    g_free(options->ram_id);
    g_free(options->name);
    g_free(options->uuid);
    g_free(options->incoming);
    g_free(options->tracker);
    g_free(options->connect);
    g_free(options->peer);
    g_free(options->completion);
    g_free(options->color);
    g_free(options->theme);
    g_free(options->refresh);
    g_strfreev(options->objects);
    g_strfreev(options->commands);
    g_free(options->batch_file);
    g_strfreev(options->monitors);
    g_strfreev(options->qmps);
    memset(options, 0, sizeof(*options));
}

void options_for_each(void (*visit)(const OptionRow *row, void *data), void *data)
{
    Options options = { 0 };
    Raw raw = { .options = &options };
    GOptionEntry entries[N_ENTRIES];

    fill_entries(&raw, entries);
    for (const GOptionEntry *entry = entries; entry->long_name != NULL; entry++) {
        OptionRow row = {
            .name = entry->long_name,
            .letter = entry->short_name,
            .argument = entry->arg_description,
            .help = entry->description,
            .repeats = entry->arg == TEXTS,
        };

        if (*row.name != '\0') { /* G_OPTION_REMAINING is not one */
            visit(&row, data);
        }
    }
}

bool options_serve_sockets(const Options *options)
{
    return options->monitors != NULL || options->qmps != NULL;
}

char *options_help(void)
{
    Options options = { 0 };
    Raw raw = { .options = &options };
    g_autoptr(GOptionContext) context = make_context(&raw);

    return g_option_context_get_help(context, TRUE, NULL);
}
