/*
 * Compression of pages on a multifd channel: none, or one zlib stream or zstd
 * frame for the whole life of the channel, flushed at the end of each packet.
 * One packer or unpacker belongs to one channel and one thread.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backend/stream/multifd-packet.h"

/* State of zlib or zstd. */
typedef struct MultifdPacker MultifdPacker;

MultifdPacker *multifd_packer_new(MultifdCompression compression, int level, GError **error);
void multifd_packer_free(MultifdPacker *packer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MultifdPacker, multifd_packer_free)

/* Packs @n (1 to MULTIFD_PAGES) pages of 4096 bytes, which may change meanwhile; the result is
 * valid until the next call. */
const uint8_t *multifd_pack(MultifdPacker *packer, const uint8_t *const *pages, uint32_t n,
                            size_t *ret_size, GError **error);

typedef struct MultifdUnpacker MultifdUnpacker;

MultifdUnpacker *multifd_unpacker_new(MultifdCompression compression, GError **error);
void multifd_unpacker_free(MultifdUnpacker *unpacker);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MultifdUnpacker, multifd_unpacker_free)

/* Unpacks @size bytes into @n consecutive pages at @out. False with an error when the bytes are not
 * exactly @n pages. */
bool multifd_unpack(MultifdUnpacker *unpacker, const uint8_t *bytes, size_t size, uint8_t *out,
                    uint32_t n, GError **error);
