/*
 * What multifd channels carry: one init packet, then data packets until the
 * end of the connection. A data packet is a header of fixed size, behind it,
 * where it has pages with content, their bytes (multifd-codec.h). Pure bytes.
 *
 * Versions differ (docs/stream.md): up to QEMU 8.2 a header knows only pages
 * with content, and one without any holds leftovers of the packet before, which
 * the decoder does not look at.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "backend/stream/format.h"

#define MULTIFD_MAGIC        0x11223344u
#define MULTIFD_VERSION      1u
#define MULTIFD_INIT_BYTES   64u
#define MULTIFD_PAGES        128u /* most that one packet names */
#define MULTIFD_HEADER_BYTES (320u + 8u * MULTIFD_PAGES)

/* How the bytes of pages are packed; both sides must be set to the same. */
typedef enum {
    MULTIFD_PLAIN,
    MULTIFD_ZLIB,
    MULTIFD_ZSTD,
    MULTIFD__COMPRESSIONS,
} MultifdCompression;

const char *multifd_compression_name(MultifdCompression compression); /* "none", "zlib", "zstd" */

typedef struct {
    uint8_t uuid[16];
    uint8_t id; /* of the channel */
} MultifdInit;

void multifd_init_encode(const MultifdInit *init, uint8_t ret[MULTIFD_INIT_BYTES]);
bool multifd_init_decode(const uint8_t bytes[MULTIFD_INIT_BYTES], MultifdInit *ret, GError **error);

typedef struct {
    bool sync; /* everything before it on this channel belongs to the pass that ends */
    MultifdCompression compression; /* of the bytes; says something only with pages of content */
    uint32_t n_normal;              /* pages with content */
    uint32_t n_zero;
    uint32_t data_bytes; /* behind the header; 0 without pages of content */
    uint64_t number;     /* counts packets; for people */
    char block[256];     /* of all its pages; "" without any */
    /* Bytes from the start of the block, whole pages: those with content in the order of their
     * bytes, then the zero ones. */
    uint64_t offsets[MULTIFD_PAGES];
} MultifdPacket;

void multifd_packet_encode(const MultifdPacket *packet, uint8_t ret[MULTIFD_HEADER_BYTES]);

/* Takes nothing on trust: counts, data size and offsets are bounded; whether the block exists and
 * is as long is the caller's to see. */
bool multifd_packet_decode(const uint8_t bytes[MULTIFD_HEADER_BYTES], MultifdPacket *ret,
                           GError **error);
