/*
 * See snapshot.h.
 *
 * A page is secured once: by the reader, when its turn comes, or by the handler when a vCPU wants
 * to write it before that. Both do it under one lock, held for the copy of one page (of one huge
 * page by the handler). After that the protection is not needed, and the handler lifts it without a
 * copy.
 *
 * Copies are kept in an anonymous mapping as large as the block, at the offset of their page. Each
 * is given back to the kernel when it is read.
 */
#include "backend/guest/memory/snapshot.h"

#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

#include "backend/base/error.h"
#include "backend/base/lock.h"
#include "backend/guest/memory/uffd-handler.h"
#include "backend/guest/memory/userfaultfd.h"

typedef struct {
    RamBlock *ram;
    DirtyMap *data; /* pages that may hold data at the time of the snapshot; constant */

    /* Under the lock. */
    DirtyMap *secured; /* returned by the reader or copied */
    uint8_t *aside;
} SnapshotBlock;

typedef struct {
    size_t block, page;
} PageName;

struct RamSnapshot {
    /* Constant while the handler runs. */
    SnapshotBlock *blocks;
    size_t n_blocks;
    size_t n_registered; /* blocks, from the first on */
    UffdHandler *handler;
    int uffd;            /* the handler's */
    _Atomic int failure; /* first errno that left a write unprotected, 0 = none */

    pthread_mutex_t lock;
    GQueue copies; /* PageName, owned: the kept copies */
    uint64_t peak;

    /* The reader only. */
    size_t block, page; /* position of the reader */
    uint64_t remaining;
};

/* ---- the handler ---- */

/* Under the lock. */
static void put_aside(RamSnapshot *s, size_t index, size_t page)
{
    SnapshotBlock *b = &s->blocks[index];

    if (dirty_map_set(b->secured, page, 1) == 0) {
        return;
    }
    memcpy(b->aside + page * MIG_PAGE_SIZE, b->ram->host + page * MIG_PAGE_SIZE, MIG_PAGE_SIZE);

    PageName *name = g_new(PageName, 1);
    *name = (PageName){ index, page };
    g_queue_push_tail(&s->copies, name);
    s->peak = MAX(s->peak, s->copies.length);
}

static void handle_write(void *data, int uffd, uint64_t address, int thread_id)
{
    RamSnapshot *s = data;

    (void)thread_id;
    for (size_t i = 0; i < s->n_blocks; i++) {
        RamBlock *ram = s->blocks[i].ram;
        uint64_t granule = ram->backing.granule;
        uint64_t offset = address - (uintptr_t)ram->guest;

        if (offset >= ram->size) {
            continue;
        }
        offset -= offset % granule;
        pthread_mutex_lock(&s->lock);
        for (uint64_t at = offset; at < offset + granule; at += MIG_PAGE_SIZE) {
            put_aside(s, i, at / MIG_PAGE_SIZE);
        }
        pthread_mutex_unlock(&s->lock);

        int errnum = uffd_write_protect(uffd, ram->guest + offset, granule, false);
        /* ENOENT: the snapshot has ended and waiting vCPUs were woken. After any other error the
         * guest continues and the snapshot is lost. */
        if (errnum != 0 && errnum != ENOENT) {
            int none = 0;

            atomic_compare_exchange_strong(&s->failure, &none, errnum);
            uffd_unregister(uffd, ram->guest, ram->size);
        }
        return;
    }
}

/* ---- begin and end ---- */

/* Protects the data in whole granules, as the kernel requires. */
static bool protect_data(RamSnapshot *s, SnapshotBlock *b, GError **error)
{
    size_t step = b->ram->backing.granule / MIG_PAGE_SIZE;
    size_t first, end = 0;

    if (!uffd_register_wp(s->uffd, b->ram->guest, b->ram->size, error)) {
        return false;
    }
    s->n_registered++;
    while (ram_block_next_data(b->ram, end, &first, &end)) {
        first -= first % step;
        end = MIN((end + step - 1) / step * step, b->ram->n_pages);
        dirty_map_set(b->data, first, end - first);

        int errnum = uffd_write_protect(s->uffd, b->ram->guest + first * MIG_PAGE_SIZE,
                                        (end - first) * MIG_PAGE_SIZE, true);
        if (errnum != 0) {
            mig_error_set_errno(error, errnum, "write-protecting RAM block '%s'", b->ram->idstr);
            return false;
        }
    }
    return true;
}

