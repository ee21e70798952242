/*
 * The boundary: everything below is reached by a QAPI request and answers with
 * a reply and events. Main thread only.
 *
 * backend_execute() never blocks and never calls back before it has returned.
 * A session has one in-band request in flight, the others wait in order;
 * out-of-band ones pass them.
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

/* @value is the "return" member (never NULL on success, borrowed); exactly one of both is set. */
typedef void (*BackendDone)(json_object *value, const GError *error, void *data);

/* @request is {"execute" or "exec-oob": NAME, "arguments": {...}?}; a reference is taken. @done is
 * called exactly once, from the main loop. */
void backend_execute(Backend *backend, BackendSession *session, json_object *request,
                     BackendDone done, void *data);

typedef struct {
    const char *name;  /* "MIGRATION" */
    json_object *data; /* NULL = none; borrowed */
    int64_t time_us;   /* wall clock */
    bool hidden;       /* only for front ends of this process: not announced to QMP clients
                          (MIGRATION while the capability events is off, x- events) */
    bool attached;     /* said by an attached QEMU: a SHUTDOWN of it is none of this program */
} BackendEvent;

typedef void (*BackendEventFn)(const BackendEvent *event, void *data);
unsigned backend_subscribe(Backend *backend, BackendEventFn fn, void *data);
void backend_unsubscribe(Backend *backend, unsigned id);

/* {"timestamp": {...}, "event": ..., "data": ...}; caller puts. */
json_object *backend_event_to_json(const BackendEvent *event);

/* A client: what getfd gave stays with it. @warn gets warnings of a running command ("option is
 * deprecated"), may be NULL. */
BackendSession *backend_session_new(Backend *backend, void (*warn)(const char *text, void *data),
                                    void *data);
/* Requests in flight still get their done; those that had not begun get an error and are not run.
 * warn is not called any more. */
void backend_session_close(BackendSession *session);

/* A descriptor that came with SCM_RIGHTS, for the next getfd or add-fd. Owned by the session. */
void backend_session_push_fd(BackendSession *session, int fd);

/* Is @request shaped as QMP wants it? "QMP input lacks member 'execute'", unexpected and clashing
 * members, exec-oob of a command that cannot be sent so (or before it was negotiated:
 * @oob_enabled). For front ends that take requests from outside. NULL is JSON's null. */
bool backend_check_request(json_object *request, bool oob_enabled, GError **error);

/* Prints every request as JSON on this stream of text (NULL = off). */
void backend_set_trace(Backend *backend, void (*trace)(const char *json, void *data), void *data);

/* Whom it speaks for when that is not the guest of this process: what x-query-target says, NULL
 * otherwise. Borrowed; valid until the main loop goes on. */
json_object *backend_target(Backend *backend);

void backend_free(Backend *backend);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Backend, backend_free)

/* ---- implementers: engine, managed ---- */

typedef struct {
    /* @args is checked against the schema, in the current shape (schema_normalise_migrate) and
     * never NULL. Comes from the main loop only, never from inside backend_emit(). Ends with one
     * backend_reply_*(), now or later; what is unanswered in backend_clear() is answered there. */
    void (*execute)(Backend *backend, BackendSession *session, const SchemaCommand *command,
                    json_object *args, BackendReply *reply);
    void (*free)(Backend *backend);
    /* Optional: instead of schema_check_arguments(), where somebody else's schema counts. */
    bool (*check)(Backend *backend, const SchemaCommand *command, json_object *args,
                  GError **error);
    /* Optional: backend_target(). */
    json_object *(*target)(Backend *backend);
} BackendOps;

typedef struct {
    unsigned id;
    BackendEventFn fn; /* NULL: gone, cleared away after the round of an event */
    void *data;
} BackendSubscriber;

/* First member of an implementation. */
struct Backend {
    const BackendOps *ops;
    GArray *subscribers; /* BackendSubscriber */
    unsigned next_subscriber;
    bool emitting;
    GPtrArray *sessions; /* not owned */
    GQueue in_flight;    /* BackendReply handed to execute and not answered */
    void (*trace)(const char *json, void *data);
    void *trace_data;
};

void backend_init(Backend *backend, const BackendOps *ops);
void backend_clear(Backend *backend);

/* Both free @reply. @value: reference is taken over, NULL = {}. @error: taken over. */
void backend_reply_return(BackendReply *reply, json_object *value);
void backend_reply_error(BackendReply *reply, GError *error);
/* Text of QEMU with class GenericError. */
void backend_reply_failure(BackendReply *reply, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* Hands a request that an implementation was given over to another one, which checks the arguments
 * by its own schema. */
void backend_forward(Backend *to, BackendSession *session, const SchemaCommand *command,
                     json_object *args, BackendReply *reply);

void backend_emit(Backend *backend, const BackendEvent *event);
/* X_NOTICE: a sentence for people. @outgoing: it reports the end of an outgoing migration. */
void backend_emit_notice(Backend *backend, const char *text, bool outgoing, int64_t time_us);
/* SHUTDOWN of this program. @reason: a ShutdownCause. */
void backend_emit_shutdown(Backend *backend, const char *reason);

void backend_session_warn(BackendSession *session, const char *text);
/* The oldest descriptor pushed and not yet taken, -1 when none; the caller owns it. */
int backend_session_pop_fd(BackendSession *session);
/* Named descriptors (getfd). set takes @fd over and closes one of the same name; take gives -1 when
 * unknown. */
void backend_session_set_named_fd(BackendSession *session, const char *name, int fd);
int backend_session_take_named_fd(BackendSession *session, const char *name);
