/*
 * The handler of missing pages. See missing-pages.h.
 *
 * Threads: the handler reads faults; any number of threads place pages. Under @lock a page changes
 * from missing to received in one step with the list of waiters: a fault either finds its page
 * received and maps it at once, or is in the list when the page comes.
 *
 * A page that came before the start is in the file (or is a hole that reads as zero) but not in the
 * tracked mapping's page table: its first touch is a fault too, which this file answers without the
 * peer.
 */
#include "backend/guest/memory/missing-pages.h"

#include <errno.h>
#include <string.h>

#include "backend/base/error.h"
#include "backend/base/fd.h"
#include "backend/base/lock.h"
#include "backend/guest/memory/page-waits.h"
#include "backend/guest/memory/uffd-handler.h"
#include "backend/guest/memory/userfaultfd.h"

/* A received page is mapped together with the pages behind it, which will probably be touched
 * too. */
#define AROUND_PAGES ((size_t)16)

typedef struct {
    RamBlock *ram;
    size_t step;       /* pages of one mapping call */
    DirtyMap *claimed; /* pages that a thread is about to place, and received pages */
    DirtyMap *received;
} FaultBlock;

struct PageFaults {
    /* Constant. */
    PageFaultsRequest request;
    void *data;
    FaultBlock *blocks;
    size_t n_blocks;
    UffdHandler *handler;
    int uffd; /* the handler's; -1 = it does not run */
    bool stopped;

    pthread_mutex_t lock;
    PageWaits *waits;
    uint64_t missing;
};

/* ---- making ---- */

bool page_faults_possible(Guest *guest, GError **error)
{
    size_t n;
    RamBlock *const *blocks = guest_blocks(guest, &n);
    g_autoptr(GError) reason = NULL;
    g_auto(MigFd) uffd = uffd_open(uffd_features_postcopy, &reason);

    if (uffd < 0) {
        g_autofree char *why = mig_error_first_line(reason);

        g_set_error(error, MIG_ERROR, MIG_ERROR_UNSUPPORTED,
                    "Postcopy is not supported: Userfaultfd not available");
        mig_error_hint(error, "%s%s", why, reason->message + strlen(why));
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (!blocks[i]->backing.missing_minor) {
            g_set_error(error, MIG_ERROR, MIG_ERROR_UNSUPPORTED,
                        "Postcopy is not supported: RAM block '%s' (%s) cannot be had page by page",
                        blocks[i]->idstr, blocks[i]->backing.name);
            mig_error_hint(error, "start this side without --ram-file, or with one on /dev/shm");
            return false;
        }
    }
    return true;
}

uint64_t page_faults_page_sizes(Guest *guest)
{
    size_t n;
    RamBlock *const *blocks = guest_blocks(guest, &n);
    uint64_t sizes = 0;

    for (size_t i = 0; i < n; i++) {
        sizes |= blocks[i]->backing.granule;
    }
    return sizes;
}

PageFaults *page_faults_new(Guest *guest, PageFaultsRequest request, void *data)
{
    PageFaults *pf = g_new0(PageFaults, 1);
    RamBlock *const *blocks = guest_blocks(guest, &pf->n_blocks);

    pf->request = request;
    pf->data = data;
    pf->uffd = -1;
    pthread_mutex_init(&pf->lock, NULL);
    pf->waits = page_waits_new(guest);
    pf->blocks = g_new0(FaultBlock, pf->n_blocks);
    for (size_t i = 0; i < pf->n_blocks; i++) {
        pf->blocks[i] = (FaultBlock){
            .ram = blocks[i],
            .step = blocks[i]->backing.granule / MIG_PAGE_SIZE,
            .claimed = dirty_map_new(blocks[i]->n_pages),
            .received = dirty_map_new(blocks[i]->n_pages),
        };
    }
    return pf;
}

DirtyMap *page_faults_received(PageFaults *pf, size_t block)
{
    return pf->blocks[block].received;
}

/* ---- the handler ---- */

/* Under the lock. */
static bool is_here(const FaultBlock *b, size_t page)
{
    return dirty_map_test(b->received, page) &&
           dirty_map_run_end(b->received, page, page + b->step) == page + b->step;
}

