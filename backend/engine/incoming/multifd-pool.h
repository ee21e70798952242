/*
 * The destination's multifd channels: a thread and a connection each, which receives pages and
 * places them itself. They come in any order, before or after the main channel; a channel says in
 * its first packet which one it is.
 *
 * The main channel's thread says when pages may be placed (the RAM is dropped), where a pass ends
 * (all channels must have sent SYNC), and when nothing more may come.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "backend/engine/attempt/migration.h"
#include "backend/engine/attempt/multifd.h"
#include "backend/engine/attempt/statistics.h"
#include "backend/engine/incoming/placer.h"
#include "backend/guest/guest.h"
#include "backend/transport/transport.h"

typedef struct MultifdRecv MultifdRecv;

typedef struct {
    MultifdSettings settings;
    bool ignore_shared;    /* capability: blocks that both sides have do not come */
    Guest *guest;          /* outlives the channels */
    MigCounters *counters; /* likewise */
    ChannelStats *stats;   /* one for each channel; likewise */
    void *data;
    /* The first failure, before multifd_recv_finish(): the attempt is lost. Channel's thread. */
    void (*failed)(void *data, const GError *error);
    /* At a fault point of the channel with @transport. Channel's thread. */
    bool (*fault)(void *data, const char *point, Transport *transport, GError **error);
    /* Whether the source has closed the main channel. The main channel's thread. */
    bool (*source_left)(void *data);
    /* Whether every connection that had come when this was first asked is known for what it is.
     * *@asked is false at first and the callee's from then on; multifd_recv_look_again() when the
     * answer may have changed. NULL = yes. The main channel's thread. */
    bool (*door_is_quiet)(void *data, bool *asked);
} MultifdRecvConfig;

MultifdRecv *multifd_recv_new(const MultifdRecvConfig *config);

/* Shuts everything down and joins the threads. */
void multifd_recv_free(MultifdRecv *recv);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MultifdRecv, multifd_recv_free)

/* Main thread: a connection that began as a multifd channel; @transport is taken. */
void multifd_recv_add(MultifdRecv *recv, Transport *transport);

/* The thread of the main channel from here on. */

/* Pages may be placed, beside what @placer places; it outlives the channels' threads. */
void multifd_recv_start(MultifdRecv *recv, Placer *placer);

/* A sync point: waits until all channels have come (that long only as the settings say) and have
 * sent SYNC as often as there were sync points. */
bool multifd_recv_sync(MultifdRecv *recv, GError **error);

/* The same where the stream does not say that there are channels: true when none has come and none
 * is at the door, so that nothing is to be waited for. At the first sync point a source with
 * channels has made them all, but nothing depends on them yet: they may still come. From the second
 * on the source has none, and one that comes all the same is a failure. */
bool multifd_recv_none_came(MultifdRecv *recv);

/* No page is placed after this; what a channel still says, or that it ends, is of no interest.
 * False when a channel has failed, or was ahead of the main channel. */
bool multifd_recv_finish(MultifdRecv *recv, GError **error);

/* Ends all channels and joins their threads; nothing is placed any more. */
void multifd_recv_stop(MultifdRecv *recv);

/* Any thread: see door_is_quiet. */
void multifd_recv_look_again(MultifdRecv *recv);

/* Any thread: every wait ends. */
void multifd_recv_shutdown(MultifdRecv *recv);
