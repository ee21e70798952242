/*
 * The inside of an incoming migration, for the files of this folder only. Each file uses those
 * before it: urgent.c, answers.c (the connection to the source), mapped.c and multifd.c,
 * postcopy.c, recovery.c, load.c (reads the stream up to EOF), incoming.c (life, and the guest's
 * change of owner).
 */
#pragma once

#include "backend/engine/attempt/shared-ram.h"
#include "backend/engine/incoming/incoming.h"
#include "backend/engine/incoming/multifd-pool.h"
#include "backend/engine/incoming/decoder.h"
#include "backend/engine/incoming/placer.h"
#include "backend/engine/incoming/read-ahead.h"
#include "backend/stream/format.h"
#include "backend/guest/memory/missing-pages.h"
#include "backend/stream/reader.h"

#define RUN_PAGES 64 /* postcopy: most pages placed by one call */

typedef struct UrgentReceiver UrgentReceiver; /* urgent.c */

/* Consecutive pages that wait to be placed together. */
typedef struct {
    size_t block;
    size_t first; /* page */
    int count;
    struct iovec iov[RUN_PAGES];
} PageRun;

struct Incoming {
    IncomingConfig config;
    Migration *migration;
    GThread *thread;
    atomic_bool autostart;
    atomic_bool dropped;        /* the earlier contents of RAM are dropped */
    PageFaults *_Atomic faults; /* postcopy: set at LISTEN */

    /* Guards the following, and the pointer @config.transport, which the recovery of postcopy
     * replaces. */
    pthread_mutex_t lock;
    pthread_cond_t wake;
    Transport *next;        /* recovery: the new connection */
    UrgentReceiver *urgent; /* capability postcopy-preempt: the channel of requested pages */
    bool takes_channel;     /* a channel that comes now belongs to this connection */
    bool quit;              /* every wait ends */

    /* Two threads write to the return path. */
    pthread_mutex_t answer_lock;
    atomic_bool link_up; /* page requests can be sent; read without the lock too */
    size_t asked_block;  /* named by the last request */

    MultifdRecv *multifd; /* NULL = off; constant */
    atomic_bool door_quiet;
    atomic_bool multifd_refused; /* a multifd channel was dropped, because the capability is off */
    GError *channel_error;       /* under @lock: a channel failed before @prefetch was there */

    /* The thread only. */
    Prefetch *prefetch;
    bool flush_seen; /* multifd: FLUSH records end a pass, not each ram body */
    StreamReader *reader;
    DeviceLoader *devices;
    Placer *placer;
    PageDecoder *decoder;
    GArray *mapped;  /* MappedRam of each of the stream's blocks; empty without mapped-ram */
    off_t mapped_at; /* position of the stream's next byte in its file */
    GArray *blocks;  /* size_t: for each block of the stream, the index of the guest's block */
    bool has_configuration;
    bool has_block_list;
    bool return_path;
    unsigned n_pings;  /* number answered on this connection */
    bool handover;     /* PING(HANDOVER_PING) was answered */
    bool advised;      /* POSTCOPY_ADVISE */
    uint32_t attempt;  /* the PING that names the source's postcopy, 0 = none */
    bool attempt_seen; /* and came again on this connection */
    bool runs;         /* POSTCOPY_RUN: the guest is here, even if the connection dies */
    PageRun run;
    bool pages_began;
    bool ram_ended; /* END of the ram section: the source has stopped writing to its guest */
};

static inline bool incoming_has(const Incoming *in, MigCapability id)
{
    return capability_is_on(in->config.capabilities, id);
}

/* True when no pages of @block come, because both sides have the same memory. */
static inline bool incoming_shares(const Incoming *in, const RamBlock *block)
{
    return incoming_has(in, CAPABILITY_X_IGNORE_SHARED) && ram_is_shared(block);
}

/* ---- answers.c ---- */

/* Acts on the fault point @point of the main channel; false with the error when the load is to fail
 * there. */
bool incoming_fault(Incoming *in, const char *point, GError **error);

