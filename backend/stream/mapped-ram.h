/*
 * Layout of a mapped-ram file (QEMU 9.0 and later). Each entry of the block list is followed by
 *
 *     u32 version 1, u64 page size, u64 offset of the bitmap, u64 offset of the pages
 *
 * and then, in the file, by the bitmap (64-bit words, little-endian; bit i set: page i is present),
 * a gap, and the pages at their places. The stream continues after the last page. Offsets count
 * from the beginning of the file, even if the stream begins later.
 */
#pragma once

#include <stdint.h>

#include "backend/stream/format.h"

#define MAPPED_RAM_VERSION 1u
#define MAPPED_RAM_HEADER  28u        /* bytes */
#define MAPPED_RAM_ALIGN   (1u << 20) /* of the pages, as written; read: any page border */

typedef struct {
    uint64_t bitmap_offset;
    uint64_t pages_offset;
} MappedRam;

static inline uint64_t mapped_ram_bitmap_size(uint64_t n_pages)
{
    return (n_pages + 63) / 64 * 8;
}

/* The places for a block of @n_pages whose bitmap begins at @at. */
static inline MappedRam mapped_ram_place(uint64_t at, uint64_t n_pages)
{
    uint64_t end = at + mapped_ram_bitmap_size(n_pages);

    return (MappedRam){ at, (end + MAPPED_RAM_ALIGN - 1) & ~(uint64_t)(MAPPED_RAM_ALIGN - 1) };
}
