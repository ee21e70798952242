/*
 * Figures of an attempt for people and scripts, about the connections beside the main channel, the
 * page encoders and the page faults in postcopy. Channels and encoders write them in their own
 * threads; any thread reads them at any time. They are part of the attempt's record.
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
    CHANNEL_STATE_CONNECTED, /* its first packet is sent or received */
    CHANNEL_STATE_ACTIVE,    /* it carries pages */
    CHANNEL_STATE_SYNC,      /* waits for the other channels at the end of a pass */
    CHANNEL_STATE_DONE,
    CHANNEL_STATE_FAILED,
    CHANNEL_STATE__COUNT,
} ChannelState;

typedef struct {
    _Atomic uint64_t bytes; /* headers included */
    _Atomic uint64_t normal_pages;
    _Atomic uint64_t zero_pages;
    _Atomic uint64_t
        copied_syncs; /* zero-copy-send: passes in which the kernel copied nevertheless */
    atomic_int state; /* ChannelState */
} ChannelStats;

typedef struct {
    ChannelStats *stats; /* NULL = none; constant once set */
    unsigned count;
} Channels;

/* Called once, before any thread reads. */
void channels_init(Channels *channels, unsigned count);
void channels_clear(Channels *channels);

uint64_t channels_bytes(const Channels *channels);
uint64_t channels_copied_syncs(const Channels *channels);

/* The list of channels for x-query-migrate-history; caller puts. @elapsed_us: since the attempt
 * began. */
json_object *channels_to_json(const Channels *channels, int64_t elapsed_us);

/* ---- encoders: written by the migration's thread ---- */

/* The ENCODED rows of info.def. Bytes are those on the wire, record headers included. Rates are of
 * the last pass: xbzrle_cache_miss_rate is pages not found per page looked up,
 * compression_busy_rate is plain pages per page, the others are page bytes per byte sent. */
typedef struct {
    atomic_bool xbzrle, compression; /* the encoder is in use, so its rows are shown */
#define CODEC_COUNTED(object, field, type)
#define CODEC_FILLED(object, field, type)
#define CODEC_ENCODED(object, field, type) _Atomic INFO_TYPE_##type object##_##field;
#define MIG_STAT(name, object, field, member, type, label, form, suffix, when, source)             \
    CODEC_##source(object, field, type)
#include "backend/tables/info.def"
} CodecCounters;

/* Fills the encoders' parts of query-migrate. */
void codec_counters_fill_info(const CodecCounters *counters, MigInfo *info);

/* ---- page faults ---- */

/* The member "page-faults" of x-query-migrate-history; caller puts. */
json_object *page_faults_to_json(const PageFaultStats *stats);
