/*
 * Accepted connections wait here until their first bytes are known. A port scanner, a health check
 * or a person with telnet must not count as the migration: only a connection that begins with the
 * first word of an expected channel is admitted. Every other one is dropped with a notice that
 * describes it. Main thread.
 *
 * Where TLS is on, the handshake comes first; it never waits, so many can be under way. The first
 * bytes are only looked at: the reader of the stream still gets all of them.
 */
#include "backend/transport/transport-private.h"

#include <errno.h>
#include <glib-unix.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

/* Places in addition to those of the expected channels, and how long a connection may be silent. As
 * many connections again may wait beyond these places, with a short time limit, so that a
 * connection that does send is soon admitted even if many are silent. No connection displaces
 * another one. */
#define PLACES     16
#define SILENT_MS  (30 * 1000)
#define CROWDED_MS 1000
/* When only some of the four bytes have come, poll() returns at once: the rest is polled for at
 * this interval. */
#define REST_MS 20

struct Lobby {
    LobbyCallbacks callbacks;
    void *data;
    GQueue waiting; /* of Waiting, the oldest first */
    unsigned wanted[CHANNEL__COUNT];
    unsigned silent_ms, crowded_ms;
    uint64_t n_come;

    /* Of the active main channel, if there is one. */
    bool has_source;
    uint64_t source_number;
    char *source_host;
};

typedef struct {
    Lobby *lobby;
    Caller *caller;  /* NULL once admitted */
    bool greeted;    /* the TLS handshake is done, or none is needed */
    char *host;      /* the same for all connections of one peer; NULL = not known */
    uint64_t number; /* counts arrivals */
    bool crowded;    /* beyond the regular places */
    guint source;
    guint deadline; /* 0 = may be silent while the main channel is active */
} Waiting;

static const struct {
    const char *bytes;
    size_t length;
    const char *what;
} strangers[] = {
    { "\x11\x22\x33\x44", 4, "a multifd channel; capability multifd is off here" },
    { "\x16\x03", 2, "TLS; parameter tls-creds is not set here" },
    { "GET ", 4, "an HTTP request" },
    { "SSH-", 4, "an SSH client" },
};

/* ---- what is a channel ---- */

#define LONGEST 8 /* bytes needed to recognise a channel */

typedef enum { IS_CHANNEL, MAY_BE, IS_STRANGER } Recognised;

static Recognised begins_with(const uint8_t *bytes, size_t got, const void *wanted, size_t length)
{
    if (memcmp(bytes, wanted, MIN(got, length)) != 0) {
        return IS_STRANGER;
    }
    return got >= length ? IS_CHANNEL : MAY_BE;
}

static Recognised is_main(const uint8_t *bytes, size_t got)
{
    return begins_with(bytes, got, "QEVM", 4);
}

static Recognised is_multifd(const uint8_t *bytes, size_t got)
{
    return begins_with(bytes, got, "\x11\x22\x33\x44", 4);
}

/* The magic and the version of a channel's first packet: no accident. */
static bool is_multifd_source(const uint8_t *bytes, size_t got)
{
    return begins_with(bytes, got, "\x11\x22\x33\x44\0\0\0\1", 8) == IS_CHANNEL;
}

/* Recognises command 10. */
static Recognised is_recovery(const uint8_t *bytes, size_t got)
{
    return begins_with(bytes, got, "\x08\x00\x0a", 3);
}

/* The first record names its block, so its word is one of three: an offset with the flag of a page
 * or of a zero page in its low bits, or an immediate end. */
static Recognised is_pages(const uint8_t *bytes, size_t got)
{
    unsigned flags;

    if (bytes[0] != 0) {
        return IS_STRANGER; /* no block is that long */
    }
    if (got < LONGEST) {
        return MAY_BE;
    }
    flags = (unsigned)(bytes[6] << 8 | bytes[7]) & 0xfff;
    return flags == 0x002 || flags == 0x008 || flags == 0x010 ? IS_CHANNEL : IS_STRANGER;
}

static Recognised (*const channels[CHANNEL__COUNT])(const uint8_t *bytes, size_t got) = {
    [CHANNEL_MAIN] = is_main,
    [CHANNEL_RECOVERY] = is_recovery,
    [CHANNEL_PAGES] = is_pages,
    [CHANNEL_MULTIFD] = is_multifd,
};