/* Maps a page that is in the file, or a hole that is known to be zero. Another thread may map it at
 * the same time. */
static void map_received(int uffd, const FaultBlock *b, size_t page)
{
    uint8_t *at = b->ram->guest + page * MIG_PAGE_SIZE;
    size_t length = b->step * MIG_PAGE_SIZE, mapped, around;
    int errnum;

    if (b->step == 1) {
        around = MIN(page + AROUND_PAGES, b->ram->n_pages);
        around = dirty_map_run_end(b->received, page, around) - page;
        errnum = uffd_continue(uffd, at, around * MIG_PAGE_SIZE, &mapped);
    } else {
        (void)*(volatile uint8_t *)(b->ram->host + page * MIG_PAGE_SIZE); /* zeroes for a hole */
        errnum = uffd_continue(uffd, at, length, &mapped);
    }
    if (mapped == 0 && errnum == EFAULT && uffd_zero(uffd, at, length) == EEXIST) {
        (void)uffd_continue(uffd, at, length, &mapped);
    }
    if (mapped == 0) {
        uffd_wake(uffd, at, length); /* mapped already: the vCPU retries */
    }
}

static bool find_block(const PageFaults *pf, uint64_t address, size_t *ret_block, size_t *ret_page)
{
    for (size_t i = 0; i < pf->n_blocks; i++) {
        const FaultBlock *b = &pf->blocks[i];
        uint64_t offset = address - (uintptr_t)b->ram->guest;

        if (offset < b->ram->size) {
            *ret_block = i;
            *ret_page = offset / MIG_PAGE_SIZE / b->step * b->step;
            return true;
        }
    }
    return false;
}

typedef enum { FAULT_KNOWN, FAULT_HERE, FAULT_REQUEST } FaultAnswer;

static FaultAnswer take_fault(PageFaults *pf, size_t block, size_t page, int thread_id)
{
    MIG_LOCK(&pf->lock);

    if (is_here(&pf->blocks[block], page)) {
        return FAULT_HERE;
    }
    return page_waits_begin(pf->waits, thread_id, block, page) ? FAULT_REQUEST : FAULT_KNOWN;
}

static void handle_fault(void *data, int uffd, uint64_t address, int thread_id)
{
    PageFaults *pf = data;
    size_t block, page;

    if (!find_block(pf, address, &block, &page)) {
        return;
    }
    switch (take_fault(pf, block, page, thread_id)) {
    case FAULT_HERE:
        map_received(uffd, &pf->blocks[block], page);
        break;
    case FAULT_REQUEST:
        pf->request(pf->data, block, page, pf->blocks[block].step);
        break;
    case FAULT_KNOWN:
        break;
    }
}

/* ---- start and stop ---- */

static void count_missing(PageFaults *pf)
{
    pf->missing = 0;
    for (size_t i = 0; i < pf->n_blocks; i++) {
        const FaultBlock *b = &pf->blocks[i];
        size_t end, first = dirty_map_next(b->received, 0);

        pf->missing += b->ram->n_pages - dirty_map_count(b->received);
        for (; first < b->ram->n_pages; first = dirty_map_next(b->received, end)) {
            end = dirty_map_next_clear(b->received, first);
            dirty_map_set(b->claimed, first, end - first);
        }
    }
}

bool page_faults_start(PageFaults *pf, GError **error)
{
    g_assert(pf->handler == NULL);
    count_missing(pf);
    pf->handler = uffd_handler_new(uffd_features_postcopy, "thread-dst-fault", "mig/dst/fault",
                                   handle_fault, pf, error);
    if (pf->handler == NULL) {
        return false;
    }
    pf->uffd = uffd_handler_fd(pf->handler);
    for (size_t i = 0; i < pf->n_blocks; i++) {
        RamBlock *ram = pf->blocks[i].ram;

        if (!uffd_register_missing_minor(pf->uffd, ram->guest, ram->size, error)) {
            g_prefix_error(error, "RAM block '%s': ", ram->idstr);
            return false;
        }
    }
    return true;
}

