/*
 * A connection that carries one channel of a migration. Implementations: socket
 * (tcp, unix, vsock, a passed socket), pipe (passed pipe, exec child), file.
 *
 * One thread reads and one thread writes; any thread may call
 * transport_shutdown() at any time, which ends every present and later wait. No
 * call prints, and none needs the main loop. Shared descriptors are not left
 * non-blocking: waits use poll() on the descriptor and on a wake descriptor.
 */
#pragma once

#include <glib.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "backend/base/address.h"
#include "backend/base/wait-clock.h"
#include "backend/transport/tls.h"

typedef struct Transport Transport;

typedef struct {
    const char *kind; /* "tcp", "unix", "vsock", "fd", "exec", "file" */
    /* Required. May take or give fewer bytes than asked. 0 from readv is the end of the stream;
     * -1 is an error. */
    ssize_t (*readv)(Transport *t, const struct iovec *iov, int n, GError **error);
    ssize_t (*writev)(Transport *t, const struct iovec *iov, int n, GError **error);
    void (*free)(Transport *t);
    /* Optional: ends the sending side for good and waits until what was written is safe (fsync,
     * exit status of a child with its stderr in the error). Called once, by the writer. */
    bool (*finish)(Transport *t, GError **error);
    /* Optional: further actions at a shutdown (a socket is shut down, a child is killed). Any
     * thread, called once. */
    void (*interrupt)(Transport *t);
    /* Optional: how long the peer has delayed the writer by not reading, in microseconds. Without
     * it all waits of the writer count as the peer's. Any thread. */
    uint64_t (*receiver_limited_us)(const Transport *t);
    /* Optional: false with the error when the peer's host does not answer any more. Called while a
     * read or a write waits, every TRANSPORT_LOOK_MS. */
    bool (*is_reachable)(const Transport *t, GError **error);
    /* Optional: bytes can be read that are no longer in the descriptor. The reader. */
    bool (*has_input)(const Transport *t);
} TransportOps;

/* State of sends without a copy; see zero-copy.c. */
typedef struct ZeroCopy ZeroCopy;

/* First member of every implementation. */
struct Transport {
    const TransportOps *ops;
    char *name;                 /* for messages: "unix:/tmp/m.sock" */
    int wake_fd;                /* eventfd, readable once shut down */
    int fd;                     /* owned; -1 = none */
    bool two_way;               /* the peer can answer */
    uint32_t finish_timeout_ms; /* 0 = none */
    size_t undelivered;         /* set when finish has failed */
    WaitClock blocked;          /* writes that wait for the medium */
    _Atomic uint64_t written;   /* bytes that the medium has taken */
    ZeroCopy *zero_copy;        /* NULL = off; only the writer's thread */
    atomic_bool shut_down;      /* set by transport_shutdown() before it wakes anyone */
    atomic_bool reset;          /* a call found that the peer has closed it */
    char *_Atomic cause;        /* why the connection cannot go on; NULL = not known, set once */
};

void transport_free(Transport *t);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Transport, transport_free)

const char *transport_name(const Transport *t);
bool transport_is_two_way(const Transport *t);

ssize_t transport_readv(Transport *t, const struct iovec *iov, int n, GError **error);

/* Reads at least one byte into @buffer; 0 at the end of the stream. */
ssize_t transport_read(Transport *t, void *buffer, size_t size, GError **error);

/* Writes everything; on failure *@ret_accepted, unless NULL, is the number of bytes that the medium
 * has taken. Changes the entries of @iov. */
bool transport_write_all(Transport *t, struct iovec *iov, int n, size_t *ret_accepted,
                         GError **error);

/* ---- sending without a copy (zero-copy.c); the writer's thread ---- */

/* True when RLIMIT_MEMLOCK allows this process to have @bytes in flight at a time. QEMU's error
 * text. */
bool transport_may_lend(uint64_t bytes, GError **error);

/* Call before the first write. False when the medium or the kernel does not support it. */
bool transport_prepare_lending(Transport *t, GError **error);

/* transport_write_all() of memory that the kernel may read later: until transport_settle() the
 * memory must stay mapped. Changes made meanwhile may be sent. */
