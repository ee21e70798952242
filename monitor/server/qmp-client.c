/*
 * See qmp-client.h. Main thread.
 *
 * In-band requests run one after another in the order of arrival. This includes
 * requests that are not valid, so that replies keep the order. Out-of-band
 * requests overtake them. The connection is not read while eight requests wait
 * or while the client does not read its replies.
 *
 * All work is done in turns of the main loop (take_turn), never inside a
 * callback of a lower layer. A client has a count of references: one of the
 * server, and one of each request that the backend is working on.
 */
#include "monitor/server/qmp-client.h"

#include <errno.h>
#include <glib-unix.h>
#include <string.h>
#include <unistd.h>

#include "backend/base/clock.h"
#include "backend/base/error.h"
#include "backend/base/fd.h"
#include "backend/base/json-framing.h"
#include "backend/base/json.h"
#include "backend/schema/schema.h"
#include "monitor/server/passed-fds.h"
#include "monitor/server/qmp-hmp.h"
#include "monitor/sink.h"

#define QUEUE_MAX    8
#define OUTPUT_LIMIT (4u << 20)
/* No request is started while more bytes than this wait for the client to read them. */
#define OUTPUT_BEHIND (1u << 20)
#define READ_CHUNK    (16u << 10)

typedef struct {
    QmpClient *client;
    json_object *request; /* as received; NULL also for JSON's null */
    GError *error;        /* set instead of @request when the input was not JSON */
    bool in_band;
    int fd; /* received with the request, which needs one; -1 = none */
} Request;

struct QmpClient {
    unsigned refs;
    Backend *backend;
    BackendSession *session;
    int fd;
    unsigned n_vcpus;
    Sink *sink;
    JsonFramer *framer;
    bool negotiated;
    bool oob;
    GQueue queue;     /* Request, waiting */
    Request *running; /* the in-band request that runs */
    bool quitting;    /* @running is quit: its reply is sent before the event that it causes */
    char *late_event;
    PassedFds fds; /* received with the last bytes, and not taken by a request yet */
    bool took;     /* a request was complete after these bytes */
    QmpHmp *hmp;   /* created at the first use */
    guint watch;
    guint turn;
    bool drained; /* the framer holds nothing complete */
    bool eof;
    bool dead;
    bool freed;
    void (*closed)(QmpClient *client, void *data);
    void *data;
};

static void schedule(QmpClient *client);

static void request_free(Request *request)
{
    json_object_put(request->request);
    g_clear_error(&request->error);
    mig_fd_clear(&request->fd);
    g_free(request);
}

static void client_unref(QmpClient *client)
{
    if (--client->refs == 0) {
        g_free(client);
    }
}

/* ---- replies ---- */

static void send_object(QmpClient *client, json_object *object)
{
    g_autofree char *text = qmp_text(object);

    sink_puts(client->sink, text);
}

static void send_with_id(QmpClient *client, json_object *reply, const Request *request)
{
    json_object *id = NULL;

    if (json_object_is_type(request->request, json_type_object) &&
        json_object_object_get_ex(request->request, "id", &id)) {
        json_object_object_add(reply, "id", json_object_get(id));
    }
    send_object(client, reply);
    json_object_put(reply);
}

/* Sends the reply, with exactly one of @value and @error, and frees the request. The client may
 * have been closed meanwhile. */
static void finish(Request *request, json_object *value, const GError *error)
{
    QmpClient *client = request->client;
    json_object *reply = json_object_new_object();

    if (client->freed) {
        json_object_put(reply);
        request_free(request);
        return;
    }
    if (error != NULL) {
        g_autofree char *text = mig_error_first_line(error);
        json_object *body = json_object_new_object();

        json_add_text(body, "class", mig_error_class(error));
        json_add_text(body, "desc", text);
        json_object_object_add(reply, "error", body);
    } else {
        json_object_object_add(reply, "return", json_object_get(value));
    }
    send_with_id(client, reply, request);
    if (request->in_band) {
        client->running = NULL;
        client->quitting = false;
        if (client->late_event != NULL) {
            sink_puts(client->sink, client->late_event);
            g_clear_pointer(&client->late_event, g_free);
        }
    }
    request_free(request);
    schedule(client);
}

