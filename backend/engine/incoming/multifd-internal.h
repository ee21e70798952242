/*
 * The inside of the destination's multifd channels, shared by multifd-pool.c (the pool: who is
 * there, sync points, the end) and multifd-channel.c (one channel: packets into place). Nobody
 * else includes it.
 */
#pragma once

#include <sys/uio.h>

#include "backend/base/lock.h"
#include "backend/engine/incoming/multifd-pool.h"
#include "backend/stream/multifd-codec.h"

/* Room for the bytes of a packet, packed or not. */
#define RECV_BUFFER (2 * MULTIFD_PAGES * MIG_PAGE_SIZE)

typedef struct {
    MultifdRecv *pool;
    GThread *thread;
    Transport *transport;

    /* Under the pool's lock. */
    bool known;       /* its first packet was right: @id counts */
    bool ended;       /* nothing more comes, and it did not end in a packet */
    uint64_t reached; /* SYNCs */

    /* The thread only. */
    unsigned id;
    ChannelStats *stats; /* NULL until it is known */
    Placer *placer;
    MultifdUnpacker *unpacker;
    uint8_t *buffer; /* pages as they are */
    uint8_t *packed; /* NULL when they come so */
    MultifdPacket packet;
    uint8_t header[MULTIFD_HEADER_BYTES];
    size_t header_have; /* bytes of the next header that came along with data */
    struct iovec iov[MULTIFD_PAGES + 1];
    uint64_t fresh[MULTIFD_PAGES]; /* which pages went into @buffer, by their index in the packet */
} RecvChannel;

struct MultifdRecv {
    MultifdRecvConfig config;
    int64_t begin_us;
    int64_t left_us; /* of the main channel's thread: when the source was last seen */

    RecvChannel *channels; /* in the order in which they came */

    /* Under @lock. */
    pthread_mutex_t lock;
    pthread_cond_t changed; /* for everybody: there are few of us, and little changes */
    unsigned n_come;
    Placer *placer;   /* NULL = pages may not be placed yet */
    uint64_t points;  /* sync points the main channel has come to */
    uint64_t passed;  /* of these, behind it */
    unsigned placing; /* channels that are just at it */
    GError *error;
    bool unused; /* the source sends its pages on the main channel */
    bool finished;
    bool quit;
};

/* Reads the first packet, then packets until the end. False with the error; true at an end between
 * packets, or when nothing more is wanted. */
bool recv_channel_run(RecvChannel *channel, GError **error);

/* ---- what the channel asks of the pool ---- */

/* Its first packet named @id: false when that cannot be. */
bool recv_channel_register(RecvChannel *channel, unsigned id, GError **error);
/* Waits until pages may be placed; NULL when they never will. */
Placer *recv_channel_wait_start(RecvChannel *channel);
/* Around placing; false when it is too late for pages. */
bool recv_channel_begin_placing(RecvChannel *channel);
void recv_channel_end_placing(RecvChannel *channel);
/* A SYNC came: waits until the main channel is past the sync point. False: stop. */
bool recv_channel_sync(RecvChannel *channel);
