/*
 * See mapped-writer.h. A batch is a list of runs of dirty pages; the thread that takes a run tests
 * it for zero pages and writes it. A page is zero in the file while its bit is clear, whatever its
 * place holds, so for a page that became zero only the bit changes.
 */
#include "backend/engine/outgoing/mapped-writer.h"

#include <errno.h>
#include <unistd.h>

#include "backend/base/error.h"
#include "backend/base/lock.h"
#include "backend/base/workers.h"

#define RUN_PAGES  256u
#define BATCH_RUNS 256u

typedef struct {
    const RamBlock *ram;
    MappedRam mapped;
    DirtyMap *present; /* pages in the file */
} WriterBlock;

struct MappedWriter {
    int fd;
    int pages_fd;
    WriterBlock *blocks;
    size_t n_blocks;
    Crew *crew;

    /* The batch: the caller fills it, the crew works on it. */
    RamRun runs[BATCH_RUNS];
    _Atomic uint64_t n_normal, n_zero;
    pthread_mutex_t lock;
    GError *error; /* the first error of the batch; under @lock */
};

/* ---- one run; any thread of the crew ---- */

static void note_error(MappedWriter *w, int errnum)
{
    MIG_LOCK(&w->lock);

    if (w->error == NULL) {
        mig_error_set_errno(&w->error, errnum, "Unable to write to file");
    }
}

static bool write_all(MappedWriter *w, int fd, const void *bytes, size_t count, uint64_t at)
{
    const uint8_t *from = bytes;

    while (count > 0) {
        ssize_t n = pwrite(fd, from, count, (off_t)at);

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            note_error(w, n < 0 ? errno : ENOSPC);
            return false;
        }
        from += n;
        at += (uint64_t)n;
        count -= (size_t)n;
    }
    return true;
}

/* Puts @count pages with data, or @count zero pages, from page @index of the run on. */
static bool put_pages(MappedWriter *w, const RamRun *run, size_t index, size_t count, bool zero)
{
    const WriterBlock *b = &w->blocks[run->block];
    size_t first = run->first + index;

    if (count == 0) {
        return true;
    }
    if (zero) {
        dirty_map_clear(b->present, first, count);
        atomic_fetch_add(&w->n_zero, count);
        return true;
    }
    dirty_map_set(b->present, first, count);
    atomic_fetch_add(&w->n_normal, count);
    return write_all(w, w->pages_fd, run->host + index * MIG_PAGE_SIZE, count * MIG_PAGE_SIZE,
                     b->mapped.pages_offset + first * MIG_PAGE_SIZE);
}

static void write_run(void *data, size_t piece)
{
    MappedWriter *w = data;
    const RamRun *run = &w->runs[piece];
    size_t begun = 0;
    bool zero = false;

    if (!run->data) {
        put_pages(w, run, 0, run->count, true);
        return;
    }
    for (size_t i = 0; i < run->count; i++) {
        bool this_zero = ram_page_is_zero(run->host + i * MIG_PAGE_SIZE);

        if (this_zero == zero) {
            continue;
        }
        if (!put_pages(w, run, begun, i - begun, zero)) {
            return;
        }
        begun = i;
        zero = this_zero;
    }
    put_pages(w, run, begun, run->count - begun, zero);
}

/* ---- the migration's thread ---- */

MappedWriter *mapped_writer_new(int fd, int pages_fd, RamBlock *const *blocks, size_t n_blocks,
                                unsigned n_threads, GError **error)
{
    MappedWriter *w = g_new0(MappedWriter, 1);

    w->fd = fd;
    w->pages_fd = pages_fd;
    w->n_blocks = n_blocks;
    w->blocks = g_new0(WriterBlock, n_blocks);
    for (size_t i = 0; i < n_blocks; i++) {
        w->blocks[i].ram = blocks[i];
        w->blocks[i].present = dirty_map_new(blocks[i]->n_pages);
    }
    pthread_mutex_init(&w->lock, NULL);
    w->crew = crew_new(n_threads, write_run, w, error);
    if (w->crew == NULL) {
        mapped_writer_free(w);
        return NULL;
    }
    return w;
}

void mapped_writer_free(MappedWriter *w)
{
    if (w == NULL) {
        return;
    }
    crew_free(w->crew);
    for (size_t i = 0; i < w->n_blocks; i++) {
        dirty_map_free(w->blocks[i].present);
    }
    g_clear_error(&w->error);
    pthread_mutex_destroy(&w->lock);
    g_free(w->blocks);
    g_free(w);
}

MappedRam mapped_writer_place(MappedWriter *w, size_t block, uint64_t at, uint64_t *ret_next)
{
    WriterBlock *b = &w->blocks[block];

    b->mapped = mapped_ram_place(at, b->ram->n_pages);
    *ret_next = b->mapped.pages_offset + b->ram->size;
    return b->mapped;
}

static bool take_error(MappedWriter *w, GError **error)
{
    if (w->error == NULL) {
        return true;
    }
    g_propagate_error(error, g_steal_pointer(&w->error));
    return false;
}

bool mapped_writer_pages(MappedWriter *w, RamSender *ram, size_t max_bytes, RamBatch *ret_batch,
                         uint64_t *ret_bytes, GError **error)
{
    size_t n = 0, pages = 0, max_pages = MAX(max_bytes / MIG_PAGE_SIZE, 1);

    atomic_store(&w->n_normal, 0);
    atomic_store(&w->n_zero, 0);
    while (n < BATCH_RUNS && pages < max_pages &&
           ram_sender_take_holes(ram, MIN(RUN_PAGES, max_pages - pages), SIZE_MAX, &w->runs[n])) {
        pages += w->runs[n].data ? w->runs[n].count : 0;
        n++;
    }
    crew_run(w->crew, n);
    *ret_batch = (RamBatch){ .normal = atomic_load(&w->n_normal), .zero = atomic_load(&w->n_zero) };
    *ret_bytes = ret_batch->normal * MIG_PAGE_SIZE;
    return take_error(w, error);
}

static bool write_bitmap(MappedWriter *w, const WriterBlock *b)
{
    uint64_t words[4096];
    size_t n_words = (b->ram->n_pages + 63) / 64;

    for (size_t first = 0, count; first < n_words; first += count) {
        count = MIN(n_words - first, G_N_ELEMENTS(words));
        dirty_map_words(b->present, first, count, words);
        for (size_t i = 0; i < count; i++) {
            words[i] = GUINT64_TO_LE(words[i]);
        }
        if (!write_all(w, w->fd, words, count * sizeof *words,
                       b->mapped.bitmap_offset + first * 8)) {
            return false;
        }
    }
    return true;
}

bool mapped_writer_bitmaps(MappedWriter *w, uint64_t *ret_bytes, GError **error)
{
    *ret_bytes = 0;
    for (size_t i = 0; i < w->n_blocks; i++) {
        if (!write_bitmap(w, &w->blocks[i])) {
            return take_error(w, error);
        }
        *ret_bytes += mapped_ram_bitmap_size(w->blocks[i].ram->n_pages);
    }
    return true;
}