static Recognised recognise(const Lobby *lobby, const uint8_t *bytes, size_t got, ChannelType *ret)
{
    Recognised best = IS_STRANGER;

    for (unsigned i = 0; i < CHANNEL__COUNT; i++) {
        Recognised found = lobby->wanted[i] ? channels[i](bytes, got) : IS_STRANGER;

        if (found == IS_CHANNEL) {
            *ret = (ChannelType)i;
            return IS_CHANNEL;
        }
        best = found == MAY_BE ? MAY_BE : best;
    }
    return best;
}

/* "began with ..." for messages. */
static char *describe_bytes(const uint8_t *bytes, size_t length)
{
    for (size_t i = 0; i < G_N_ELEMENTS(strangers); i++) {
        if (length >= strangers[i].length &&
            memcmp(bytes, strangers[i].bytes, strangers[i].length) == 0) {
            return g_strdup_printf("it is %s", strangers[i].what);
        }
    }

    g_autoptr(GString) text = g_string_new("it began with");
    for (size_t i = 0; i < length; i++) {
        g_string_append_printf(text, " %02x", bytes[i]);
    }
    g_string_append(text, " (\"");
    for (size_t i = 0; i < length; i++) {
        g_string_append_c(text, g_ascii_isprint(bytes[i]) ? (char)bytes[i] : '.');
    }
    g_string_append(text, "\"), not with \"QEVM\"");
    return g_string_free(g_steal_pointer(&text), FALSE);
}

/* Removes @w from its lobby, so that a callback may free the lobby. */
static void leave(Waiting *w)
{
    if (w->source != 0) {
        g_source_remove(w->source);
        w->source = 0;
    }
    if (w->deadline != 0) {
        g_source_remove(w->deadline);
        w->deadline = 0;
    }
    g_queue_remove(&w->lobby->waiting, w);
}

void caller_free(Caller *caller)
{
    if (caller == NULL) {
        return;
    }
    tls_session_free(caller->session);
    if (caller->fd >= 0) {
        close(caller->fd);
    }
    g_free(caller->peer);
    g_free(caller);
}

Transport *caller_transport(Caller *caller, const char *kind, GError **error)
{
    g_autoptr(Caller) own = caller;
    Transport *t = own->session != NULL ? tls_transport_new(own->session, own->peer, error)
                                        : socket_transport_new(own->fd, kind, own->peer, error);

    if (t != NULL) {
        own->session = NULL;
        own->fd = -1;
    }
    return t;
}

static void waiting_free(Waiting *w)
{
    caller_free(w->caller);
    g_free(w->host);
    g_free(w);
}

static void drop(Waiting *w, const char *why)
{
    LobbyCallbacks callbacks = w->lobby->callbacks;
    void *data = w->lobby->data;
    g_autofree char *text =
        g_strdup_printf("dropped a connection from %s: %s", w->caller->peer, why);

    leave(w);
    waiting_free(w);
    callbacks.dropped(text, data);
}

static void admit(Waiting *w, ChannelType type)
{
    Lobby *lobby = w->lobby;
    LobbyCallbacks callbacks = lobby->callbacks;
    void *data = lobby->data;
    Caller *caller = g_steal_pointer(&w->caller);

    if ((type == CHANNEL_MAIN || type == CHANNEL_RECOVERY) && !lobby->has_source) {
        lobby->has_source = true;
        lobby->source_number = w->number;
        lobby->source_host = g_steal_pointer(&w->host);
    }
    leave(w);
    waiting_free(w);
    callbacks.admit(caller, type, data);
}

static gboolean on_readable(int fd, GIOCondition condition, gpointer data);

static gboolean on_rest(gpointer data);

bool lobby_has_hung_up(int fd)
{
    struct pollfd polled = { .fd = fd, .events = POLLRDHUP };

    return poll(&polled, 1, 0) == 1;
}

