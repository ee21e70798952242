/*
 * Encodes a page with data for the main channel's writer: as its changes (xbzrle-encoder.c) or
 * packed (compress-encoder.c). Owned by the outgoing thread, which calls all functions here;
 * figures go to the migration's counters.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "backend/engine/attempt/settings.h"
#include "backend/engine/attempt/statistics.h"
#include "backend/stream/writer.h"

typedef struct PageEncoder PageEncoder;

/* A page of the guest. */
typedef struct {
    unsigned block;
    uint64_t offset; /* in the block, bytes */
    uint64_t number; /* among all RAM, pages */
    const uint8_t *host;
} EncoderPage;

typedef enum {
    PUT_WHOLE,   /* as a plain page */
    PUT_PACKED,  /* as something shorter, now or at the end of the batch */
    PUT_NOTHING, /* the destination has this content */
} PutResult;

typedef struct {
    /* The guest may write the page meanwhile. */
    PutResult (*put)(PageEncoder *encoder, StreamWriter *w, const EncoderPage *page);
    /* Optional. Page @number is sent as a zero page. */
    void (*zero)(PageEncoder *encoder, uint64_t number);
    /* Optional. The writer is empty and a batch begins: settings may have changed. */
    void (*begin)(PageEncoder *encoder);
    /* Optional. When it returns, all pages put are in @w and nothing points at the guest's
     * pages. */
    void (*end)(PageEncoder *encoder, StreamWriter *w);
    /* Optional. A dirty sync was made, a pass begins. */
    void (*sync)(PageEncoder *encoder);
    void (*free)(PageEncoder *encoder);
} PageEncoderOps;

/* The first member of each encoder. */
struct PageEncoder {
    const PageEncoderOps *ops;
    const LiveSettings *settings;
    CodecCounters *counters;
};

/* For a guest of @n_pages; both pointers stay the caller's and outlive it. NULL with an error when
 * there is no memory for the cache. */
PageEncoder *xbzrle_encoder_new(const LiveSettings *settings, CodecCounters *counters,
                                uint64_t n_pages, GError **error);

/* Packs in @n_threads threads (>= 1). NULL with an error when a thread cannot be made. */
PageEncoder *compress_encoder_new(const LiveSettings *settings, CodecCounters *counters,
                                  unsigned n_threads, GError **error);

/* All of these accept NULL. */
static inline void page_encoder_free(PageEncoder *encoder)
{
    if (encoder != NULL) {
        encoder->ops->free(encoder);
    }
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PageEncoder, page_encoder_free)

static inline void page_encoder_zero(PageEncoder *encoder, uint64_t number)
{
    if (encoder != NULL && encoder->ops->zero != NULL) {
        encoder->ops->zero(encoder, number);
    }
}

static inline void page_encoder_begin(PageEncoder *encoder)
{
    if (encoder != NULL && encoder->ops->begin != NULL) {
        encoder->ops->begin(encoder);
    }
}

static inline void page_encoder_end(PageEncoder *encoder, StreamWriter *w)
{
    if (encoder != NULL && encoder->ops->end != NULL) {
        encoder->ops->end(encoder, w);
    }
}

static inline void page_encoder_sync(PageEncoder *encoder)
{
    if (encoder != NULL && encoder->ops->sync != NULL) {
        encoder->ops->sync(encoder);
    }
}
