/*
 * Writes RAM into a mapped-ram file (capability mapped-ram). Each page has its place, so a page
 * that is dirtied again is written again at the same place, and several threads can write at once.
 * The layout is backend/stream/mapped-ram.h.
 *
 * The work is done by the calling thread and @n_threads - 1 others; it is done when a call returns.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "backend/engine/outgoing/dirty-queue.h"
#include "backend/stream/mapped-ram.h"

typedef struct MappedWriter MappedWriter;

/* @fd is written at any offset, @pages_fd (of the same file) by whole pages at page borders; they
 * and the blocks stay the caller's. */
MappedWriter *mapped_writer_new(int fd, int pages_fd, RamBlock *const *blocks, size_t n_blocks,
                                unsigned n_threads, GError **error);
void mapped_writer_free(MappedWriter *writer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MappedWriter, mapped_writer_free)

/* Lays out @block, whose bitmap begins at offset @at of the file; at *@ret_next the stream
 * continues. */
MappedRam mapped_writer_place(MappedWriter *writer, size_t block, uint64_t at, uint64_t *ret_next);

/* Writes about @max_bytes of dirty pages; *@ret_bytes is the number of bytes written. */
bool mapped_writer_pages(MappedWriter *writer, RamSender *ram, size_t max_bytes,
                         RamBatch *ret_batch, uint64_t *ret_bytes, GError **error);

/* Writes the bitmaps, after all pages are written. */
bool mapped_writer_bitmaps(MappedWriter *writer, uint64_t *ret_bytes, GError **error);
