/*
 * The boundary between front ends and backends. A front end sends a QAPI
 * request and gets a reply and events. Main thread only.
 *
 * backend_execute() never blocks and never calls back before it has returned.
 * A session runs one in-band request at a time, the others wait in order;
 * out-of-band requests bypass them.
 */
#pragma once

#include <glib.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

#include "backend/schema/schema.h"

typedef struct Backend Backend;
typedef struct BackendSession BackendSession;
typedef struct BackendReply BackendReply;

/* ---- users: front ends ---- */

/* @value is the "return" member, borrowed. Exactly one of @value and @error is set. */
typedef void (*BackendDone)(json_object *value, const GError *error, void *data);

/* @request is {"execute" or "exec-oob": NAME, "arguments": {...}?}; a reference is taken. @done is
 * called exactly once, from the main loop. */
void backend_execute(Backend *backend, BackendSession *session, json_object *request,
                     BackendDone done, void *data);

typedef struct {
    const char *name;  /* "MIGRATION" */
    json_object *data; /* NULL = none; borrowed */
    int64_t time_us;   /* wall clock */
    bool hidden;   /* only for front ends of this process, not sent to QMP clients (MIGRATION while
                      the capability events is off, x- events) */
    bool attached; /* from an attached QEMU: its SHUTDOWN does not end this program */
} BackendEvent;

typedef void (*BackendEventFn)(const BackendEvent *event, void *data);
unsigned backend_subscribe(Backend *backend, BackendEventFn fn, void *data);
void backend_unsubscribe(Backend *backend, unsigned id);

/* {"timestamp": {...}, "event": ..., "data": ...}; caller puts. */
json_object *backend_event_to_json(const BackendEvent *event);

/* One client. The session keeps the descriptors of getfd. @warn (may be NULL) gets the warnings
 * of a running command, such as "option is deprecated". Close with backend_session_close(). */
BackendSession *backend_session_new(Backend *backend, void (*warn)(const char *text, void *data),
                                    void *data);
/* Requests that have begun still get their done; the others get an error and are not run. @warn
 * is not called any more. */
void backend_session_close(BackendSession *session);

/* A descriptor received with SCM_RIGHTS, for the next getfd or add-fd. Takes @fd over. */
void backend_session_push_fd(BackendSession *session, int fd);

/* Whether @request has the form that QMP requires: "QMP input lacks member 'execute'",
 * unexpected and clashing members, exec-oob of a command that does not allow it or before it was
 * negotiated (@oob_enabled). For front ends that take requests from outside. @request NULL is
 * JSON's null. */
bool backend_check_request(json_object *request, bool oob_enabled, GError **error);

/* Calls @trace with every request as JSON text; NULL = off. */
void backend_set_trace(Backend *backend, void (*trace)(const char *json, void *data), void *data);

/* What x-query-target replies when something is attached and, as "schema", the QEMU's own
 * reply to query-qmp-schema. NULL when the backend is the guest of this process. Borrowed; valid
 * until the main loop runs again. */
json_object *backend_target(Backend *backend);

void backend_free(Backend *backend);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Backend, backend_free)

/* ---- implementers: engine, managed ---- */

typedef struct {
    /* @args is checked against the schema, in the current form (schema_normalise_migrate) and
     * never NULL. Called only from the main loop, never inside backend_emit(). Ends with one
     * backend_reply_*(), now or later. backend_clear() answers requests that are still
     * unanswered. */
    void (*execute)(Backend *backend, BackendSession *session, const SchemaCommand *command,
                    json_object *args, BackendReply *reply);
    void (*free)(Backend *backend);
    /* Optional: replaces schema_check_arguments() when another schema applies. */
    bool (*check)(Backend *backend, const SchemaCommand *command, json_object *args,
                  GError **error);
    /* Optional: backend_target(). */
    json_object *(*target)(Backend *backend);
} BackendOps;

typedef struct {
    unsigned id;
    BackendEventFn fn; /* NULL = unsubscribed; removed after the emission of an event */
    void *data;
} BackendSubscriber;

/* The first member of an implementation. */
struct Backend {
    const BackendOps *ops;
    GArray *subscribers; /* BackendSubscriber */
    unsigned next_subscriber;
    bool emitting;
    GPtrArray *sessions; /* not owned */
    GQueue in_flight;    /* BackendReply passed to execute and not yet answered */
    void (*trace)(const char *json, void *data);
    void *trace_data;
};

void backend_init(Backend *backend, const BackendOps *ops);
void backend_clear(Backend *backend);

/* Both free @reply. @value: taken over, NULL = {}. @error: taken over. */
void backend_reply_return(BackendReply *reply, json_object *value);
void backend_reply_error(BackendReply *reply, GError *error);
/* Fails with an error of the class GenericError. */
void backend_reply_failure(BackendReply *reply, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* Passes a request on to another implementation, which checks the arguments against its own
 * schema. */
void backend_forward(Backend *to, BackendSession *session, const SchemaCommand *command,
                     json_object *args, BackendReply *reply);

void backend_emit(Backend *backend, const BackendEvent *event);
/* X_NOTICE: a sentence for people. @outgoing: it reports the end of an outgoing migration. */
void backend_emit_notice(Backend *backend, const char *text, bool outgoing, int64_t time_us);
/* SHUTDOWN of this program. @reason: a ShutdownCause. */
void backend_emit_shutdown(Backend *backend, const char *reason);

void backend_session_warn(BackendSession *session, const char *text);
/* Takes the oldest descriptor that was pushed, -1 when there is none. The caller owns it. */
int backend_session_pop_fd(BackendSession *session);
/* Most named descriptors of one client. */
#define MAX_NAMED_FDS 128

/* Named descriptors (getfd). set takes @fd over and closes one with the same name; false, and @fd
 * stays the caller's, when MAX_NAMED_FDS others have names. take returns
 * -1 when the name is unknown; the caller owns the descriptor. */
bool backend_session_set_named_fd(BackendSession *session, const char *name, int fd);
int backend_session_take_named_fd(BackendSession *session, const char *name);
