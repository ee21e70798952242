/*
 * Shared by the files of this room: the common part of a transport, waits that
 * a shutdown ends, the makers of each kind, socket addresses and name look-ups.
 */
#pragma once

#include <netdb.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "backend/base/fd.h"
#include "backend/base/wake-fd.h"
#include "backend/transport/tls-private.h"
#include "backend/transport/transport.h"

/* ---- common part (transport.c) ---- */

/* Initialises the common part of @t; takes @fd and @name on success. */
bool transport_init(Transport *t, const TransportOps *ops, int fd, char *name, GError **error);

/* Releases the common part; for the free function of an implementation. */
void transport_clear(Transport *t);

/* The free function of implementations without further resources. */
void transport_destroy(Transport *t);

/* WAIT_FAILED: with errno, for example because the kernel has no memory for the wait. */
typedef enum { WAIT_READY, WAIT_WOKEN, WAIT_TIMEOUT, WAIT_FAILED } WaitResult;

/* Waits until @fd (-1 = none) has one of @events or @wake_fd is readable; a wake-up has priority.
 * @timeout_ms -1 = no limit. */
WaitResult wait_fd(int fd, short events, int wake_fd, int timeout_ms);

#define TRANSPORT_LOOK_MS 5000

/* wait_fd() on the transport's own descriptor; false with an error once it is shut down, or when
 * the peer's host does not answer. */
bool transport_wait(Transport *t, short events, GError **error);
/* True unless @result is the end of the wait by a shutdown or by the failure @errnum. */
bool transport_waited(const Transport *t, WaitResult result, int errnum, GError **error);

/* Keeps the first error of any thread: the kernel reports it to one of them only. */
void transport_keep_cause(Transport *t, const char *cause);

/* True when a host that must acknowledge something has not done so for too long. @unacked: segments
 * on the way; @retransmits: of the oldest of them; @probes: of a closed window, without an answer;
 * @silent_ms: since the last acknowledgement of any kind. */
bool tcp_host_is_gone(unsigned unacked, unsigned retransmits, unsigned probes, unsigned silent_ms);

/* The error of every call on a transport that was shut down; returns false. */
bool transport_set_cancelled(const Transport *t, GError **error);

/* ---- sends without a copy (zero-copy.c); no effect unless prepared ---- */

/* MSG_ZEROCOPY or 0, for the next send. */
int zero_copy_flag(const Transport *t);
/* Records that the send took at least one byte. */
void zero_copy_sent(Transport *t);
/* Reads the kernel's completion notices; call after every poll() of the socket. */
bool zero_copy_reap(Transport *t, GError **error);
/* After ENOBUFS (no more memory may be locked): true when the send should be repeated. */
bool zero_copy_make_room(Transport *t, GError **error);

/* ---- makers: take @fd on success, copy @name; NULL with an error ---- */

/* A connected stream socket. */
Transport *socket_transport_new(int fd, const char *kind, const char *name, GError **error);
/* Switches keepalive, which every connection has, off where @address says so. */
void socket_obey_keep_alive(int fd, const Address *address);

/* For transports over a connected stream socket: initialises the common part with @ops; takes @fd
 * on success. */
bool socket_transport_init(Transport *t, const TransportOps *ops, int fd, const char *name,
                           GError **error);
ssize_t socket_readv(Transport *t, const struct iovec *iov, int n, GError **error);
ssize_t socket_writev(Transport *t, const struct iovec *iov, int n, GError **error);
bool socket_is_reachable(const Transport *t, GError **error);
void socket_interrupt(Transport *t);
uint64_t socket_receiver_limited_us(const Transport *t);

/* Pipe, FIFO or character device. @owned: the open file description is not shared. */
Transport *pipe_transport_new(int fd, bool owned, const char *name, GError **error);

/* Regular file or block device, at its present position. */
Transport *file_transport_new(int fd, const char *name, GError **error);

typedef enum { STREAM_OUT, STREAM_IN } StreamDirection;

/* ---- addresses of sockets (socket-address.c) ---- */

typedef struct {
    struct sockaddr_storage addr;
    socklen_t length;
} SocketAddr;

bool socket_address_unix(const Address *address, SocketAddr *ret, GError **error);
bool socket_address_vsock(const Address *address, SocketAddr *ret, GError **error);

/* "HOST:PORT" or the path, for error texts; caller frees. */
char *socket_address_label(const Address *address);

/* "tcp:HOST:PORT" and so on, without options; caller frees. */
char *socket_address_name(const Address *address);

/* The local address of a bound socket; @like provides the kind and its options. */
Address *socket_address_local(int fd, const Address *like);

/* Text for the peer of @fd: its address; for a Unix socket the address @like and the process id.
 * Caller frees. */
