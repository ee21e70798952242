/*
 * Figures of the encoders of pages, for query-migrate. Written by the migration's thread, read by
 * anyone at any time.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "backend/tables/info.h"

typedef struct {
    atomic_bool xbzrle; /* the encoder is in use: these are shown */
    _Atomic uint64_t xbzrle_cache_size;
    _Atomic uint64_t xbzrle_bytes; /* of deltas on the wire, heads included */
    _Atomic uint64_t xbzrle_pages;
    _Atomic uint64_t xbzrle_misses;
    _Atomic uint64_t xbzrle_overflows;
    _Atomic double xbzrle_miss_rate;     /* of the last pass: pages not found, as a share */
    _Atomic double xbzrle_encoding_rate; /* of the last pass: bytes of pages for each byte sent */

    atomic_bool compress; /* likewise */
    _Atomic uint64_t compress_pages;
    _Atomic uint64_t compress_bytes; /* of packed pages on the wire, heads included */
    _Atomic uint64_t compress_busy;  /* pages that went as they are, all threads being busy */
    _Atomic double compress_busy_rate;
    _Atomic double compress_rate; /* of the last pass: bytes of pages for each byte sent */
} CodecCounters;

/* The parts of query-migrate that belong to them. */
void codec_counters_fill_info(const CodecCounters *counters, MigInfo *info);
