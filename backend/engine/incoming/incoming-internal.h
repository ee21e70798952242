/*
 * The inside of an incoming migration, for the files of this room only: incoming.c has its life and
 * takes the guest over, load.c reads the stream up to EOF.
 */
#pragma once

#include "backend/base/fault.h"
#include "backend/engine/incoming/incoming.h"
#include "backend/engine/incoming/multifd-pool.h"
#include "backend/engine/incoming/decoder.h"
#include "backend/engine/incoming/placer.h"
#include "backend/engine/incoming/read-ahead.h"
#include "backend/stream/format.h"
#include "backend/guest/memory/missing-pages.h"
#include "backend/stream/reader.h"

#define RUN_PAGES 64 /* of postcopy, placed by one call */

typedef struct UrgentReceiver UrgentReceiver; /* urgent.c */

/* Pages of a row that wait to be placed together. */
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
    atomic_bool dropped;        /* what stood in RAM here before is gone */
    PageFaults *_Atomic faults; /* postcopy, from LISTEN on */

    /* Guards @config.transport (the pointer), which postcopy's recovery replaces, and the
     * following. */
    pthread_mutex_t lock;
    pthread_cond_t wake;
    Transport *next;        /* recovery: the connection to go on with */
    UrgentReceiver *urgent; /* capability postcopy-preempt: the channel of requested pages */
    bool takes_channel;     /* one that comes now belongs to this connection */
    bool quit;              /* nothing is to be waited for any more */

    /* Messages of the return path come from two threads. */
    pthread_mutex_t answer_lock;
    atomic_bool link_up; /* page requests can be sent; looked at without the lock too */
    size_t asked_block;  /* the last request named it */

    MultifdRecv *multifd; /* NULL = off; constant */
    atomic_bool door_quiet;
    GError *channel_error; /* under @lock: a channel failed before there was a reader to tell */

    /* The thread only. */
    Prefetch *prefetch;
    bool flush_seen; /* passes of multifd end where the stream says so, not with each ram body */
    StreamReader *reader;
    DeviceLoader *devices;
    Placer *placer;
    PageDecoder *decoder;
    GArray *mapped;  /* MappedRam of each of the stream's blocks; empty without mapped-ram */
    off_t mapped_at; /* next byte of the stream in its file */
    GArray *blocks;  /* size_t: index of the guest's block for each of the stream's */
    bool has_configuration;
    bool has_block_list;
    bool return_path;
    unsigned n_pings;  /* answered on this connection */
    bool handover;     /* PING(HANDOVER_PING) was answered */
    bool advised;      /* POSTCOPY_ADVISE */
    uint32_t attempt;  /* the PING that names the source's postcopy, 0 = it has none */
    bool attempt_seen; /* and named it again on this connection */
    bool runs;         /* POSTCOPY_RUN: the guest lives here, whatever becomes of the connection */
    PageRun run;
    bool pages_began;
};

static inline bool incoming_has(const Incoming *in, MigCapability id)
{
    return capability_is_on(in->config.capabilities, id);
}

/* Acts on the fault point @point; false when the load shall fail there. */
bool incoming_fault(Incoming *in, const char *point, GError **error);

/* The same for another channel than the main one: @on_break ends it or does what transport_break()
 * does,
 * @is_gone ends a wait there. */
bool incoming_fault_with(const char *point, void (*on_break)(void *data, FaultAction action),
                         bool (*is_gone)(void *data), void *data, GError **error);

/* multifd.c; without the capability init leaves @multifd NULL, the next two do nothing
 * then. */
void incoming_multifd_init(Incoming *in);
/* Pages may be placed. */
void incoming_multifd_start(Incoming *in);
/* At the end of a ram body and at a FLUSH record: a sync point, if it is one in this stream. */
bool incoming_multifd_eos(Incoming *in, GError **error);
bool incoming_multifd_flush(Incoming *in, GError **error);
/* Everything has come. */
bool incoming_multifd_finish(Incoming *in, GError **error);

/* Answers on the return path; nothing to do where nobody can hear it. */
bool incoming_answer(Incoming *in, ReturnPathType type, uint32_t value, GError **error);

bool incoming_send(Incoming *in, const GByteArray *bytes, GError **error);

/* The guest starts, or stands as the source and the operator want it. */
void incoming_start_guest(Incoming *in, const char *evidence);

/* Places what is gathered. */
bool incoming_flush(Incoming *in, GError **error);

/* Index of the guest's block @idstr that the stream has listed; false with the error. */
bool incoming_find_block(Incoming *in, const char *idstr, size_t *ret, GError **error);

/* mapped.c: in place of reading ahead. */
bool incoming_mapped_init(Incoming *in, GError **error);
bool incoming_mapped_read(Incoming *in, GError **error);
/* The pages of all blocks; their memory is dropped. */
bool incoming_mapped_load(Incoming *in, GError **error);

/* Whether pages of @block never come, because both sides have the same memory. */
bool incoming_shares(const Incoming *in, const RamBlock *block);

/* Reads records until EOF is in: pages are placed, devices loaded. */
bool incoming_load(Incoming *in, GError **error);

/* Whether what came is all of this machine's guest. */
bool incoming_check_complete(Incoming *in, GError **error);

/* Reads on to the end of the medium. What follows EOF says nothing, but unread bytes would turn our
 * last answer into a reset, and an exec child tells by its exit status whether all came. */
bool incoming_drain(Incoming *in, GError **error);

/* ---- postcopy.c ---- */

/* A command that belongs to postcopy. */
bool postcopy_take_command(Incoming *in, const StreamRecord *record, GError **error);

/* From here on pages can be asked for; a channel of requested pages belongs to this connection. */
void incoming_link_up(Incoming *in);
void incoming_take_channel(Incoming *in);

/* A PING after LISTEN. */
bool postcopy_take_ping(Incoming *in, uint32_t value, GError **error);

/* A PING that names a postcopy; false when it is not the one that is paused here. */
bool recovery_take_name(Incoming *in, uint32_t value, GError **error);

/* A page or zero pages after LISTEN. */
bool postcopy_take_page(Incoming *in, size_t block, const StreamRecord *record, GError **error);

/* Places what is gathered. */
bool postcopy_flush(Incoming *in, GError **error);

/* EOF is in: waits for what is on its way on another channel; false when a page never came. */
bool postcopy_finish(Incoming *in, GError **error);

/* The connection has died; is there anything left that could come over another one? */
bool postcopy_has_all(Incoming *in);

/* Tells the source and everybody: all is here. */
void postcopy_complete(Incoming *in);

/* Counts a page placed by whichever thread. */
void postcopy_note_placed(Incoming *in);

/* ---- urgent.c ---- */

/* Reads pages from @transport (taken on success) in a thread of its own. */
UrgentReceiver *urgent_receiver_new(Incoming *in, Transport *transport, GError **error);
/* No more can come. */
bool urgent_receiver_ended(const UrgentReceiver *u);
void urgent_receiver_shutdown(UrgentReceiver *u);
void urgent_receiver_free(UrgentReceiver *u);
/* Ends the one there is, with its thread; no other is taken. */
void incoming_drop_channel(Incoming *in);

/* ---- recovery.c ---- */

/* The connection is of no use: waits in postcopy-paused for another one (true). False: nothing can
 * come any more. */
bool postcopy_await_connection(Incoming *in, const GError *reason);

/* RECV_BITMAP and POSTCOPY_RESUME. */
bool recovery_take_command(Incoming *in, const StreamRecord *record, GError **error);
