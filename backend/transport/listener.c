/*
 * The incoming side. Main thread.
 *
 * listener_new() opens the address, or starts the look-up of a host name first. The main loop
 * reports the result and the channels later. Sockets keep listening, and new connections wait in
 * the lobby; a file, a child or a passed descriptor is one channel.
 *
 * Every callback may free the listener, so its caller must not use the listener afterwards.
 */
#include "backend/transport/transport-private.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend/base/error.h"

/* Pause of accepting when descriptors, memory or places in the lobby are used up; else the loop
 * would spin. */
#define REST_S 1

/* Notices: so many at once, and one more each second. Strangers must not fill the log of this
 * process. */
#define NOTICES_AT_ONCE 4

struct Listener {
    Address *address;
    ListenerCallbacks callbacks;
    ListenerReady ready;
    void *data;
    bool busy;

    GError *error;         /* for @ready; NULL = listening */
    guint announce_source; /* will call @ready */
    ResolveJob *job;       /* the host name is being looked up */
    guint job_source;

    Transport *single; /* file, exec, fd: the only channel until it is handed over */
    guint single_source;

    GPtrArray *sockets;     /* of BoundSocket; NULL for @single */
    GPtrArray *addresses;   /* of Address, borrowed from @sockets */
    GArray *accept_sources; /* of guint */
    guint rest_source;
    Lobby *lobby;

    unsigned notices;    /* that may be given now */
    unsigned held_back;  /* notices that were not given, and */
    char *last_held;     /* the last of them */
    guint notice_source; /* each second, until all is given */

    Caller *next; /* a main connection that waits for the end of the attempt before it */
    guint next_source;

    int passed_flags;     /* of a passed listening socket, restored at the end; -1 = none */
    struct stat own_path; /* of the path we created; st_ino 0 = none */
};

/* ---- connections ---- */

static void give_held_back(Listener *l)
{
    g_autofree char *last = g_steal_pointer(&l->last_held);
    g_autofree char *text =
        l->held_back == 1 ? g_strdup(last)
                          : g_strdup_printf("%s (and %u more like it)", last, l->held_back - 1);

    l->held_back = 0;
    l->callbacks.notice(l, text, l->data);
}

static gboolean on_notice_second(gpointer data)
{
    Listener *l = data;

    if (l->held_back > 0) {
        give_held_back(l);
        return G_SOURCE_CONTINUE;
    }
    if (++l->notices < NOTICES_AT_ONCE) {
        return G_SOURCE_CONTINUE;
    }
    l->notice_source = 0;
    return G_SOURCE_REMOVE;
}

static void listener_notice(Listener *l, const char *text)
{
    if (l->callbacks.notice == NULL) {
        return;
    }
    if (l->notice_source == 0) {
        l->notice_source = g_timeout_add_seconds(1, on_notice_second, l);
    }
    if (l->notices > 0) {
        l->notices--;
        l->callbacks.notice(l, text, l->data);
        return;
    }
    l->held_back++;
    g_free(l->last_held);
    l->last_held = g_strdup(text);
}

/* Where there is only one connection nothing comes after it. */
static void lose(Listener *l, const char *text)
{
    if (l->sockets == NULL && l->callbacks.lost != NULL) {
        l->callbacks.lost(l, text, l->data);
    } else {
        listener_notice(l, text);
    }
}

static void on_dropped(const char *text, void *data)
{
    lose(data, text);
}

static void drop_next(Listener *l)
{
    g_clear_pointer(&l->next, caller_free);
    if (l->next_source != 0) {
        g_source_remove(l->next_source);
        l->next_source = 0;
    }
}

