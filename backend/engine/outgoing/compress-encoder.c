/*
 * Packs pages one by one in threads (capability compress, the old form of compression).
 *
 * Each thread has a place for one page. The migration's thread gives a page to a free thread and
 * puts finished pages into the writer. At the end of a batch it waits for all threads, so an older
 * content of a page never follows a newer one. A thread copies its page first: zlib reads it more
 * than once, and the guest may write it meanwhile.
 */
#include "backend/engine/outgoing/page-encoder.h"

#include <string.h>
#include <zlib.h>

#include "backend/base/error.h"
#include "backend/base/fault.h"
#include "backend/base/lock.h"
#include "backend/guest/memory/block.h"

/* Flags and offset, length: the header of the packed bytes. */
#define PACKED_HEAD (8u + 4u)

typedef struct CompressEncoder CompressEncoder;

typedef enum { PLACE_FREE, PLACE_BUSY, PLACE_DONE } PlaceState;

typedef struct {
    CompressEncoder *owner;
    GThread *thread;
    PlaceState state; /* under the owner's lock */

    /* Owned by the packing thread while busy, else by the migration's thread. */
    EncoderPage page;
    int level;
    size_t length;
    uint8_t packed[RAM_COMPRESSED_MAX];

    /* Packing thread only. */
    z_stream deflater;
    int deflater_level; /* of @deflater, -1 = none */
    uint8_t copy[MIG_PAGE_SIZE];
} Place;

struct CompressEncoder {
    PageEncoder base;
    Place *places;
    unsigned n_places;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool quit; /* under @lock */

    /* Counters at the last sync, for the rates. */
    uint64_t seen_pages, seen_busy, seen_bytes;
};

/* ---- a thread ---- */

static void pack(Place *place)
{
    z_stream *z = &place->deflater;

    if (place->deflater_level != place->level) {
        if (place->deflater_level >= 0) {
            deflateEnd(z);
        }
        *z = (z_stream){ 0 };
        int ready = deflateInit(z, place->level);
        g_assert(ready == Z_OK); /* fails only without memory; GLib then aborts too */
        place->deflater_level = place->level;
    } else {
        deflateReset(z);
    }
    memcpy(place->copy, place->page.host, MIG_PAGE_SIZE);
    z->next_in = place->copy;
    z->avail_in = MIG_PAGE_SIZE;
    z->next_out = place->packed;
    z->avail_out = sizeof place->packed;
    int end = deflate(z, Z_FINISH);
    g_assert(end == Z_STREAM_END); /* there is room for any content */
    place->length = sizeof place->packed - z->avail_out;
}

static void *pack_pages(void *data)
{
    Place *place = data;
    CompressEncoder *c = place->owner;

    pthread_mutex_lock(&c->lock);
    for (;;) {
        while (!c->quit && place->state != PLACE_BUSY) {
            pthread_cond_wait(&c->changed, &c->lock);
        }
        if (c->quit) {
            break;
        }
        pthread_mutex_unlock(&c->lock);
        pack(place);
        pthread_mutex_lock(&c->lock);
        place->state = PLACE_DONE;
        pthread_cond_broadcast(&c->changed);
    }
    pthread_mutex_unlock(&c->lock);
    if (place->deflater_level >= 0) {
        deflateEnd(&place->deflater);
    }
    return NULL;
}

/* ---- the migration's thread ---- */

static PlaceState state_of(CompressEncoder *c, const Place *place)
{
    MIG_LOCK(&c->lock);
    return place->state;
}

static void set_state(CompressEncoder *c, Place *place, PlaceState state)
{
    MIG_LOCK(&c->lock);

    place->state = state;
    pthread_cond_broadcast(&c->changed);
}

static void put_packed(CompressEncoder *c, StreamWriter *w, Place *place)
{
    CodecCounters *counters = c->base.counters;

    stream_put_compressed_page(w, place->page.block, place->page.offset, place->packed,
                               place->length);
    atomic_fetch_add(&counters->compression_pages, 1);
    atomic_fetch_add(&counters->compression_compressed_size, PACKED_HEAD + place->length);
    set_state(c, place, PLACE_FREE);
}

/* Empties finished places; returns a free one, NULL when all are busy. */
static Place *find_free(CompressEncoder *c, StreamWriter *w)
{
    Place *found = NULL;

    for (unsigned i = 0; i < c->n_places; i++) {
        Place *place = &c->places[i];
        PlaceState state = state_of(c, place);

        if (state == PLACE_DONE) {
            put_packed(c, w, place);
            state = PLACE_FREE;
        }
        if (state == PLACE_FREE && found == NULL) {
            found = place;
        }
    }
    return found;
}

