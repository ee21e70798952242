/*
 * See link.h. The socket is read and written by sources of the main loop; what
 * arrives goes through the framer, so that a monitor that sends rubbish ends
 * as a lost connection and in nothing worse.
 */
#include "backend/qmp/link.h"

#include <errno.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/socket.h>

#include "backend/base/clock.h"
#include "backend/base/error.h"
#include "backend/base/fd.h"
#include "backend/qmp/dial.h"
#include "backend/qmp/framing.h"

#define READ_CHUNK     (64u << 10)
#define FIRST_RETRY_MS 250
#define LAST_RETRY_MS  5000
/* Requests that may wait; who asks more often does not look at the answers. */
#define MAX_WAITING 1000

typedef enum { STAGE_DOWN, STAGE_GREETING, STAGE_NEGOTIATING, STAGE_UP } Stage;

typedef struct {
    QmpLink *link;
    char *command;
    json_object *arguments;
    bool oob;
    int fd;
    int64_t id;
    int64_t sent_us;
    QmpLinkDone done; /* NULL: given up, its reply is passed over */
    void *data;
    GError *error; /* of one that is refused soon */
} Request;

struct QmpLink {
    unsigned refs;
    bool freed;
    Address *address;
    char *uri, *name;
    QmpLinkTimes times;
    const QmpLinkCallbacks *callbacks;
    void *data;
    Stage stage;
    bool was_up;
    bool has_oob;
    pid_t pid;
    QmpDial *dial;
    guint retry, retry_ms;
    guint limit; /* of the connection attempt */
    int fd;
    guint reader, writer;
    JsonFramer *framer;
    GByteArray *output;
    json_object *greeting;
    int64_t next_id;
    uint64_t sent;
    GQueue waiting;     /* Request, in-band */
    Request *current;   /* in-band, in flight */
    GQueue out_of_band; /* Request, in flight */
    GQueue refused;     /* Request whose error goes out soon */
    guint overdue;      /* timer of those in flight */
    guint soon;
    bool silent; /* was told */
};

static void dial_again(QmpLink *link);
static void send_next(QmpLink *link);
static void lose(QmpLink *link, GError *error);

static void unref(QmpLink *link)
{
    if (--link->refs == 0) {
        g_free(link);
    }
}

/* ---- requests ---- */

/* Answers and frees it. */
static void answer(Request *request, json_object *value, const GError *error)
{
    if (request->done != NULL) {
        request->done(value, error, request->data);
    }
    json_object_put(request->arguments);
    mig_fd_clear(&request->fd);
    g_clear_error(&request->error);
    g_free(request->command);
    g_free(request);
}

static gboolean answer_refused(void *data)
{
    QmpLink *link = data;
    Request *request;

    link->soon = 0;
    link->refs++;
    while ((request = g_queue_pop_head(&link->refused)) != NULL) {
        answer(request, NULL, request->error);
    }
    unref(link);
    return G_SOURCE_REMOVE;
}

/* @error is taken over. */
static void refuse(QmpLink *link, Request *request, GError *error)
{
    request->error = error;
    g_queue_push_tail(&link->refused, request);
    if (link->soon == 0) {
        link->soon = g_idle_add_full(G_PRIORITY_DEFAULT, answer_refused, link, NULL);
    }
}

unsigned qmp_link_silent_ms(const QmpLink *link)
{
    int64_t since = link->current != NULL ? link->current->sent_us : 0;
    int64_t ms = since != 0 ? (mig_clock_now_us() - since) / 1000 : 0;

    return ms >= link->times.answer_ms ? (unsigned)ms : 0;
}

static GError *silence_error(const QmpLink *link, const Request *request)
{
    return g_error_new(MIG_ERROR, MIG_ERROR_IO, "%s has not answered '%s' for %.1f s", link->name,
                       request->command, (double)(mig_clock_now_us() - request->sent_us) / 1e6);
}

/* Those that wait behind @request, and it itself: they hear that there is no answer. */
static void give_up(QmpLink *link, Request *request)
{
    Request *next;

    if (request->done != NULL) {
        Request *told = g_new0(Request, 1);

        *told = (Request){ .link = link, .fd = -1, .done = request->done, .data = request->data };
        request->done = NULL;
        refuse(link, told, silence_error(link, request));
    }
    while (request == link->current && (next = g_queue_pop_head(&link->waiting)) != NULL) {
        refuse(link, next, silence_error(link, request));
    }
}

