/*
 * Limiting the dirty rate of vCPUs. See limit.h.
 */
#include "backend/guest/dirty/limit.h"

#include "backend/base/lock.h"

#define PERIOD_MS  UINT64_C(1000) /* of the operator's limits */
#define RETRY_MS   UINT64_C(100)
#define MIN_PAGES  UINT64_C(32) /* allowed by the limit in the shortest window */
#define FIRST      4            /* divides the first window, before a rate is known */
#define AIM        0.9          /* target share of the limit: a margin for random variation */
#define LOW        0.8          /* below this share of the limit a vCPU gets more time */
#define MOST_BOOST 16u
#define MIN_SHARE  20u /* of VCPU_WHOLE_SHARE; a vCPU with less would write nothing to measure */
#define RING_BYTES (4096.0 * MIG_PAGE_SIZE)

typedef struct {
    uint64_t rate;    /* the operator's limit, bytes/s, 0 = none */
    uint64_t current; /* bytes/s of the last period */
    uint32_t share;
    unsigned boost;
} VcpuLimit;

struct DirtyLimit {
    /* Constant. */
    Guest *guest;
    DirtyShare *share;
    DirtyLimitNotice notice;
    void *notice_data;
    unsigned n_vcpus;

    /* Under the lock. */
    pthread_mutex_t lock;
    pthread_cond_t wake; /* signals a change of the fields below */
    bool thread_runs;
    pthread_t thread;
    bool quit;
    bool changed;        /* a limit changed: a new window begins */
    bool let_go, tracks; /* @let_go requests that @tracks becomes false */
    uint64_t all_rate;   /* limit set by a migration, 0 = none */
    uint64_t all_period_ms;
    VcpuLimit *vcpus;

    /* Only the thread. */
    DirtyTracker *tracker;
    DirtyMap *pages;
    int64_t since_us; /* monotonic start of the window; 0 = starts at the next sync */
    bool told;
};

/* ---- how much time ---- */

uint32_t dirty_limit_next_share(uint32_t share, double rate, double limit, unsigned *boost)
{
    double factor = 1;

    if (rate > limit) {
        /* Repeated writes to a page count once, so half of the time may give almost as many dirty
         * pages. As long as the rate stays above the limit, the steps grow. */
        factor = AIM * limit / rate;
        for (unsigned power = 1; power < *boost; power *= 2) {
            factor *= factor;
        }
        *boost = MIN(*boost * 2, MOST_BOOST);
    } else {
        *boost = 1;
        if (rate < LOW * limit) {
            factor = MIN(AIM * limit / MAX(rate, 1), 2);
        }
    }
    return (uint32_t)CLAMP((double)share * factor, MIN_SHARE, VCPU_WHOLE_SHARE);
}

static uint64_t limit_of(const DirtyLimit *l, unsigned i)
{
    uint64_t own = l->vcpus[i].rate;

    return own == 0 || (l->all_rate != 0 && l->all_rate < own) ? l->all_rate : own;
}

static bool in_force(const DirtyLimit *l)
{
    for (unsigned i = 0; i < l->n_vcpus; i++) {
        if (limit_of(l, i) != 0) {
            return true;
        }
    }
    return false;
}

static void give(DirtyLimit *l, unsigned i, uint32_t share)
{
    if (l->vcpus[i].share != share) {
        l->vcpus[i].share = share;
        guest_limit_vcpu(l->guest, i, share);
    }
}

/* Gives vCPUs without a limit all of their time back. Under the lock. */
static void forget_unlimited(DirtyLimit *l)
{
    for (unsigned i = 0; i < l->n_vcpus; i++) {
        if (limit_of(l, i) == 0) {
            give(l, i, VCPU_WHOLE_SHARE);
            l->vcpus[i].boost = 1;
            l->vcpus[i].current = 0;
        }
    }
}

static void adjust(DirtyLimit *l, const uint64_t *pages, int64_t elapsed_us)
{
    MIG_LOCK(&l->lock);

    for (unsigned i = 0; i < l->n_vcpus; i++) {
        VcpuLimit *v = &l->vcpus[i];
        double rate = (double)pages[i] * MIG_PAGE_SIZE * 1e6 / (double)elapsed_us;

        v->current = (uint64_t)rate;
        if (limit_of(l, i) != 0) {
            give(l, i, dirty_limit_next_share(v->share, rate, (double)limit_of(l, i), &v->boost));
        }
    }
}

/* ---- counting; the thread, without the lock ---- */

static bool look(DirtyLimit *l, GError **error)
{
    dirty_map_clear(l->pages, 0, dirty_map_size(l->pages));
    return dirty_tracker_sync(l->tracker, 0, l->pages, NULL, error);
}

