/*
 * See mapped-reader.h. Each free thread takes the next piece of the bitmap. A run of pages goes
 * through a buffer into the memory's descriptor, which is the fastest way for fresh memory (no page
 * fault, no zeroing; docs/engine.md). A clear bit means a zero page, whatever the file holds there.
 */
#include "backend/engine/incoming/mapped-reader.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend/base/error.h"
#include "backend/base/lock.h"
#include "backend/base/workers.h"

#define PIECE_PAGES 512u  /* a piece of the bitmap: 8 words */
#define ORDER       4096u /* pieces in one order to the crew; their words are read at once */
#define BUFFER      ((size_t)PIECE_PAGES * MIG_PAGE_SIZE)

typedef struct {
    const MappedFile *file;
    const MappedRam *mapped;
    RamBlock *block;
    size_t first;     /* first page of the order */
    uint64_t *words;  /* the bits of the order */
    GPrivate *buffer; /* one for each thread */
    _Atomic uint64_t n_pages;
    pthread_mutex_t lock;
    GError *error; /* the first error; under @lock */
} Load;

static void note_error(Load *load, GError *error)
{
    MIG_LOCK(&load->lock);

    if (load->error == NULL) {
        load->error = error;
    } else {
        g_error_free(error);
    }
}

static bool has_failed(Load *load)
{
    MIG_LOCK(&load->lock);

    if (load->error == NULL && load->file->is_over != NULL &&
        load->file->is_over(load->file->data)) {
        load->error =
            g_error_new_literal(MIG_ERROR, MIG_ERROR_CANCELLED, "the migration was cancelled");
    }
    return load->error != NULL;
}

/* Reads exactly @count bytes at offset @at of the file. */
static bool read_all(int fd, void *to, size_t count, uint64_t at, GError **error)
{
    uint8_t *bytes = to;

    while (count > 0) {
        ssize_t n = pread(fd, bytes, count, (off_t)at);

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            mig_error_set_errno(error, errno, "Unable to read from file");
            return false;
        }
        if (n == 0) {
            return mig_fail(error, MIG_ERROR_IO,
                            "file ends at 0x%" PRIx64 ", %zu bytes before the end of a page", at,
                            count);
        }
        bytes += n;
        at += (uint64_t)n;
        count -= (size_t)n;
    }
    return true;
}

static bool place(RamBlock *block, const uint8_t *bytes, size_t count, uint64_t at, GError **error)
{
    if (!block->backing.pwrite) {
        memcpy(block->host + at, bytes, count);
        return true;
    }
    while (count > 0) {
        ssize_t n = pwrite(block->fd, bytes, count, (off_t)at);

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            mig_error_set_errno(error, n < 0 ? errno : ENOSPC, "writing RAM block %s",
                                block->idstr);
            mig_error_hint(error, "the memory behind the guest ran out of room");
            return false;
        }
        bytes += n;
        at += (uint64_t)n;
        count -= (size_t)n;
    }
    return true;
}

/* ---- pieces; any thread of the crew ---- */

static uint8_t *own_buffer(Load *load)
{
    uint8_t *buffer = g_private_get(load->buffer);

    if (buffer == NULL) {
        buffer = g_aligned_alloc(1, BUFFER, MIG_PAGE_SIZE);
        g_private_set(load->buffer, buffer);
    }
    return buffer;
}

static bool load_run(Load *load, size_t first, size_t count)
{
    uint8_t *buffer = own_buffer(load);
    GError *error = NULL;

    if (!read_all(load->file->pages_fd, buffer, count * MIG_PAGE_SIZE,
                  load->mapped->pages_offset + first * MIG_PAGE_SIZE, &error) ||
        !place(load->block, buffer, count * MIG_PAGE_SIZE, first * MIG_PAGE_SIZE, &error)) {
        note_error(load, error);
        return false;
    }
    atomic_fetch_add(&load->n_pages, count);
    return true;
}

static bool bit(const Load *load, size_t page)
{
    size_t i = page - load->first;

    return (load->words[i / 64] >> (i % 64)) & 1;
}

static void load_piece(void *data, size_t piece)
{
    Load *load = data;
    size_t page = load->first + piece * PIECE_PAGES;
    size_t end = MIN(page + PIECE_PAGES, load->block->n_pages);

    while (page < end) {
        if (load->words[(page - load->first) / 64] == 0) {
            page = (page / 64 + 1) * 64;
            continue;
        }
        if (!bit(load, page)) {
            page++;
            continue;
        }
        size_t first = page;
        while (page < end && bit(load, page)) {
            page++;
        }
        if (has_failed(load) || !load_run(load, first, page - first)) {
            return;
        }
    }
}

/* ---- all of it ---- */

static bool load_orders(Load *load, Crew *crew)
{
    size_t n_pages = load->block->n_pages;

    for (; load->first < n_pages; load->first += (size_t)ORDER * PIECE_PAGES) {
        size_t pages = MIN(n_pages - load->first, (size_t)ORDER * PIECE_PAGES);
        GError *error = NULL;

        if (!read_all(load->file->fd, load->words, mapped_ram_bitmap_size(pages),
                      load->mapped->bitmap_offset + load->first / 8, &error)) {
            note_error(load, error);
            return false;
        }
        for (size_t i = 0; i < (pages + 63) / 64; i++) {
            load->words[i] = GUINT64_FROM_LE(load->words[i]);
        }
        crew_run(crew, (pages + PIECE_PAGES - 1) / PIECE_PAGES);
        if (has_failed(load)) {
            return false;
        }
    }
    return true;
}

bool mapped_ram_load(const MappedFile *file, const MappedRam *mapped, RamBlock *block,
                     unsigned n_threads, uint64_t *ret_pages, GError **error)
{
    static GPrivate buffer = G_PRIVATE_INIT(g_aligned_free);
    g_autofree uint64_t *words = g_new0(uint64_t, ORDER * PIECE_PAGES / 64);
    Load load = {
        .file = file, .mapped = mapped, .block = block, .words = words, .buffer = &buffer
    };
    g_autoptr(Crew) crew = crew_new(n_threads, load_piece, &load, error);

    if (crew == NULL) {
        return false;
    }
    pthread_mutex_init(&load.lock, NULL);
    bool ok = load_orders(&load, crew);
    pthread_mutex_destroy(&load.lock);
    if (!ok) {
        g_propagate_error(error, load.error);
        return false;
    }
    *ret_pages = atomic_load(&load.n_pages);
    return true;
}