static void finish_empty(Request *request)
{
    json_object *empty = json_object_new_object();

    finish(request, empty, NULL);
    json_object_put(empty);
}

static void fail(Request *request, MigErrorCode code, const char *text)
{
    g_autoptr(GError) error = g_error_new_literal(MIG_ERROR, (int)code, text);

    finish(request, NULL, error);
}

static void on_reply(json_object *value, const GError *error, void *data)
{
    Request *request = data;
    QmpClient *client = request->client;
    int fd;

    /* A getfd that was refused did not take its descriptor: the next getfd must not get it. */
    while (!client->freed && request->in_band &&
           (fd = backend_session_pop_fd(client->session)) >= 0) {
        close(fd);
    }
    finish(request, value, error);
    client_unref(client);
}

/* ---- commands that the server handles itself ---- */

static void negotiate(Request *request, json_object *arguments)
{
    QmpClient *client = request->client;

    for (JsonEach name = json_each(json_member(arguments, "enable")); json_next(&name);) {
        /* The schema allows only this value. */
        client->oob |= strcmp(json_string(name.value), "oob") == 0;
    }
    client->negotiated = true;
    finish_empty(request);
}

static void on_hmp_done(const char *text, void *data)
{
    json_object *value = json_object_new_string(text);

    finish(data, value, NULL);
    json_object_put(value);
}

static void run_hmp(Request *request, json_object *arguments)
{
    QmpClient *client = request->client;
    int64_t number = json_integer(arguments, "cpu-index");

    if (json_member(arguments, "cpu-index") != NULL &&
        (number < 0 || number >= (int64_t)client->n_vcpus)) {
        fail(request, MIG_ERROR_GENERIC, "Parameter 'cpu-index' expects a CPU number");
        return;
    }
    if (client->hmp == NULL) {
        client->hmp = qmp_hmp_new(client->backend, client->session);
    }
    qmp_hmp_run(client->hmp, json_text(arguments, "command-line"), on_hmp_done, request);
}

/* ---- dispatch ---- */

/* Checks the arguments of the commands that the server handles itself. */
static bool arguments_are_good(Request *request, const char *name, json_object *arguments)
{
    g_autoptr(GError) error = NULL;

    if (!schema_check_arguments(schema_find_command(name), arguments, &error)) {
        finish(request, NULL, error);
        return false;
    }
    return true;
}

static void execute(Request *request, const char *key, const char *name, json_object *arguments)
{
    QmpClient *client = request->client;
    json_object *plain = json_object_new_object();

    json_add_text(plain, key, name);
    if (arguments != NULL) {
        json_object_object_add(plain, "arguments", json_object_get(arguments));
    }
    if (request->fd >= 0) {
        backend_session_push_fd(client->session, mig_fd_steal(&request->fd));
    }
    client->quitting = request->in_band && strcmp(name, "quit") == 0;
    client->refs++;
    backend_execute(client->backend, client->session, plain, on_reply, request);
    json_object_put(plain);
}

static void dispatch(Request *request)
{
    QmpClient *client = request->client;
    g_autoptr(GError) error = g_steal_pointer(&request->error);
    const char *key;
    const char *name;
    json_object *arguments;

    if (error != NULL || !backend_check_request(request->request, client->oob, &error)) {
        finish(request, NULL, error);
        return;
    }
    key = json_member(request->request, "execute") != NULL ? "execute" : "exec-oob";
    name = json_object_get_string(json_member(request->request, key));
    arguments = json_member(request->request, "arguments");
    if (!client->negotiated && strcmp(name, "qmp_capabilities") != 0) {
        fail(request, MIG_ERROR_COMMAND_NOT_FOUND,
             "Expecting capabilities negotiation with 'qmp_capabilities'");
    } else if (client->negotiated && strcmp(name, "qmp_capabilities") == 0) {
        fail(request, MIG_ERROR_COMMAND_NOT_FOUND,
             "Capabilities negotiation is already complete, command ignored");
    } else if (strcmp(name, "qmp_capabilities") == 0) {
        if (arguments_are_good(request, name, arguments)) {
            negotiate(request, arguments);
        }
    } else if (strcmp(name, "human-monitor-command") == 0) {
        if (arguments_are_good(request, name, arguments)) {
            run_hmp(request, arguments);
        }
    } else {
        execute(request, key, name, arguments);
    }
}