static void watch_answers(QmpLink *link);

static gboolean on_overdue(void *data)
{
    QmpLink *link = data;
    int64_t limit_us = mig_clock_now_us() - link->times.answer_ms * INT64_C(1000);
    Request *current = link->current;

    link->overdue = 0;
    for (GList *at = link->out_of_band.head; at != NULL; at = at->next) {
        Request *request = at->data;

        if (request->sent_us <= limit_us) {
            give_up(link, request);
        }
    }
    if (current != NULL && current->sent_us <= limit_us) {
        bool first = !link->silent;

        link->silent = true;
        give_up(link, current);
        if (first) {
            link->callbacks->silent(current->command, link->times.answer_ms, link->data);
        }
    }
    return G_SOURCE_REMOVE;
}

/* Whoever was sent last is looked at when its time is over. */
static void watch_answers(QmpLink *link)
{
    g_clear_handle_id(&link->overdue, g_source_remove);
    if (link->current != NULL || !g_queue_is_empty(&link->out_of_band)) {
        link->overdue = g_timeout_add(link->times.answer_ms + 1, on_overdue, link);
    }
}

/* ---- writing ---- */

static gboolean on_writable(gint fd, GIOCondition condition, void *data);

static void flush(QmpLink *link)
{
    while (link->output->len > 0) {
        ssize_t n = send(link->fd, link->output->data, link->output->len, MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            break; /* full: the watch goes on; broken: the reader finds out */
        }
        g_byte_array_remove_range(link->output, 0, (guint)n);
    }
    if (link->output->len > 0 && link->writer == 0) {
        link->writer = g_unix_fd_add(link->fd, G_IO_OUT, on_writable, link);
    }
}

static gboolean on_writable(gint fd, GIOCondition condition, void *data)
{
    QmpLink *link = data;

    (void)fd, (void)condition;
    link->writer = 0;
    flush(link);
    return G_SOURCE_REMOVE;
}

/* The first byte of a request goes with the descriptor; everything before it is out already. */
static void send_with_fd(QmpLink *link, const char *text, int fd)
{
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control = { .bytes = { 0 } };
    struct iovec iov = { (void *)text, 1 };
    struct msghdr message = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)
    };
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    ssize_t n = -1;

    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &fd, sizeof(int));
    if (link->output->len == 0) {
        n = sendmsg(link->fd, &message, MSG_NOSIGNAL);
    }
    n = MAX(n, 0); /* it could not go: the monitor says that none was supplied */
    g_byte_array_append(link->output, (const guint8 *)text + n, (guint)(strlen(text) - (size_t)n));
}

static void put_on_wire(QmpLink *link, Request *request)
{
    json_object *object = json_object_new_object();
    bool oob = request->oob && link->has_oob;

    request->id = ++link->next_id;
    request->sent_us = mig_clock_now_us();
    json_object_object_add(object, oob ? "exec-oob" : "execute",
                           json_object_new_string(request->command));
    if (request->arguments != NULL && json_object_object_length(request->arguments) > 0) {
        json_object_object_add(object, "arguments", json_object_get(request->arguments));
    }
    json_object_object_add(object, "id", json_object_new_int64(request->id));

    const char *text = json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN |
                                                                  JSON_C_TO_STRING_NOSLASHESCAPE);
    if (request->fd >= 0) {
        send_with_fd(link, text, request->fd);
    } else {
        g_byte_array_append(link->output, (const guint8 *)text, (guint)strlen(text));
    }
    g_byte_array_append(link->output, (const guint8 *)"\n", 1);
    link->sent++;
    json_object_put(object);
    flush(link);
    watch_answers(link);
}

static void send_next(QmpLink *link)
{
    if (link->stage == STAGE_UP && link->current == NULL) {
        link->current = g_queue_pop_head(&link->waiting);
        if (link->current != NULL) {
            put_on_wire(link, link->current);
        }
    }
}

