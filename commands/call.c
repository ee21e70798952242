/*
 * The line in work: its arguments, output, requests and end.
 *
 * Text goes out as it comes; for a JSON monitor it is collected instead and
 * the end of the line prints one object. A request in flight knows its line
 * through a Pending, which forgets it when the line ends first.
 */
#include "commands/hmp-internal.h"

#include <string.h>

#include "backend/base/error.h"

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

static void print_text(HmpCall *call, const char *text)
{
    if (is_json(call)) {
        g_string_append(call->text, text);
    } else if (*text != '\0') {
        call->hmp->callbacks.print(text, call->hmp->data);
    }
}

void call_print(HmpCall *call, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    print_text(call, text);
}

void call_warn(HmpCall *call, const char *text)
{
    if (!is_json(call)) {
        call_print(call, "warning: %s\n", text);
        return;
    }
    if (!call->warnings) {
        call->warnings = json_object_new_array();
    }
    json_object_array_add(call->warnings, json_object_new_string(text));
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

/* {"class", "desc", "hint"?}: what follows the first line of a message is for people. */
static void keep_error(HmpCall *call, const GError *error)
{
    g_autofree char *desc = mig_error_first_line(error);
    const char *rest = strchr(error->message, '\n');
    json_object *object = json_object_new_object();

    json_object_object_add(object, "class", json_object_new_string(mig_error_class(error)));
    /* help says nothing about a broken quote but a hint: that is the description then. */
    json_object_object_add(object, "desc",
                           json_object_new_string(g_str_has_prefix(desc, "hint: ")
                                                      ? desc + strlen("hint: ")
                                                      : desc));
    if (rest) {
        rest += g_str_has_prefix(rest, "\nhint: ") ? strlen("\nhint: ") : 1;
        json_object_object_add(object, "hint", json_object_new_string(rest));
    }
    json_object_put(call->error);
    call->error = object;
}

void call_report(HmpCall *call, const GError *error)
{
    if (is_json(call)) {
        keep_error(call, error);
    } else {
        call_print(call, "Error: %s\n", error->message);
    }
}

/* {"command": LINE, "return": ...} or {"command": LINE, "error": {...}}. */
static void print_object(HmpCall *call)
{
    json_object *object = json_object_new_object();

    json_object_object_add(object, "command", json_object_new_string(call->line));
    if (call->error) {
        json_object_object_add(object, "error", json_object_get(call->error));
    } else if (call->value || call->text->len == 0) {
        json_object_object_add(object, "return", call->value ? json_object_get(call->value)
                                                             : json_object_new_object());
    } else {
        json_object_object_add(object, "return", json_object_new_string(call->text->str));
    }
    if (call->more) {
        json_object_object_foreach(call->more, name, value)
        {
            json_object_object_add(object, name, json_object_get(value));
        }
    }
    if (call->warnings) {
        json_object_object_add(object, "warnings", json_object_get(call->warnings));
    }

    g_autofree char *line =
        g_strconcat(json_object_to_json_string_ext(object, JSON_C_TO_STRING_SPACED
                                                               | JSON_C_TO_STRING_NOSLASHESCAPE),
                    "\n", NULL);
    call->hmp->callbacks.print(line, call->hmp->data);
    json_object_put(object);
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

    json_object_object_add(request, "execute", json_object_new_string(execute));
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
    json_object_put(call->error);
    args_free(call->args);
    g_free(call->line);
    g_free(call);
}

void call_finish(HmpCall *call, HmpResult result)
{
    HmpDone done = call->done;
    void *data = call->done_data;

    if (is_json(call) && !call->silent) {
        print_object(call);
    }
    call->hmp->call = NULL;
    call_free(call);
    if (done) {
        done(result, data); /* last: the owner may free the monitor or give it the next line */
    }
}

void call_fail(HmpCall *call, HmpResult result, const GError *error)
{
    call_report(call, error);
    call_finish(call, result);
}

void call_fail_syntax(HmpCall *call, const GError *error, const char *end)
{
    if (is_json(call)) {
        keep_error(call, error);
    } else {
        g_autoptr(GString) text = g_string_new(NULL);
        g_autofree char *first = mig_error_first_line(error);
        const char *hints = error->message + strlen(first);

        g_string_append(text, first);
        /* HMP has no line end here when a lone dash was the option. */
        if (!g_str_has_suffix(first, ": unsupported option -")) {
            g_string_append_c(text, '\n');
        }
        if (end) {
            g_string_append_printf(text, "Try \"help %.*s\" for more information\n",
                                   (int)(end - call->line), call->line);
        }
        if (*hints != '\0') {
            g_string_append_printf(text, "%s\n", hints + 1);
        }
        print_text(call, text->str);
    }
    call_finish(call, HMP_ERROR_SYNTAX);
}
