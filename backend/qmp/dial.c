/*
 * See dial.h. A separate thread looks names up, because that can take minutes
 * and cannot be interrupted; the last unref frees the struct shared with it.
 * Everything else happens in the main loop.
 */
#include "backend/qmp/dial.h"

#include <errno.h>
#include <glib-unix.h>
#include <netdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "backend/base/error.h"
#include "backend/base/fd.h"

/* Shared with the thread, which stores its result and then posts lookup_over(). */
typedef struct {
    atomic_int refs;
    char *host, *port;
    struct addrinfo *found;
    const char *failure; /* NULL = found */
    atomic_bool ready;   /* the two above are written */
    QmpDial *dial;       /* main thread only; NULL after qmp_dial_free() */
} Lookup;

struct QmpDial {
    Address *address;
    unsigned timeout_ms;
    QmpDialDone done;
    void *data;
    Lookup *lookup;
    const struct addrinfo *next; /* the next address to try */
    int fd;
    guint watch, timer, begin;
    int last_errno;
};

static void try_next(QmpDial *dial);

/* ---- addresses ---- */

Address *qmp_address_parse(const char *text, GError **error)
{
    g_autofree char *uri = *text == '/' ? g_strconcat("unix:", text, NULL) : g_strdup(text);
    g_autoptr(Address) address = address_from_uri(uri, error);

    if (address == NULL) {
        g_prefix_error(error, "monitor address: ");
        mig_error_hint(error, "unix:PATH or tcp:HOST:PORT of a QMP monitor");
        return NULL;
    }
    if ((address->kind != ADDRESS_UNIX && address->kind != ADDRESS_INET) ||
        (address->kind == ADDRESS_UNIX && *address->path == '\0')) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC, "'%s' is no address of a monitor", text);
        mig_error_hint(error, "unix:PATH or tcp:HOST:PORT of a QMP monitor");
        return NULL;
    }
    return g_steal_pointer(&address);
}

/* ---- the end ---- */

static void lookup_unref(Lookup *lookup)
{
    if (lookup != NULL && atomic_fetch_sub(&lookup->refs, 1) == 1) {
        if (lookup->found != NULL) {
            freeaddrinfo(lookup->found);
        }
        g_free(lookup->host);
        g_free(lookup->port);
        g_free(lookup);
    }
}

void qmp_dial_free(QmpDial *dial)
{
    if (dial == NULL) {
        return;
    }
    g_clear_handle_id(&dial->watch, g_source_remove);
    g_clear_handle_id(&dial->timer, g_source_remove);
    g_clear_handle_id(&dial->begin, g_source_remove);
    mig_fd_clear(&dial->fd);
    if (dial->lookup != NULL) {
        dial->lookup->dial = NULL;
        lookup_unref(dial->lookup);
    }
    address_free(dial->address);
    g_free(dial);
}

/* Ends the dial with its socket, or with @error. */
static void finish(QmpDial *dial, GError *error)
{
    QmpDialDone done = dial->done;
    void *data = dial->data;
    int fd = error == NULL ? mig_fd_steal(&dial->fd) : -1;

    qmp_dial_free(dial);
    done(fd, error, data);
    g_clear_error(&error);
}

static void fail(QmpDial *dial, int errnum)
{
    g_autofree char *name = address_to_uri(dial->address);
    GError *error = NULL;

    mig_error_set_errno(&error, errnum, "cannot connect to %s", name);
    if (errnum == ECONNREFUSED || errnum == ENOENT) {
        mig_error_hint(&error,
                       "nothing listens there: has QEMU ended, or was it started without "
                       "-qmp %s,server=on,wait=off?",
                       name);
    } else if (errnum == EAGAIN) {
        mig_error_hint(&error, "others wait for this monitor already: it serves one client at a "
                               "time");
    }
    finish(dial, error);
}

static gboolean on_timeout(void *data)
{
    QmpDial *dial = data;

    dial->timer = 0;
    fail(dial, ETIMEDOUT);
    return G_SOURCE_REMOVE;
}

/* ---- connecting ---- */

static gboolean on_writable(gint fd, GIOCondition condition, void *data)
{
    QmpDial *dial = data;
    socklen_t size = sizeof(dial->last_errno);

    (void)condition;
    dial->watch = 0;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &dial->last_errno, &size) != 0) {
        dial->last_errno = errno;
    }
    if (dial->last_errno == 0) {
        finish(dial, NULL);
    } else {
        try_next(dial);
    }
    return G_SOURCE_REMOVE;
}

