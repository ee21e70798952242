/*
 * A connection that carries one channel of a migration. Implementations: socket
 * (tcp, unix, vsock, a passed socket), pipe (passed pipe, exec child), file.
 *
 * One thread reads and one thread writes; transport_shutdown() may come from
 * any thread at any time and wakes both for good: every wait ends. No call
 * prints, and none needs the main loop. Descriptors are never left
 * non-blocking for others: waits are poll() on the descriptor and on a wake
 * descriptor.
 */
#pragma once

#include <glib.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "backend/base/address.h"
#include "backend/base/wait-clock.h"

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
    /* Optional: what the medium needs at a shutdown beside the wake descriptor (the peer of a
     * socket is told, a child is killed). Any thread, called once. */
    void (*interrupt)(Transport *t);
    /* Optional: how long the peer's unwillingness to read has held the sending up so far. Without
     * it every wait of a writer is the peer's doing. Any thread. */
    uint64_t (*receiver_limited_us)(const Transport *t);
} TransportOps;

/* Of sends without a copy; see zero-copy.c. */
typedef struct ZeroCopy ZeroCopy;

/* First member of every implementation. */
struct Transport {
    const TransportOps *ops;
    char *name;                 /* for messages: "unix:/tmp/m.sock" */
    int wake_fd;                /* eventfd, readable once shut down */
    int fd;                     /* for those that have one; owned */
    bool two_way;               /* the peer can answer */
    uint32_t finish_timeout_ms; /* 0 = none */
    size_t undelivered;         /* set by finish where it failed */
    WaitClock blocked;          /* writes that wait for the medium */
    _Atomic uint64_t written;   /* bytes that the medium took */
    ZeroCopy *zero_copy;        /* NULL = off; the writer's */
    atomic_bool shut_down;      /* set by transport_shutdown() before it wakes anyone */
};

void transport_free(Transport *t);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Transport, transport_free)

const char *transport_name(const Transport *t);
bool transport_is_two_way(const Transport *t);

ssize_t transport_readv(Transport *t, const struct iovec *iov, int n, GError **error);

/* Reads at least one byte into @buffer; 0 at the end of the stream. */
ssize_t transport_read(Transport *t, void *buffer, size_t size, GError **error);

/* Writes everything; on failure *@ret_accepted, where wanted, tells how many bytes the medium took.
 * @iov is used up (its entries change). */
bool transport_write_all(Transport *t, struct iovec *iov, int n, size_t *ret_accepted,
                         GError **error);

/* ---- sending without a copy (zero-copy.c); the writer's thread ---- */

/* Whether RLIMIT_MEMLOCK lets this process have @bytes on their way at a time. Error text QEMU's.
 */
bool transport_may_lend(uint64_t bytes, GError **error);

/* Before the first write. False where the medium or the kernel cannot do it. */
bool transport_prepare_lending(Transport *t, GError **error);

/* transport_write_all() of memory that the kernel may read later: until transport_settle() the
 * memory has to stay where it is. What is changed meanwhile may be sent changed. */
bool transport_lend_all(Transport *t, struct iovec *iov, int n, GError **error);

/* Waits until the kernel needs nothing of what was lent. *@ret_copied: something was, and all of it
 * had to be copied after all. */
bool transport_settle(Transport *t, bool *ret_copied, GError **error);

/* Any thread; idempotent; every blocked or later call fails with MIG_ERROR_CANCELLED (or
 * MIG_ERROR_IO). The socket is shut down, so the peer sees the end too. */
void transport_shutdown(Transport *t);
bool transport_is_shut_down(const Transport *t);

/* True when a read would not wait now. */
bool transport_is_readable(const Transport *t);

/* True when the peer of a socket has closed it; what it sent may still be there. */
bool transport_peer_has_left(const Transport *t);

/* Blocks until the medium takes at least one byte, or the transport is shut down (false). */
bool transport_wait_writable(Transport *t, GError **error);

/* What writes have waited for since the beginning, in microseconds. */
typedef struct {
    uint64_t link_us;     /* the way to the peer, or the medium, took no more */
    uint64_t receiver_us; /* the peer did not read */
} TransportWaits;

/* Any thread. Over tcp the kernel tells the two apart (TCP_INFO, tcp(7): time limited by the
 * receiver's window); a Unix socket or a pipe has no link between, so all of it is the receiver's.
 */
void transport_get_waits(const Transport *t, TransportWaits *ret);

typedef struct {
    uint64_t written; /* bytes that the medium took from here */
    uint64_t unread;  /* of these, what the peer (tcp: its kernel) has not taken; a rough figure */
    bool blocked;     /* a write waits */
} TransportProgress;

/* Any thread, while the transport can be neither finished nor freed. */
TransportProgress transport_progress(const Transport *t);

