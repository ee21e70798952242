/*
 * The requests about objects, and what the TLS parameters demand of connections. Main thread.
 *
 * The credentials are looked up when a connection is made, as QEMU does it: an object may be made
 * after migrate-incoming.
 */
#include "backend/engine/engine-internal.h"

#include <string.h>

#include "backend/base/error.h"
#include "backend/base/json.h"

#define OBJECTS "/objects"

/* ---- requests ---- */

static void warn_session(void *data, const char *text)
{
    backend_session_warn(data, text);
}

static void answer(BackendReply *reply, bool done, GError *error)
{
    if (done) {
        backend_reply_return(reply, NULL);
    } else {
        backend_reply_error(reply, error);
    }
}

void engine_object_add(Engine *e, BackendSession *session, json_object *args, BackendReply *reply)
{
    GError *error = NULL;
    bool done = objects_add(e->objects, args, warn_session, session, &error);

    answer(reply, done, error);
}

void engine_object_del(Engine *e, BackendSession *session, json_object *args, BackendReply *reply)
{
    GError *error = NULL;
    bool done = objects_delete(e->objects, json_text(args, "id"), &error);

    (void)session;
    answer(reply, done, error);
}

void engine_qom_list(Engine *e, BackendSession *session, json_object *args, BackendReply *reply)
{
    const char *path = json_text(args, "path");
    GError *error = NULL;

    (void)session;
    if (strcmp(path, OBJECTS) != 0) {
        g_set_error(&error, MIG_ERROR, MIG_ERROR_DEVICE_NOT_FOUND, "Device '%s' not found", path);
        mig_error_hint(&error, "this guest has no object tree but %s", OBJECTS);
        backend_reply_error(reply, error);
        return;
    }
    backend_reply_return(reply, objects_list(e->objects));
}

void engine_qom_list_properties(Engine *e, BackendSession *session, json_object *args,
                                BackendReply *reply)
{
    const char *type = json_text(args, "typename");
    json_object *list = objects_properties(type);

    (void)e, (void)session;
    if (list == NULL) {
        backend_reply_error(reply, g_error_new(MIG_ERROR, MIG_ERROR_DEVICE_NOT_FOUND,
                                               "Class '%s' not found", type));
        return;
    }
    backend_reply_return(reply, list);
}

/* ---- TLS ---- */

static TlsSetup *setup_new(Engine *e, TlsSide side)
{
    const char *id = e->parameters.tls_creds;

    if (id == NULL || *id == '\0') {
        return NULL;
    }
    TlsSetup *setup = g_new0(TlsSetup, 1);
    setup->credentials = objects_tls_credentials(e->objects, id, side, &setup->problem);
    return setup;
}

TlsSetup *engine_tls_client(Engine *e, const Address *address)
{
    TlsSetup *setup = setup_new(e, TLS_CLIENT);
    const char *named = e->parameters.tls_hostname;

    if (setup != NULL) {
        setup->hostname = named != NULL && *named != '\0' ? g_strdup(named)
                          : address->kind == ADDRESS_INET ? g_strdup(address->host)
                                                          : NULL;
    }
    return setup;
}

static bool may_connect(const char *name, void *data, GError **error)
{
    const Engine *e = data;
    const char *id = e->parameters.tls_authz;

    return id == NULL || *id == '\0' ||
           objects_allow(e->objects, id, name != NULL ? name : "a peer without a name", error);
}

TlsSetup *engine_tls_server(void *engine)
{
    TlsSetup *setup = setup_new(engine, TLS_SERVER);

    if (setup != NULL) {
        setup->may_connect = may_connect;
        setup->data = engine;
    }
    return setup;
}
