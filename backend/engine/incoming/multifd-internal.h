/*
 * The inside of the destination's multifd channels, only for multifd-pool.c (the pool: the list of
 * channels, sync points, the end) and multifd-channel.c (one channel: reads packets and places
 * pages).
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
    bool known;       /* its first packet was valid: @id is set */
    bool ended;       /* nothing more comes; it ended between packets */
    uint64_t reached; /* number of SYNCs received */

    /* The thread only. */
    unsigned id;
    ChannelStats *stats; /* NULL until @known */
    Placer *placer;
    MultifdUnpacker *unpacker;
    uint8_t *buffer; /* plain pages */
    uint8_t *packed; /* packed pages; NULL when pages come plain */
    MultifdPacket packet;
    uint8_t header[MULTIFD_HEADER_BYTES];
    size_t header_have; /* bytes of the next header that were read with the data */
    struct iovec iov[MULTIFD_PAGES + 1];
    uint64_t fresh[MULTIFD_PAGES]; /* indexes in the packet of the pages in @buffer */
} RecvChannel;

struct MultifdRecv {
    MultifdRecvConfig config;
    int64_t begin_us;
    int64_t left_us; /* main channel's thread only: when the source was last seen */

    RecvChannel *channels; /* in the order of arrival */

    /* Under @lock. */
    pthread_mutex_t lock;
    pthread_cond_t changed; /* one for all waits: there are few threads and few changes */
    unsigned n_come;
    Placer *placer;   /* NULL = no page may be placed yet */
    uint64_t points;  /* sync points that the main channel has reached */
    uint64_t passed;  /* sync points that it has passed */
    unsigned placing; /* channels that are placing pages now */
    GError *error;
    bool unused; /* the source sends its pages on the main channel */
    bool finished;
    bool quit;
};

/* Reads the first packet, then packets until the end. True at an end between packets, or when no
 * more packets are wanted; else false with the error. */
bool recv_channel_run(RecvChannel *channel, GError **error);