static void on_admitted(Caller *caller, ChannelType type, void *data)
{
    Listener *l = data;
    g_autofree char *peer = g_strdup(caller->peer);
    g_autoptr(GError) error = NULL;

    if (l->next != NULL && lobby_has_hung_up(l->next->fd)) {
        drop_next(l); /* it was cancelled while it waited */
    }
    if (l->busy && type == CHANNEL_MAIN && l->next == NULL &&
        l->callbacks.source_has_left != NULL && l->callbacks.source_has_left(l->data)) {
        /* A source that tries again at once: the attempt before it is about to end. */
        l->next = caller;
        return;
    }
    if (l->busy && type == CHANNEL_MAIN) {
        g_autofree char *text =
            g_strdup_printf("Extra incoming migration connection; ignoring (from %s)", peer);
        if (caller->session == NULL && l->callbacks.busy_answer_size > 0 &&
            send(caller->fd, l->callbacks.busy_answer, l->callbacks.busy_answer_size,
                 MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
            /* It has left: there is nobody to tell. */
        }
        caller_free(caller);
        listener_notice(l, text);
        return;
    }
    Transport *t = caller_transport(caller, address_traits[l->address->kind].name, &error);
    if (t == NULL) {
        g_autofree char *text =
            g_strdup_printf("dropped a connection from %s: %s", peer, error->message);
        if (!l->busy) {
            lobby_source_has_left(l->lobby);
        }
        lose(l, text);
        return;
    }
    socket_obey_keep_alive(t->fd, l->address);
    l->callbacks.channel(l, type, t, l->data);
}

static gboolean on_next(gpointer data)
{
    Listener *l = data;

    l->next_source = 0;
    on_admitted(g_steal_pointer(&l->next), CHANNEL_MAIN, l);
    return G_SOURCE_REMOVE;
}

static void on_unexpected(ChannelType type, void *data)
{
    Listener *l = data;

    if (l->callbacks.unexpected != NULL) {
        l->callbacks.unexpected(l, type, l->data);
    }
}

static TlsSetup *on_tls(void *data)
{
    Listener *l = data;

    return l->callbacks.tls != NULL ? l->callbacks.tls(l->data) : NULL;
}

static const LobbyCallbacks lobby_callbacks = {
    .admit = on_admitted,
    .dropped = on_dropped,
    .unexpected = on_unexpected,
    .tls = on_tls,
};

static void stop_accepting(Listener *l)
{
    for (guint i = 0; i < l->accept_sources->len; i++) {
        g_source_remove(g_array_index(l->accept_sources, guint, i));
    }
    g_array_set_size(l->accept_sources, 0);
}

static void start_accepting(Listener *l);

static gboolean on_rested(gpointer data)
{
    Listener *l = data;

    l->rest_source = 0;
    start_accepting(l);
    return G_SOURCE_REMOVE;
}

static void rest(Listener *l)
{
    stop_accepting(l);
    l->rest_source = g_timeout_add_seconds(REST_S, on_rested, l);
}

static gboolean on_connection(int listen_fd, GIOCondition condition, gpointer data)
{
    Listener *l = data;

    (void)condition;
    if (lobby_is_full(l->lobby)) {
        rest(l); /* the connection stays in the kernel's queue */
        return G_SOURCE_CONTINUE;
    }
    int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0) {
        g_autofree char *peer = socket_address_peer(fd, l->address);
        lobby_add(l->lobby, fd, peer);
        return G_SOURCE_CONTINUE;
    }
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
        g_autofree char *text =
            g_strdup_printf("cannot take a connection: %s; trying again", g_strerror(errno));
        rest(l);
        listener_notice(l, text);
    }
    return G_SOURCE_CONTINUE; /* other errors concern only that connection */
}

static void start_accepting(Listener *l)
{
    for (guint i = 0; i < l->sockets->len; i++) {
        const BoundSocket *bound = g_ptr_array_index(l->sockets, i);
        guint source = g_unix_fd_add(bound->fd, G_IO_IN, on_connection, l);

        g_array_append_val(l->accept_sources, source);
    }
}

/* The only connection, a passed descriptor, when TLS is demanded: the handshake is done in the
 * lobby. */
static void secure_single(Listener *l)
{
    g_autoptr(Transport) single = g_steal_pointer(&l->single);
    g_auto(MigFd) fd = single->two_way ? fcntl(single->fd, F_DUPFD_CLOEXEC, 0) : -1;

    if (fd < 0) {
        g_autofree char *text =
            single->two_way ? g_strdup_printf("%s: %s", transport_name(single), g_strerror(errno))
                            : g_strdup_printf("%s cannot carry TLS", transport_name(single));
        lose(l, text);
        return;
    }
    l->lobby = lobby_new(&lobby_callbacks, l);
    lobby_add(l->lobby, mig_fd_steal(&fd), transport_name(single));
}

