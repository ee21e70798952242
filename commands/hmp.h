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
} HmpResult;

typedef struct {
    /* Required: output of commands and messages; complete lines as a rule, always with \n. */
    void (*print)(const char *text, void *data);
    /* Optional: state of a migration this monitor waits for (query-migrate's reply with history), NULL
     * once the wait is over. */
    void (*progress)(json_object *info, json_object *history, void *data);
    /* Optional: quit was asked for. */
    void (*quit)(void *data);
} HmpCallbacks;

typedef enum {
    HMP_NO_WAIT = 1 << 0, /* cannot wait: migrate without -d says so and goes on detached */
    HMP_BATCH   = 1 << 1, /* wait, sleep, echo and comments are understood */
    HMP_JSON    = 1 << 2, /* replies and errors as one JSON object a line instead of text */
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

/* Ctrl-C while a migration is waited for: asks to cancel it. False when this monitor waits for none. */
bool hmp_interrupt(Hmp *hmp);

/* The greeting line of migmon's monitors. */
const char *hmp_banner(void);
