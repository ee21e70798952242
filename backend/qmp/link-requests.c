/*
 * Requests of a connection and their answers. A request that is given up
 * because the monitor is silent stays in flight without an owner: the monitor
 * answers in order, so no other request can be sent before its reply.
 */
#include <errno.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/socket.h>

#include "backend/base/clock.h"
#include "backend/base/error.h"
#include "backend/base/fd.h"
#include "backend/base/json.h"
#include "backend/qmp/link-internal.h"

/* Maximum queue length; a client beyond it is not reading replies. */
#define MAX_WAITING 1000u

/* ---- requests ---- */

/* Answers and frees the request. */
static void answer(LinkRequest *request, json_object *value, const GError *error)
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

void link_unref(QmpLink *link)
{
    if (--link->refs == 0) {
        g_free(link);
    }
}

gboolean link_answer_refused(void *data)
{
    QmpLink *link = data;
    LinkRequest *request;

    link->soon = 0;
    link->refs++;
    while ((request = g_queue_pop_head(&link->refused)) != NULL) {
        answer(request, NULL, request->error);
    }
    link_unref(link);
    return G_SOURCE_REMOVE;
}

/* Takes ownership of @error. */
static void refuse(QmpLink *link, LinkRequest *request, GError *error)
{
    request->error = error;
    g_queue_push_tail(&link->refused, request);
    if (link->soon == 0) {
        link->soon = g_idle_add_full(G_PRIORITY_DEFAULT, link_answer_refused, link, NULL);
    }
}

unsigned qmp_link_silent_ms(const QmpLink *link)
{
    int64_t since = link->current != NULL ? link->current->sent_us : 0;
    int64_t ms = since != 0 ? (mig_clock_now_us() - since) / 1000 : 0;

    return ms >= link->times.answer_ms ? (unsigned)ms : 0;
}

static GError *silence_error(const QmpLink *link, const LinkRequest *request)
{
    return g_error_new(MIG_ERROR, MIG_ERROR_IO, "%s has not answered '%s' for %.1f s", link->name,
                       request->command, (double)(mig_clock_now_us() - request->sent_us) / 1e6);
}

/* Answers @request and the requests waiting behind it with the error that the monitor does not
 * answer. */
static void give_up(QmpLink *link, LinkRequest *request)
{
    LinkRequest *next;

    if (request->done != NULL) {
        LinkRequest *told = g_new0(LinkRequest, 1);

        *told =
            (LinkRequest){ .link = link, .fd = -1, .done = request->done, .data = request->data };
        request->done = NULL;
        refuse(link, told, silence_error(link, request));
    }
    while (request == link->current && (next = g_queue_pop_head(&link->waiting)) != NULL) {
        refuse(link, next, silence_error(link, request));
    }
}

static gboolean on_overdue(void *data)
{
    QmpLink *link = data;
    int64_t limit_us = mig_clock_now_us() - link->times.answer_ms * INT64_C(1000);
    LinkRequest *current = link->current;

    link->overdue = 0;
    for (GList *at = link->out_of_band.head; at != NULL; at = at->next) {
        LinkRequest *request = at->data;

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

/* Restarts the timer that checks the requests in flight. */
static void watch_answers(QmpLink *link)
{
    g_clear_handle_id(&link->overdue, g_source_remove);
    if (link->current != NULL || !g_queue_is_empty(&link->out_of_band)) {
        link->overdue = g_timeout_add(link->times.answer_ms + 1, on_overdue, link);
    }
}

/* ---- writing ---- */

static gboolean on_writable(gint fd, GIOCondition condition, void *data);

void link_flush(QmpLink *link)
{
    while (link->output->len > 0) {
        ssize_t n = send(link->fd, link->output->data, link->output->len, MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            break; /* full: the watch continues; broken: the reader detects it */
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
    link_flush(link);
    return G_SOURCE_REMOVE;
}

/* Sends the descriptor with the first byte of the request; all earlier bytes are written
 * already. */
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
    n = MAX(n, 0); /* not sent: the monitor reports that no descriptor was supplied */
    g_byte_array_append(link->output, (const guint8 *)text + n, (guint)(strlen(text) - (size_t)n));
}

static void put_on_wire(QmpLink *link, LinkRequest *request)
{
    json_object *object = json_object_new_object();
    bool oob = request->oob && link->has_oob;

    request->id = ++link->next_id;
    request->sent_us = mig_clock_now_us();
    json_add_text(object, oob ? "exec-oob" : "execute", request->command);
    if (request->arguments != NULL && json_object_object_length(request->arguments) > 0) {
        json_object_object_add(object, "arguments", json_object_get(request->arguments));
    }
    json_add_integer(object, "id", request->id);

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
    link_flush(link);
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
    LinkRequest *request = g_new0(LinkRequest, 1);

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

/* ---- replies ---- */

GError *link_error_from(json_object *object)
{
    const char *class = json_text(object, "class");
    const char *text = json_text(object, "desc");

    /* Hints are ours: a program that writes some of its own shall not look like it. */
    g_auto(GStrv) parts = g_strsplit(text, MIG_ERROR_HINT, -1);
    g_autofree char *plain = g_strjoinv(" hint: ", parts);

    return g_error_new_literal(MIG_ERROR, mig_error_code_of(class),
                               *plain != '\0' ? plain : "it said no reason");
}

/* Removes the request of a reply from the requests in flight. */
static LinkRequest *take_request(QmpLink *link, int64_t id)
{
    for (GList *at = link->out_of_band.head; at != NULL; at = at->next) {
        LinkRequest *request = at->data;

        if (request->id == id) {
            g_queue_delete_link(&link->out_of_band, at);
            return request;
        }
    }
    return link->current != NULL && link->current->id == id ? g_steal_pointer(&link->current)
                                                            : NULL;
}

GError *link_handle_reply(QmpLink *link, json_object *object, json_object *value,
                          json_object *problem)
{
    json_object *id = json_member(object, "id");
    LinkRequest *request = take_request(link, id != NULL ? json_object_get_int64(id) : 0);

    if (request == NULL) {
        return g_error_new(MIG_ERROR, MIG_ERROR_FORMAT, "a reply to no request of ours: %.200s",
                           json_object_to_json_string(object));
    }

    unsigned ms = (unsigned)((mig_clock_now_us() - request->sent_us) / 1000);
    bool was_silent = link->silent && !request->oob;
    g_autofree char *command = g_strdup(request->command);
    GError *error = value == NULL ? link_error_from(problem) : NULL;

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
    return NULL;
}

void link_refuse_all(QmpLink *link, const GError *error)
{
    LinkRequest *request;

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