void qmp_link_send(QmpLink *link, const char *command, json_object *arguments, bool oob, int fd,
                   QmpLinkDone done, void *data)
{
    Request *request = g_new0(Request, 1);

    request->link = link;
    request->command = g_strdup(command);
    request->arguments = json_object_get(arguments);
    request->oob = oob;
    request->fd = fd;
    request->done = done;
    request->data = data;
    if (link->stage != STAGE_UP) {
        refuse(link, request,
               g_error_new(MIG_ERROR, MIG_ERROR_IO, "%s is not connected", link->name));
    } else if (oob && link->has_oob) {
        g_queue_push_tail(&link->out_of_band, request);
        put_on_wire(link, request);
    } else if (qmp_link_silent_ms(link) > 0) {
        refuse(link, request, silence_error(link, link->current));
    } else if (g_queue_get_length(&link->waiting) >= MAX_WAITING) {
        refuse(link, request,
               g_error_new(MIG_ERROR, MIG_ERROR_IO, "%u requests wait for %s already", MAX_WAITING,
                           link->name));
    } else {
        g_queue_push_tail(&link->waiting, request);
        send_next(link);
    }
}

/* ---- what comes in ---- */

static GError *error_from(json_object *object)
{
    const char *class = json_object_get_string(json_object_object_get(object, "class"));
    const char *text = json_object_get_string(json_object_object_get(object, "desc"));
    MigErrorCode code = g_strcmp0(class, "CommandNotFound") == 0   ? MIG_ERROR_COMMAND_NOT_FOUND
                        : g_strcmp0(class, "DeviceNotActive") == 0 ? MIG_ERROR_DEVICE_NOT_ACTIVE
                                                                   : MIG_ERROR_GENERIC;

    return g_error_new_literal(MIG_ERROR, code, text != NULL ? text : "it said no reason");
}

/* The request that a reply is for, taken out of those in flight. */
static Request *take_request(QmpLink *link, int64_t id)
{
    for (GList *at = link->out_of_band.head; at != NULL; at = at->next) {
        Request *request = at->data;

        if (request->id == id) {
            g_queue_delete_link(&link->out_of_band, at);
            return request;
        }
    }
    return link->current != NULL && link->current->id == id ? g_steal_pointer(&link->current)
                                                            : NULL;
}

static void handle_reply(QmpLink *link, json_object *object, json_object *value,
                         json_object *problem)
{
    json_object *id = json_object_object_get(object, "id");
    Request *request = take_request(link, id != NULL ? json_object_get_int64(id) : 0);

    if (request == NULL) {
        lose(link, g_error_new(MIG_ERROR, MIG_ERROR_FORMAT, "a reply to no request of ours: %.200s",
                               json_object_to_json_string(object)));
        return;
    }

    unsigned ms = (unsigned)((mig_clock_now_us() - request->sent_us) / 1000);
    bool was_silent = link->silent && !request->oob;
    g_autofree char *command = g_strdup(request->command);
    GError *error = value == NULL ? error_from(problem) : NULL;

    watch_answers(link);
    if (was_silent) {
        link->silent = false;
    }
    answer(request, value, error);
    g_clear_error(&error);
    if (was_silent && !link->freed) {
        link->callbacks->answers(command, ms, link->data);
    }
    if (!link->freed) {
        send_next(link);
    }
}

static void handle_event(QmpLink *link, json_object *object, const char *name)
{
    json_object *time = json_object_object_get(object, "timestamp");
    int64_t seconds = json_object_get_int64(json_object_object_get(time, "seconds"));
    int64_t us = json_object_get_int64(json_object_object_get(time, "microseconds"));

    link->callbacks->event(name, json_object_object_get(object, "data"),
                           seconds > 0 ? seconds * 1000000 + us : g_get_real_time(), link->data);
}

static void negotiate(QmpLink *link, json_object *greeting)
{
    json_object *list = json_object_object_get(greeting, "capabilities");
    size_t n = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
    const char *text;

    link->has_oob = false;
    for (size_t i = 0; i < n; i++) {
        const char *name = json_object_get_string(json_object_array_get_idx(list, i));

        link->has_oob |= g_strcmp0(name, "oob") == 0;
    }
    json_object_put(link->greeting);
    link->greeting = json_object_get(greeting);
    link->stage = STAGE_NEGOTIATING;
    text = link->has_oob
               ? "{\"execute\":\"qmp_capabilities\",\"arguments\":{\"enable\":[\"oob\"]}}\n"
               : "{\"execute\":\"qmp_capabilities\"}\n";
    g_byte_array_append(link->output, (const guint8 *)text, (guint)strlen(text));
    flush(link);
}

static void go_up(QmpLink *link)
{
    g_clear_handle_id(&link->limit, g_source_remove);
    link->stage = STAGE_UP;
    link->was_up = true;
    link->retry_ms = FIRST_RETRY_MS;
    link->callbacks->up(link->greeting, link->data);
}

