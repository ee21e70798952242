/*
 * Missing pages of a guest that runs before all of its RAM is here (postcopy).
 *
 * The tracked mapping is registered for MISSING and MINOR faults: a vCPU that touches a page which
 * has not come stops in the middle of its instruction; a thread requests the page, and its arrival
 * lets the vCPU continue. A page is written to the memory's file as a whole before it is mapped, so
 * no vCPU sees half of one.
 *
 * Between start and stop no other code may read guest RAM that has not been placed: a read through
 * the second mapping would populate it.
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

/* Requests the @count pages from @first of block @block, which a vCPU waits for. Called in the
 * handler's thread, once for each missing page, and again by page_faults_repeat(). vCPUs may wait
 * while it runs. */
typedef void (*PageFaultsRequest)(void *data, size_t block, size_t first, size_t count);

/* True when this guest's RAM can be fetched page by page. The error names what is missing and the
 * remedy. */
bool page_faults_possible(Guest *guest, GError **error);

/* The OR of the page sizes of all blocks, in bytes. */
uint64_t page_faults_page_sizes(Guest *guest);

/* Nothing is registered yet. */
PageFaults *page_faults_new(Guest *guest, PageFaultsRequest request, void *data);

/* The received pages of block @block. The caller fills the map before the start; afterwards it may
 * only read it. Any thread. */
DirtyMap *page_faults_received(PageFaults *pf, size_t block);

/* From now on a vCPU that touches a missing page waits. No vCPU may run during the call. */
bool page_faults_start(PageFaults *pf, GError **error);

/* True when the caller may place this page: it is not received and no other thread has claimed it.
 * Any thread. */
bool page_faults_claim(PageFaults *pf, size_t block, size_t page);

/* True when a vCPU waits for the page. Any thread. */
bool page_faults_is_wanted(PageFaults *pf, size_t block, size_t page);

/* Places @count consecutive pages, claimed by the caller, and wakes the threads that wait for them.
 * Changes @iov. Any thread. */
bool page_faults_place(PageFaults *pf, size_t block, size_t first, struct iovec *iov, int count,
                       GError **error);

/* Number of pages that have not come. Any thread. */
uint64_t page_faults_missing(PageFaults *pf);

/* Repeats the requests for all pages that are waited for, after a connection with requests was
 * lost. Any thread. */
void page_faults_repeat(PageFaults *pf);

/* Ends the handling of faults and wakes all waiting threads. Call when all pages have come, or when
 * the guest is given up and its vCPUs were asked to stop. Idempotent. */
void page_faults_stop(PageFaults *pf);
void page_faults_free(PageFaults *pf); /* stops */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PageFaults, page_faults_free)

typedef struct {
    uint64_t requests;     /* pages that a thread waited for */
    uint64_t blocktime_us; /* time in which all vCPUs waited */
    unsigned n_vcpus;
    uint64_t *vcpu_us;  /* wait time of each vCPU; owned */
    unsigned n_waiting; /* vCPUs that wait now */
    Latency latency;    /* from fault to page */
} PageFaultStats;

/* Any thread; present waits count up to now. The caller owns ret->vcpu_us. */
void page_faults_stats(PageFaults *pf, PageFaultStats *ret);
void page_fault_stats_clear(PageFaultStats *stats);
