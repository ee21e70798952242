/*
 * The way of a request: front end -> queue of its session -> implementation
 * -> reply. Main thread.
 *
 * Neither end runs inside a call of the other. An implementation is entered
 * only from an idle source, so never while it emits an event. A reply is
 * delivered from an idle source too, so done is never called inside
 * backend_execute(). A session runs one in-band request at a time and begins
 * the next when the reply of the last one has been delivered. Out-of-band
 * requests bypass that queue.
 */
#include "backend/backend.h"

#include <string.h>
#include <unistd.h>

#include "backend/base/error.h"
#include "backend/base/json.h"

/* Limit of descriptors of a client that wait for getfd. */
#define MAX_PUSHED_FDS 64

struct BackendSession {
    int references;
    Backend *backend; /* NULL after the backend was cleared */
    bool closed;
    void (*warn)(const char *text, void *data);
    void *data;

    GQueue waiting; /* Request, in-band, not yet begun */
    bool running;   /* an in-band request has begun and its reply is not yet delivered */
    unsigned pump;  /* idle source that begins the next request, 0 = none */

    GArray *fds;           /* int, oldest first */
    GHashTable *named_fds; /* name -> descriptor */
};

typedef struct {
    BackendSession *session; /* reference */
    json_object *request;
    BackendDone done;
    void *data;
} Request;

struct BackendReply {
    Backend *backend;        /* NULL when the request was not passed to an implementation */
    BackendSession *session; /* reference */
    bool in_turn; /* it is the running in-band request; the next one begins after its delivery */
    BackendDone done;
    void *data;
    json_object *value;
    GError *error;
};

/* ---- sessions ---- */

static void close_named_fd(void *fd)
{
    close(GPOINTER_TO_INT(fd));
}

BackendSession *backend_session_new(Backend *backend, void (*warn)(const char *text, void *data),
                                    void *data)
{
    BackendSession *session = g_new0(BackendSession, 1);

    session->references = 1;
    session->backend = backend;
    session->warn = warn;
    session->data = data;
    g_queue_init(&session->waiting);
    session->fds = g_array_new(false, false, sizeof(int));
    session->named_fds = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, close_named_fd);
    g_ptr_array_add(backend->sessions, session);
    return session;
}

static BackendSession *session_ref(BackendSession *session)
{
    session->references++;
    return session;
}

static void session_unref(BackendSession *session)
{
    if (--session->references > 0) {
        return;
    }
    for (guint i = 0; i < session->fds->len; i++) {
        close(g_array_index(session->fds, int, i));
    }
    g_array_unref(session->fds);
    g_hash_table_unref(session->named_fds);
    g_free(session);
}

void backend_session_warn(BackendSession *session, const char *text)
{
    if (session->warn != NULL) {
        session->warn(text, session->data);
    }
}

void backend_session_push_fd(BackendSession *session, int fd)
{
    if (session->fds->len >= MAX_PUSHED_FDS) {
        close(fd);
        return;
    }
    g_array_append_val(session->fds, fd);
}

int backend_session_pop_fd(BackendSession *session)
{
    if (session->fds->len == 0) {
        return -1;
    }
    int fd = g_array_index(session->fds, int, 0);
    g_array_remove_index(session->fds, 0);
    return fd;
}

bool backend_session_set_named_fd(BackendSession *session, const char *name, int fd)
{
    if (g_hash_table_size(session->named_fds) >= MAX_NAMED_FDS &&
        !g_hash_table_contains(session->named_fds, name)) {
        return false;
    }
    g_hash_table_replace(session->named_fds, g_strdup(name), GINT_TO_POINTER(fd));
    return true;
}

int backend_session_take_named_fd(BackendSession *session, const char *name)
{
    void *key, *fd;

    if (!g_hash_table_steal_extended(session->named_fds, name, &key, &fd)) {
        return -1;
    }
    g_free(key);
    return GPOINTER_TO_INT(fd);
}

/* ---- replies ---- */

static void schedule_pump(BackendSession *session);

static void call_soon(GSourceFunc fn, void *data)
{
    /* Not at idle priority, because a busy socket would starve it. */
    g_idle_add_full(G_PRIORITY_DEFAULT, fn, data, NULL);
}

static gboolean deliver(void *data)
{
    BackendReply *reply = data;
    BackendSession *session = reply->session;

    reply->done(reply->value, reply->error, reply->data);
    if (reply->in_turn) {
        session->running = false;
        schedule_pump(session);
    }
    json_object_put(reply->value);
    g_clear_error(&reply->error);
    g_free(reply);
    session_unref(session);
    return G_SOURCE_REMOVE;
}

