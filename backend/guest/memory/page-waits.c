/*
 * The list of waiting threads and its statistics. See page-waits.h.
 */
#include "backend/guest/memory/page-waits.h"

#include "backend/base/clock.h"
#include "backend/guest/guest-internal.h"

#define NO_VCPU UINT_MAX

struct PageWaits {
    Guest *guest;    /* constant */
    GArray *waiters; /* PageWaiter */
    uint64_t requests;
    uint64_t *vcpu_us;
    unsigned n_blocked;   /* vCPUs among the waiters */
    int64_t all_since_us; /* since when all vCPUs wait; 0 = not all do */
    uint64_t blocktime_us;
    Latency latency;
};

PageWaits *page_waits_new(Guest *guest)
{
    PageWaits *w = g_new0(PageWaits, 1);

    w->guest = guest;
    w->waiters = g_array_new(FALSE, FALSE, sizeof(PageWaiter));
    w->vcpu_us = g_new0(uint64_t, MAX(guest->n_vcpus, 1));
    return w;
}

void page_waits_free(PageWaits *w)
{
    g_free(w->vcpu_us);
    g_array_unref(w->waiters);
    g_free(w);
}

static const PageWaiter *waiter_at(const PageWaits *w, guint index)
{
    return &g_array_index(w->waiters, PageWaiter, index);
}

static void add(PageWaits *w, const PageWaiter *waiter)
{
    g_array_append_val(w->waiters, *waiter);
    if (waiter->vcpu == NO_VCPU) {
        return;
    }
    w->n_blocked++;
    if (w->n_blocked == w->guest->n_vcpus) {
        w->all_since_us = waiter->since_us;
    }
    guest_block_vcpu(w->guest, waiter->vcpu, true);
}

static void take_out(PageWaits *w, guint index, int64_t now)
{
    const PageWaiter waiter = *waiter_at(w, index);

    g_array_remove_index_fast(w->waiters, index);
    if (waiter.vcpu == NO_VCPU) {
        return;
    }
    w->vcpu_us[waiter.vcpu] += (uint64_t)(now - waiter.since_us);
    if (w->n_blocked == w->guest->n_vcpus) {
        w->blocktime_us += (uint64_t)(now - w->all_since_us);
        w->all_since_us = 0;
    }
    w->n_blocked--;
    guest_block_vcpu(w->guest, waiter.vcpu, false);
}

bool page_waits_any(const PageWaits *w, size_t block, size_t page)
{
    for (guint i = 0; i < w->waiters->len; i++) {
        if (waiter_at(w, i)->block == block && waiter_at(w, i)->page == page) {
            return true;
        }
    }
    return false;
}

bool page_waits_begin(PageWaits *w, int thread_id, size_t block, size_t page)
{
    PageWaiter waiter = { thread_id, NO_VCPU, block, page, mig_clock_now_us() };

    for (guint i = w->waiters->len; i-- > 0;) {
        const PageWaiter *before = waiter_at(w, i);

        if (before->thread_id == thread_id) {
            if (before->block == block && before->page == page) {
                return false;
            }
            take_out(w, i, waiter.since_us);
        }
    }
    bool first = !page_waits_any(w, block, page);

    w->requests += first;
    guest_find_thread(w->guest, thread_id, &waiter.vcpu);
    add(w, &waiter);
    return first;
}

void page_waits_end(PageWaits *w, size_t block, size_t first, size_t end)
{
    int64_t now = mig_clock_now_us();

    for (guint i = w->waiters->len; i-- > 0;) {
        const PageWaiter *waiter = waiter_at(w, i);

        if (waiter->block == block && waiter->page >= first && waiter->page < end) {
            latency_add(&w->latency, (uint64_t)(now - waiter->since_us));
            take_out(w, i, now);
        }
    }
}

void page_waits_give_up(PageWaits *w)
{
    while (w->waiters->len > 0) {
        take_out(w, 0, mig_clock_now_us());
    }
}

GArray *page_waits_copy(const PageWaits *w)
{
    return g_array_copy(w->waiters);
}

void page_waits_stats(const PageWaits *w, PageFaultStats *ret)
{
    unsigned n_vcpus = w->guest->n_vcpus;
    int64_t now = mig_clock_now_us();

    *ret = (PageFaultStats){
        .requests = w->requests,
        .blocktime_us = w->blocktime_us,
        .n_vcpus = n_vcpus,
        .n_waiting = w->n_blocked,
        .vcpu_us = g_memdup2(w->vcpu_us, MAX(n_vcpus, 1) * sizeof(uint64_t)),
        .latency = w->latency,
    };
    if (w->all_since_us != 0) {
        ret->blocktime_us += (uint64_t)(now - w->all_since_us);
    }
    for (guint i = 0; i < w->waiters->len; i++) {
        const PageWaiter *waiter = waiter_at(w, i);

        if (waiter->vcpu != NO_VCPU) {
            ret->vcpu_us[waiter->vcpu] += (uint64_t)(now - waiter->since_us);
        }
    }
}