static gboolean on_single(gpointer data)
{
    Listener *l = data;
    g_autoptr(TlsSetup) setup = on_tls(l);

    l->single_source = 0;
    if (setup != NULL) {
        secure_single(l);
    } else {
        l->callbacks.channel(l, CHANNEL_MAIN, g_steal_pointer(&l->single), l->data);
    }
    return G_SOURCE_REMOVE;
}

/* ---- opening ---- */

/* Reports the result of opening and begins to serve. */
static void announce(Listener *l)
{
    g_autoptr(GError) error = g_steal_pointer(&l->error); /* outlives the listener */

    if (error == NULL) {
        if (l->sockets != NULL) {
            start_accepting(l);
        } else {
            l->single_source = g_idle_add_full(G_PRIORITY_DEFAULT, on_single, l, NULL);
        }
    }
    l->ready(l, error, l->data);
}

static gboolean on_announce(gpointer data)
{
    Listener *l = data;

    l->announce_source = 0;
    announce(l);
    return G_SOURCE_REMOVE;
}

/* Takes ownership of @sockets; NULL = they could not be created. */
static void adopt_sockets(Listener *l, GPtrArray *sockets)
{
    if (sockets == NULL) {
        return;
    }
    l->sockets = sockets;
    l->lobby = lobby_new(&lobby_callbacks, l);
    for (guint i = 0; i < sockets->len; i++) {
        const BoundSocket *bound = g_ptr_array_index(sockets, i);
        g_ptr_array_add(l->addresses, bound->address);
    }
}

static void listen_found(Listener *l, struct addrinfo *found)
{
    if (found != NULL) {
        adopt_sockets(l, listen_inet(l->address, found, &l->error));
        freeaddrinfo(found);
    }
}

static gboolean on_resolved(int fd, GIOCondition condition, gpointer data)
{
    Listener *l = data;

    (void)fd;
    (void)condition;
    l->job_source = 0;
    listen_found(l, resolve_take(l->job, &l->error));
    g_clear_pointer(&l->job, resolve_unref);
    announce(l);
    return G_SOURCE_REMOVE;
}

/* False when a host name has to be looked up first and the result comes later. */
static bool open_inet(Listener *l)
{
    bool numeric;

    if (!maker_check(l->address, &l->error)) {
        return true;
    }
    struct addrinfo *found = resolve_numeric(l->address, true, &numeric, &l->error);
    if (numeric) {
        listen_found(l, found);
        return true;
    }
    l->job = resolve_start(l->address, true, &l->error);
    if (l->job == NULL) {
        return true;
    }
    l->job_source = g_unix_fd_add(resolve_fd(l->job), G_IO_IN, on_resolved, l);
    return false;
}

static void open_sockets(Listener *l)
{
    adopt_sockets(l, maker_of(l->address)->listen(l->address, &l->error));
    if (l->sockets != NULL && address_has(l->address, TRAIT_PATH) &&
        l->address->abstract != FLAG_ON && lstat(l->address->path, &l->own_path) < 0) {
        l->own_path.st_ino = 0;
    }
}

static bool is_listening(int fd)
{
    int listening = 0;
    socklen_t length = sizeof listening;

    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &length) == 0 && listening != 0;
}

/* Uses a passed listening socket. It is made non-blocking, since another process may accept the
 * connection that woke us; listener_free() restores its mode. */
static void open_listening_fd(Listener *l, int fd)
{
    l->passed_flags = fcntl(fd, F_GETFL);
    fcntl(fd, F_SETFL, l->passed_flags | O_NONBLOCK);
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    adopt_sockets(l, listen_adopt(fd, l->address));
}