/* Takes @value and @error over; exactly one of them is set. */
static void answer(BackendReply *reply, json_object *value, GError *error)
{
    g_assert((value == NULL) != (error == NULL));
    g_assert(reply->value == NULL && reply->error == NULL); /* answered only once */

    reply->value = value;
    reply->error = error;
    if (reply->backend != NULL) {
        g_queue_remove(&reply->backend->in_flight, reply);
    }
    call_soon(deliver, reply);
}

void backend_reply_return(BackendReply *reply, json_object *value)
{
    answer(reply, value == NULL ? json_object_new_object() : value, NULL);
}

void backend_reply_error(BackendReply *reply, GError *error)
{
    answer(reply, NULL, error);
}

void backend_reply_failure(BackendReply *reply, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    GError *error = g_error_new_valist(MIG_ERROR, MIG_ERROR_GENERIC, format, args);
    va_end(args);
    answer(reply, NULL, error);
}

/* ---- beginning a request ---- */

/* Takes @request over. */
static BackendReply *reply_for(Request *request, bool in_turn)
{
    BackendReply *reply = g_new0(BackendReply, 1);

    reply->session = request->session;
    reply->in_turn = in_turn;
    reply->done = request->done;
    reply->data = request->data;
    json_object_put(request->request);
    g_free(request);
    return reply;
}

/* The QMP server handles human-monitor-command and the negotiation on its connections. A request
 * that arrives here is not on such a connection. */
static bool is_served_here(const SchemaCommand *command)
{
    return strcmp(command->name, "qmp_capabilities") != 0 &&
           strcmp(command->name, "human-monitor-command") != 0;
}

/* Commands that are answered from the tables. */
static const struct {
    const char *name;
    json_object *(*answer)(void);
} table_queries[] = {
    { "query-commands", schema_commands_to_json },
    { "query-qmp-schema", schema_to_json },
};

static bool answer_from_tables(BackendReply *reply, const SchemaCommand *command)
{
    for (size_t i = 0; i < G_N_ELEMENTS(table_queries); i++) {
        if (strcmp(command->name, table_queries[i].name) == 0) {
            answer(reply, table_queries[i].answer(), NULL);
            return true;
        }
    }
    return false;
}

static bool check_arguments(Backend *backend, const SchemaCommand *command, json_object *args,
                            GError **error)
{
    return backend->ops->check != NULL ? backend->ops->check(backend, command, args, error)
                                       : schema_check_arguments(command, args, error);
}

/* The checked arguments in the current form; caller puts. NULL with @error. */
static json_object *arguments_of(Backend *backend, json_object *request,
                                 const SchemaCommand *command, GError **error)
{
    json_object *given = json_member(request, "arguments");
    json_object *args;

    if (given == NULL) {
        args = json_object_new_object();
    } else if (strcmp(command->name, "migrate") == 0 ||
               strcmp(command->name, "migrate-incoming") == 0) {
        args = schema_normalise_migrate(given, error);
    } else {
        args = json_object_get(given);
    }
    if (args == NULL || !check_arguments(backend, command, args, error)) {
        json_object_put(args);
        return NULL;
    }
    return args;
}

static const SchemaCommand *command_of(json_object *request, GError **error)
{
    json_object *name;

    if (!backend_check_request(request, true, error)) {
        return NULL;
    }
    if (!json_object_object_get_ex(request, "execute", &name)) {
        name = json_member(request, "exec-oob");
    }

    const SchemaCommand *command = schema_find_command(json_object_get_string(name));
    if (command == NULL || !is_served_here(command)) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_COMMAND_NOT_FOUND,
                    "The command %s has not been found", json_object_get_string(name));
        return NULL;
    }
    return command;
}

static void begin(Request *request, bool in_turn)
{
    BackendSession *session = request->session;
    const SchemaCommand *command = NULL;
    json_object *args = NULL;
    GError *error = NULL;

    if (session->closed || session->backend == NULL) {
        g_set_error(&error, MIG_ERROR, MIG_ERROR_CANCELLED,
                    "the connection was closed before the command was run");
    } else {
        command = command_of(request->request, &error);
        args = command == NULL ? NULL
                               : arguments_of(session->backend, request->request, command, &error);
    }

    BackendReply *reply = reply_for(request, in_turn);
    if (args == NULL) {
        answer(reply, NULL, error);
        return;
    }
    if (!answer_from_tables(reply, command)) {
        reply->backend = session->backend;
        g_queue_push_tail(&reply->backend->in_flight, reply);
        reply->backend->ops->execute(reply->backend, session, command, args, reply);
    }
    json_object_put(args);
}