/* As recv() with MSG_PEEK; *@ret_why, the caller's, is set where more than errno is known. */
static ssize_t peek(const Waiting *w, void *buffer, size_t size, char **ret_why)
{
    g_autoptr(GError) error = NULL;

    if (w->caller->session == NULL) {
        return recv(w->caller->fd, buffer, size, MSG_PEEK | MSG_DONTWAIT);
    }
    ssize_t got = tls_session_peek(w->caller->session, buffer, size, &error);
    if (error != NULL) {
        *ret_why = g_strdup(error->message);
    }
    return got;
}

/* ---- TLS ---- */

static void watch(Waiting *w, GIOCondition condition)
{
    if (w->source != 0) {
        g_source_remove(w->source);
    }
    w->source = g_unix_fd_add(w->caller->fd, condition | G_IO_HUP | G_IO_ERR, on_readable, w);
}

/* True when the first byte of @fd has come and is not that of a TLS record. */
static bool speaks_plain(int fd)
{
    uint8_t first;

    return recv(fd, &first, 1, MSG_PEEK | MSG_DONTWAIT) == 1 && first != 0x16;
}

/* An alert that a TLS client understands and by which a migmon without TLS recognises the reason:
 * fatal, protocol_version. */
static const uint8_t plain_alert[] = { 0x15, 0x03, 0x01, 0x00, 0x02, 0x02, 0x46 };

/* Goes on with the handshake. True once the peer may speak; else @w waits or is freed. */
static bool greet(Waiting *w)
{
    Caller *caller = w->caller;
    g_autoptr(GError) error = NULL;

    if (w->greeted) {
        return true;
    }
    if (caller->session == NULL) {
        g_autoptr(TlsSetup) setup =
            w->lobby->callbacks.tls != NULL ? w->lobby->callbacks.tls(w->lobby->data) : NULL;

        if (setup == NULL) {
            w->greeted = true;
            return true;
        }
        if (speaks_plain(caller->fd)) {
            send(caller->fd, plain_alert, sizeof plain_alert, MSG_DONTWAIT | MSG_NOSIGNAL);
            drop(w, "it does not speak TLS; parameter tls-creds is set here");
            return false;
        }
        caller->session = tls_session_new(caller->fd, setup, &error);
        if (caller->session == NULL) {
            drop(w, error->message);
            return false;
        }
    }
    switch (tls_session_handshake(caller->session, &error)) {
    case TLS_DONE:
        w->greeted = true;
        watch(w, G_IO_IN);
        return true;
    case TLS_WANTS_READ:
        watch(w, G_IO_IN);
        break;
    case TLS_WANTS_WRITE:
        watch(w, G_IO_OUT);
        break;
    case TLS_FAILED:
        drop(w, error->message);
        break;
    }
    return false;
}

/* ---- the first bytes ---- */

/* Examines the received bytes; may free @w. @polled: the descriptor is readable. */
static void look(Waiting *w, bool polled)
{
    uint8_t bytes[LONGEST];
    ChannelType type;
    g_autofree char *broken = NULL;
    ssize_t got;

    if (!greet(w)) {
        return;
    }
    got = peek(w, bytes, sizeof bytes, &broken);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (got == 0 && w->lobby->wanted[CHANNEL_PAGES]) {
        leave(w); /* a channel of requested pages, and none was requested */
        waiting_free(w);
        return;
    }
    if (got <= 0) {
        drop(w, got == 0 ? "it left without a word" : broken != NULL ? broken : g_strerror(errno));
        return;
    }
    switch (recognise(w->lobby, bytes, (size_t)got, &type)) {
    case IS_CHANNEL:
        admit(w, type);
        return;
    case IS_STRANGER: {
        g_autofree char *why = describe_bytes(bytes, MIN((size_t)got, 4));
        LobbyCallbacks callbacks = w->lobby->callbacks;
        void *data = w->lobby->data;

        /* Before the notice, whose callback may free the lobby. */
        if (callbacks.unexpected != NULL && is_multifd_source(bytes, (size_t)got)) {
            callbacks.unexpected(CHANNEL_MULTIFD, data);
        }
        drop(w, why);
        return;
    }
    case MAY_BE:
        break;
    }
    if (lobby_has_hung_up(w->caller->fd)) {
        drop(w, "it left in the middle of its first word");
        return;
    }
    if (polled && w->caller->session == NULL) {
        /* The descriptor stays readable although no new byte has come. */
        g_source_remove(w->source);
        w->source = g_timeout_add(REST_MS, on_rest, w);
    }
}

