/*
 * The threads that wait for missing pages, and for how long. Part of missing-pages.c; all calls but
 * new and free need its lock. No system calls.
 */
#pragma once

#include "backend/guest/memory/missing-pages.h"

typedef struct PageWaits PageWaits;

/* A thread that waits in the middle of an instruction. */
typedef struct {
    int thread_id;
    unsigned vcpu; /* UINT_MAX: not a vCPU of the guest */
    size_t block;
    size_t page;      /* first page of the mapped unit */
    int64_t since_us; /* mig_clock_now_us() */
} PageWaiter;

/* @guest must outlive it. */
PageWaits *page_waits_new(Guest *guest);
void page_waits_free(PageWaits *w); /* no thread may wait */

/* A thread waits from now on; a thread that was woken without its page may call this again. True
 * when no thread waited for this page before, so that it has to be requested. */
bool page_waits_begin(PageWaits *w, int thread_id, size_t block, size_t page);

/* Pages [@first, @end) of the block have come. */
void page_waits_end(PageWaits *w, size_t block, size_t first, size_t end);

/* Ends all waits without pages; counts no latency. */
void page_waits_give_up(PageWaits *w);

bool page_waits_any(const PageWaits *w, size_t block, size_t page);

/* All PageWaiters; caller unrefs. */
GArray *page_waits_copy(const PageWaits *w);

/* See page_faults_stats(). */
void page_waits_stats(const PageWaits *w, PageFaultStats *ret);
