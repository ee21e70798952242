/*
 * Reads the RAM of a mapped-ram file (capability mapped-ram); the layout is
 * backend/stream/mapped-ram.h. The work is done by the calling thread and @n_threads - 1 others.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "backend/guest/memory/block.h"
#include "backend/stream/mapped-ram.h"

typedef struct {
    int fd;       /* read at any offset */
    int pages_fd; /* of the same file; read by whole pages at page borders */
    /* Called between runs by any of the threads; true ends the load. */
    bool (*is_over)(void *data);
    void *data;
} MappedFile;

/* Loads the pages of the file into @block, which must read as zero; *@ret_pages is their number.
 * Pages that are not in the bitmap are not touched. */
bool mapped_ram_load(const MappedFile *file, const MappedRam *mapped, RamBlock *block,
                     unsigned n_threads, uint64_t *ret_pages, GError **error);
