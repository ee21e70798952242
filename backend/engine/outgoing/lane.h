/*
 * A lane: how the pages of precopy and of the pause leave. Precopy decides when pages are sent and
 * when a pass ends; the lane takes dirty pages from the queue and sends them:
 *
 *     lane-stream.c   in the stream on the main channel, plain or through a page encoder
 *     lane-multifd.c  over separate connections
 *     lane-file.c     to their places in a mapped-ram file
 *
 * Postcopy and the background snapshot do not use it.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "backend/engine/outgoing/outgoing.h"
#include "backend/transport/transport.h"

typedef struct Lane Lane;

/* A NULL entry: nothing to do. All are called by the outgoing thread, except as noted. */
typedef struct {
    /* The main channel is connected and nothing is written to it yet. */
    bool (*begin)(Lane *lane, GError **error);
    /* Before the setup section is written: opens further connections. */
    bool (*connect)(Lane *lane, GError **error);
    /* The entry of RAM block @block in the setup section is in the writer. */
    bool (*begin_block)(Lane *lane, size_t block, GError **error);
    /* Sends some dirty pages, as many as the pace allows. */
    bool (*part)(Lane *lane, GError **error);
    /* Like @part, in the END section and without a limit. */
    bool (*last)(Lane *lane, GError **error);
    /* Before the end of a ram body: waits until all pages taken so far are written. */
    bool (*sync)(Lane *lane, GError **error);
    /* All pages are sent, the END section is still open. */
    bool (*end)(Lane *lane, GError **error);
    /* True with the error when a connection of the lane has failed. */
    bool (*failed)(Lane *lane, GError **error);
    /* Any thread: calls @visit for each of its connections; NULL = not open yet. */
    void (*each)(Lane *lane, void (*visit)(const Transport *transport, void *data), void *data);
    /* Any thread; idempotent: ends all of its connections and waits. */
    void (*shutdown)(Lane *lane);
    void (*free)(Lane *lane);
} LaneOps;

/* The first member of each kind of lane. */
struct Lane {
    const LaneOps *ops;
    Outgoing *o;
    bool part_is_open; /* a PART section is open; it ends with the pass */
};

/* Before the connection is made. NULL with an error when a page encoder cannot be made. */
Lane *lane_stream_new(Outgoing *o, GError **error);
Lane *lane_multifd_new(Outgoing *o);
Lane *lane_file_new(Outgoing *o);

/* Calls an entry that returns bool; true where the lane does not have it. */
#define LANE_CALL(lane, op, ...) ((lane)->ops->op == NULL || (lane)->ops->op((lane), __VA_ARGS__))

/* These three accept NULL for a lane that is not made yet. */
static inline bool lane_failed(Lane *lane, GError **error)
{
    return lane != NULL && lane->ops->failed != NULL && lane->ops->failed(lane, error);
}

static inline void lane_shutdown(Lane *lane)
{
    if (lane != NULL && lane->ops->shutdown != NULL) {
        lane->ops->shutdown(lane);
    }
}

static inline void lane_free(Lane *lane)
{
    if (lane != NULL) {
        lane->ops->free(lane);
    }
}