static void handle(QmpLink *link, json_object *object)
{
    json_object *value = NULL, *problem = NULL, *name = NULL, *greeting = NULL;

    if (!json_object_is_type(object, json_type_object)) {
        lose(link, g_error_new(MIG_ERROR, MIG_ERROR_FORMAT, "it does not speak QMP: %.100s",
                               json_object_to_json_string(object)));
    } else if (json_object_object_get_ex(object, "QMP", &greeting)) {
        if (link->stage == STAGE_GREETING) { /* one that is just starting may greet twice */
            negotiate(link, greeting);
        }
    } else if (json_object_object_get_ex(object, "event", &name)) {
        if (link->stage == STAGE_UP) {
            handle_event(link, object, json_object_get_string(name));
        }
    } else if (json_object_object_get_ex(object, "return", &value) ||
               json_object_object_get_ex(object, "error", &problem)) {
        if (link->stage == STAGE_UP) {
            handle_reply(link, object, value, problem);
        } else if (link->stage == STAGE_NEGOTIATING && value != NULL) {
            go_up(link);
        } else if (problem != NULL) {
            lose(link, error_from(problem));
        }
    } else {
        lose(link, g_error_new(MIG_ERROR, MIG_ERROR_FORMAT, "it does not speak QMP: %.100s",
                               json_object_to_json_string(object)));
    }
}

static void handle_all(QmpLink *link)
{
    while (!link->freed && link->framer != NULL) {
        g_autoptr(GError) error = NULL;
        json_object *object = NULL;

        switch (json_framer_next(link->framer, &object, &error)) {
        case JSON_FRAME_NONE:
            return;
        case JSON_FRAME_ERROR:
            lose(link, g_error_new(MIG_ERROR, MIG_ERROR_FORMAT, "it does not speak QMP: %s",
                                   error->message));
            return;
        case JSON_FRAME_VALUE:
            handle(link, object);
            json_object_put(object);
            break;
        }
    }
}

static gboolean on_readable(gint fd, GIOCondition condition, void *data)
{
    QmpLink *link = data;
    g_autofree char *chunk = g_malloc(READ_CHUNK);
    ssize_t n = recv(fd, chunk, READ_CHUNK, MSG_DONTWAIT);

    (void)condition;
    link->refs++;
    if (n > 0) {
        json_framer_feed(link->framer, chunk, (size_t)n);
        handle_all(link);
    } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
        lose(link, n == 0
                       ? g_error_new(MIG_ERROR, MIG_ERROR_IO, "the monitor closed the connection")
                       : g_error_new(MIG_ERROR, MIG_ERROR_IO, "%s", g_strerror(errno)));
    }
    bool goes_on = link->fd == fd && !link->freed;
    unref(link);
    return goes_on ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

/* ---- the connection ---- */

static void hang_up(QmpLink *link)
{
    /* The reader's own source is removed by what it returns when it is the one that found out. */
    GSource *source = g_main_current_source();
    guint running = source != NULL ? g_source_get_id(source) : 0;

    if (link->reader != 0 && link->reader != running) {
        g_source_remove(link->reader);
    }
    link->reader = 0;
    g_clear_handle_id(&link->writer, g_source_remove);
    g_clear_handle_id(&link->overdue, g_source_remove);
    g_clear_handle_id(&link->limit, g_source_remove);
    g_clear_pointer(&link->dial, qmp_dial_free);
    mig_fd_clear(&link->fd);
    g_clear_pointer(&link->framer, json_framer_free);
    g_byte_array_set_size(link->output, 0);
    link->stage = STAGE_DOWN;
    link->silent = false;
}

/* Everything in flight and waiting is answered with @error. */
static void refuse_all(QmpLink *link, const GError *error)
{
    Request *request;

    if (link->current != NULL) {
        refuse(link, g_steal_pointer(&link->current),
               g_error_new(MIG_ERROR, MIG_ERROR_IO, "%s: %s before it was answered", link->name,
                           error->message));
    }
    while ((request = g_queue_pop_head(&link->out_of_band)) != NULL ||
           (request = g_queue_pop_head(&link->waiting)) != NULL) {
        refuse(link, request,
               g_error_new(MIG_ERROR, MIG_ERROR_IO, "%s: %s", link->name, error->message));
    }
}

static gboolean on_retry(void *data)
{
    QmpLink *link = data;

    link->retry = 0;
    dial_again(link);
    return G_SOURCE_REMOVE;
}

