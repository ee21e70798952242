/*
 * Figures of the encoders of pages. See codec-counters.h.
 */
#include "backend/engine/attempt/codec-counters.h"

void codec_counters_fill_info(const CodecCounters *counters, MigInfo *info)
{
    const CodecCounters *c = counters;

    info->has_xbzrle = atomic_load(&c->xbzrle);
    info->xbzrle = (XbzrleStats){
        .cache_size = atomic_load(&c->xbzrle_cache_size),
        .bytes = atomic_load(&c->xbzrle_bytes),
        .pages = atomic_load(&c->xbzrle_pages),
        .cache_miss = atomic_load(&c->xbzrle_misses),
        .cache_miss_rate = atomic_load(&c->xbzrle_miss_rate),
        .encoding_rate = atomic_load(&c->xbzrle_encoding_rate),
        .overflow = atomic_load(&c->xbzrle_overflows),
    };
    info->has_compression = atomic_load(&c->compress);
    info->compression = (CompressionStats){
        .pages = atomic_load(&c->compress_pages),
        .busy = atomic_load(&c->compress_busy),
        .busy_rate = atomic_load(&c->compress_busy_rate),
        .compressed_size = atomic_load(&c->compress_bytes),
        .compression_rate = atomic_load(&c->compress_rate),
    };
}
