/*
 * A human monitor: takes lines, turns each into QAPI requests, prints the
 * answers. Prompt, batch, monitor sockets, QMP's human-monitor-command and the
 * dashboard each own one and differ in the callbacks only. Main thread.
 */
#pragma once

#include <glib.h>
#include <json-c/json.h>
#include <stdbool.h>

#include "backend/backend.h"

typedef struct Hmp Hmp;

/* How a line ended. */
typedef enum {
    HMP_OK,
    HMP_ERROR_SYNTAX,  /* the line was not understood */
    HMP_ERROR_FAILED,  /* the backend refused or the operation failed */
    HMP_ERROR_VERIFY,  /* guest_verify found differences */
    HMP_ERROR_TIMEOUT, /* wait ran out */
    HMP_ERROR_ASSERT,  /* assert or expect did not hold */
    HMP_ERROR_CONNECT, /* a monitor could not be attached */
} HmpResult;

typedef struct {
    /* Required: output of commands and messages; complete lines as a rule, always with \n. */
    void (*print)(const char *text, void *data);
    /* Optional: state of a migration this monitor waits for (query-migrate's reply with history),
     * NULL once the wait is over. */
    void (*progress)(json_object *info, json_object *history, void *data);
    /* Optional: quit was asked for. */
    void (*quit)(void *data);
    /* Optional, of batches: the lines of this file come next. */
    bool (*source)(const char *path, GError **error, void *data);
    /* Optional, of batches: what a line that fails means from now on. */
    void (*on_error)(bool go_on, void *data);
    /* Optional, of a terminal: opens the dashboard. */
    bool (*dashboard)(GError **error, void *data);
} HmpCallbacks;

typedef enum {
    HMP_NO_WAIT = 1 << 0, /* cannot wait: migrate without -d says so and goes on detached */
    HMP_BATCH = 1 << 1,   /* comments, $NAME and the commands for batches are understood */
    HMP_JSON = 1 << 2,    /* replies and errors as one JSON object a line instead of text */
    HMP_PERSON = 1 << 3,  /* a person types: quit asks once while a migration runs */
} HmpFlags;

Hmp *hmp_new(Backend *backend, const HmpCallbacks *callbacks, void *data, unsigned flags);
/* A line in work is abandoned (its done is not called); nothing that it started is stopped. */
void hmp_free(Hmp *hmp);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Hmp, hmp_free)

typedef void (*HmpDone)(HmpResult result, void *data);

/* One line at a time: the next only after @done. @done may come before this returns. */
void hmp_execute(Hmp *hmp, const char *line, HmpDone done, void *data);
bool hmp_is_busy(const Hmp *hmp);

/* The session of this monitor (getfd of a QMP client and its HMP lines share one when given). */
BackendSession *hmp_session(Hmp *hmp);
Hmp *hmp_new_with_session(Backend *backend, BackendSession *session, const HmpCallbacks *callbacks,
                          void *data, unsigned flags);

/* Ctrl-C while a migration is waited for: asks to cancel it. False when this monitor waits for
 * none. */
bool hmp_interrupt(Hmp *hmp);

/* The line in work waits for a migration that it started. */
bool hmp_waits_for_migration(const Hmp *hmp);

/* Ctrl-C while a line does nothing but wait (wait, sleep): ends it. False when it does more. */
bool hmp_give_up(Hmp *hmp);

/* HMP_BATCH: names of the variables that are set, sorted; g_strfreev(). */
char **hmp_variables(const Hmp *hmp);

/* HMP_BATCH: what the line that failed last printed, as text even for HMP_JSON. */
const char *hmp_failure(const Hmp *hmp);

/* HMP_JSON: where the next lines stand ("script.hmp:12"), for their objects; NULL = nowhere. */
void hmp_set_place(Hmp *hmp, const char *place);

/* backend_target() of its backend; borrowed. */
json_object *hmp_target(const Hmp *hmp);

/* The greeting line of migmon's monitors. */
const char *hmp_banner(void);
