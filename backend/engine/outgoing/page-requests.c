/*
 * See page-requests.h.
 */
#include "backend/engine/outgoing/page-requests.h"

#include <inttypes.h>

#include "backend/base/dirty-map.h"
#include "backend/base/error.h"
#include "backend/base/lock.h"

#define NO_BLOCK SIZE_MAX

typedef struct {
    size_t block;
    size_t page;
} Request;

struct PageRequests {
    Guest *guest;

    pthread_mutex_t lock;
    pthread_cond_t changed;
    GQueue queue;      /* Request */
    DirtyMap **queued; /* for each block: the pages in the queue */
    size_t last_block;
    uint64_t count;
    uint64_t wakes;
    PageRequestsServer server;
    void *server_data;
};

PageRequests *page_requests_new(Guest *guest)
{
    PageRequests *requests = g_new0(PageRequests, 1);
    size_t n;
    RamBlock *const *blocks = guest_blocks(guest, &n);

    requests->guest = guest;
    pthread_mutex_init(&requests->lock, NULL);
    mig_cond_init(&requests->changed);
    g_queue_init(&requests->queue);
    requests->queued = g_new0(DirtyMap *, n);
    for (size_t i = 0; i < n; i++) {
        requests->queued[i] = dirty_map_new(blocks[i]->n_pages);
    }
    requests->last_block = NO_BLOCK;
    return requests;
}

void page_requests_free(PageRequests *requests)
{
    size_t n;

    if (requests == NULL) {
        return;
    }
    guest_blocks(requests->guest, &n);
    for (size_t i = 0; i < n; i++) {
        dirty_map_free(requests->queued[i]);
    }
    g_free(requests->queued);
    g_queue_clear_full(&requests->queue, g_free);
    pthread_cond_destroy(&requests->changed);
    pthread_mutex_destroy(&requests->lock);
    g_free(requests);
}

/* Under the lock: returns the requested block, or NO_BLOCK with the error. */
static size_t find_block(PageRequests *requests, const char *idstr, GError **error)
{
    if (*idstr == '\0') {
        if (requests->last_block == NO_BLOCK) {
            g_set_error_literal(error, MIG_ERROR, MIG_ERROR_FORMAT,
                                "return path: pages are asked for, but of no block");
        }
        return requests->last_block;
    }
    if (guest_find_block(requests->guest, idstr, &requests->last_block) == NULL) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_FORMAT,
                    "return path: pages are asked for of block '%s', which is not here", idstr);
        return NO_BLOCK;
    }
    return requests->last_block;
}

/* Checks and counts a message; queues its pages, or returns the server that must answer them
 * now. */
static bool take_message(PageRequests *requests, const char *idstr, uint64_t start, uint32_t length,
                         size_t *ret_block, PageRequestsServer *ret_server, void **ret_data,
                         GError **error)
{
    MIG_LOCK(&requests->lock);
    size_t n, block = find_block(requests, idstr, error);

    if (block == NO_BLOCK) {
        return false;
    }
    const RamBlock *ram = guest_blocks(requests->guest, &n)[block];
    if (length == 0 || start % MIG_PAGE_SIZE != 0 || length % MIG_PAGE_SIZE != 0 ||
        start >= ram->size || length > ram->size - start) {
        return mig_fail(error, MIG_ERROR_FORMAT,
                        "return path: 0x%" PRIx32 " bytes at 0x%" PRIx64
                        " of block '%s' are asked for, which are no pages of it",
                        length, start, ram->idstr);
    }
    requests->count++;
    *ret_block = block;
    *ret_server = requests->server;
    *ret_data = requests->server_data;
    for (uint64_t page = start / MIG_PAGE_SIZE;
         page < (start + length) / MIG_PAGE_SIZE && requests->server == NULL; page++) {
        if (dirty_map_set(requests->queued[block], page, 1) > 0) {
            Request *request = g_new(Request, 1);

            *request = (Request){ block, page };
            g_queue_push_tail(&requests->queue, request);
        }
    }
    if (requests->server == NULL) {
        pthread_cond_broadcast(&requests->changed);
    }
    return true;
}

bool page_requests_add(PageRequests *requests, const char *idstr, uint64_t start, uint32_t length,
                       GError **error)
{
    PageRequestsServer server;
    size_t block;
    void *data;

    if (!take_message(requests, idstr, start, length, &block, &server, &data, error)) {
        return false;
    }
    for (uint64_t page = start / MIG_PAGE_SIZE;
         server != NULL && page < (start + length) / MIG_PAGE_SIZE; page++) {
        if (!server(data, block, page, error)) {
            return false;
        }
    }
    return true;
}

void page_requests_set_server(PageRequests *requests, PageRequestsServer server, void *data)
{
    MIG_LOCK(&requests->lock);
    requests->server = server;
    requests->server_data = data;
}

bool page_requests_take(PageRequests *requests, size_t *ret_block, size_t *ret_page)
{
    MIG_LOCK(&requests->lock);
    g_autofree Request *request = g_queue_pop_head(&requests->queue);

    if (request == NULL) {
        return false;
    }
    dirty_map_clear(requests->queued[request->block], request->page, 1);
    *ret_block = request->block;
    *ret_page = request->page;
    return true;
}

bool page_requests_wait(PageRequests *requests, int64_t timeout_us)
{
    int64_t deadline = g_get_monotonic_time() + timeout_us;
    MIG_LOCK(&requests->lock);
    uint64_t wakes = requests->wakes;

    while (g_queue_is_empty(&requests->queue) && requests->wakes == wakes) {
        if (timeout_us < 0) {
            pthread_cond_wait(&requests->changed, &requests->lock);
        } else if (!mig_cond_wait_until(&requests->changed, &requests->lock, deadline)) {
            break;
        }
    }
    return !g_queue_is_empty(&requests->queue);
}

void page_requests_wake(PageRequests *requests)
{
    MIG_LOCK(&requests->lock);
    requests->wakes++;
    pthread_cond_broadcast(&requests->changed);
}

void page_requests_clear(PageRequests *requests)
{
    MIG_LOCK(&requests->lock);
    Request *request;

    while ((request = g_queue_pop_head(&requests->queue)) != NULL) {
        dirty_map_clear(requests->queued[request->block], request->page, 1);
        g_free(request);
    }
    requests->last_block = NO_BLOCK;
    requests->server = NULL;
}

uint64_t page_requests_count(PageRequests *requests)
{
    MIG_LOCK(&requests->lock);
    return requests->count;
}
