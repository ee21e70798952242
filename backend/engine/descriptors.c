/*
 * Descriptors received over a monitor's socket: under a name that belongs to the client (getfd), or
 * in a set that belongs to the program (add-fd). Main thread.
 */
#include "backend/engine/engine-internal.h"

#include <inttypes.h>
#include <unistd.h>

#include "backend/base/error.h"
#include "backend/engine/fdset.h"

/* ---- names ---- */

void engine_getfd(Engine *e, BackendSession *session, json_object *args, BackendReply *reply)
{
    const char *name = json_object_get_string(json_object_object_get(args, "fdname"));
    int fd;

    (void)e;
    if (g_ascii_isdigit(name[0])) {
        backend_reply_failure(reply, "Parameter 'fdname' expects a name not starting with a digit");
        return;
    }
    fd = backend_session_pop_fd(session);
    if (fd < 0) {
        backend_reply_failure(reply, "No file descriptor supplied via SCM_RIGHTS");
        return;
    }
    if (!backend_session_set_named_fd(session, name, fd)) {
        close(fd);
        backend_reply_failure(reply, "%d descriptors have a name already; closefd gives some back",
                              MAX_NAMED_FDS);
        return;
    }
    backend_reply_return(reply, NULL);
}

void engine_closefd(Engine *e, BackendSession *session, json_object *args, BackendReply *reply)
{
    const char *name = json_object_get_string(json_object_object_get(args, "fdname"));
    int fd = backend_session_take_named_fd(session, name);

    (void)e;
    if (fd < 0) {
        backend_reply_failure(reply, "File descriptor named '%s' not found", name);
        return;
    }
    close(fd);
    backend_reply_return(reply, NULL);
}

/* ---- sets ---- */

/* An optional number of @args; -1 without it. */
static int64_t number_of(json_object *args, const char *name, bool *ret_given)
{
    json_object *value;

    *ret_given = json_object_object_get_ex(args, name, &value);
    return *ret_given ? json_object_get_int64(value) : -1;
}

void engine_add_fd(Engine *e, BackendSession *session, json_object *args, BackendReply *reply)
{
    const char *opaque = json_object_get_string(json_object_object_get(args, "opaque"));
    int fd = backend_session_pop_fd(session);
    bool given;
    int64_t id = number_of(args, "fdset-id", &given);
    json_object *info;

    if (fd < 0) {
        backend_reply_failure(reply, "No file descriptor supplied via SCM_RIGHTS");
        return;
    }
    if (given && id < 0) {
        close(fd);
        backend_reply_failure(reply, "Parameter 'fdset-id' expects a non-negative value");
        return;
    }
    if (!fdsets_add(e->fdsets, id, fd, opaque, &id)) {
        close(fd);
        backend_reply_failure(reply, "%d descriptors are kept already; remove-fd gives some back",
                              FDSETS_MAX);
        return;
    }
    info = json_object_new_object();
    json_object_object_add(info, "fdset-id", json_object_new_int64(id));
    json_object_object_add(info, "fd", json_object_new_int(fd));
    backend_reply_return(reply, info);
}

void engine_remove_fd(Engine *e, BackendSession *session, json_object *args, BackendReply *reply)
{
    bool given;
    int64_t id = number_of(args, "fdset-id", &given);
    int64_t fd = number_of(args, "fd", &given);

    (void)session;
    /* A negative number names no descriptor, and must not be taken for "all of them". */
    if ((!given || fd >= 0) && fdsets_remove(e->fdsets, id, fd)) {
        backend_reply_return(reply, NULL);
    } else if (given) {
        backend_reply_failure(
            reply, "File descriptor named 'fdset-id:%" PRId64 ", fd:%" PRId64 "' not found", id,
            fd);
    } else {
        backend_reply_failure(reply, "File descriptor named 'fdset-id:%" PRId64 "' not found", id);
    }
}

void engine_query_fdsets(Engine *e, BackendSession *session, json_object *args, BackendReply *reply)
{
    (void)session, (void)args;
    backend_reply_return(reply, fdsets_to_json(e->fdsets));
}