static void open_single(Listener *l, int fd)
{
    g_auto(MigFd) own = fd;

    if (fd >= 0 && is_listening(fd)) {
        open_listening_fd(l, mig_fd_steal(&own));
        return;
    }
    l->single = maker_of(l->address)->open(l->address, fd, STREAM_IN, &l->error);
    if (l->single != NULL) {
        mig_fd_steal(&own);
    }
}

static void refuse_rdma(Listener *l)
{
    g_autofree char *uri = socket_address_name(l->address);

    g_set_error(&l->error, MIG_ERROR, MIG_ERROR_UNSUPPORTED, "unknown migration protocol: %s", uri);
    mig_error_hint(&l->error, "RDMA is not built into migmon");
}

/* Returns false like open_inet(). */
static bool open_address(Listener *l, int fd)
{
    const AddressMaker *maker = maker_of(l->address);

    if (!maker_exists(l->address)) {
        refuse_rdma(l);
    } else if (maker->open != NULL) {
        open_single(l, fd);
    } else if (maker->listen != NULL) {
        open_sockets(l);
    } else {
        return open_inet(l);
    }
    return true;
}

Listener *listener_new(const Address *address, int fd, const ListenerCallbacks *callbacks,
                       ListenerReady ready, void *data)
{
    Listener *l = g_new0(Listener, 1);

    l->address = address_copy(address);
    l->callbacks = *callbacks;
    l->ready = ready;
    l->data = data;
    l->addresses = g_ptr_array_new();
    l->accept_sources = g_array_new(FALSE, FALSE, sizeof(guint));
    l->notices = NOTICES_AT_ONCE;
    l->passed_flags = -1;
    if (open_address(l, fd)) {
        l->announce_source = g_idle_add_full(G_PRIORITY_DEFAULT, on_announce, l, NULL);
    }
    return l;
}

/* ---- the end ---- */

static void remove_source(guint *source)
{
    if (*source != 0) {
        g_source_remove(*source);
        *source = 0;
    }
}

/* Unlinks the path, unless another process has replaced it meanwhile. */
static void remove_path(const Listener *l)
{
    struct stat now;

    if (l->own_path.st_ino != 0 && lstat(l->address->path, &now) == 0 &&
        now.st_ino == l->own_path.st_ino && now.st_dev == l->own_path.st_dev) {
        unlink(l->address->path);
    }
}

void listener_free(Listener *l)
{
    if (l == NULL) {
        return;
    }
    remove_source(&l->announce_source);
    remove_source(&l->job_source);
    remove_source(&l->single_source);
    remove_source(&l->rest_source);
    remove_source(&l->notice_source);
    if (l->held_back > 0) {
        give_held_back(l);
    }
    drop_next(l);
    stop_accepting(l);
    remove_path(l);
    if (l->passed_flags != -1) {
        const BoundSocket *passed = g_ptr_array_index(l->sockets, 0);
        fcntl(passed->fd, F_SETFL, l->passed_flags);
    }
    lobby_free(l->lobby);
    resolve_unref(l->job);
    transport_free(l->single);
    g_clear_pointer(&l->sockets, g_ptr_array_unref);
    g_ptr_array_unref(l->addresses);
    g_array_unref(l->accept_sources);
    g_clear_error(&l->error);
    address_free(l->address);
    g_free(l);
}

void listener_want(Listener *l, ChannelType type, unsigned count)
{
    if (l->lobby != NULL) {
        lobby_want(l->lobby, type, count);
    }
}

void listener_set_busy(Listener *l, bool busy)
{
    l->busy = busy;
    if (!busy && l->lobby != NULL) {
        lobby_source_has_left(l->lobby);
    }
    if (!busy && l->next != NULL && l->next_source == 0) {
        l->next_source = g_idle_add_full(G_PRIORITY_DEFAULT, on_next, l, NULL);
    }
}

bool listener_has_next(const Listener *l)
{
    return l->next != NULL;
}

bool listener_is_open(const Listener *l)
{
    return l->rest_source == 0;
}

bool listener_is_reusable(const Listener *l)
{
    return l->sockets != NULL;
}

const GPtrArray *listener_addresses(const Listener *l)
{
    return l->addresses;
}
