/*
 * Figures of an attempt for people and scripts: of the connections that carry pages beside the main
 * one, of the encoders of pages, of page faults in postcopy. Channels and encoders write theirs in
 * their own threads and anyone reads them at any time. Lives in the attempt's record.
 */
#pragma once

#include <glib.h>
#include <json-c/json.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "backend/guest/memory/missing-pages.h"
#include "backend/tables/info.h"

/* ---- channels ---- */

typedef enum {
    CHANNEL_STATE_WAITING,   /* not connected yet */
    CHANNEL_STATE_CONNECTED, /* its first packet is through */
    CHANNEL_STATE_ACTIVE,    /* pages go through it */
    CHANNEL_STATE_SYNC,      /* waits for the others at the end of a pass */
    CHANNEL_STATE_DONE,
    CHANNEL_STATE_FAILED,
    CHANNEL_STATE__COUNT,
} ChannelState;

typedef struct {
    _Atomic uint64_t bytes; /* all of them, headers too */
    _Atomic uint64_t normal_pages;
    _Atomic uint64_t zero_pages;
    _Atomic uint64_t
        copied_syncs; /* zero-copy-send: passes in which the kernel copied all the same */
    atomic_int state; /* ChannelState */
} ChannelStats;

typedef struct {
    ChannelStats *stats; /* NULL = there are none; constant once set */
    unsigned count;
} Channels;

/* Once, before anybody reads. */
void channels_init(Channels *channels, unsigned count);
void channels_clear(Channels *channels);

uint64_t channels_bytes(const Channels *channels);
uint64_t channels_copied_syncs(const Channels *channels);

/* A list for x-query-migrate-history, each with its name and thread; caller puts. @elapsed_us:
 * since the attempt began. */
json_object *channels_to_json(const Channels *channels, int64_t elapsed_us);

/* ---- encoders: written by the migration's thread ---- */

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

/* ---- page faults ---- */

/* The member "page-faults" of x-query-migrate-history; caller puts. */
json_object *page_faults_to_json(const PageFaultStats *stats);
