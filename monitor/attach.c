/*
 * See attach.h. One request after the other. The struct is counted, because a
 * reply can come after attach_free().
 */
#include "monitor/attach.h"

#include "backend/base/json.h"

struct Attach {
    unsigned refs;
    bool freed;
    Backend *backend;
    BackendSession *session;
    const char *peer; /* still to be attached, NULL = no more */
    AttachDone done;
    void *data;
};

static void unref(Attach *attach)
{
    if (--attach->refs == 0) {
        g_free(attach);
    }
}

static void ask(Attach *attach, const char *address, const char *side);

static void on_attached(json_object *value, const GError *error, void *data)
{
    Attach *attach = data;
    const char *peer = attach->peer;

    (void)value;
    if (!attach->freed && error == NULL && peer != NULL) {
        attach->peer = NULL;
        ask(attach, peer, "destination");
    } else if (!attach->freed) {
        attach->done(error, attach->data);
    }
    unref(attach);
}

static void ask(Attach *attach, const char *address, const char *side)
{
    json_object *request = json_object_new_object();
    json_object *args = json_object_new_object();

    json_add_text(args, "address", address);
    json_add_text(args, "side", side);
    json_add_text(request, "execute", "x-connect");
    json_object_object_add(request, "arguments", args);
    attach->refs++;
    backend_execute(attach->backend, attach->session, request, on_attached, attach);
    json_object_put(request);
}

Attach *attach_new(Backend *backend, const Options *options, AttachDone done, void *data)
{
    Attach *attach = g_new0(Attach, 1);

    attach->refs = 1;
    attach->backend = backend;
    attach->session = backend_session_new(backend, NULL, NULL);
    attach->done = done;
    attach->data = data;
    if (options->connect != NULL) {
        attach->peer = options->peer;
        ask(attach, options->connect, "source");
    } else {
        ask(attach, options->peer, "destination");
    }
    return attach;
}

void attach_free(Attach *attach)
{
    if (attach != NULL) {
        attach->freed = true;
        backend_session_close(attach->session);
        unref(attach);
    }
}
