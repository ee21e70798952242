/*
 * Sends the changes of a page since it was sent last (capability xbzrle).
 *
 * The cache holds pages as the destination has them. The guest writes while we send, so a page is
 * copied first. The delta, a page sent whole because a delta would be longer, and the cached page
 * all come from that copy. In the first pass all pages are sent plain and none is cached: only
 * pages that the guest writes again are worth the memory.
 *
 * Each page has one place (its number modulo the size). A page used in this pass or the previous
 * one is not evicted: without that rule a working set larger than the cache would never hit. So
 * memory that the writer points at does not change until the batch is written.
 */
#include "backend/engine/outgoing/page-encoder.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "backend/base/error.h"
#include "backend/guest/memory/block.h"
#include "backend/stream/xbzrle.h"

#define LIFETIME 2u /* passes */
#define NO_PAGE  UINT64_MAX
/* Flags and offset, form, length: the header of a delta. */
#define DELTA_HEAD (8u + 1u + 2u)

typedef struct {
    uint64_t number;
    uint64_t used; /* the pass in which it was last used */
} Place;

typedef struct {
    PageEncoder base;
    uint64_t n_pages; /* of the guest */
    uint64_t pass;
    bool started; /* the first pass is over */

    uint64_t cache_size; /* as it was asked for */
    uint64_t n_places;   /* a power of two */
    Place *places;
    uint8_t *pages; /* n_places pages, from mmap: allocated as they are used */

    /* Counters at the last sync, for the rates. */
    uint64_t seen_pages, seen_misses, seen_bytes, seen_deltas;
    uint64_t looked_up; /* pages since the start */

    _Alignas(64) uint8_t copy[MIG_PAGE_SIZE];
    uint8_t delta[MIG_PAGE_SIZE];
} XbzrleEncoder;

/* ---- cache ---- */

static void drop_cache(XbzrleEncoder *x)
{
    if (x->pages != NULL) {
        munmap(x->pages, x->n_places * MIG_PAGE_SIZE);
    }
    g_free(x->places);
}

/* Makes an empty cache of @size bytes, or less for a small guest. False when there is no memory for
 * it; the old one stays. */
