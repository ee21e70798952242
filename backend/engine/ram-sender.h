/*
 * What is left to send: the dirty pages of all blocks, harvested from the
 * tracker and taken page by page into a stream writer.
 *
 * Pages that were never touched are known from the backing's holes: they go out
 * as zero pages without being read, because reading would populate them. Owned by the outgoing
 * thread.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "backend/guest/dirty-tracker.h"
#include "backend/engine/ram-map.h"
#include "backend/guest/guest.h"
#include "backend/stream/writer.h"

typedef struct RamSender RamSender;

/* @tracker may be NULL for a guest that nothing can write (no vCPUs); @map is kept up to date. All stay the
 * caller's. */
RamSender *ram_sender_new(Guest *guest, DirtyTracker *tracker, RamMap *map);
void ram_sender_free(RamSender *sender);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(RamSender, ram_sender_free)

/* Asks the tracker. The first time every page becomes dirty; *@ret_dirtied is what this sync found:
 * pages written (the first time: holding data). */
bool ram_sender_sync(RamSender *sender, uint64_t *ret_dirtied, GError **error);

/* Pages not yet sent. */
uint64_t ram_sender_remaining(const RamSender *sender);

typedef struct {
    uint64_t normal;
    uint64_t zero;
} RamBatch;

/* Puts dirty pages into @w until it is full, about @max_bytes are there or none is left. Order: on
 * from where the last batch ended, around and around. */
RamBatch ram_sender_fill(RamSender *sender, StreamWriter *w, size_t max_bytes);
