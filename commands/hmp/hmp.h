/*
 * A human monitor: takes lines, converts each to QAPI requests, prints the
 * answers. Prompt, batch, monitor sockets, QMP's human-monitor-command and
 * the dashboard each own one and differ only in the callbacks. Main thread.
 */
#pragma once

#include <glib.h>
#include <json-c/json.h>
#include <stdbool.h>

#include "backend/backend.h"
#include "commands/table.h"

typedef struct Hmp Hmp;

/* How a line ended. */
typedef enum {
    HMP_OK,
    HMP_ERROR_SYNTAX,  /* the line was not understood */
    HMP_ERROR_FAILED,  /* the backend refused, or the operation failed */
    HMP_ERROR_VERIFY,  /* guest_verify found differences */
    HMP_ERROR_TIMEOUT, /* the timeout of wait expired */
    HMP_ERROR_ASSERT,  /* the check of assert or expect failed */
    HMP_ERROR_CONNECT, /* a monitor could not be attached */
} HmpResult;

typedef struct {
    /* Required: output of commands and messages; usually whole lines, always with \n. */
    void (*print)(const char *text, void *data);
    /* Optional: state of a migration that this monitor waits for (query-migrate's reply with
     * history), NULL when the wait is over. */
    void (*progress)(json_object *info, json_object *history, void *data);
    /* Optional: called by quit. */
    void (*quit)(void *data);
    /* Optional, for batches: takes the next lines from this file. */
    bool (*source)(const char *path, GError **error, void *data);
    /* Optional, for batches: sets whether the batch continues after a failed line. */
    void (*on_error)(bool go_on, void *data);
    /* Optional, for terminals: opens the dashboard. */
    bool (*dashboard)(GError **error, void *data);
} HmpCallbacks;

typedef enum {
    HMP_NO_WAIT = 1 << 0, /* cannot wait: migrate without -d prints a note and does not wait */
    HMP_BATCH = 1 << 1,   /* enables comments, $NAME and the commands for batches */
    HMP_JSON = 1 << 2,    /* prints one JSON object for each line instead of text */
    HMP_PERSON = 1 << 3,  /* a person types: quit asks for confirmation while a migration runs */
} HmpFlags;

/* @commands: the rows that it knows, in practice command_table. */
Hmp *hmp_new(const Command *const *commands, Backend *backend, const HmpCallbacks *callbacks,
             void *data, unsigned flags);
/* Abandons the running line without calling its done. Operations that it started continue. */
void hmp_free(Hmp *hmp);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Hmp, hmp_free)

typedef void (*HmpDone)(HmpResult result, void *data);

/* One line at a time: the next only after @done, which may come before this returns. */
void hmp_execute(Hmp *hmp, const char *line, HmpDone done, void *data);
bool hmp_is_busy(const Hmp *hmp);

/* True for a line that has a secret in it and belongs into no history. */
bool hmp_is_secret(const char *line);

/* For lines of a QMP client: they use the client's session, so both share getfd. */
Hmp *hmp_new_with_session(const Command *const *commands, Backend *backend, BackendSession *session,
                          const HmpCallbacks *callbacks, void *data, unsigned flags);

/* Ctrl-C while a line waits for a migration: requests a cancel. False when no line waits for
 * one. */
bool hmp_interrupt(Hmp *hmp);

/* The running line waits for a migration that it started. */
bool hmp_waits_for_migration(const Hmp *hmp);

/* Ctrl-C while a line only waits (wait, sleep): ends it. False when the line does more. */
bool hmp_give_up(Hmp *hmp);

/* HMP_BATCH: names of the variables that are set, sorted. Free with g_strfreev(). */
char **hmp_variables(const Hmp *hmp);

/* HMP_BATCH: why the last line that failed did so, in one sentence; "" when it gave no reason. */
const char *hmp_failure(const Hmp *hmp);

/* HMP_JSON: the place of the next lines ("script.hmp:12") for their objects; NULL = none. */
void hmp_set_place(Hmp *hmp, const char *place);

/* The backend_target() of its backend; borrowed. */
json_object *hmp_target(const Hmp *hmp);

/* The greeting line of migmon's monitors. */
const char *hmp_banner(void);
