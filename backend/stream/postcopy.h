/*
 * The payloads of the postcopy commands, each encoder beside its decoder. Pure bytes; see
 * docs/stream.md for the format.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "backend/base/dirty-map.h"
#include "backend/stream/writer.h"

/* A range of bytes of one block. */
typedef struct {
    uint64_t start;
    uint64_t length;
} PostcopyRange;

/* POSTCOPY_ADVISE: the OR of the sizes of the blocks' host pages, and the target's page size. */
void postcopy_put_advise(StreamWriter *w, uint64_t host_pages);
/* False when the payload is not for RAM or the page sizes differ from ours. */
bool postcopy_check_advise(const uint8_t *data, size_t length, uint64_t host_pages, GError **error);

/* POSTCOPY_RAM_DISCARD for every run of @pages of block @idstr, in as many commands as needed. */
void postcopy_put_discards(StreamWriter *w, const char *idstr, const DirtyMap *pages);
/* Returns the block's name and appends its ranges (PostcopyRange): whole pages, none empty. The
 * caller checks that they are inside the block. */
bool postcopy_decode_discard(const uint8_t *data, size_t length, char ret_idstr[256],
                             GArray *ret_ranges, GError **error);

/* PACKAGED with the bytes of @content, which is reset. */
void postcopy_put_package(StreamWriter *w, StreamWriter *content);

/* RECV_BITMAP: asks for the received pages of block @idstr. */
void postcopy_put_recv_bitmap(StreamWriter *w, const char *idstr);
bool postcopy_decode_recv_bitmap(const uint8_t *data, size_t length, char ret_idstr[256],
                                 GError **error);