static void wait_for_one(CompressEncoder *c)
{
    MIG_LOCK(&c->lock);

    for (;;) {
        for (unsigned i = 0; i < c->n_places; i++) {
            if (c->places[i].state != PLACE_BUSY) {
                return;
            }
        }
        pthread_cond_wait(&c->changed, &c->lock);
    }
}

static PutResult compress_put(PageEncoder *encoder, StreamWriter *w, const EncoderPage *page)
{
    CompressEncoder *c = (CompressEncoder *)encoder;
    Place *place = find_free(c, w);

    if (place == NULL && atomic_load(&encoder->settings->compress_wait_thread)) {
        wait_for_one(c);
        place = find_free(c, w);
    }
    if (place == NULL) {
        atomic_fetch_add(&encoder->counters->compression_busy, 1);
        stream_put_page(w, page->block, page->offset, page->host);
        return PUT_WHOLE;
    }
    place->page = *page;
    place->level = (int)atomic_load(&encoder->settings->compress_level);
    set_state(c, place, PLACE_BUSY);
    return PUT_PACKED;
}

static void compress_end(PageEncoder *encoder, StreamWriter *w)
{
    CompressEncoder *c = (CompressEncoder *)encoder;

    for (unsigned i = 0; i < c->n_places; i++) {
        Place *place = &c->places[i];

        pthread_mutex_lock(&c->lock);
        while (place->state == PLACE_BUSY) {
            pthread_cond_wait(&c->changed, &c->lock);
        }
        pthread_mutex_unlock(&c->lock);
        if (place->state == PLACE_DONE) {
            put_packed(c, w, place);
        }
    }
}

static void compress_sync(PageEncoder *encoder)
{
    CompressEncoder *c = (CompressEncoder *)encoder;
    CodecCounters *counters = encoder->counters;
    uint64_t pages = atomic_load(&counters->compression_pages);
    uint64_t busy = atomic_load(&counters->compression_busy);
    uint64_t bytes = atomic_load(&counters->compression_compressed_size);
    uint64_t all = (pages - c->seen_pages) + (busy - c->seen_busy);

    if (all > 0) {
        atomic_store(&counters->compression_busy_rate, (double)(busy - c->seen_busy) / (double)all);
    }
    if (bytes > c->seen_bytes) {
        atomic_store(&counters->compression_compression_rate,
                     (double)((pages - c->seen_pages) * MIG_PAGE_SIZE) /
                         (double)(bytes - c->seen_bytes));
    }
    c->seen_pages = pages;
    c->seen_busy = busy;
    c->seen_bytes = bytes;
}

/* ---- life ---- */

static void compress_free(PageEncoder *encoder)
{
    CompressEncoder *c = (CompressEncoder *)encoder;

    pthread_mutex_lock(&c->lock);
    c->quit = true;
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->lock);
    for (unsigned i = 0; i < c->n_places; i++) {
        if (c->places[i].thread != NULL) {
            g_thread_join(c->places[i].thread);
        }
    }
    pthread_cond_destroy(&c->changed);
    pthread_mutex_destroy(&c->lock);
    g_free(c->places);
    g_free(c);
}

static const PageEncoderOps compress_ops = {
    .put = compress_put,
    .end = compress_end,
    .sync = compress_sync,
    .free = compress_free,
};

PageEncoder *compress_encoder_new(const LiveSettings *settings, CodecCounters *counters,
                                  unsigned n_threads, GError **error)
{
    CompressEncoder *c = g_new0(CompressEncoder, 1);

    c->base = (PageEncoder){ &compress_ops, settings, counters };
    c->places = g_new0(Place, n_threads);
    c->n_places = n_threads;
    pthread_mutex_init(&c->lock, NULL);
    mig_cond_init(&c->changed);
    for (unsigned i = 0; i < n_threads; i++) {
        c->places[i].owner = c;
        c->places[i].deflater_level = -1;
        c->places[i].thread =
            fault_thread_new("thread-src-pack", "mig/src/pack", pack_pages, &c->places[i], error);
        if (c->places[i].thread == NULL) {
            compress_free(&c->base);
            return NULL;
        }
    }
    atomic_store(&counters->compression, true);
    return &c->base;
}
