/*
 * The pages left to send: the dirty pages of all blocks, read from the tracker and taken run by
 * run, for the writer of the main channel (ram_sender_fill) or for another lane.
 *
 * Pages that were never touched are known from the holes of the backing. They are sent as zero
 * pages without being read, because reading would populate them. The outgoing thread owns the
 * queue; other threads may take pages too, and each page is taken by one thread.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "backend/engine/outgoing/page-encoder.h"
#include "backend/guest/dirty/tracker.h"
#include "backend/engine/attempt/ram-map.h"
#include "backend/guest/guest.h"
#include "backend/stream/writer.h"

typedef struct RamSender RamSender;

/* @tracker may be NULL for a guest without vCPUs, whose RAM does not change. @map is kept up to
 * date. All stay the caller's. */
RamSender *ram_sender_new(Guest *guest, DirtyTracker *tracker, RamMap *map);
void ram_sender_free(RamSender *sender);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(RamSender, ram_sender_free)

/* No page of this block is ever sent. Before the first sync. */
void ram_sender_leave_out(RamSender *sender, size_t block);

/* Before the first sync: memory that was never touched is not sent at all. */
void ram_sender_leave_holes_out(RamSender *sender);

/* Reads the tracker. At the first call every page becomes dirty, or every page that holds data.
 * *@ret_dirtied is the number of pages written (first call: of pages that hold data). */
bool ram_sender_sync(RamSender *sender, uint64_t *ret_dirtied, GError **error);

/* Pages not yet sent. */
uint64_t ram_sender_remaining(const RamSender *sender);

/* The pages that the guest has written since the last sync, 0 without a tracker. Reads the page
 * tables of all RAM with data, so not for each batch. */
uint64_t ram_sender_count_written(RamSender *sender);

/* Never-touched pages taken since the last call; they were sent as zero pages. */
uint64_t ram_sender_take_fresh(RamSender *sender);

/* Pages that follow each other in one block and are to be sent. */
typedef struct {
    unsigned block; /* index of the guest's block */
    size_t first;   /* page */
    size_t count;
    const uint8_t *host; /* the memory of the first page */
    bool data;           /* false: never touched; zero, and not to be read */
    bool unread;         /* the data was not read before */
} RamRun;

/* Called before the data of @run is read, by the thread that reads it: maps it in one call where
 * that is faster than page faults. */
void ram_run_map_in(const RamRun *run);

/* Takes the next run, of at most @max_pages (> 0); its pages count as sent. The search begins where
 * the last run ended and wraps around. False when none is left. */
bool ram_sender_take(RamSender *sender, size_t max_pages, RamRun *ret);

/* Sets how ram_sender_fill() encodes pages with data; NULL (the default) = plain. @encoder stays
 * the caller's. Not for postcopy, where a page is placed only once. */
void ram_sender_set_encoder(RamSender *sender, PageEncoder *encoder);
/* Takes the first run of dirty pages among @count pages from page @first of @block; the next
 * ram_sender_take() begins behind it. False when there are none. */
bool ram_sender_take_at(RamSender *sender, size_t block, size_t first, size_t count, RamRun *ret);

/* The pages of block @block that are not yet sent; for the outgoing thread while no other thread
 * takes pages. */
const DirtyMap *ram_sender_dirty(const RamSender *sender, size_t block);

/* Marks all pages of @block except those in @received to be sent (again). No other thread may take
 * pages meanwhile. */
void ram_sender_begin_again(RamSender *sender, size_t block, const DirtyMap *received);

/* Like ram_sender_take(), with a separate limit for never-touched runs, which are cheap to send. */
bool ram_sender_take_holes(RamSender *sender, size_t max_pages, size_t max_hole, RamRun *ret);

typedef struct {
    uint64_t normal;
    uint64_t zero;
    uint64_t packed; /* pages that the encoder made shorter */
} RamBatch;

/* Puts the pages of @run into @w, which has room for them; adds to @batch. */
void ram_sender_put(RamSender *sender, StreamWriter *w, const RamRun *run, RamBatch *batch);

/* Puts the next runs into @w until it is full, about @max_bytes are put or no run is left. */
RamBatch ram_sender_fill(RamSender *sender, StreamWriter *w, size_t max_bytes);