/* True when the connection is made or in progress. */
static bool begin_connect(QmpDial *dial, const struct sockaddr *address, socklen_t size)
{
    mig_fd_clear(&dial->fd);
    dial->fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (dial->fd < 0 || (connect(dial->fd, address, size) != 0 && errno != EINPROGRESS)) {
        dial->last_errno = errno;
        return false;
    }
    dial->watch = g_unix_fd_add(dial->fd, G_IO_OUT | G_IO_ERR | G_IO_HUP, on_writable, dial);
    return true;
}

static void connect_unix(QmpDial *dial)
{
    struct sockaddr_un name = { .sun_family = AF_UNIX };

    if (strlen(dial->address->path) >= sizeof(name.sun_path)) {
        fail(dial, ENAMETOOLONG);
        return;
    }
    strcpy(name.sun_path, dial->address->path);
    if (!begin_connect(dial, (struct sockaddr *)&name, sizeof(name))) {
        fail(dial, dial->last_errno);
    }
}

static void try_next(QmpDial *dial)
{
    while (dial->next != NULL) {
        const struct addrinfo *one = dial->next;

        dial->next = one->ai_next;
        if (begin_connect(dial, one->ai_addr, one->ai_addrlen)) {
            return;
        }
    }
    fail(dial, dial->last_errno);
}

/* ---- looking up ---- */

static gboolean lookup_over(void *data)
{
    Lookup *lookup = data;
    QmpDial *dial = lookup->dial;

    if (!atomic_load(&lookup->ready)) {
        return G_SOURCE_CONTINUE; /* impossible: it is posted after that */
    }
    if (dial != NULL && lookup->failure != NULL) {
        finish(dial, g_error_new(MIG_ERROR, MIG_ERROR_IO, "address resolution failed for %s:%s: %s",
                                 lookup->host, lookup->port, lookup->failure));
    } else if (dial != NULL) {
        dial->next = lookup->found;
        try_next(dial);
    }
    lookup_unref(lookup);
    return G_SOURCE_REMOVE;
}

static void *look_up(void *data)
{
    Lookup *lookup = data;
    const struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };

    int code = getaddrinfo(lookup->host, lookup->port, &hints, &lookup->found);
    lookup->failure = code != 0 ? mig_error_of_lookup(code) : NULL;
    atomic_store(&lookup->ready, true);
    g_idle_add_full(G_PRIORITY_DEFAULT, lookup_over, lookup, NULL);
    return NULL;
}

static void connect_inet(QmpDial *dial)
{
    Lookup *lookup = g_new0(Lookup, 1);
    pthread_t thread;

    atomic_init(&lookup->refs, 2);
    lookup->host = g_strdup(*dial->address->host != '\0' ? dial->address->host : "localhost");
    lookup->port = g_strdup(dial->address->port);
    lookup->dial = dial;
    dial->lookup = lookup;

    int code = pthread_create(&thread, NULL, look_up, lookup);
    if (code != 0) {
        g_autofree char *name = address_to_uri(dial->address);
        GError *error = NULL;

        lookup_unref(lookup);
        mig_error_set_errno(&error, code, "cannot connect to %s: making a thread", name);
        finish(dial, error);
        return;
    }
    pthread_detach(thread);
}

static gboolean begin(void *data)
{
    QmpDial *dial = data;

    dial->begin = 0;
    if (dial->address->kind == ADDRESS_UNIX) {
        connect_unix(dial);
    } else {
        connect_inet(dial);
    }
    return G_SOURCE_REMOVE;
}

QmpDial *qmp_dial_new(const Address *address, unsigned timeout_ms, QmpDialDone done, void *data)
{
    QmpDial *dial = g_new0(QmpDial, 1);

    dial->address = address_copy(address);
    dial->timeout_ms = timeout_ms;
    dial->done = done;
    dial->data = data;
    dial->fd = -1;
    dial->timer = g_timeout_add(timeout_ms, on_timeout, dial);
    dial->begin = g_idle_add_full(G_PRIORITY_DEFAULT, begin, dial, NULL);
    return dial;
}