char *socket_address_peer(int fd, const Address *like);

/* The peer's host, or the user on this host; NULL when unknown. Caller frees. */
char *socket_address_host(int fd);

/* ---- names (resolve.c) ---- */

/*
 * A look-up that runs in its own thread. Freeing it abandons the thread, which
 * ends when the resolver answers and then uses only the shared struct.
 */
typedef struct ResolveJob ResolveJob;

/* @passive: for listening. NULL only when no thread or descriptor can be created. */
ResolveJob *resolve_start(const Address *address, bool passive, GError **error);
void resolve_unref(ResolveJob *job);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ResolveJob, resolve_unref)

/* Becomes readable when the answer has come. */
int resolve_fd(const ResolveJob *job);

/* Returns the answer, once; caller frees with freeaddrinfo(). */
struct addrinfo *resolve_take(ResolveJob *job, GError **error);

/* Resolves an empty or numeric host without a thread; *@ret_numeric is false when the host is a
 * name. */
struct addrinfo *resolve_numeric(const Address *address, bool passive, bool *ret_numeric,
                                 GError **error);

/* ---- listening sockets (listen-socket.c) ---- */

typedef struct {
    int fd;
    Address *address; /* the bound address */
} BoundSocket;

/* GPtrArray of BoundSocket, non-blocking and listening; freeing the array closes them. */
GPtrArray *listen_inet(const Address *address, const struct addrinfo *found, GError **error);

/* The same for a passed socket that listens already; takes @fd. */
GPtrArray *listen_adopt(int fd, const Address *address);

/* ---- one maker a kind of address (makers.c) ---- */

typedef struct {
    /* Opens the one channel without waiting; NULL for kinds with TRAIT_MANY. @fd: the descriptor of
     * an fd: address, taken on success; else -1. */
    Transport *(*open)(const Address *address, int fd, StreamDirection direction, GError **error);
    /* For kinds with TRAIT_MANY: the kernel's address, and the sockets that listen there. NULL when
     * a host name has to be looked up first (resolve.c, listen_inet()). */
    bool (*to_socket)(const Address *address, SocketAddr *ret, GError **error);
    GPtrArray *(*listen)(const Address *address, GError **error);
} AddressMaker;

#define MIG_ADDRESS(id, form, maker, ...) extern const AddressMaker maker##_maker;
#include "backend/base/address.def"
#undef MIG_ADDRESS

const AddressMaker *maker_of(const Address *address);
bool maker_exists(const Address *address); /* true when the kind is built in */
/* False with an error when sockets cannot use @address, which has TRAIT_MANY. Does not look names
 * up. */
bool maker_check(const Address *address, GError **error);

/* ---- connections of unknown type (lobby.c) ---- */

/*
 * Accepted connections wait here, on the main loop, until the TLS handshake is
 * done, where TLS is on, and until their first bytes have come, which stay unread. Both callbacks
 * may free the lobby.
 */
typedef struct Lobby Lobby;

/* An accepted connection. */
typedef struct {
    int fd;              /* owned */
    char *peer;          /* its name */
    TlsSession *session; /* owned; NULL = without TLS */
} Caller;

void caller_free(Caller *caller);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Caller, caller_free)

/* Its transport; @caller is freed in any case. @kind as for socket_transport_new(). */
Transport *caller_transport(Caller *caller, const char *kind, GError **error);

typedef struct {
    /* A channel of @type; the callee owns @caller. */
    void (*admit)(Caller *caller, ChannelType type, void *data);
    /* A connection was dropped; @text explains why. */
    void (*dropped)(const char *text, void *data);
    /* As in ListenerCallbacks; must not free the lobby. */
    void (*unexpected)(ChannelType type, void *data);
    /* As ListenerCallbacks.tls. */
    TlsSetup *(*tls)(void *data);
} LobbyCallbacks;

Lobby *lobby_new(const LobbyCallbacks *callbacks, void *data);
void lobby_free(Lobby *lobby);
/* As listener_want(). */
void lobby_want(Lobby *lobby, ChannelType type, unsigned count);

/* Takes @fd. The connection has 30 s to send its first bytes, or 1 s while many wait. */
void lobby_add(Lobby *lobby, int fd, const char *peer);

/* True when no more connections can wait and none may be added. */
bool lobby_is_full(const Lobby *lobby);

/* The admitted main channel has ended: silent connections are no longer exempt from the time
 * limit. */
void lobby_source_has_left(Lobby *lobby);

/* The peer of the socket @fd has closed it. */
bool lobby_has_hung_up(int fd);

/* How long connections that are added from now on may be silent. */
void lobby_set_patience(Lobby *lobby, unsigned silent_ms, unsigned crowded_ms);