/* On failure nothing is kept: a tracker in l->tracker is always started. */
static bool begin_tracking(DirtyLimit *l, GError **error)
{
    size_t n;

    if (l->tracker != NULL) {
        return true;
    }
    g_autoptr(DirtyTracker) tracker = dirty_share_join(l->share, error);
    if (tracker == NULL || !dirty_tracker_start(tracker, error)) {
        return false;
    }
    l->tracker = g_steal_pointer(&tracker);
    l->pages = dirty_map_new(guest_blocks(l->guest, &n)[0]->n_pages);
    return true;
}

static void end_tracking(DirtyLimit *l)
{
    g_clear_pointer(&l->tracker, dirty_tracker_free);
    g_clear_pointer(&l->pages, dirty_map_free);
    l->since_us = 0;
}

static void tell(DirtyLimit *l, const GError *error)
{
    if (!l->told) {
        g_autofree char *text =
            g_strdup_printf("dirty limit: the dirty pages cannot be counted: %s", error->message);

        l->told = true;
        l->notice(l->notice_data, text);
    }
}

/* ---- the thread ---- */

/* Sleeps for @ms; false when a change or the end interrupted it. Under the lock. */
static bool nap(DirtyLimit *l, uint64_t ms)
{
    int64_t until = g_get_monotonic_time() + (int64_t)ms * 1000;

    while (!l->quit && !l->changed && !l->let_go &&
           mig_cond_wait_until(&l->wake, &l->lock, until)) {}
    return !l->quit && !l->changed && !l->let_go;
}

/* A window begins at the last sync of the window before, or with a sync whose pages are not
 * counted. */
static bool begin_window(DirtyLimit *l, GError **error)
{
    if (!begin_tracking(l, error)) {
        return false;
    }
    if (l->since_us == 0) {
        if (!look(l, error)) {
            return false;
        }
        l->since_us = g_get_monotonic_time();
    }
    return true;
}

static bool end_window(DirtyLimit *l, GError **error)
{
    g_autofree uint64_t *pages = g_new0(uint64_t, l->n_vcpus);
    int64_t now = g_get_monotonic_time();

    if (!look(l, error)) {
        return false;
    }
    guest_count_owned(l->guest, l->pages, pages);
    adjust(l, pages, MAX(now - l->since_us, 1));
    l->since_us = now;
    l->told = false;
    return true;
}

/* One window of @ms. */
static void keep_for(DirtyLimit *l, uint64_t ms)
{
    g_autoptr(GError) error = NULL;
    bool counts = begin_window(l, &error);

    pthread_mutex_lock(&l->lock);
    bool undisturbed = nap(l, ms);
    pthread_mutex_unlock(&l->lock);
    /* A guest that was stopped during the window gives no valid rate. */
    if (!undisturbed || guest_run_state(l->guest) != RUN_STATE_RUNNING) {
        l->since_us = 0;
        return;
    }
    if (!counts || !end_window(l, &error)) {
        end_tracking(l);
        tell(l, error);
    }
}

/* Under the lock. A window in which the limit allows only a few pages would be too inexact. */
static uint64_t window_ms(const DirtyLimit *l)
{
    uint64_t ms = l->all_rate != 0 ? l->all_period_ms : PERIOD_MS;
    uint64_t least = MIN_PAGES * MIG_PAGE_SIZE * 1000;

    for (unsigned i = 0; i < l->n_vcpus; i++) {
        if (limit_of(l, i) != 0) {
            ms = MAX(ms, MIN(least / limit_of(l, i), PERIOD_MS));
        }
    }
    return ms;
}

static void *dirty_limit_thread(void *data)
{
    DirtyLimit *l = data;
    uint64_t shorter = FIRST;

    pthread_mutex_lock(&l->lock);
    while (!l->quit) {
        uint64_t period = window_ms(l);
        bool keep = in_force(l) && !l->let_go && guest_run_state(l->guest) == RUN_STATE_RUNNING;

        shorter = l->changed ? FIRST : shorter;
        l->changed = false;
        if (keep) {
            l->tracks = true;
            pthread_mutex_unlock(&l->lock);
            keep_for(l, MAX(period / shorter, 1));
            shorter = 1;
            pthread_mutex_lock(&l->lock);
            continue;
        }
        pthread_mutex_unlock(&l->lock);
        end_tracking(l);
        pthread_mutex_lock(&l->lock);
        l->tracks = false;
        l->let_go = false;
        pthread_cond_broadcast(&l->wake);
        if (in_force(l)) {
            nap(l, MIN(period, RETRY_MS)); /* until the guest runs */
        } else if (!l->changed && !l->quit) {
            pthread_cond_wait(&l->wake, &l->lock);
        }
    }
    pthread_mutex_unlock(&l->lock);
    end_tracking(l);
    return NULL;
}

