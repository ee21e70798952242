/*
 * RAM in a mapped-ram file (capability mapped-ram): each page has its place, so a page that is
 * dirtied again is written again where it was, and several threads can write and read at once. The
 * layout is backend/stream/mapped-ram.h.
 *
 * Both sides do their work on the calling thread and @n_threads - 1 others, and are done with it
 * when they return.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "backend/engine/outgoing/dirty-queue.h"
#include "backend/stream/mapped-ram.h"

/* ---- writing ---- */

typedef struct MappedWriter MappedWriter;

/* @fd is written at any place, @pages_fd (of the same file) by whole pages at page borders; they
 * and the blocks stay the caller's. */
MappedWriter *mapped_writer_new(int fd, int pages_fd, RamBlock *const *blocks, size_t n_blocks,
                                unsigned n_threads, GError **error);
void mapped_writer_free(MappedWriter *writer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MappedWriter, mapped_writer_free)

/* The places of @block, whose bitmap begins at @at of the file; *@ret_next is where the stream goes
 * on. */
MappedRam mapped_writer_place(MappedWriter *writer, size_t block, uint64_t at, uint64_t *ret_next);

/* Writes about @max_bytes of dirty pages; *@ret_bytes is what went into the file. */
bool mapped_writer_pages(MappedWriter *writer, RamSender *ram, size_t max_bytes,
                         RamBatch *ret_batch, uint64_t *ret_bytes, GError **error);

/* All pages are written: which of them there are. */
bool mapped_writer_bitmaps(MappedWriter *writer, uint64_t *ret_bytes, GError **error);

/* ---- reading ---- */

typedef struct {
    int fd;       /* read at any place */
    int pages_fd; /* of the same file: by whole pages at page borders */
    /* Asked between runs, from any of the threads: true ends the load. */
    bool (*is_over)(void *data);
    void *data;
} MappedFile;

/* Puts the pages of the file into @block, which must read as zero; *@ret_pages of them. Pages that
 * are not in the bitmap are left alone. */
bool mapped_ram_load(const MappedFile *file, const MappedRam *mapped, RamBlock *block,
                     unsigned n_threads, uint64_t *ret_pages, GError **error);
