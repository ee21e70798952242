/*
 * Pages that came packed on the main channel: what changed inside them (XBZRLE) and zlib streams of
 * one page each (compress). They are unpacked here and placed. Accepted whatever the capabilities
 * of this side are, as QEMU does for the first: the stream says what it is. One thread, the
 * placer's.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "backend/engine/incoming/placer.h"
#include "backend/stream/reader.h"

typedef struct PageDecoder PageDecoder;

/* @placer stays the caller's and outlives it. */
PageDecoder *page_decoder_new(Placer *placer);
void page_decoder_free(PageDecoder *decoder);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PageDecoder, page_decoder_free)

/* A RECORD_XBZRLE_PAGE or RECORD_COMPRESSED_PAGE for the guest's block @block. */
bool page_decoder_take(PageDecoder *decoder, size_t block, const StreamRecord *record,
                       GError **error);