static bool make_block(RamSnapshot *s, size_t index, RamBlock *ram, GError **error)
{
    SnapshotBlock *b = &s->blocks[index];
    void *aside = mmap(NULL, ram->size, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (aside == MAP_FAILED) {
        mig_error_set_errno(error, errno, "making room for %" PRIu64 " bytes of pages", ram->size);
        return false;
    }
    madvise(aside, ram->size, MADV_DONTFORK);
    madvise(aside, ram->size, MADV_NOHUGEPAGE); /* pages come and go one by one */
    *b = (SnapshotBlock){
        .ram = ram,
        .data = dirty_map_new(ram->n_pages),
        .secured = dirty_map_new(ram->n_pages),
        .aside = aside,
    };
    s->n_blocks = index + 1;
    s->remaining += ram->n_pages;
    return true;
}

static bool open_and_run(RamSnapshot *s, GError **error)
{
    s->handler = uffd_handler_new(uffd_features_sync, "thread-src-pages", "mig/src/pages",
                                  handle_write, s, error);
    if (s->handler == NULL) {
        return false;
    }
    s->uffd = uffd_handler_fd(s->handler);
    return true;
}

RamSnapshot *ram_snapshot_new(RamBlock *const *blocks, size_t n_blocks, GError **error)
{
    g_autoptr(RamSnapshot) s = g_new0(RamSnapshot, 1);

    s->uffd = -1;
    pthread_mutex_init(&s->lock, NULL);
    g_queue_init(&s->copies);
    s->blocks = g_new0(SnapshotBlock, n_blocks);
    for (size_t i = 0; i < n_blocks; i++) {
        if (!make_block(s, i, blocks[i], error)) {
            return NULL;
        }
    }
    if (!open_and_run(s, error)) {
        return NULL;
    }
    for (size_t i = 0; i < n_blocks; i++) {
        if (!protect_data(s, &s->blocks[i], error)) {
            return NULL;
        }
    }
    return g_steal_pointer(&s);
}

void ram_snapshot_free(RamSnapshot *s)
{
    if (s == NULL) {
        return;
    }
    /* The handler runs until no range can fault any more and all waiting vCPUs are awake. */
    for (size_t i = 0; i < s->n_registered; i++) {
        uffd_unregister(s->uffd, s->blocks[i].ram->guest, s->blocks[i].ram->size);
    }
    uffd_handler_free(s->handler);
    for (size_t i = 0; i < s->n_blocks; i++) {
        dirty_map_free(s->blocks[i].data);
        dirty_map_free(s->blocks[i].secured);
        munmap(s->blocks[i].aside, s->blocks[i].ram->size);
    }
    g_free(s->blocks);
    g_queue_clear_full(&s->copies, g_free);
    pthread_mutex_destroy(&s->lock);
    g_free(s);
}

/* ---- reading ---- */

/* Takes a kept copy, if there is one. */
static bool take_copy(RamSnapshot *s, size_t *ret_block, size_t *ret_page, uint8_t *to)
{
    MIG_LOCK(&s->lock);
    g_autofree PageName *name = g_queue_pop_head(&s->copies);

    if (name == NULL) {
        return false;
    }
    uint8_t *copy = s->blocks[name->block].aside + name->page * MIG_PAGE_SIZE;
    memcpy(to, copy, MIG_PAGE_SIZE);
    madvise(copy, MIG_PAGE_SIZE, MADV_DONTNEED);
    *ret_block = name->block;
    *ret_page = name->page;
    return true;
}

/* Under the lock; false when the handler has copied the page: the copy comes from the queue. */
static bool take_in_place(SnapshotBlock *b, size_t page, uint8_t *to)
{
    if (dirty_map_set(b->secured, page, 1) == 0) {
        return false;
    }
    memcpy(to, b->ram->host + page * MIG_PAGE_SIZE, MIG_PAGE_SIZE);
    return true;
}

SnapshotItem ram_snapshot_next(RamSnapshot *s, size_t *ret_block, size_t *ret_page, uint8_t *to)
{
    for (;;) {
        if (take_copy(s, ret_block, ret_page, to)) {
            s->remaining--;
            return SNAPSHOT_PAGE;
        }
        if (s->block == s->n_blocks) {
            /* The reader has passed all pages; a copy made meanwhile is still in the queue. */
            if (s->remaining == 0) {
                return SNAPSHOT_END;
            }
            continue;
        }

        SnapshotBlock *b = &s->blocks[s->block];
        size_t page = s->page++;
        if (page == b->ram->n_pages) {
            s->block++;
            s->page = 0;
            continue;
        }
        *ret_block = s->block;
        *ret_page = page;
        if (!dirty_map_test(b->data, page)) {
            s->remaining--;
            return SNAPSHOT_ZERO;
        }
        MIG_LOCK(&s->lock);
        if (take_in_place(b, page, to)) {
            s->remaining--;
            return SNAPSHOT_PAGE;
        }
    }
}

const DirtyMap *ram_snapshot_data(const RamSnapshot *s, size_t index)
{
    return s->blocks[index].data;
}

uint64_t ram_snapshot_remaining(const RamSnapshot *s)
{
    return s->remaining;
}

uint64_t ram_snapshot_peak(RamSnapshot *s)
{
    MIG_LOCK(&s->lock);
    return s->peak;
}

bool ram_snapshot_is_whole(RamSnapshot *s, GError **error)
{
    int errnum = atomic_load(&s->failure);

    if (errnum != 0) {
        mig_error_set_errno(error, errnum, "lifting the protection of a page of the snapshot");
        return false;
    }
    return true;
}