void backend_forward(Backend *to, BackendSession *session, const SchemaCommand *command,
                     json_object *args, BackendReply *reply)
{
    GError *error = NULL;

    if (check_arguments(to, command, args, &error)) {
        to->ops->execute(to, session, command, args, reply);
    } else {
        backend_reply_error(reply, error);
    }
}

static gboolean begin_oob(void *data)
{
    begin(data, false);
    return G_SOURCE_REMOVE;
}

static gboolean begin_next(void *data)
{
    BackendSession *session = data;

    session->pump = 0;
    session->running = true;
    begin(g_queue_pop_head(&session->waiting), true);
    session_unref(session);
    return G_SOURCE_REMOVE;
}

static void schedule_pump(BackendSession *session)
{
    if (!session->running && session->pump == 0 && !g_queue_is_empty(&session->waiting)) {
        session->pump = g_idle_add_full(G_PRIORITY_DEFAULT, begin_next, session_ref(session), NULL);
    }
}

/* ---- the interface for front ends ---- */

/* The arguments without the text of a secret; the caller's. */
static json_object *hide_secret(json_object *arguments)
{
    json_object *copy = NULL;

    if (!json_object_object_get_ex(arguments, "data", NULL) ||
        json_object_deep_copy(arguments, &copy, NULL) != 0) {
        return json_object_get(arguments);
    }
    json_object_object_add(copy, "data", json_object_new_string("..."));
    return copy;
}

static void trace_request(Backend *backend, json_object *request)
{
    static const char *const shown[] = { "execute", "exec-oob", "arguments" };
    json_object *copy = json_object_new_object();

    for (size_t i = 0; i < G_N_ELEMENTS(shown); i++) {
        json_object *value;

        if (json_object_object_get_ex(request, shown[i], &value)) {
            json_object_object_add(copy, shown[i], hide_secret(value));
        }
    }
    backend->trace(json_object_to_json_string_ext(copy, JSON_C_TO_STRING_PLAIN |
                                                            JSON_C_TO_STRING_NOSLASHESCAPE),
                   backend->trace_data);
    json_object_put(copy);
}

void backend_execute(Backend *backend, BackendSession *session, json_object *request,
                     BackendDone done, void *data)
{
    Request *r = g_new0(Request, 1);

    g_assert(!session->closed);
    if (backend->trace != NULL) {
        trace_request(backend, request);
    }
    r->session = session_ref(session);
    r->request = json_object_get(request);
    r->done = done;
    r->data = data;
    if (json_object_object_get_ex(request, "exec-oob", NULL)) {
        call_soon(begin_oob, r);
        return;
    }
    g_queue_push_tail(&session->waiting, r);
    schedule_pump(session);
}

/* Requests that have not begun: begin() refuses them because their session or backend is closed.
 * They do not wait for the running one. */
static void refuse_waiting(BackendSession *session)
{
    Request *request;

    while ((request = g_queue_pop_head(&session->waiting)) != NULL) {
        begin(request, false);
    }
    if (session->pump != 0) {
        g_source_remove(session->pump);
        session->pump = 0;
        session_unref(session);
    }
}

void backend_session_close(BackendSession *session)
{
    g_assert(!session->closed);
    session->closed = true;
    session->warn = NULL;
    if (session->backend != NULL) {
        g_ptr_array_remove(session->backend->sessions, session);
    }
    refuse_waiting(session);
    session_unref(session);
}

void backend_set_trace(Backend *backend, void (*trace)(const char *json, void *data), void *data)
{
    backend->trace = trace;
    backend->trace_data = data;
}

/* ---- life of a backend ---- */

void backend_init(Backend *backend, const BackendOps *ops)
{
    *backend = (Backend){ .ops = ops };
    backend->subscribers = g_array_new(false, false, sizeof(BackendSubscriber));
    backend->sessions = g_ptr_array_new();
    g_queue_init(&backend->in_flight);
}

void backend_clear(Backend *backend)
{
    BackendReply *reply;

    for (guint i = 0; i < backend->sessions->len; i++) {
        BackendSession *session = g_ptr_array_index(backend->sessions, i);

        session->backend = NULL;
        refuse_waiting(session);
    }
    while ((reply = g_queue_peek_head(&backend->in_flight)) != NULL) {
        backend_reply_error(reply, g_error_new(MIG_ERROR, MIG_ERROR_CANCELLED,
                                               "migmon ended before the command did"));
    }
    g_ptr_array_unref(backend->sessions);
    g_array_unref(backend->subscribers);
}

json_object *backend_target(Backend *backend)
{
    return backend->ops->target != NULL ? backend->ops->target(backend) : NULL;
}

void backend_free(Backend *backend)
{
    if (backend != NULL) {
        backend->ops->free(backend);
    }
}
