/*
 * Pages in the stream: each batch is a PART section on the main channel. With capability xbzrle or
 * compress a page encoder makes them shorter.
 */
#include "backend/engine/outgoing/outgoing-internal.h"

typedef struct {
    Lane lane;
    PageEncoder *encoder; /* NULL = pages are sent plain */
} StreamLane;

static bool part(Lane *lane, GError **error)
{
    Outgoing *o = lane->o;

    outgoing_begin_part(o);
    pace_count_pages(&o->pace,
                     ram_sender_fill(o->ram, o->writer, pace_batch(&o->pace, PACE_BATCH)));
    return outgoing_end_part(o, error);
}

static bool last(Lane *lane, GError **error)
{
    Outgoing *o = lane->o;

    pace_count_pages(&o->pace, ram_sender_fill(o->ram, o->writer, PACE_BATCH));
    return outgoing_flush(o, error);
}

static void stream_lane_free(Lane *lane)
{
    StreamLane *l = (StreamLane *)lane;

    page_encoder_free(l->encoder);
    g_free(l);
}

static const LaneOps stream_lane = {
    .part = part,
    .last = last,
    .free = stream_lane_free,
};

Lane *lane_stream_new(Outgoing *o, GError **error)
{
    const OutgoingConfig *config = &o->config;
    CodecCounters *counters = &o->migration->counters.codec;
    PageEncoder *encoder = NULL;

    if (outgoing_has(o, CAPABILITY_XBZRLE)) {
        encoder = xbzrle_encoder_new(config->settings, counters,
                                     guest_ram_size(config->guest) / MIG_PAGE_SIZE, error);
    } else if (outgoing_has(o, CAPABILITY_COMPRESS)) {
        encoder = compress_encoder_new(config->settings, counters,
                                       (unsigned)config->parameters.compress_threads, error);
    }
    if (encoder == NULL &&
        (outgoing_has(o, CAPABILITY_XBZRLE) || outgoing_has(o, CAPABILITY_COMPRESS))) {
        return NULL;
    }
    ram_sender_set_encoder(o->ram, encoder);

    StreamLane *l = g_new0(StreamLane, 1);
    l->lane = (Lane){ .ops = &stream_lane, .o = o };
    l->encoder = encoder;
    return &l->lane;
}
