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