/* ---- input ---- */

static bool wants_fd(json_object *request)
{
    json_object *name = json_member(request, "execute");
    const char *text = json_string(name != NULL ? name : json_member(request, "exec-oob"));

    return strcmp(text, "getfd") == 0 || strcmp(text, "add-fd") == 0;
}

/*
 * Closes descriptors that no request has taken. A descriptor is only for the request that it was
 * sent with; a later request would use the wrong file. Clients send it with the whole request, with
 * the first bytes of it, or with a blank before it.
 */
static void drop_unclaimed_fds(QmpClient *client)
{
    if (client->took) {
        passed_fds_clear(&client->fds);
    }
}

static void take_request(QmpClient *client, json_object *value, GError *error)
{
    Request *request = g_new0(Request, 1);

    request->client = client;
    request->request = value;
    request->error = error;
    request->fd = wants_fd(value) ? passed_fds_take(&client->fds) : -1;
    client->took = true;
    request->in_band =
        !(client->oob && error == NULL && json_object_is_type(value, json_type_object) &&
          json_object_object_get_ex(value, "exec-oob", NULL));
    if (request->in_band) {
        g_queue_push_tail(&client->queue, request);
    } else {
        dispatch(request);
    }
}

/* Moves complete requests from the framer to the queue. */
static void take_requests(QmpClient *client)
{
    while (client->queue.length < QUEUE_MAX) {
        json_object *value = NULL;
        GError *error = NULL;

        switch (json_framer_next(client->framer, &value, &error)) {
        case JSON_FRAME_NONE:
            client->drained = true;
            drop_unclaimed_fds(client);
            return;
        case JSON_FRAME_VALUE:
        case JSON_FRAME_ERROR:
            take_request(client, value, error);
            break;
        }
    }
}

static gboolean on_readable(int fd, GIOCondition condition, void *data)
{
    QmpClient *client = data;
    uint8_t bytes[READ_CHUNK];
    ssize_t n = passed_fds_receive(&client->fds, fd, bytes, sizeof(bytes));

    (void)condition;
    client->watch = 0;
    if (n > 0) {
        json_framer_feed(client->framer, bytes, (size_t)n);
        client->drained = false;
        client->took = false;
    } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
        client->eof = true;
    }
    schedule(client);
    return G_SOURCE_REMOVE;
}

static void on_calm(void *data)
{
    schedule(data);
}

static bool has_ended(const QmpClient *client)
{
    return client->dead || (client->eof && client->drained && client->running == NULL &&
                            client->queue.length == 0 && sink_pending(client->sink) == 0);
}

static gboolean take_turn(void *data)
{
    QmpClient *client = data;

    client->turn = 0;
    if (has_ended(client)) {
        client->closed(client, client->data);
        return G_SOURCE_REMOVE;
    }
    if (sink_pending(client->sink) > OUTPUT_BEHIND) {
        sink_when_below(client->sink, OUTPUT_BEHIND / 2, on_calm, client);
        return G_SOURCE_REMOVE;
    }
    take_requests(client);
    if (client->running == NULL && client->queue.length > 0) {
        client->running = g_queue_pop_head(&client->queue);
        client->drained = false; /* the queue has room again for requests in the framer */
        dispatch(client->running);
        schedule(client);
    } else if (client->eof && client->running == NULL) {
        sink_when_below(client->sink, 0, on_calm, client);
    } else if (client->drained && !client->eof && client->watch == 0) {
        client->watch =
            g_unix_fd_add(client->fd, G_IO_IN | G_IO_HUP | G_IO_ERR, on_readable, client);
    }
    return G_SOURCE_REMOVE;
}

