/*
 * The pages that a destination in postcopy waits for, in the order of its requests. The return
 * path's thread adds them and the sending thread takes them, or a server answers at once in the
 * thread that adds. A page is in the queue at most once, so the queue is never longer than the
 * guest's number of pages, whatever comes over the wire.
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

/* Adds a message REQ_PAGES_ID (@idstr) or REQ_PAGES (@idstr "": the block of the previous one).
 * False with the error unless it names whole pages of a known block, or when the server fails. */
bool page_requests_add(PageRequests *requests, const char *idstr, uint64_t start, uint32_t length,
                       GError **error);

/* Answers a request for one page; false with the error when the connection has failed. */
typedef bool (*PageRequestsServer)(void *data, size_t block, size_t page, GError **error);

/* From here on @server answers added requests; NULL: they go into the queue (again). A call of the
 * previous server may still be running when this returns. */
void page_requests_set_server(PageRequests *requests, PageRequestsServer server, void *data);

/* Takes the oldest request; false when there is none. */
bool page_requests_take(PageRequests *requests, size_t *ret_block, size_t *ret_page);

/* Waits for a request, at most @timeout_us (negative: for ever) or until page_requests_wake().
 * False when there is none. */
bool page_requests_wait(PageRequests *requests, int64_t timeout_us);
void page_requests_wake(PageRequests *requests);

/* For a new connection: forgets all requests and the last named block. */
void page_requests_clear(PageRequests *requests);

/* Number of messages added so far. */
uint64_t page_requests_count(PageRequests *requests);
