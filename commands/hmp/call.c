/*
 * A running line: its arguments, output, requests and end.
 *
 * Text is printed at once. A JSON monitor collects it and prints one object
 * at the end of the line. A request in flight refers to its line through a
 * Pending, which is cleared when the line ends first.
 */
#include "commands/hmp/hmp-internal.h"

#include <string.h>

#include "backend/base/error.h"
#include "backend/base/shown.h"
#include "commands/hmp/json-line.h"
#include "commands/hmp/suggest.h"

/* ---- arguments ---- */

bool call_has(const HmpCall *call, const char *name)
{
    return args_find(call->args, name)->present;
}

const char *call_text(const HmpCall *call, const char *name)
{
    return args_find(call->args, name)->text;
}

bool call_bool(const HmpCall *call, const char *name)
{
    return args_find(call->args, name)->on;
}

int64_t call_integer(const HmpCall *call, const char *name)
{
    return args_find(call->args, name)->integer;
}

double call_seconds(const HmpCall *call, const char *name)
{
    return args_find(call->args, name)->seconds;
}

bool call_is_batch(const HmpCall *call)
{
    return (call->hmp->flags & HMP_BATCH) != 0;
}

/* ---- output ---- */

static bool is_json(const HmpCall *call)
{
    return (call->hmp->flags & HMP_JSON) != 0;
}

/* expect sees at most this much of the output, from its beginning. */
#define LOOKED_AT_MAX (1u << 20)

static void print_text(HmpCall *call, const char *text)
{
    if (is_json(call) || (call_is_batch(call) && call->text->len < LOOKED_AT_MAX)) {
        g_string_append(call->text, text);
    }
    if (!is_json(call) && *text != '\0') {
        call->hmp->callbacks.print(text, call->hmp->data);
    }
}

void call_print(HmpCall *call, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    /* JSON is for programs: they get every byte. */
    g_autofree char *text =
        is_json(call) ? g_strdup_vprintf(format, args) : shown_vprintf(format, args);
    va_end(args);
    print_text(call, text);
}

void call_print_lines(HmpCall *call, const char *text)
{
    g_autofree char *shown = is_json(call) ? g_strdup(text) : shown_lines(text);

    print_text(call, shown);
}

void call_print_message(HmpCall *call, const char *before, const char *text)
{
    g_autofree char *shown = is_json(call) ? g_strdup(text) : shown_message(text);
    g_autofree char *line = g_strdup_printf("%s: %s\n", before, shown);

    print_text(call, line);
}

/* Prints @text as a line that begins with @before, or adds it to the list of the object. */
static void remark(HmpCall *call, json_object **list, const char *before, const char *text)
{
    if (!is_json(call)) {
        call_print_message(call, before, text);
        return;
    }
    if (!*list) {
        *list = json_object_new_array();
    }
    json_object_array_add(*list, json_object_new_string(text));
}

void call_warn(HmpCall *call, const char *text)
{
    remark(call, &call->warnings, "warning", text);
}

void call_hint(HmpCall *call, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    remark(call, &call->hints, "hint", text);
}

void call_set_value(HmpCall *call, json_object *value)
{
    json_object_put(call->value);
    call->value = json_object_get(value);
}

void call_add_value(HmpCall *call, const char *name, json_object *value)
{
    if (!call->more) {
        call->more = json_object_new_object();
    }
    json_object_object_add(call->more, name, json_object_get(value));
}

static void keep_error(HmpCall *call, const GError *error)
{
    json_object_put(call->error);
    call->error = json_error(error);
}

void call_report(HmpCall *call, const GError *error)
{
    keep_error(call, error);
    call_print_message(call, "Error", error->message);
}

/* If the line failed without a message, its last line is the error: guest_verify's verdict. */
static void describe_failure(HmpCall *call, HmpResult result)
{
    g_autofree char *text = g_strchomp(g_strdup(call->text->str));
    const char *last = strrchr(text, '\n');

    if (!call->error) {
        g_autoptr(GError) error =
            g_error_new_literal(MIG_ERROR, MIG_ERROR_GENERIC, last ? last + 1 : text);

        keep_error(call, error);
    }
    json_error_set_kind(call->error, result);
}

/* Prints the object of this line; migmon-json(5) is the contract. */
static void print_object(HmpCall *call, HmpResult result)
{
    json_object *object = json_line_new();

    if (call->hmp->place) {
        json_add_text(object, "place", call->hmp->place);
    }
    json_add_text(object, "command", call->line);
    if (call->value) {
        json_object_object_add(object, "return", json_object_get(call->value));
    } else if (result == HMP_OK) {
        json_object_object_add(object, "return",
                               call->text->len > 0 ? json_object_new_string(call->text->str)
                                                   : json_object_new_object());
    }
    if (result != HMP_OK) {
        json_object_object_add(object, "error", json_object_get(call->error));
    }
    if (call->more) {
        json_object_object_foreach (call->more, name, value) {
            json_object_object_add(object, name, json_object_get(value));
        }
    }
    if (call->warnings) {
        json_object_object_add(object, "warnings", json_object_get(call->warnings));
    }
    if (call->hints) {
        json_object_object_add(object, "hints", json_object_get(call->hints));
    }

    g_autofree char *line = json_line_take(object);
    call->hmp->callbacks.print(line, call->hmp->data);
}