static gboolean on_readable(int fd, GIOCondition condition, gpointer data)
{
    (void)fd;
    (void)condition;
    look(data, true);
    return G_SOURCE_CONTINUE; /* at the end look() has removed the source */
}

static gboolean on_rest(gpointer data)
{
    look(data, false);
    return G_SOURCE_CONTINUE;
}

/* ---- silence ---- */

/* The channel of requested pages is opened after its main channel and is silent until a page is
 * requested. Some connections that may be this channel are kept while the main channel is
 * active. */
static bool may_be_silent(const Waiting *w)
{
    const Lobby *lobby = w->lobby;
    unsigned n_kept = 0;

    for (const GList *l = lobby->waiting.head; l != NULL; l = l->next) {
        n_kept += ((const Waiting *)l->data)->deadline == 0;
    }
    return lobby->wanted[CHANNEL_PAGES] && lobby->has_source &&
           (w->greeted || w->caller->session == NULL) && w->number > lobby->source_number &&
           w->host != NULL && g_strcmp0(w->host, lobby->source_host) == 0 && n_kept < PLACES;
}

static gboolean on_deadline(gpointer data)
{
    Waiting *w = data;

    if (may_be_silent(w)) {
        w->deadline = 0;
        return G_SOURCE_REMOVE;
    }
    g_autofree char *why = w->crowded ? g_strdup("too many connections wait, and it said nothing")
                                      : g_strdup_printf("it did not say what it is within %u s",
                                                        w->lobby->silent_ms / 1000);
    drop(w, why);
    return G_SOURCE_CONTINUE; /* drop() has removed the source */
}

void lobby_source_has_left(Lobby *lobby)
{
    lobby->has_source = false;
    g_clear_pointer(&lobby->source_host, g_free);
    for (GList *l = lobby->waiting.head; l != NULL; l = l->next) {
        Waiting *w = l->data;

        if (w->deadline == 0) {
            w->deadline = g_timeout_add(lobby->silent_ms, on_deadline, w);
        }
    }
}

/* ---- life ---- */

Lobby *lobby_new(const LobbyCallbacks *callbacks, void *data)
{
    Lobby *lobby = g_new0(Lobby, 1);

    lobby->callbacks = *callbacks;
    lobby->data = data;
    g_queue_init(&lobby->waiting);
    lobby->wanted[CHANNEL_MAIN] = 1;
    lobby->silent_ms = SILENT_MS;
    lobby->crowded_ms = CROWDED_MS;
    return lobby;
}

void lobby_set_patience(Lobby *lobby, unsigned silent_ms, unsigned crowded_ms)
{
    lobby->silent_ms = silent_ms;
    lobby->crowded_ms = crowded_ms;
}

void lobby_want(Lobby *lobby, ChannelType type, unsigned count)
{
    lobby->wanted[type] = count;
}

static unsigned count_places(const Lobby *lobby)
{
    unsigned places = PLACES;

    for (unsigned i = CHANNEL_MAIN + 1; i < CHANNEL__COUNT; i++) {
        places += lobby->wanted[i];
    }
    return places;
}

bool lobby_is_full(const Lobby *lobby)
{
    return lobby->waiting.length >= count_places(lobby) + PLACES;
}

void lobby_free(Lobby *lobby)
{
    Waiting *w;

    if (lobby == NULL) {
        return;
    }
    while ((w = g_queue_peek_head(&lobby->waiting)) != NULL) {
        leave(w);
        waiting_free(w);
    }
    g_free(lobby->source_host);
    g_free(lobby);
}

void lobby_add(Lobby *lobby, int fd, const char *peer)
{
    Waiting *w = g_new0(Waiting, 1);

    w->lobby = lobby;
    w->caller = g_new0(Caller, 1);
    w->caller->fd = fd;
    w->caller->peer = g_strdup(peer);
    w->host = socket_address_host(fd);
    w->number = lobby->n_come++;
    w->crowded = lobby->waiting.length >= count_places(lobby);
    w->deadline = g_timeout_add(w->crowded ? lobby->crowded_ms : lobby->silent_ms, on_deadline, w);
    watch(w, G_IO_IN);
    g_queue_push_tail(&lobby->waiting, w);
}
