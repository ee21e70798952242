/*
 * What the connections of an attempt that carry pages beside the main one have done, for people:
 * each is written by the thread of its channel and read by anyone at any time. Lives in the
 * attempt's record.
 */
#pragma once

#include <glib.h>
#include <json-c/json.h>
#include <stdatomic.h>
#include <stdint.h>

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