/* ---- requests ---- */

typedef struct {
    HmpCall *call; /* NULL once the line has ended */
    CallReply reply;
} Pending;

static void request_done(json_object *value, const GError *error, void *data)
{
    g_autofree Pending *pending = data;

    if (pending->call) {
        g_ptr_array_remove_fast(pending->call->pending, pending);
        pending->reply(pending->call, value, error);
    }
}

void call_request(HmpCall *call, const char *execute, json_object *arguments, CallReply reply)
{
    json_object *request = json_object_new_object();
    Pending *pending = g_new0(Pending, 1);

    json_add_text(request, "execute", execute);
    if (arguments) {
        json_object_object_add(request, "arguments", arguments);
    }
    pending->call = call;
    pending->reply = reply;
    g_ptr_array_add(call->pending, pending);
    backend_execute(call->hmp->backend, call->hmp->session, request, request_done, pending);
    json_object_put(request);
}

void call_finish_with(HmpCall *call, json_object *value, const GError *error)
{
    if (error) {
        call_fail(call, HMP_ERROR_FAILED, error);
        return;
    }
    call_set_value(call, value);
    call_finish(call, HMP_OK);
}

void call_finish_value(HmpCall *call, json_object *value, const GError *error)
{
    if (error && g_error_matches(error, MIG_ERROR, MIG_ERROR_GENERIC)) {
        call_fail(call, HMP_ERROR_SYNTAX, error);
        return;
    }
    call_finish_with(call, value, error);
}

/* ---- the end ---- */

void call_free(HmpCall *call)
{
    for (guint i = 0; i < call->pending->len; i++) {
        ((Pending *)g_ptr_array_index(call->pending, i))->call = NULL;
    }
    if (call->free_state) {
        call->free_state(call->state);
    }
    g_ptr_array_unref(call->pending);
    g_string_free(call->text, TRUE);
    json_object_put(call->value);
    json_object_put(call->more);
    json_object_put(call->warnings);
    json_object_put(call->hints);
    json_object_put(call->error);
    args_free(call->args);
    g_free(call->line);
    g_free(call);
}

void call_finish(HmpCall *call, HmpResult result)
{
    HmpDone done = call->done;
    void *data = call->done_data;

    if (result != HMP_OK) {
        describe_failure(call, result);
    }
    if (is_json(call) && !call->silent) {
        print_object(call, result);
    }
    if (call_is_batch(call) && !call->silent && !call->looks_back) {
        g_string_assign(call->hmp->output, call->text->str);
    }
    if (call_is_batch(call) && result != HMP_OK) {
        g_string_assign(call->hmp->failure, json_text(call->error, "desc"));
    }
    call->hmp->call = NULL;
    call_free(call);
    if (done) {
        done(result, data); /* last: the owner may free the monitor or start the next line */
    }
}

/* A line that is wrong may only look right. */
static GError *look_closer(const HmpCall *call, HmpResult result, const GError *error)
{
    GError *copy = g_error_copy(error);

    if (result == HMP_ERROR_SYNTAX) {
        suggestion_lookalike(call->line, &copy);
    }
    return copy;
}

void call_fail(HmpCall *call, HmpResult result, const GError *error)
{
    g_autoptr(GError) closer = look_closer(call, result, error);

    call_report(call, closer);
    call_finish(call, result);
}

/* "NAME: ...", "Try ...", then the hints. */
static char *syntax_text(HmpCall *call, const GError *error, const char *end)
{
    g_autoptr(GString) text = g_string_new(NULL);
    g_autofree char *first = mig_error_first_line(error);
    const char *hints = error->message + strlen(first);
    g_autofree char *shown_first = shown_message(first), *shown_hints = shown_message(hints);

    g_string_append(text, shown_first);
    /* HMP prints no newline here when the option was a lone dash. */
    if (!g_str_has_suffix(first, ": unsupported option -")) {
        g_string_append_c(text, '\n');
    }
    if (end) {
        shown_append(text, "Try \"help %.*s\" for more information\n", (int)(end - call->line),
                     call->line);
    }
    if (*hints != '\0') {
        g_string_append_printf(text, "%s\n", shown_hints + 1);
    }
    return g_string_free(g_steal_pointer(&text), FALSE);
}

void call_fail_syntax(HmpCall *call, const GError *error, const char *end)
{
    g_autoptr(GError) closer = look_closer(call, HMP_ERROR_SYNTAX, error);
    g_autofree char *text = syntax_text(call, closer, end);

    keep_error(call, closer);
    print_text(call, text);
    call_finish(call, HMP_ERROR_SYNTAX);
}