void page_faults_stop(PageFaults *pf)
{
    if (pf->stopped) {
        return;
    }
    pf->stopped = true;
    for (size_t i = 0; i < pf->n_blocks && pf->uffd >= 0; i++) {
        uffd_unregister(pf->uffd, pf->blocks[i].ram->guest, pf->blocks[i].ram->size);
    }
    g_clear_pointer(&pf->handler, uffd_handler_free);
    pf->uffd = -1;

    MIG_LOCK(&pf->lock);
    page_waits_give_up(pf->waits);
}

void page_faults_free(PageFaults *pf)
{
    if (pf == NULL) {
        return;
    }
    page_faults_stop(pf);
    for (size_t i = 0; i < pf->n_blocks; i++) {
        dirty_map_free(pf->blocks[i].claimed);
        dirty_map_free(pf->blocks[i].received);
    }
    g_free(pf->blocks);
    page_waits_free(pf->waits);
    pthread_mutex_destroy(&pf->lock);
    g_free(pf);
}

/* ---- placing ---- */

bool page_faults_claim(PageFaults *pf, size_t block, size_t page)
{
    return dirty_map_set(pf->blocks[block].claimed, page, 1) > 0;
}

bool page_faults_is_wanted(PageFaults *pf, size_t block, size_t page)
{
    size_t step = pf->blocks[block].step;
    MIG_LOCK(&pf->lock);

    return page_waits_any(pf->waits, block, page / step * step);
}

/* Maps the pages [@first, @end), all of which are in the file, and wakes. */
static void map_placed(PageFaults *pf, const FaultBlock *b, size_t first, size_t end)
{
    while (first < end) {
        uint8_t *at = b->ram->guest + first * MIG_PAGE_SIZE;
        size_t mapped;
        int errnum = uffd_continue(pf->uffd, at, (end - first) * MIG_PAGE_SIZE, &mapped);

        first += mapped / MIG_PAGE_SIZE;
        if (errnum != 0 && first < end) {
            /* The handler has mapped this page already. */
            uffd_wake(pf->uffd, b->ram->guest + first * MIG_PAGE_SIZE, b->step * MIG_PAGE_SIZE);
            first += b->step;
        }
    }
}

bool page_faults_place(PageFaults *pf, size_t block, size_t first, struct iovec *iov, int count,
                       GError **error)
{
    FaultBlock *b = &pf->blocks[block];
    size_t end = first + (size_t)count;

    if (!ram_block_write(b->ram, first, iov, count, error)) {
        dirty_map_clear(b->claimed, first, (size_t)count);
        return false;
    }

    pthread_mutex_lock(&pf->lock);
    uint64_t placed = dirty_map_set(b->received, first, (size_t)count);
    /* Only whole units are mapped. */
    for (first -= first % b->step; first < end; first += b->step) {
        size_t last = first;

        while (last < end && is_here(b, last)) {
            last += b->step;
        }
        if (last > first) {
            page_waits_end(pf->waits, block, first, last);
            pthread_mutex_unlock(&pf->lock);
            map_placed(pf, b, first, last);
            pthread_mutex_lock(&pf->lock);
            first = last - b->step;
        }
    }
    /* Last, because a thread that sees no missing page may call page_faults_stop(), after which
     * nothing may be mapped. */
    pf->missing -= placed;
    pthread_mutex_unlock(&pf->lock);
    return true;
}

uint64_t page_faults_missing(PageFaults *pf)
{
    MIG_LOCK(&pf->lock);
    return pf->missing;
}

void page_faults_repeat(PageFaults *pf)
{
    g_autoptr(GArray) waiters = NULL;

    pthread_mutex_lock(&pf->lock);
    waiters = page_waits_copy(pf->waits);
    pthread_mutex_unlock(&pf->lock);
    for (guint i = 0; i < waiters->len; i++) {
        const PageWaiter *w = &g_array_index(waiters, PageWaiter, i);

        pf->request(pf->data, w->block, w->page, pf->blocks[w->block].step);
    }
}

/* ---- figures ---- */

void page_faults_stats(PageFaults *pf, PageFaultStats *ret)
{
    MIG_LOCK(&pf->lock);
    page_waits_stats(pf->waits, ret);
}

void page_fault_stats_clear(PageFaultStats *stats)
{
    g_clear_pointer(&stats->vcpu_us, g_free);
}