/* The descriptor of a file, for reads and writes at any place beside those of the stream; -1 where
 * there is none. Stays the transport's. */
int transport_file(const Transport *t);

/* The same for whole pages at page borders, from and to memory that is aligned likewise: past the
 * page cache once transport_file_go_direct() has opened it so. That is for files only and fails
 * where the file system cannot. */
int transport_file_pages(const Transport *t);
bool transport_file_go_direct(Transport *t, GError **error);

/* True when the end of what is read brings a verdict: the exit status of a child. */
bool transport_end_matters(const Transport *t);

/* How long finish waits for a child that has everything but does not end; 0 = for ever (default).
 * By the writer, before transport_finish(). */
void transport_set_finish_timeout(Transport *t, uint32_t ms);

/* See TransportOps.finish; true where there is nothing to do. */
bool transport_finish(Transport *t, GError **error);

/* After it has failed: how many of the last bytes certainly reached nobody, SIZE_MAX = all; 0 where
 * that is not known. */
size_t transport_undelivered(const Transport *t);

/* Takes @fd (socket, pipe or file, told apart by fstat) for a passed descriptor. */
Transport *transport_new_from_fd(int fd, const char *name, GError **error);

/* ---- outgoing ---- */

/*
 * A connector knows where the peer is and can be asked for a connection, and
 * later for another one (multifd, preempt, recovery).
 */
typedef struct Connector Connector;

/* Main thread. What can fail at once fails here: a file is created (0600) and cut to its offset
 * with the bytes before it kept, an exec child is started, a descriptor is looked at; a socket only
 * gets its address checked. @fd is the descriptor for ADDRESS_FD (taken on success), else -1. Error
 * texts are QEMU's where it has them. */
Connector *connector_new(const Address *address, int fd, GError **error);
void connector_free(Connector *connector);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Connector, connector_free)

/* Worker thread; blocks until connected, failed or cancelled. Name look-up is abandoned, not
 * waited for, on cancel. "Failed to connect to 'HOST:PORT': REASON". file, exec and fd can be
 * opened once. */
Transport *connector_open(Connector *connector, GError **error);

/* Any thread: wakes a blocked connector_open() and fails every later one. */
void connector_cancel(Connector *connector);
bool connector_is_cancelled(Connector *connector);

/* ---- incoming ---- */

/*
 * A listener takes connections on the main loop and hands each over once its first bytes say that
 * it is a channel of a migration. A stray client (anything else, or one that leaves) is dropped
 * with a notice and disturbs nothing.
 */
typedef struct Listener Listener;

typedef enum {
    CHANNEL_MAIN,     /* begins with "QEVM", or a medium that cannot be looked at ahead */
    CHANNEL_RECOVERY, /* begins with the command that asks which pages have come */
    CHANNEL_PAGES,    /* begins with a page record: requested pages of postcopy */
    CHANNEL_MULTIFD,  /* begins with 0x11223344; before or after its main channel */
    CHANNEL__COUNT,
} ChannelType;

typedef struct {
    /* @transport is the callee's. */
    void (*channel)(Listener *l, ChannelType type, Transport *transport, void *data);
    /* A connection was refused; @text for people. */
    void (*notice)(Listener *l, const char *text, void *data);
} ListenerCallbacks;

/* Main thread. Listens, or opens a file or descriptor, or starts an exec child; the channel
 * callback comes from the main loop later. Blocking name look-up happens for numeric hosts only; a
 * host name is resolved in a thread and @ready is called on the main loop in any case (error NULL =
 * listening). @fd as for connector_new(), but the listener's in any case. */
typedef void (*ListenerReady)(Listener *l, const GError *error, void *data);
Listener *listener_new(const Address *address, int fd, const ListenerCallbacks *callbacks,
                       ListenerReady ready, void *data);
void listener_free(Listener *l); /* stops; @ready is not called any more; unlinks its unix path */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Listener, listener_free)

/* How many channels of @type are announced; 0 = they are not wanted. At first only CHANNEL_MAIN is.
 * What is not wanted is a stranger: dropped with a notice. A connection that has said nothing waits
 * meanwhile; its place and its time are bounded. */
void listener_want(Listener *l, ChannelType type, unsigned count);

/* While busy, further main channels are dropped with a notice. A socket listener stays open. */
void listener_set_busy(Listener *l, bool busy);

/* False while connections wait in the kernel's queue because there is no room for them here. */
bool listener_is_open(const Listener *l);

/* True for sockets: more connections can come after a failed attempt. */
bool listener_is_reusable(const Listener *l);

/* Addresses really listened on (kernel-chosen port filled in): GPtrArray of Address, owned by @l.
 */
const GPtrArray *listener_addresses(const Listener *l);
