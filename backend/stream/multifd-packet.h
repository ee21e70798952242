/*
 * The packets of multifd channels: one init packet, then data packets until the
 * end of the connection. A data packet is a header of fixed size, followed by
 * the bytes of its pages with content (multifd-codec.h), if any. Pure bytes.
 *
 * Versions differ (docs/stream.md): up to QEMU 8.2 a header knows only pages
 * with content, and a header without any contains stale data of the previous
 * packet, which the decoder ignores.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "backend/stream/format.h"

#define MULTIFD_MAGIC        0x11223344u
#define MULTIFD_VERSION      1u
#define MULTIFD_INIT_BYTES   64u
#define MULTIFD_PAGES        128u /* most pages of one packet */
#define MULTIFD_HEADER_BYTES (320u + 8u * MULTIFD_PAGES)

/* Compression of the pages' bytes; both sides must use the same setting. */
typedef enum {
    MULTIFD_PLAIN,
    MULTIFD_ZLIB,
    MULTIFD_ZSTD,
    MULTIFD__COMPRESSIONS,
} MultifdCompression;

const char *multifd_compression_name(MultifdCompression compression); /* "none", "zlib", "zstd" */

typedef struct {
    uint8_t uuid[16];
    uint8_t id; /* channel number */
} MultifdInit;

void multifd_init_encode(const MultifdInit *init, uint8_t ret[MULTIFD_INIT_BYTES]);
bool multifd_init_decode(const uint8_t bytes[MULTIFD_INIT_BYTES], MultifdInit *ret, GError **error);

typedef struct {
    bool sync; /* ends a pass: everything before it on this channel belongs to the pass */
    MultifdCompression compression; /* of the bytes; only meaningful with pages with content */
    uint32_t n_normal;              /* pages with content */
    uint32_t n_zero;
    uint32_t data_bytes; /* after the header; 0 without pages with content */
    uint64_t number;     /* counts packets; informative */
    char block[256];     /* block of all its pages; "" without pages */
    /* Bytes from the start of the block, page aligned: the pages with content in the order of their
     * bytes, then the zero pages. */
    uint64_t offsets[MULTIFD_PAGES];
} MultifdPacket;

void multifd_packet_encode(const MultifdPacket *packet, uint8_t ret[MULTIFD_HEADER_BYTES]);

/* Checks the bounds of counts, data size and offsets. The caller checks that the block exists and
 * is long enough. */
bool multifd_packet_decode(const uint8_t bytes[MULTIFD_HEADER_BYTES], MultifdPacket *ret,
                           GError **error);
