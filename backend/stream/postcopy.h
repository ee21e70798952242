/*
 * The payloads of the commands that belong to postcopy, encoder beside decoder. Pure bytes; the
 * format is docs/stream.md's.
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
/* False when it is not for RAM or the sizes are not ours. */
bool postcopy_check_advise(const uint8_t *data, size_t length, uint64_t host_pages, GError **error);

/* POSTCOPY_RAM_DISCARD, as many commands as it takes: every run of @pages of block @idstr. */
void postcopy_put_discards(StreamWriter *w, const char *idstr, const DirtyMap *pages);
/* The block's name and its ranges (PostcopyRange, appended): whole pages, none empty; whether they
 * lie in the block is the caller's to check. */
bool postcopy_decode_discard(const uint8_t *data, size_t length, char ret_idstr[256],
                             GArray *ret_ranges, GError **error);

/* PACKAGED: what @content holds; @content is reset. */
void postcopy_put_package(StreamWriter *w, StreamWriter *content);

/* RECV_BITMAP: asks for what came of block @idstr. */
void postcopy_put_recv_bitmap(StreamWriter *w, const char *idstr);
bool postcopy_decode_recv_bitmap(const uint8_t *data, size_t length, char ret_idstr[256],
                                 GError **error);
