/*
 * The inside of the source's multifd channels, shared by multifd-pool.c (the pool: jobs, syncs,
 * ends) and multifd-channel.c (one channel: packets). Nobody else includes it.
 */
#pragma once

#include <sys/uio.h>

#include "backend/base/lock.h"
#include "backend/engine/outgoing/multifd-pool.h"
#include "backend/stream/multifd-codec.h"

typedef struct {
    MultifdSend *pool;
    unsigned id;
    GThread *thread;
    Transport *transport; /* the pointer under the pool's lock until the thread runs */

    /* The thread only. */
    ChannelStats *stats;
    MultifdPacker *packer; /* NULL = pages go as they are */
    unsigned block;        /* of the packet that is being filled */
    MultifdPacket packet;
    const uint8_t *pages[MULTIFD_PAGES]; /* those with content */
    uint64_t zeroes[MULTIFD_PAGES];      /* offsets */
    uint8_t header[MULTIFD_HEADER_BYTES];
    struct iovec iov[1 + MULTIFD_PAGES];
} SendChannel;

struct MultifdSend {
    MultifdSendConfig config;
    _Atomic uint64_t packets; /* numbers them */

    SendChannel *channels;
    MultifdJob *jobs;
    unsigned n_jobs;

    /* Under @lock. */
    pthread_mutex_t lock;
    pthread_cond_t work; /* for the channels: jobs, a sync, the end */
    pthread_cond_t done; /* for the migration's thread */
    GQueue free_jobs;    /* of MultifdJob */
    GQueue queue;        /* handed over, not yet taken; the oldest first */
    size_t pages_out;    /* handed over, not yet written */
    uint64_t syncs;      /* asked for */
    unsigned synced;     /* channels that have sent the last of them */
    GError *error;       /* the first failure */
    bool noticed;        /* by the migration's thread */
    bool quit;
};

/* Says on the new connection who it is. */
bool send_channel_hello(SendChannel *channel, GError **error);
/* Writes a job as packets. */
bool send_channel_job(SendChannel *channel, const MultifdJob *job, GError **error);
bool send_channel_sync(SendChannel *channel, GError **error);