/* After a change of limits, under the lock. */
static void apply(DirtyLimit *l)
{
    forget_unlimited(l);
    l->changed = true;
    if (!l->thread_runs && in_force(l)) {
        int errnum = pthread_create(&l->thread, NULL, dirty_limit_thread, l);

        l->thread_runs = errnum == 0;
        if (!l->thread_runs) {
            g_autofree char *text =
                g_strdup_printf("dirty limit: its thread cannot be started (%s); set it once more",
                                g_strerror(errnum));
            l->notice(l->notice_data, text);
        }
    }
    pthread_cond_broadcast(&l->wake);
}

/* ---- from outside ---- */

uint64_t dirty_limit_from_mib(uint64_t rate)
{
    return MIN(rate, UINT64_MAX >> 20) << 20;
}

void dirty_limit_set(DirtyLimit *limit, unsigned index, uint64_t rate)
{
    MIG_LOCK(&limit->lock);

    g_assert(index < limit->n_vcpus);
    limit->vcpus[index].rate = rate;
    apply(limit);
}

void dirty_limit_set_all(DirtyLimit *limit, uint64_t rate, uint64_t period_ms)
{
    MIG_LOCK(&limit->lock);

    if (limit->all_rate != rate || limit->all_period_ms != period_ms) {
        limit->all_rate = rate;
        limit->all_period_ms = period_ms;
        apply(limit);
    }
}

void dirty_limit_get(DirtyLimit *limit, unsigned index, DirtyLimitState *ret)
{
    MIG_LOCK(&limit->lock);

    g_assert(index < limit->n_vcpus);
    *ret = (DirtyLimitState){
        .limit = limit_of(limit, index),
        .current = limit->vcpus[index].current,
        .share = limit->vcpus[index].share,
    };
}

bool dirty_limit_is_set_for_all(DirtyLimit *limit)
{
    MIG_LOCK(&limit->lock);
    return limit->all_rate != 0;
}

void dirty_limit_figures(DirtyLimit *limit, uint64_t *ret_throttle_us, uint64_t *ret_ring_full_us)
{
    MIG_LOCK(&limit->lock);
    double sum = 0;
    unsigned writers = 0;

    *ret_throttle_us = 0;
    for (unsigned i = 0; i < limit->n_vcpus; i++) {
        const VcpuLimit *v = &limit->vcpus[i];

        if (v->current == 0) {
            continue;
        }
        double ring_us = RING_BYTES * 1e6 / (double)v->current;
        double held = 1 - (double)v->share / VCPU_WHOLE_SHARE;

        *ret_throttle_us = MAX(*ret_throttle_us, (uint64_t)(ring_us * held));
        sum += (double)v->current;
        writers++;
    }
    *ret_ring_full_us = writers == 0 ? 0 : (uint64_t)(RING_BYTES * 1e6 * writers / sum);
}

void dirty_limit_let_go(DirtyLimit *limit)
{
    MIG_LOCK(&limit->lock);

    while (limit->tracks) {
        limit->let_go = true;
        pthread_cond_broadcast(&limit->wake);
        pthread_cond_wait(&limit->wake, &limit->lock);
    }
}

DirtyLimit *dirty_limit_new(Guest *guest, DirtyShare *share, DirtyLimitNotice notice, void *data)
{
    DirtyLimit *l = g_new0(DirtyLimit, 1);

    l->guest = guest;
    l->share = share;
    l->notice = notice;
    l->notice_data = data;
    l->n_vcpus = guest_n_vcpus(guest);
    l->vcpus = g_new0(VcpuLimit, MAX(l->n_vcpus, 1));
    for (unsigned i = 0; i < l->n_vcpus; i++) {
        l->vcpus[i] = (VcpuLimit){ .share = VCPU_WHOLE_SHARE, .boost = 1 };
    }
    pthread_mutex_init(&l->lock, NULL);
    mig_cond_init(&l->wake);
    return l;
}

void dirty_limit_free(DirtyLimit *limit)
{
    if (limit == NULL) {
        return;
    }
    pthread_mutex_lock(&limit->lock);
    limit->quit = true;
    pthread_cond_broadcast(&limit->wake);
    pthread_mutex_unlock(&limit->lock);
    if (limit->thread_runs) {
        pthread_join(limit->thread, NULL);
    }
    for (unsigned i = 0; i < limit->n_vcpus; i++) {
        give(limit, i, VCPU_WHOLE_SHARE);
    }
    g_free(limit->vcpus);
    pthread_cond_destroy(&limit->wake);
    pthread_mutex_destroy(&limit->lock);
    g_free(limit);
}
