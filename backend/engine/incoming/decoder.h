/*
 * Pages that came packed on the main channel: changes of a page (XBZRLE), or zlib streams of one
 * page each (compress). They are unpacked here and placed. Both are accepted whatever the
 * capabilities of this side are, as QEMU does for XBZRLE, because the stream marks them. Runs on
 * the placer's thread.
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
