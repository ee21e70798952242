/*
 * Packed pages. See decoder.h. The placer writes a page some time after it gets it, so unpacked
 * pages stay in a ring here. The placer is flushed before a place in the ring is used again.
 */
#include "backend/engine/incoming/decoder.h"

#include <string.h>
#include <zlib.h>

#include "backend/base/error.h"
#include "backend/stream/xbzrle.h"

#define RING_PAGES 128u

struct PageDecoder {
    Placer *placer;
    z_stream inflater;
    bool has_inflater; /* made with the first packed page */
    unsigned used;     /* pages of the ring since the last flush */
    _Alignas(64) uint8_t ring[RING_PAGES][MIG_PAGE_SIZE];
};

PageDecoder *page_decoder_new(Placer *placer)
{
    PageDecoder *decoder = g_aligned_alloc0(1, sizeof *decoder, _Alignof(PageDecoder));

    decoder->placer = placer;
    return decoder;
}

void page_decoder_free(PageDecoder *decoder)
{
    if (decoder == NULL) {
        return;
    }
    if (decoder->has_inflater) {
        inflateEnd(&decoder->inflater);
    }
    g_aligned_free(decoder);
}

/* A free page of the ring; NULL with the error when the placer cannot write the used ones. */
static uint8_t *take_room(PageDecoder *decoder, GError **error)
{
    if (decoder->used == RING_PAGES) {
        if (!placer_flush(decoder->placer, error)) {
            return NULL;
        }
        decoder->used = 0;
    }
    return decoder->ring[decoder->used++];
}

static bool take_delta(PageDecoder *decoder, size_t block, const StreamRecord *record,
                       GError **error)
{
    uint8_t *page;

    if (!placer_in_place(decoder->placer, block, record->offset, &page, error)) {
        return false;
    }
    bool fresh = page == NULL;
    if (fresh) {
        page = take_room(decoder, error);
        if (page == NULL) {
            return false;
        }
        memset(page, 0, MIG_PAGE_SIZE);
    }
    if (!xbzrle_decode(record->data, record->length, page)) {
        return mig_fail(error, MIG_ERROR_FORMAT, "Failed to load XBZRLE page - decode error!");
    }
    return !fresh || placer_page(decoder->placer, block, record->offset, page, error);
}

static bool inflate_page(PageDecoder *decoder, const StreamRecord *record, uint8_t *page)
{
    z_stream *z = &decoder->inflater;

    if (!decoder->has_inflater) {
        if (inflateInit(z) != Z_OK) {
            return false;
        }
        decoder->has_inflater = true;
    } else if (inflateReset(z) != Z_OK) {
        return false;
    }
    z->next_in = (uint8_t *)(uintptr_t)record->data; /* zlib does not write there */
    z->avail_in = (unsigned)record->length;
    z->next_out = page;
    z->avail_out = MIG_PAGE_SIZE;
    return inflate(z, Z_FINISH) == Z_STREAM_END && z->avail_out == 0;
}

static bool take_compressed(PageDecoder *decoder, size_t block, const StreamRecord *record,
                            GError **error)
{
    uint8_t *page = take_room(decoder, error);

    if (page == NULL) {
        return false;
    }
    if (!inflate_page(decoder, record, page)) {
        return mig_fail(error, MIG_ERROR_FORMAT,
                        "decompress data failed: %zu packed bytes are not a page", record->length);
    }
    return placer_page(decoder->placer, block, record->offset, page, error);
}

bool page_decoder_take(PageDecoder *decoder, size_t block, const StreamRecord *record,
                       GError **error)
{
    return record->type == RECORD_XBZRLE_PAGE ? take_delta(decoder, block, record, error)
                                              : take_compressed(decoder, block, record, error);
}