bool transport_lend_all(Transport *t, struct iovec *iov, int n, GError **error);

/* Waits until the kernel has finished with all lent memory. *@ret_copied: memory was lent, and the
 * kernel copied all of it after all. */
bool transport_settle(Transport *t, bool *ret_copied, GError **error);

/* Any thread; idempotent; every blocked or later call fails with MIG_ERROR_CANCELLED (or
 * MIG_ERROR_IO). The socket is shut down, so the peer sees the end too. */
void transport_shutdown(Transport *t);

/* transport_shutdown() with a reason, which the blocked and later calls report in place of
 * "closed on this side"; NULL = none. Only the first reason of a transport counts. */
void transport_shutdown_because(Transport *t, const char *cause);
bool transport_is_shut_down(const Transport *t);

/* True when a read would not block. */
bool transport_is_readable(const Transport *t);
/* The same, and true when the kernel does not say. */
bool transport_may_be_readable(const Transport *t);

/* True when a failed read or write has found that the peer closed the connection. Whether it is
 * told as the end of the stream or as a failure depends on what was on the way. */
bool transport_was_reset(const Transport *t);

/* True when the peer of a socket has closed it; bytes that it sent may still be unread. */
bool transport_peer_has_left(const Transport *t);

/* Blocks until the medium takes at least one byte, or the transport is shut down (false). */
bool transport_wait_writable(Transport *t, GError **error);

/* Total time that writes have waited, in microseconds. */
typedef struct {
    uint64_t link_us;     /* for the link to the peer, or for the medium */
    uint64_t receiver_us; /* for the peer to read */
} TransportWaits;

/* Any thread. Over tcp the kernel separates the two (TCP_INFO, tcp(7): time limited by the
 * receiver's window); a Unix socket or a pipe has no link, so all waits are the receiver's. */
void transport_get_waits(const Transport *t, TransportWaits *ret);

typedef struct {
    uint64_t written; /* bytes that the medium has taken */
    uint64_t unread;  /* of these, approximately, not yet taken by the peer (tcp: its kernel) */
    bool blocked;     /* a write waits */
} TransportProgress;

/* Any thread; the transport must be neither finished nor freed meanwhile. */
TransportProgress transport_progress(const Transport *t);

/* The descriptor of a file, for reads and writes at other offsets than the stream's; -1 when there
 * is none. Owned by the transport. */
int transport_file(const Transport *t);

/* The same for whole pages at page borders, with memory aligned to pages: it bypasses the page
 * cache after transport_file_go_direct(). That function works for files only and fails when the
 * file system does not support O_DIRECT. */
int transport_file_pages(const Transport *t);
bool transport_file_go_direct(Transport *t, GError **error);

/* True when the end of the stream also gives a result: the exit status of a child. */
bool transport_end_matters(const Transport *t);

/* How long finish waits for a child that has read everything but does not end; 0 = no limit
 * (default). Called by the writer before transport_finish(). For the reader: for a child that has
 * closed its output; 0 = 30 s. */
void transport_set_finish_timeout(Transport *t, uint32_t ms);

/* See TransportOps.finish; true when there is nothing to do. */
bool transport_finish(Transport *t, GError **error);

/* After transport_finish() has failed: how many of the last bytes certainly did not reach the peer;
 * SIZE_MAX = all, 0 = not known. */
size_t transport_undelivered(const Transport *t);

/* Creates a transport for a passed descriptor (socket, pipe or file, as fstat reports); takes @fd
 * on success. */
Transport *transport_new_from_fd(int fd, const char *name, GError **error);

/* ---- outgoing ---- */

/*
 * A connector opens the first connection to the peer, and later further ones
 * (multifd, preempt, recovery).
 */
typedef struct Connector Connector;

/* Main thread. Does what does not block: creates a file (0600) and truncates it at its offset,
 * starts an exec child, checks a descriptor; for a socket it only checks the address. @fd is the
 * descriptor for ADDRESS_FD (taken on success), else -1. Error texts are QEMU's if it has them. */
