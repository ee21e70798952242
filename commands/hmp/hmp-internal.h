/*
 * The interface of a monitor for the families of commands: the running line
 * (HmpCall) and the operations on it. Main thread only.
 *
 * A command's run() reads its arguments, sends requests and returns. The line
 * lives until call_finish() or one of the call_fail*(), which free the
 * HmpCall. A reply function is called with the HmpCall while it lives, and
 * never after the line has ended or was abandoned.
 */
#pragma once

#include <glib.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

#include "backend/backend.h"
#include "backend/base/json.h"
#include "commands/hmp/hmp.h"
#include "commands/hmp/parse.h"

struct Hmp {
    const Command *const *commands;
    Backend *backend;
    BackendSession *session;
    bool owns_session;
    HmpCallbacks callbacks;
    void *data;
    unsigned flags;
    HmpCall *call; /* the running line, NULL = none */
    /* Only with HMP_BATCH. */
    GHashTable *variables; /* name -> value, both owned */
    GString *output;       /* of the last line with output that expect may check */
    GString *failure;      /* the reason of the last line that failed */
    char *place;
    const Command *asked; /* HMP_PERSON: the line before was this command, and asked for another */
    GQueue lines;         /* the lines of info history, oldest first */
};

struct HmpCall {
    Hmp *hmp;
    char *line;
    HmpDone done;
    void *done_data;
    const Command *command;
    Arg *args;
    GPtrArray *pending; /* requests in flight that refer to this line */
    /* HMP_JSON: the parts of the object of this line. */
    GString *text; /* in batches set always, as expect reads it */
    json_object *value;
    json_object *more; /* replies of further requests by their names */
    json_object *warnings;
    json_object *hints;
    json_object *error;
    bool silent;     /* blank line or comment: prints no object */
    bool only_waits; /* hmp_give_up() may end the line */
    bool looks_back; /* expect and assert: keep the output of the line before */
    /* State of the command. */
    void *state;
    GDestroyNotify free_state;
    void (*interrupt)(HmpCall *call); /* Ctrl-C; NULL = the line waits for nothing */
};

/* ---- arguments; a name that is not in the command's rows is our bug ---- */

bool call_has(const HmpCall *call, const char *name);         /* true when given; for a flag: set */
const char *call_text(const HmpCall *call, const char *name); /* NULL = absent */
bool call_bool(const HmpCall *call, const char *name);
int64_t call_integer(const HmpCall *call, const char *name);
double call_seconds(const HmpCall *call, const char *name);
bool call_is_batch(const HmpCall *call);

/* ---- output ---- */

/* Arguments are shown as values (backend/base/shown.h): a newline in one begins no line. */
void call_print(HmpCall *call, const char *format, ...) G_GNUC_PRINTF(2, 3);
/* Whole lines: text of another monitor, or made with shown_append(). */
void call_print_lines(HmpCall *call, const char *text);
/* "BEFORE: TEXT"; the hints of @text are lines of their own. */
void call_print_message(HmpCall *call, const char *before, const char *text);
void call_warn(HmpCall *call, const char *text);
/* "hint: ..." after the output of a command that succeeded. */
void call_hint(HmpCall *call, const char *format, ...) G_GNUC_PRINTF(2, 3);
/* Prints "Error: TEXT"; the line continues. */
void call_report(HmpCall *call, const GError *error);

/* The reply that a JSON monitor prints instead of text; without a value it prints the text.
 * Takes a reference. */
void call_set_value(HmpCall *call, json_object *value);
/* The reply of a further request, stored as the member @name. Takes a reference. */
void call_add_value(HmpCall *call, const char *name, json_object *value);

/* ---- requests ---- */

/* Exactly one of both is set. */
typedef void (*CallReply)(HmpCall *call, json_object *value, const GError *error);

/* @arguments: taken over, NULL = none. */
void call_request(HmpCall *call, const char *execute, json_object *arguments, CallReply reply);

/* Reply function for commands without output: ends the line with the result. */
void call_finish_with(HmpCall *call, json_object *value, const GError *error);

/* The same for commands where an error usually means a bad value: it counts as a syntax error. */
void call_finish_value(HmpCall *call, json_object *value, const GError *error);

/* ---- the end of a line; @call is gone afterwards ---- */

void call_finish(HmpCall *call, HmpResult result);
/* Prints "Error: TEXT" and ends the line. */
void call_fail(HmpCall *call, HmpResult result, const GError *error);
/* For a line that is wrong itself: prints the text unchanged, then a line "Try ..." when @end is
 * not NULL. @end is the position in the line after the command's name. */
void call_fail_syntax(HmpCall *call, const GError *error, const char *end);
/* Frees without output. */
void call_free(HmpCall *call);

/* ---- batches ---- */

/* @line with its $NAMEs replaced. Caller frees; NULL with an error. */
char *variables_expand(GHashTable *variables, const char *line, GError **error);

/* ---- watching a migration ---- */

/*
 * Requests query-migrate (and the history, if @with_history) at once, at each
 * change of the status and, with @period_ms > 0, at that interval. Lives in
 * call->state.
 */
typedef struct {
    /* Required. @history is NULL when not requested or not known to the backend. May end the
     * line. */
    void (*snapshot)(HmpCall *call, json_object *info, json_object *history);
    /* Optional: a status was entered. Called from an event, so it must not end the line. */
    void (*entered)(HmpCall *call, const char *status);
    /* Optional: any event arrived. It must not end the line either. A snapshot follows. */
    void (*heard)(HmpCall *call, const BackendEvent *event);
    /* Optional: the backend cannot be queried any more and the line will fail. */
    void (*failing)(HmpCall *call);
    bool with_history;
    unsigned period_ms;
} WatchOps;

/* @data is for the caller; @free_data frees it when the line ends. */
void watch_start(HmpCall *call, const WatchOps *ops, void *data, GDestroyNotify free_data);
void *watch_data(HmpCall *call);

/* The status of a query-migrate reply, "none" before the first migration. */
static inline const char *info_status(json_object *info)
{
    const char *status = json_text(info, "status");

    return *status != '\0' ? status : "none";
}

/* ---- the families ---- */

/* For commands that start a migration: Ctrl-C requests a cancel; the line lives until the end. */
void migrate_allow_interrupt(HmpCall *call);
void migrate_wait_for_end(HmpCall *call);

/* Sub-commands of info. */
extern const Command info_target, info_dirty_rate, info_history, info_objects, info_snapshots,
    info_vcpu_dirty_limit;

/* "NAME PARAMS -- HELP" for each row of @table. */
void help_print_table(HmpCall *call, const Command *const *table, const char *before);
/* Error text and suggestion for a name that line_head_read() did not find. Caller frees. */
GError *unknown_command(HmpCall *call, const char *line, const LineHead *head);