static void schedule(QmpClient *client)
{
    if (client->turn == 0 && !client->freed) {
        client->turn = g_idle_add_full(G_PRIORITY_DEFAULT, take_turn, client, NULL);
    }
}

static void on_gone(const char *why, void *data)
{
    QmpClient *client = data;

    (void)why;
    client->dead = true;
    schedule(client);
}

/* ---- the connection ---- */

/* QMP has no place for warnings, so they go to the operator, as QEMU writes them to its stderr. */
static void session_warned(const char *text, void *data)
{
    QmpClient *client = data;
    g_autofree char *notice = g_strdup_printf("warning: %s (asked for over QMP)", text);

    backend_emit_notice(client->backend, notice, false, mig_clock_wall_us());
}

static void greet(QmpClient *client)
{
    g_autofree char *text = g_strdup_printf(
        "{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 0, \"minor\": 2, \"major\": 8}, "
        "\"package\": \"migmon-%s\"}, \"capabilities\": [\"oob\"]}}\r\n",
        MIGMON_VERSION);

    sink_puts(client->sink, text);
}

QmpClient *qmp_client_new(Backend *backend, int fd, unsigned n_vcpus,
                          void (*closed)(QmpClient *client, void *data), void *data)
{
    QmpClient *client = g_new0(QmpClient, 1);

    client->refs = 1;
    client->backend = backend;
    client->session = backend_session_new(backend, session_warned, client);
    client->fd = fd;
    client->n_vcpus = n_vcpus;
    client->sink = sink_new(fd, OUTPUT_LIMIT, on_gone, client);
    client->framer = json_framer_new();
    client->drained = true;
    client->closed = closed;
    client->data = data;
    g_queue_init(&client->queue);
    greet(client);
    schedule(client);
    return client;
}

void qmp_client_free(QmpClient *client)
{
    client->freed = true;
    if (client->watch != 0) {
        g_source_remove(client->watch);
    }
    if (client->turn != 0) {
        g_source_remove(client->turn);
    }
    if (qmp_hmp_is_busy(client->hmp)) {
        request_free(client->running); /* only the abandoned line refers to it */
    }
    qmp_hmp_free(client->hmp);
    g_queue_clear_full(&client->queue, (GDestroyNotify)request_free);
    passed_fds_clear(&client->fds);
    sink_free(client->sink);
    json_framer_free(client->framer);
    g_free(client->late_event);
    close(client->fd);
    backend_session_close(client->session);
    client_unref(client);
}

void qmp_client_event(QmpClient *client, const char *name, const char *text)
{
    if (!client->negotiated) {
        return;
    }
    if (client->quitting && strcmp(name, "SHUTDOWN") == 0) {
        g_free(client->late_event);
        client->late_event = g_strdup(text);
        return;
    }
    sink_puts(client->sink, text);
}

void qmp_client_flush(QmpClient *client, unsigned timeout_ms)
{
    sink_flush(client->sink, timeout_ms);
}

/* Scripts search for '"status": "completed"', so blanks are placed like QEMU's. */
char *qmp_text(json_object *value)
{
    const char *plain = json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN |
                                                                  JSON_C_TO_STRING_NOSLASHESCAPE);
    g_autoptr(GString) text = g_string_sized_new(strlen(plain) + 16);
    bool in_string = false;

    for (const char *c = plain; *c != '\0'; c++) {
        g_string_append_c(text, *c);
        if (in_string && *c == '\\' && c[1] != '\0') {
            g_string_append_c(text, *++c);
        } else if (*c == '"') {
            in_string = !in_string;
        } else if (!in_string && (*c == ',' || *c == ':')) {
            g_string_append_c(text, ' ');
        }
    }
    g_string_append(text, "\r\n");
    /* File names in error texts can hold any byte. */
    return g_utf8_make_valid(text->str, (ssize_t)text->len);
}