Connector *connector_new(const Address *address, int fd, GError **error);
void connector_free(Connector *connector);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Connector, connector_free)

/* Main thread, before the first connector_open(): each connection begins with a TLS handshake,
 * which has TLS_HANDSHAKE_MS. Takes @setup. NULL = without TLS. */
#define TLS_HANDSHAKE_MS (30 * 1000)
void connector_use_tls(Connector *connector, TlsSetup *setup);

/* Worker thread; blocks until connected, failed or cancelled. A cancel abandons the name look-up
 * instead of waiting for it. "Failed to connect to 'HOST:PORT': REASON". file, exec and fd can be
 * opened only once. */
Transport *connector_open(Connector *connector, GError **error);

/* Any thread: wakes a blocked connector_open() and makes every later one fail. */
void connector_cancel(Connector *connector);
bool connector_is_cancelled(Connector *connector);

/* ---- incoming ---- */

/*
 * A listener accepts connections on the main loop and hands each over once its first bytes show
 * that it is a channel of a migration. Any other connection, or one that closes, is dropped with a
 * notice.
 */
typedef struct Listener Listener;

typedef enum {
    CHANNEL_MAIN,     /* begins with "QEVM", or its medium has no peek */
    CHANNEL_RECOVERY, /* begins with the command that asks for the received pages */
    CHANNEL_PAGES,    /* begins with a page record: requested pages of postcopy */
    CHANNEL_MULTIFD,  /* begins with 0x11223344; before or after its main channel */
    CHANNEL__COUNT,
} ChannelType;

typedef struct {
    /* The callee owns @transport. */
    void (*channel)(Listener *l, ChannelType type, Transport *transport, void *data);
    /* A connection was refused; @text explains why. */
    void (*notice)(Listener *l, const char *text, void *data);
    /* Optional. A connection was dropped because it is a channel of @type, and none is expected:
     * its source has a capability that is off here. */
    void (*unexpected)(Listener *l, ChannelType type, void *data);
    /* Sent to a main connection that comes while the listener is busy, before it is closed. */
    const void *busy_answer;
    size_t busy_answer_size;
    /* Optional. The only connection of a listener that is not reusable was refused; @text explains
     * why. */
    void (*lost)(Listener *l, const char *text, void *data);
    /* Optional. True when the source that keeps the listener busy has closed its connection: the
     * next main connection then waits until the listener is free. */
    bool (*source_has_left)(void *data);
    /* Optional: what connections that come now need for TLS, NULL = they come without. The caller
     * frees it. */
    TlsSetup *(*tls)(void *data);
} ListenerCallbacks;

/* Main thread. Listens, or opens a file or descriptor, or starts an exec child; the channel
 * callback comes from the main loop later. Only numeric hosts are resolved directly; a host name is
 * resolved in a thread. @ready is called on the main loop in any case (error NULL = listening). @fd
 * as for connector_new(), but always taken. */
typedef void (*ListenerReady)(Listener *l, const GError *error, void *data);
Listener *listener_new(const Address *address, int fd, const ListenerCallbacks *callbacks,
                       ListenerReady ready, void *data);
void listener_free(Listener *l); /* stops without calling @ready; unlinks its unix path */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Listener, listener_free)

/* Sets how many channels of @type are expected; 0 = none. Initially only CHANNEL_MAIN is expected.
 * An unexpected channel is dropped with a notice. A connection that has sent nothing waits; the
 * number and the time of waiting connections are bounded. */
void listener_want(Listener *l, ChannelType type, unsigned count);

/* While busy, further main channels are dropped with a notice. A socket listener stays open. */
void listener_set_busy(Listener *l, bool busy);

/* True while a main connection waits for the end of the attempt before it. */
bool listener_has_next(const Listener *l);

/* False while the listener does not accept because it has no room; connections then wait in the
 * kernel's queue. */
bool listener_is_open(const Listener *l);

/* True for sockets: more connections can come after a failed attempt. */
bool listener_is_reusable(const Listener *l);

/* The actual addresses (with the port that the kernel chose): GPtrArray of Address, owned by @l. */
const GPtrArray *listener_addresses(const Listener *l);
