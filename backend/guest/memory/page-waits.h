/*
 * Who waits for a missing page, and for how long: a part of missing-pages.c, under its lock (but
 * for making and freeing). Nothing here talks to the kernel.
 */
#pragma once

#include "backend/guest/memory/missing-pages.h"

typedef struct PageWaits PageWaits;

/* A thread in the middle of an instruction. */
typedef struct {
    int thread_id;
    unsigned vcpu; /* UINT_MAX: not one of the guest's */
    size_t block;
    size_t page;      /* the first of those mapped at once */
    int64_t since_us; /* mig_clock_now_us() */
} PageWaiter;

/* Guest outlives it. */
PageWaits *page_waits_new(Guest *guest);
void page_waits_free(PageWaits *w); /* nobody waits */

/* A thread waits from now on; one that was woken in vain may say so again. True when nobody waited
 * for this page before: it is to be requested. */
bool page_waits_begin(PageWaits *w, int thread_id, size_t block, size_t page);

/* Pages [@first, @end) of the block have come. */
void page_waits_end(PageWaits *w, size_t block, size_t first, size_t end);

/* Whoever waits goes on, without a page: no latency is counted. */
void page_waits_give_up(PageWaits *w);

bool page_waits_any(const PageWaits *w, size_t block, size_t page);

/* All PageWaiters; caller unrefs. */
GArray *page_waits_copy(const PageWaits *w);

/* See page_faults_stats(). */
void page_waits_stats(const PageWaits *w, PageFaultStats *ret);