/* Sends a message on the return path; does nothing on a one-way transport. */
bool incoming_answer(Incoming *in, ReturnPathType type, uint32_t value, GError **error);

bool incoming_send(Incoming *in, const GByteArray *bytes, GError **error);

/* Starts the guest, or leaves it paused if the source or the operator paused it. */
void incoming_start_guest(Incoming *in, const char *evidence);

/* multifd.c. Without the capability init leaves @multifd NULL, and the next two do nothing. */
void incoming_multifd_init(Incoming *in);
/* From here on the channels may place pages. */
void incoming_multifd_start(Incoming *in);
/* Called at the end of a ram body and at a FLUSH record: a sync point, if it is one in this
 * stream. */
bool incoming_multifd_eos(Incoming *in, GError **error);
bool incoming_multifd_flush(Incoming *in, GError **error);
/* All pages have come: the channels may place no more. */
bool incoming_multifd_finish(Incoming *in, GError **error);

/* mapped.c: reads a mapped-ram file, in place of the read-ahead thread. */
bool incoming_mapped_init(Incoming *in, GError **error);
bool incoming_mapped_read(Incoming *in, GError **error);
/* Loads the pages of all blocks, whose memory was dropped before. */
bool incoming_mapped_load(Incoming *in, GError **error);

/* Reads records up to EOF, places pages and loads devices. */
bool incoming_load(Incoming *in, GError **error);

/* False with the error when pages or devices of the guest are missing. */
bool incoming_check_complete(Incoming *in, GError **error);

/* Reads to the end of the medium. The bytes after EOF have no meaning, but unread bytes would turn
 * our last answer into a reset, and the exit status of an exec child shows whether all bytes
 * came. */
bool incoming_drain(Incoming *in, GError **error);

/* ---- postcopy.c ---- */

/* Finds the index of the guest's block @idstr, which the stream must have listed; else false with
 * the error. */
bool incoming_find_block(Incoming *in, const char *idstr, size_t *ret, GError **error);

/* Takes a command of postcopy; false with the error for any other command. */
bool postcopy_take_command(Incoming *in, const StreamRecord *record, GError **error);

/* From here on pages can be requested. From take_channel on a channel of requested pages belongs to
 * this connection. */
void incoming_link_up(Incoming *in);
void incoming_take_channel(Incoming *in);

/* Takes a PING after LISTEN. */
bool postcopy_take_ping(Incoming *in, uint32_t value, GError **error);

/* Takes a PING that names a postcopy; false with the error when another one is paused here. */
bool recovery_take_name(Incoming *in, uint32_t value, GError **error);

/* Takes a page or zero pages after LISTEN. */
bool postcopy_take_page(Incoming *in, size_t block, const StreamRecord *record, GError **error);

/* Places the gathered pages. */
bool postcopy_flush(Incoming *in, GError **error);

/* After EOF: waits for pages that are still on the other channel; false with the error when a page
 * never came. */
bool postcopy_finish(Incoming *in, GError **error);

/* After the connection has died: true when all pages are here, so no new connection is needed. */
bool postcopy_has_all(Incoming *in);

/* All pages are here: answers the source and completes the migration. */
void postcopy_complete(Incoming *in);

/* ---- urgent.c ---- */

/* Counts a placed page. Any thread. */
void incoming_note_placed(Incoming *in);

/* Starts a thread that reads pages from @transport (taken on success). */
UrgentReceiver *urgent_receiver_new(Incoming *in, Transport *transport, GError **error);
/* True when no more pages can come. */
bool urgent_receiver_ended(const UrgentReceiver *u);
void urgent_receiver_shutdown(UrgentReceiver *u);
void urgent_receiver_free(UrgentReceiver *u);
/* Ends the present channel and its thread; no further channel is accepted. */
void incoming_drop_channel(Incoming *in);

/* ---- recovery.c ---- */

/* The connection has failed: waits in postcopy-paused for another one (true). False: the attempt
 * was ended. */
bool postcopy_await_connection(Incoming *in, const GError *reason);

/* Takes a command of recovery or of postcopy. */
bool recovery_take_command(Incoming *in, const StreamRecord *record, GError **error);