/* Takes @error over. */
static void lose(QmpLink *link, GError *error)
{
    bool was_up = link->stage == STAGE_UP;

    hang_up(link);
    refuse_all(link, error);
    if (link->was_up) {
        link->retry = g_timeout_add(link->retry_ms, on_retry, link);
        link->retry_ms = MIN(link->retry_ms * 2, LAST_RETRY_MS);
    }
    if (was_up || !link->was_up) {
        link->callbacks->down(error, link->data);
    }
    g_error_free(error);
}

static gboolean on_limit(void *data)
{
    QmpLink *link = data;
    GError *error =
        g_error_new(MIG_ERROR, MIG_ERROR_IO, "%s: connected, but no %s for %.1f s", link->uri,
                    link->stage == STAGE_GREETING ? "greeting" : "end of negotiation",
                    link->times.connect_ms / 1e3);

    link->limit = 0;
    mig_error_hint(&error, "a QMP monitor serves one client at a time: another one may hold it; "
                           "or QEMU stands still");
    lose(link, error);
    return G_SOURCE_REMOVE;
}

static void note_pid(QmpLink *link)
{
    struct ucred creds = { 0 };
    socklen_t size = sizeof(creds);

    link->pid = 0;
    if (link->address->kind == ADDRESS_UNIX &&
        getsockopt(link->fd, SOL_SOCKET, SO_PEERCRED, &creds, &size) == 0) {
        link->pid = creds.pid;
    }
}

static void on_dialled(int fd, const GError *error, void *data)
{
    QmpLink *link = data;

    link->dial = NULL;
    if (error != NULL) {
        lose(link, g_error_copy(error));
        return;
    }
    link->fd = fd;
    note_pid(link);
    link->stage = STAGE_GREETING;
    link->framer = json_framer_new();
    link->reader = g_unix_fd_add(fd, G_IO_IN | G_IO_HUP | G_IO_ERR, on_readable, link);
    link->limit = g_timeout_add(link->times.connect_ms, on_limit, link);
}

static void dial_again(QmpLink *link)
{
    link->dial = qmp_dial_new(link->address, link->times.connect_ms, on_dialled, link);
}

/* ---- life ---- */

QmpLink *qmp_link_new(const char *address, const QmpLinkTimes *times,
                      const QmpLinkCallbacks *callbacks, void *data, GError **error)
{
    g_autoptr(Address) parsed = qmp_address_parse(address, error);

    if (parsed == NULL) {
        return NULL;
    }
    QmpLink *link = g_new0(QmpLink, 1);
    link->refs = 1;
    link->address = g_steal_pointer(&parsed);
    link->uri = address_to_uri(link->address);
    link->name = g_strdup(link->uri);
    link->times = *times;
    link->callbacks = callbacks;
    link->data = data;
    link->fd = -1;
    link->retry_ms = FIRST_RETRY_MS;
    link->output = g_byte_array_new();
    g_queue_init(&link->waiting);
    g_queue_init(&link->out_of_band);
    g_queue_init(&link->refused);
    dial_again(link);
    return link;
}

void qmp_link_free(QmpLink *link)
{
    g_autoptr(GError) error = NULL;

    if (link == NULL) {
        return;
    }
    g_set_error(&error, MIG_ERROR, MIG_ERROR_CANCELLED, "disconnected");
    link->freed = true;
    hang_up(link);
    g_clear_handle_id(&link->retry, g_source_remove);
    refuse_all(link, error);
    g_clear_handle_id(&link->soon, g_source_remove);
    answer_refused(link);
    json_object_put(link->greeting);
    g_byte_array_unref(link->output);
    address_free(link->address);
    g_free(link->uri);
    g_free(link->name);
    unref(link);
}

void qmp_link_set_name(QmpLink *link, const char *name)
{
    g_free(link->name);
    link->name = g_strdup(name);
}

const char *qmp_link_name(const QmpLink *link)
{
    return link->name;
}

const char *qmp_link_address(const QmpLink *link)
{
    return link->uri;
}

bool qmp_link_is_up(const QmpLink *link)
{
    return link->stage == STAGE_UP;
}

bool qmp_link_has_oob(const QmpLink *link)
{
    return link->has_oob;
}

pid_t qmp_link_pid(const QmpLink *link)
{
    return link->pid;
}

bool qmp_link_is_local(const QmpLink *link)
{
    return link->address->kind == ADDRESS_UNIX;
}

uint64_t qmp_link_sent(const QmpLink *link)
{
    return link->sent;
}