static bool make_cache(XbzrleEncoder *x, uint64_t size)
{
    uint64_t n = 1;

    while (n < size / MIG_PAGE_SIZE && n < x->n_pages) {
        n *= 2;
    }
    Place *places = g_try_new(Place, n);
    uint8_t *pages = mmap(NULL, n * MIG_PAGE_SIZE, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (places == NULL || pages == MAP_FAILED) {
        g_free(places);
        if (pages != MAP_FAILED) {
            munmap(pages, n * MIG_PAGE_SIZE);
        }
        return false;
    }
    for (uint64_t i = 0; i < n; i++) {
        places[i] = (Place){ NO_PAGE, 0 };
    }
    drop_cache(x);
    x->places = places;
    x->pages = pages;
    x->n_places = n;
    return true;
}

static void follow_settings(PageEncoder *encoder)
{
    XbzrleEncoder *x = (XbzrleEncoder *)encoder;
    uint64_t size = atomic_load(&encoder->settings->xbzrle_cache_size);

    if (size != x->cache_size) {
        make_cache(x, size); /* without memory the old cache stays in use */
        x->cache_size = size;
        atomic_store(&encoder->counters->xbzrle_cache_size, size);
    }
}

static uint8_t *content(const XbzrleEncoder *x, const Place *place)
{
    return x->pages + (uint64_t)(place - x->places) * MIG_PAGE_SIZE;
}

/* ---- pages ---- */

/* Sends a page that is not cached, and caches it unless the page in its place must stay. */
static PutResult put_new(XbzrleEncoder *x, StreamWriter *w, const EncoderPage *page, Place *place)
{
    const uint8_t *bytes = page->host;

    atomic_fetch_add(&x->base.counters->xbzrle_cache_miss, 1);
    if (place->number == NO_PAGE || place->used + LIFETIME <= x->pass) {
        *place = (Place){ page->number, x->pass };
        bytes = memcpy(content(x, place), page->host, MIG_PAGE_SIZE);
    }
    stream_put_page(w, page->block, page->offset, bytes);
    return PUT_WHOLE;
}

static PutResult put_delta(XbzrleEncoder *x, StreamWriter *w, const EncoderPage *page, Place *place)
{
    CodecCounters *c = x->base.counters;
    uint8_t *old = content(x, place);

    place->used = x->pass;
    memcpy(x->copy, page->host, MIG_PAGE_SIZE);
    size_t length = xbzrle_encode(old, x->copy, x->delta, sizeof x->delta);
    if (length == 0) {
        return PUT_NOTHING;
    }
    memcpy(old, x->copy, MIG_PAGE_SIZE);
    if (length == XBZRLE_OVERFLOW) {
        atomic_fetch_add(&c->xbzrle_overflow, 1);
        stream_put_page(w, page->block, page->offset, old);
        return PUT_WHOLE;
    }
    stream_put_xbzrle_page(w, page->block, page->offset, x->delta, length);
    atomic_fetch_add(&c->xbzrle_pages, 1);
    atomic_fetch_add(&c->xbzrle_bytes, DELTA_HEAD + length);
    return PUT_PACKED;
}

static PutResult xbzrle_put(PageEncoder *encoder, StreamWriter *w, const EncoderPage *page)
{
    XbzrleEncoder *x = (XbzrleEncoder *)encoder;

    if (!x->started) {
        stream_put_page(w, page->block, page->offset, page->host);
        return PUT_WHOLE;
    }
    Place *place = &x->places[page->number & (x->n_places - 1)];

    x->looked_up++;
    return place->number == page->number ? put_delta(x, w, page, place)
                                         : put_new(x, w, page, place);
}

static void xbzrle_zero(PageEncoder *encoder, uint64_t number)
{
    XbzrleEncoder *x = (XbzrleEncoder *)encoder;
    Place *place = &x->places[number & (x->n_places - 1)];

    if (place->number == number) {
        place->used = x->pass;
        memset(content(x, place), 0, MIG_PAGE_SIZE);
    }
}

/* ---- rates ---- */

static void xbzrle_sync(PageEncoder *encoder)
{
    XbzrleEncoder *x = (XbzrleEncoder *)encoder;
    CodecCounters *c = encoder->counters;
    uint64_t misses = atomic_load(&c->xbzrle_cache_miss), bytes = atomic_load(&c->xbzrle_bytes);
    uint64_t deltas = atomic_load(&c->xbzrle_pages);
    uint64_t looked_up = x->looked_up - x->seen_pages;

    x->started = x->pass > 0;
    x->pass++;
    if (looked_up == 0) {
        return;
    }
    atomic_store(&c->xbzrle_cache_miss_rate, (double)(misses - x->seen_misses) / (double)looked_up);
    atomic_store(&c->xbzrle_encoding_rate,
                 bytes == x->seen_bytes ? 0
                                        : (double)((deltas - x->seen_deltas) * MIG_PAGE_SIZE) /
                                              (double)(bytes - x->seen_bytes));
    x->seen_pages = x->looked_up;
    x->seen_misses = misses;
    x->seen_bytes = bytes;
    x->seen_deltas = deltas;
}

/* ---- life ---- */

static void xbzrle_free(PageEncoder *encoder)
{
    drop_cache((XbzrleEncoder *)encoder);
    g_aligned_free(encoder);
}

static const PageEncoderOps xbzrle_ops = {
    .put = xbzrle_put,
    .zero = xbzrle_zero,
    .begin = follow_settings,
    .sync = xbzrle_sync,
    .free = xbzrle_free,
};

PageEncoder *xbzrle_encoder_new(const LiveSettings *settings, CodecCounters *counters,
                                uint64_t n_pages, GError **error)
{
    XbzrleEncoder *x = g_aligned_alloc0(1, sizeof *x, _Alignof(XbzrleEncoder));

    x->base = (PageEncoder){ &xbzrle_ops, settings, counters };
    x->n_pages = n_pages;
    x->cache_size = atomic_load(&settings->xbzrle_cache_size);
    if (!make_cache(x, x->cache_size)) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC,
                    "no memory for an XBZRLE cache of %" G_GUINT64_FORMAT " bytes: %s",
                    x->cache_size, g_strerror(ENOMEM));
        mig_error_hint(error, "migrate_set_parameter xbzrle-cache-size takes less");
        xbzrle_free(&x->base);
        return NULL;
    }
    atomic_store(&counters->xbzrle, true);
    atomic_store(&counters->xbzrle_cache_size, x->cache_size);
    return &x->base;
}
