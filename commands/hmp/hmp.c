/*
 * A monitor: its session with the backend, and the dispatch of one line.
 *
 * A line becomes an HmpCall (call.c) that lives until its command ends it.
 * That may happen before hmp_execute() returns or many events later. After
 * the end this file does not use the Hmp again, because the owner may have
 * freed it or started the next line.
 */
#include "commands/hmp/hmp.h"

#include <string.h>

#include "backend/base/error.h"
#include "backend/base/shown.h"
#include "commands/hmp/hmp-internal.h"

static void session_warned(const char *text, void *data)
{
    Hmp *hmp = data;

    if (hmp->call) {
        call_warn(hmp->call, text);
    } else {
        g_autofree char *shown = shown_message(text);
        g_autofree char *line = g_strdup_printf("warning: %s\n", shown);
        hmp->callbacks.print(line, hmp->data);
    }
}

static Hmp *new_monitor(const Command *const *commands, Backend *backend,
                        const HmpCallbacks *callbacks, void *data, unsigned flags)
{
    Hmp *hmp = g_new0(Hmp, 1);

    g_assert(callbacks->print);
    hmp->commands = commands;
    hmp->backend = backend;
    hmp->callbacks = *callbacks;
    hmp->data = data;
    hmp->flags = flags;
    hmp->variables = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    hmp->output = g_string_new(NULL);
    hmp->failure = g_string_new(NULL);
    return hmp;
}

Hmp *hmp_new(const Command *const *commands, Backend *backend, const HmpCallbacks *callbacks,
             void *data, unsigned flags)
{
    Hmp *hmp = new_monitor(commands, backend, callbacks, data, flags);

    hmp->session = backend_session_new(backend, session_warned, hmp);
    hmp->owns_session = true;
    return hmp;
}

Hmp *hmp_new_with_session(const Command *const *commands, Backend *backend, BackendSession *session,
                          const HmpCallbacks *callbacks, void *data, unsigned flags)
{
    Hmp *hmp = new_monitor(commands, backend, callbacks, data, flags);

    hmp->session = session;
    return hmp;
}

void hmp_free(Hmp *hmp)
{
    if (!hmp) {
        return;
    }
    if (hmp->call) {
        call_free(g_steal_pointer(&hmp->call));
    }
    if (hmp->owns_session) {
        backend_session_close(hmp->session);
    }
    g_queue_clear_full(&hmp->lines, g_free);
    g_hash_table_unref(hmp->variables);
    g_string_free(hmp->output, TRUE);
    g_string_free(hmp->failure, TRUE);
    g_free(hmp->place);
    g_free(hmp);
}

bool hmp_is_busy(const Hmp *hmp)
{
    return hmp->call != NULL;
}

const char *hmp_failure(const Hmp *hmp)
{
    return hmp->failure->str;
}

void hmp_set_place(Hmp *hmp, const char *place)
{
    g_free(hmp->place);
    hmp->place = g_strdup(place);
}

json_object *hmp_target(const Hmp *hmp)
{
    return backend_target(hmp->backend);
}

const char *hmp_banner(void)
{
    return "migmon " MIGMON_VERSION " monitor (QEMU 8.2 HMP) - type 'help' for more information";
}

bool hmp_interrupt(Hmp *hmp)
{
    if (!hmp->call || !hmp->call->interrupt) {
        return false;
    }
    hmp->call->interrupt(hmp->call);
    return true;
}

bool hmp_waits_for_migration(const Hmp *hmp)
{
    return hmp->call != NULL && hmp->call->interrupt != NULL;
}

bool hmp_give_up(Hmp *hmp)
{
    g_autoptr(GError) error = g_error_new_literal(MIG_ERROR, MIG_ERROR_CANCELLED, "interrupted");

    if (!hmp->call || !hmp->call->only_waits) {
        return false;
    }
    call_fail(hmp->call, HMP_ERROR_FAILED, error);
    return true;
}

static bool is_nothing(const Hmp *hmp, const char *line)
{
    const char *at = skip_blanks(line);

    return *at == '\0' || (*at == '#' && (hmp->flags & HMP_BATCH));
}

/* Replaces the variables in the line. */
static bool fill_in(HmpCall *call, GError **error)
{
    char *line = NULL;

    if (!call_is_batch(call) || !strchr(call->line, '$')) {
        return true;
    }
    line = variables_expand(call->hmp->variables, call->line, error);
    if (line) {
        g_free(call->line);
        call->line = line;
    }
    return line != NULL;
}

/* ---- info history ---- */

enum { MAX_LINES = 64 };

static int compare_text(const void *a, const void *b)
{
    return strcmp(a, b);
}

bool hmp_is_secret(const char *line)
{
    return g_str_has_prefix(line, "object_add ") && strstr(line, "data=") != NULL;
}

/* Adds a line to the history. A repeated line moves to the end, and the oldest are dropped.
 * Lines of QMP clients are not kept, as they were not typed. */
static void recent_note(Hmp *hmp, const char *line)
{
    GList *same = g_queue_find_custom(&hmp->lines, line, compare_text);

    if ((hmp->flags & HMP_NO_WAIT) || hmp_is_secret(line)) {
        return;
    }
    if (same) {
        g_free(same->data);
        g_queue_delete_link(&hmp->lines, same);
    }
    g_queue_push_tail(&hmp->lines, g_strdup(line));
    if (g_queue_get_length(&hmp->lines) > MAX_LINES) {
        g_free(g_queue_pop_head(&hmp->lines));
    }
}

static void run_history(HmpCall *call)
{
    unsigned i = 0;

    for (GList *line = call->hmp->lines.head; line; line = line->next) {
        call_print(call, "%u: '%s'\n", i++, (const char *)line->data);
    }
    call_finish(call, HMP_OK);
}

const Command info_history = {
    .name = "history",
    .params = "",
    .help = "show the command line history",
    .run = run_history,
};

/* Editors for Windows write it at the beginning of a file. */
#define BYTE_ORDER_MARK "\xef\xbb\xbf"

void hmp_execute(Hmp *hmp, const char *line, HmpDone done, void *data)
{
    HmpCall *call = g_new0(HmpCall, 1);
    g_autoptr(GError) error = NULL;
    LineHead head;

    g_assert(!hmp->call);
    hmp->call = call;
    call->hmp = hmp;
    line += g_str_has_prefix(line, BYTE_ORDER_MARK) ? strlen(BYTE_ORDER_MARK) : 0;
    call->line = g_strdup(line);
    call->done = done;
    call->done_data = data;
    call->pending = g_ptr_array_new();
    call->text = g_string_new(NULL);

    if (is_nothing(hmp, line)) {
        call->silent = true;
        call_finish(call, HMP_OK);
        return;
    }
    recent_note(hmp, line);
    if (!fill_in(call, &error)) {
        call_fail_syntax(call, error, NULL);
        return;
    }
    line_head_read(hmp->commands, call->line, &head);
    if (!head.command || (head.command->batch_only && !call_is_batch(call))) {
        error = unknown_command(call, call->line, &head);
        call_fail_syntax(call, error, NULL);
        return;
    }
    call->command = head.command;
    if (hmp->asked != head.command) {
        hmp->asked = NULL;
    }
    call->args = args_parse(head.command, head.end, &error);
    if (!call->args) {
        call_fail_syntax(call, error, head.end);
        return;
    }
    head.command->run(call);
}
