/*
 * The destination's multifd channels. Each has a connection and a thread that receives and places
 * pages. They connect in any order, before or after the main channel; the first packet of a channel
 * has its number.
 *
 * The main channel's thread decides when pages may be placed (the RAM is dropped), where a pass
 * ends (all channels must have sent SYNC), and when no more pages may come.
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
    bool ignore_shared;    /* capability x-ignore-shared: shared blocks are not sent */
    Guest *guest;          /* outlives the channels */
    MigCounters *counters; /* outlives them too */
    ChannelStats *stats;   /* one for each channel; outlive them too */
    void *data;
    /* Called for the first failure before multifd_recv_finish(), which ends the attempt. Channel's
     * thread. */
    void (*failed)(void *data, const GError *error);
    /* True when the source has closed the main channel. The main channel's thread. */
    bool (*source_left)(void *data);
    /* True when every connection that had come at the first call is identified. *@asked is false at
     * the first call; after that the callee owns it. Call multifd_recv_look_again() when the answer
     * may have changed. NULL = always true. The main channel's thread. */
    bool (*door_is_quiet)(void *data, bool *asked);
    /* How long the channels of a source that has closed the main channel may be silent, in ms. */
    unsigned silent_ms;
} MultifdRecvConfig;

MultifdRecv *multifd_recv_new(const MultifdRecvConfig *config);

/* Shuts everything down and joins the threads. */
void multifd_recv_free(MultifdRecv *recv);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MultifdRecv, multifd_recv_free)

/* Main thread: adds a connection that began as a multifd channel; @transport is taken. */
void multifd_recv_add(MultifdRecv *recv, Transport *transport);

/* From here on: functions for the main channel's thread. */

/* From here on the channels may place pages, beside @placer, which outlives their threads. */
void multifd_recv_start(MultifdRecv *recv, Placer *placer);

/* A sync point: waits until all channels have come (at most settings.wait_ms) and have sent one
 * SYNC for each sync point. */
bool multifd_recv_sync(MultifdRecv *recv, GError **error);

/* Called first at a sync point of a stream that does not show whether the source uses channels:
 * true when no channel has come and no unidentified connection is left, so there is none to wait
 * for. After the first sync point channels may still come, because no page depends on them yet.
 * After the second one the source uses none, and a channel that still comes is a failure. */
bool multifd_recv_none_came(MultifdRecv *recv);

/* After this no page is placed, and further packets or the end of a channel are ignored. False with
 * the error when a channel has failed or was ahead of the main channel. */
bool multifd_recv_finish(MultifdRecv *recv, GError **error);

/* Ends all channels and joins their threads; after this no page is placed. */
void multifd_recv_stop(MultifdRecv *recv);

/* Any thread: the answer of door_is_quiet may have changed. */
void multifd_recv_look_again(MultifdRecv *recv);

/* Any thread: ends all channels and every wait. */
void multifd_recv_shutdown(MultifdRecv *recv);
