/*
 * The inside of a connection: link.c has the socket and the input, link-requests.c the requests and
 * their answers.
 */
#pragma once

#include "backend/base/json-framing.h"
#include "backend/qmp/dial.h"
#include "backend/qmp/link.h"

typedef enum { STAGE_DOWN, STAGE_GREETING, STAGE_NEGOTIATING, STAGE_UP } Stage;

typedef struct {
    QmpLink *link;
    char *command;
    json_object *arguments;
    bool oob;
    int fd;
    int64_t id;
    int64_t sent_us;
    QmpLinkDone done; /* NULL = given up, its reply is ignored */
    void *data;
    GError *error; /* of a request in @refused */
} LinkRequest;

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
    int64_t up_us; /* when it was last negotiated */
    bool has_oob;
    pid_t pid;
    QmpDial *dial;
    guint retry, retry_ms;
    guint limit; /* timer of the connection attempt */
    int fd;
    guint reader, writer;
    JsonFramer *framer;
    GByteArray *output;
    json_object *greeting;
    int64_t next_id;
    uint64_t sent;
    GQueue waiting;       /* LinkRequest, in-band */
    LinkRequest *current; /* in-band, in flight */
    GQueue out_of_band;   /* LinkRequest, in flight */
    GQueue refused;       /* LinkRequest whose error is reported from the main loop */
    guint overdue;        /* timer of the requests in flight */
    guint soon;
    bool silent; /* the silence was reported */
};

/* ---- link-requests.c ---- */

void link_unref(QmpLink *link);
/* Writes the pending bytes, the rest when the socket is writable. */
void link_flush(QmpLink *link);
GError *link_error_from(json_object *object);
/* Answers the request of the reply @object with its @value or @problem. An error, for the caller to
 * lose the connection with, when there is no such request. */
GError *link_handle_reply(QmpLink *link, json_object *object, json_object *value,
                          json_object *problem);
/* Moves all requests in flight and waiting to the refused ones, with @error; the second function
 * reports their errors now. */
void link_refuse_all(QmpLink *link, const GError *error);
gboolean link_answer_refused(void *link);
