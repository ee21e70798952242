/*
 * Missing pages of a guest that runs before all of its RAM is here (postcopy).
 *
 * The tracked mapping is registered for MISSING and MINOR faults: a vCPU that touches a page
 * which has not come stops in the middle of its instruction; a thread turns that into a request
 * and the arrival of the page lets it go on. Pages are written to the memory's file as a whole
 * and mapped only then, so no vCPU ever sees half of one.
 *
 * Between start and stop nobody but this file may read guest RAM that has not been placed: a read
 * through the second mapping would populate it.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "backend/base/dirty-map.h"
#include "backend/base/latency.h"
#include "backend/guest/guest.h"

typedef struct PageFaults PageFaults;

/* Somebody waits for the @count pages from @first of block @block; called from the handler's
 * thread, once for each until it has come, and from page_faults_repeat(). Any vCPU may wait while
 * it runs. */
typedef void (*PageFaultsRequest)(void *data, size_t block, size_t first, size_t count);

/* Can this guest's RAM be had page by page? The error says what is missing and what to do. */
bool page_faults_possible(Guest *guest, GError **error);

/* The OR of the sizes in which the memory of all blocks is mapped. */
uint64_t page_faults_page_sizes(Guest *guest);

/* Nothing is registered yet. */
PageFaults *page_faults_new(Guest *guest, PageFaultsRequest request, void *data);

/* The pages of block @block that are here. Before the start the caller fills it; later it is to be
 * read only. Any thread. */
DirtyMap *page_faults_received(PageFaults *pf, size_t block);

/* From here on a vCPU that touches a missing page waits. No vCPU runs. */
bool page_faults_start(PageFaults *pf, GError **error);

/* True for the one who may place this page: it is not here and nobody else brings it. Any thread.
 */
bool page_faults_claim(PageFaults *pf, size_t block, size_t page);

/* Somebody waits for it. Any thread. */
bool page_faults_is_wanted(PageFaults *pf, size_t block, size_t page);

/* Places @count pages in a row, claimed by the caller, and lets go who waits for them. @iov is used
 * up. Any thread. */
bool page_faults_place(PageFaults *pf, size_t block, size_t first, struct iovec *iov, int count,
                       GError **error);

/* Pages that have not come. Any thread. */
uint64_t page_faults_missing(PageFaults *pf);

/* Requests again whatever somebody waits for: requests on their way were lost. Any thread. */
void page_faults_repeat(PageFaults *pf);

/* Ends it: all pages are here, or the guest is given up and its vCPUs were told to stop. Whoever
 * waits goes on. Idempotent. */
void page_faults_stop(PageFaults *pf);
void page_faults_free(PageFaults *pf); /* stops */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PageFaults, page_faults_free)

typedef struct {
    uint64_t requests;     /* pages that somebody waited for */
    uint64_t blocktime_us; /* all vCPUs waited at once */
    unsigned n_vcpus;
    uint64_t *vcpu_us;  /* each waited so long; owned */
    unsigned n_waiting; /* vCPUs that wait now */
    Latency latency;    /* from fault to page */
} PageFaultStats;

/* Any thread; waits that go on count up to now. */
void page_faults_stats(PageFaults *pf, PageFaultStats *ret);
void page_fault_stats_clear(PageFaultStats *stats);
