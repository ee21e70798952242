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

/* The rows of info.def that are ENCODED. Bytes are those on the wire, heads included. Rates are of
 * the last pass: xbzrle_cache_miss_rate pages not found for each page looked up,
 * compression_busy_rate pages sent as they are for each page, the others bytes of pages for each
 * byte sent. */
typedef struct {
    atomic_bool xbzrle, compression; /* that encoder is in use: its rows are shown */
#define CODEC_COUNTED(object, field, type)
#define CODEC_FILLED(object, field, type)
#define CODEC_ENCODED(object, field, type) _Atomic INFO_TYPE_##type object##_##field;
#define MIG_STAT(name, object, field, member, type, label, form, suffix, when, source)             \
    CODEC_##source(object, field, type)
#include "backend/tables/info.def"
} CodecCounters;

/* The parts of query-migrate that belong to them. */
void codec_counters_fill_info(const CodecCounters *counters, MigInfo *info);

/* ---- page faults ---- */

/* The member "page-faults" of x-query-migrate-history; caller puts. */
json_object *page_faults_to_json(const PageFaultStats *stats);
