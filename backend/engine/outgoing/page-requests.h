/*
 * The pages that a destination in postcopy waits for, in the order in which it asked. The return
 * path's thread adds, the thread that sends takes; or a server answers at once, in the thread that
 * adds. A page stands in the queue once, so whatever comes over the wire the queue is no longer
 * than the guest has pages.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "backend/guest/guest.h"

typedef struct PageRequests PageRequests;

/* The guest outlives it. */
PageRequests *page_requests_new(Guest *guest);
void page_requests_free(PageRequests *requests);

/* A message REQ_PAGES_ID (@idstr) or REQ_PAGES (@idstr "": the block of the one before); whole
 * pages of a block we have, or an error. */
bool page_requests_add(PageRequests *requests, const char *idstr, uint64_t start, uint32_t length,
                       GError **error);

/* Answers a request for one page; false with the error when the connection is of no use. */
typedef bool (*PageRequestsServer)(void *data, size_t block, size_t page, GError **error);

/* From here on @server answers what is added; NULL: it goes into the queue (again). A call that is
 * under way may still be running when this returns. */
void page_requests_set_server(PageRequests *requests, PageRequestsServer server, void *data);

/* The oldest one; false when there is none. */
bool page_requests_take(PageRequests *requests, size_t *ret_block, size_t *ret_page);

/* Waits for a request, at most @timeout_us (negative: for ever), or until somebody wakes. False
 * when there is none. */
bool page_requests_wait(PageRequests *requests, int64_t timeout_us);
void page_requests_wake(PageRequests *requests);

/* A new connection: nothing is asked for, no block was named. */
void page_requests_clear(PageRequests *requests);

/* Messages taken so far. */
uint64_t page_requests_count(PageRequests *requests);
