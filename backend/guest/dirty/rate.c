/*
 * Measuring the dirty rate. See rate.h.
 *
 * The thread examines the memory, waits for the end of the window or an abort,
 * and examines it again. It reads memory through the descriptor: reading a
 * never-touched page through a mapping would allocate it and would hide it from
 * postcopy.
 */
#include "backend/guest/dirty/rate.h"

#include <unistd.h>

#include "backend/base/clock.h"
#include "backend/base/error.h"
#include "backend/base/fault.h"
#include "backend/base/lock.h"
#include "backend/guest/stress/ledger.h"

#define MIN_SAMPLES   UINT64_C(1024) /* fewer would be too inexact for a small guest */
#define PAGES_PER_GIB ((UINT64_C(1) << 30) / MIG_PAGE_SIZE)

typedef struct {
    size_t block;
    size_t page;
    uint64_t hash;
} Sample;

struct DirtyRate {
    /* Constant. */
    Guest *guest;
    DirtyShare *share;

    /* Only the caller of dirty_rate_begin(). */
    GThread *thread;
    DirtyRateBegun begun;
    void *begun_data;

    /* Under the lock. */
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool abort;
    GError *error; /* why the measurement could not begin */
    DirtyRateResult result;

    /* Only the thread. */
    DirtyTracker *tracker;
    DirtyMap **maps; /* one a block */
    GArray *samples; /* Sample */
};

void dirty_rate_result_clear(DirtyRateResult *result)
{
    g_clear_pointer(&result->vcpu_pages, g_free);
}

double dirty_rate_of(const DirtyRateResult *result, uint64_t pages)
{
    return result->elapsed_us <= 0
               ? 0
               : (double)pages * MIG_PAGE_SIZE * 1e6 / (double)result->elapsed_us;
}

/* ---- page sampling ---- */

static uint64_t hash_page(const RamBlock *block, size_t page)
{
    uint64_t words[MIG_PAGE_SIZE / sizeof(uint64_t)] = { 0 };
    uint64_t hash = 0;

    if (pread(block->fd, words, sizeof words, (off_t)(page * MIG_PAGE_SIZE)) < 0) {
        return 0; /* an unreadable page counts as unchanged */
    }
    for (size_t i = 0; i < G_N_ELEMENTS(words); i++) {
        hash = mix64(hash + words[i] + i);
    }
    return hash;
}

/* Divides the RAM into as many equal parts as there are samples and takes one random page of each,
 * so that samples are spread evenly. */
static void choose_samples(DirtyRate *rate, uint64_t per_gib)
{
    size_t n_blocks;
    RamBlock *const *blocks = guest_blocks(rate->guest, &n_blocks);
    uint64_t random = (uint64_t)mig_clock_wall_us();

    for (size_t b = 0; b < n_blocks; b++) {
        uint64_t pages = blocks[b]->n_pages;
        uint64_t n = pages * per_gib / PAGES_PER_GIB;

        n = CLAMP(n, MIN(MIN_SAMPLES, pages), pages);
        for (uint64_t i = 0; i < n; i++) {
            uint64_t first = (uint64_t)((unsigned __int128)pages * i / n);
            uint64_t end = (uint64_t)((unsigned __int128)pages * (i + 1) / n);
            Sample s = { b, first + mix64(random + i) % (end - first), 0 };

            g_array_append_val(rate->samples, s);
        }
    }
}

static bool is_aborted(DirtyRate *rate)
{
    MIG_LOCK(&rate->lock);
    return rate->abort;
}

static void begin_sampling(DirtyRate *rate, const DirtyRateRequest *request)
{
    size_t n_blocks;
    RamBlock *const *blocks = guest_blocks(rate->guest, &n_blocks);

    choose_samples(rate, request->samples_per_gib);
    for (guint i = 0; i < rate->samples->len && !is_aborted(rate); i++) {
        Sample *s = &g_array_index(rate->samples, Sample, i);

        s->hash = hash_page(blocks[s->block], s->page);
    }
}

/* The share of changed samples, scaled to each block. */
static void end_sampling(DirtyRate *rate, DirtyRateResult *ret)
{
    size_t n_blocks;
    RamBlock *const *blocks = guest_blocks(rate->guest, &n_blocks);
    g_autofree uint64_t *seen = g_new0(uint64_t, n_blocks);
    g_autofree uint64_t *changed = g_new0(uint64_t, n_blocks);

    for (guint i = 0; i < rate->samples->len && !is_aborted(rate); i++) {
        const Sample *s = &g_array_index(rate->samples, Sample, i);

        seen[s->block]++;
        changed[s->block] += hash_page(blocks[s->block], s->page) != s->hash;
    }
    for (size_t b = 0; b < n_blocks; b++) {
        ret->pages +=
            (uint64_t)((double)blocks[b]->n_pages * (double)changed[b] / (double)MAX(seen[b], 1));
    }
}

/* ---- dirty bitmap ---- */

static bool sync_all(DirtyRate *rate, uint64_t *ret_pages, GError **error)
{
    size_t n_blocks;

    guest_blocks(rate->guest, &n_blocks);
    *ret_pages = 0;
    for (size_t b = 0; b < n_blocks; b++) {
        dirty_map_clear(rate->maps[b], 0, dirty_map_size(rate->maps[b]));
        if (!dirty_tracker_sync(rate->tracker, b, rate->maps[b], ret_pages, error)) {
            return false;
        }
    }
    return true;
}

/* A machine without vCPUs writes nothing and needs no tracker. */
static bool begin_bitmap(DirtyRate *rate, GError **error)
{
    size_t n_blocks;
    RamBlock *const *blocks = guest_blocks(rate->guest, &n_blocks);
    uint64_t unused;

    if (guest_n_vcpus(rate->guest) == 0) {
        return true;
    }
    rate->tracker = dirty_share_join(rate->share, error);
    if (rate->tracker == NULL) {
        return false;
    }
    rate->maps = g_new0(DirtyMap *, n_blocks);
    for (size_t b = 0; b < n_blocks; b++) {
        rate->maps[b] = dirty_map_new(blocks[b]->n_pages);
    }
    return dirty_tracker_start(rate->tracker, error) && sync_all(rate, &unused, error);
}

static bool end_bitmap(DirtyRate *rate, DirtyRateResult *ret, GError **error)
{
    ret->n_vcpus = guest_n_vcpus(rate->guest);
    ret->vcpu_pages = g_new0(uint64_t, MAX(ret->n_vcpus, 1));
    if (ret->n_vcpus == 0) {
        return true;
    }
    if (!sync_all(rate, &ret->pages, error)) {
        return false;
    }
    guest_count_owned(rate->guest, rate->maps[0], ret->vcpu_pages);
    return true;
}

static void let_go(DirtyRate *rate)
{
    size_t n_blocks;

    guest_blocks(rate->guest, &n_blocks);
    for (size_t b = 0; rate->maps != NULL && b < n_blocks; b++) {
        dirty_map_free(rate->maps[b]);
    }
    g_clear_pointer(&rate->maps, g_free);
    g_clear_pointer(&rate->tracker, dirty_tracker_free);
    g_array_set_size(rate->samples, 0);
}

/* ---- the thread ---- */

/* False when it was aborted. */
static bool wait_window(DirtyRate *rate, int64_t until_us)
{
    MIG_LOCK(&rate->lock);

    while (!rate->abort && mig_cond_wait_until(&rate->wake, &rate->lock, until_us)) {}
    return !rate->abort;
}

static uint64_t *steps_now(const DirtyRate *rate)
{
    unsigned n = guest_n_vcpus(rate->guest);
    uint64_t *steps = g_new0(uint64_t, MAX(n, 1));

    for (unsigned i = 0; i < n; i++) {
        steps[i] = guest_vcpu_steps(rate->guest, i);
    }
    return steps;
}

static uint64_t written_since(const DirtyRate *rate, const uint64_t *since)
{
    unsigned n = guest_n_vcpus(rate->guest);
    g_autofree uint64_t *counts = g_new0(uint64_t, MAX(n, 1));
    uint64_t sum = 0;

    guest_count_written(rate->guest, since, counts);
    for (unsigned i = 0; i < n; i++) {
        sum += counts[i];
    }
    return sum;
}

static bool begin_window(DirtyRate *rate, const DirtyRateRequest *request, GError **error)
{
    if (request->mode == DIRTY_RATE_DIRTY_BITMAP) {
        return begin_bitmap(rate, error);
    }
    begin_sampling(rate, request);
    return true;
}

static bool end_window(DirtyRate *rate, DirtyRateResult *ret, GError **error)
{
    if (ret->request.mode == DIRTY_RATE_DIRTY_BITMAP) {
        return end_bitmap(rate, ret, error);
    }
    end_sampling(rate, ret);
    return true;
}

static void note_error(DirtyRate *rate, GError *error)
{
    MIG_LOCK(&rate->lock);
    rate->error = error;
}

/* Measures into @ret; false when it could not or was aborted. */
static bool measure(DirtyRate *rate, DirtyRateResult *ret)
{
    GError *error = NULL;
    bool sampling = ret->request.mode == DIRTY_RATE_PAGE_SAMPLING;

    if (sampling) {
        rate->begun(rate->begun_data);
    }
    if (!begin_window(rate, &ret->request, &error)) {
        note_error(rate, error);
        rate->begun(rate->begun_data);
        return false;
    }
    int64_t start_us = g_get_monotonic_time();
    g_autofree uint64_t *since = steps_now(rate);

    if (!sampling) {
        rate->begun(rate->begun_data);
    }
    if (!wait_window(rate, start_us + (int64_t)ret->request.window_ms * 1000)) {
        return false;
    }
    ret->elapsed_us = MAX(g_get_monotonic_time() - start_us, 1);
    if (!end_window(rate, ret, &error)) {
        g_clear_error(&error); /* @error only reports failures of the begin */
        return false;
    }
    ret->proof = written_since(rate, since);
    return !is_aborted(rate);
}

static void *dirty_rate_thread(void *data)
{
    DirtyRate *rate = data;
    g_auto(DirtyRateResult) result = { 0 };

    pthread_mutex_lock(&rate->lock);
    result.request = rate->result.request;
    result.start_wall_us = rate->result.start_wall_us;
    pthread_mutex_unlock(&rate->lock);

    bool ok = measure(rate, &result);
    let_go(rate);

    MIG_LOCK(&rate->lock);
    result.status = ok ? DIRTY_RATE_MEASURED : DIRTY_RATE_UNSTARTED;
    dirty_rate_result_clear(&rate->result);
    rate->result = result;
    result.vcpu_pages = NULL;
    return NULL;
}

/* ---- from outside ---- */

static void join(DirtyRate *rate)
{
    if (rate->thread != NULL) {
        g_thread_join(g_steal_pointer(&rate->thread));
    }
}

/* False when a measurement is running; otherwise records @request as the running one. */
static bool claim(DirtyRate *rate, const DirtyRateRequest *request)
{
    MIG_LOCK(&rate->lock);

    if (rate->result.status == DIRTY_RATE_MEASURING) {
        return false;
    }
    dirty_rate_result_clear(&rate->result);
    g_clear_error(&rate->error);
    rate->abort = false;
    rate->result = (DirtyRateResult){
        .status = DIRTY_RATE_MEASURING,
        .request = *request,
        .start_wall_us = mig_clock_wall_us(),
    };
    return true;
}

bool dirty_rate_begin(DirtyRate *rate, const DirtyRateRequest *request, DirtyRateBegun begun,
                      void *data, GError **error)
{
    if (!claim(rate, request)) {
        g_set_error_literal(error, MIG_ERROR, MIG_ERROR_GENERIC,
                            "the dirty rate is already being measured.");
        return false;
    }
    join(rate); /* the thread before has published its result and is about to end */
    rate->begun = begun;
    rate->begun_data = data;
    rate->thread =
        fault_thread_new("thread-dirty-rate", "dirty-rate", dirty_rate_thread, rate, error);
    if (rate->thread == NULL) {
        MIG_LOCK(&rate->lock);
        rate->result.status = DIRTY_RATE_UNSTARTED;
        return false;
    }
    return true;
}

GError *dirty_rate_take_error(DirtyRate *rate)
{
    MIG_LOCK(&rate->lock);
    return g_steal_pointer(&rate->error);
}

void dirty_rate_abort(DirtyRate *rate)
{
    pthread_mutex_lock(&rate->lock);
    rate->abort = true;
    pthread_cond_broadcast(&rate->wake);
    pthread_mutex_unlock(&rate->lock);
    join(rate);
}

void dirty_rate_get(DirtyRate *rate, DirtyRateResult *ret)
{
    MIG_LOCK(&rate->lock);

    *ret = rate->result;
    ret->vcpu_pages = ret->vcpu_pages == NULL
                          ? NULL
                          : g_memdup2(ret->vcpu_pages, ret->n_vcpus * sizeof ret->vcpu_pages[0]);
}

DirtyRate *dirty_rate_new(Guest *guest, DirtyShare *share)
{
    DirtyRate *rate = g_new0(DirtyRate, 1);

    rate->guest = guest;
    rate->share = share;
    rate->samples = g_array_new(FALSE, FALSE, sizeof(Sample));
    pthread_mutex_init(&rate->lock, NULL);
    mig_cond_init(&rate->wake);
    return rate;
}

void dirty_rate_free(DirtyRate *rate)
{
    if (rate == NULL) {
        return;
    }
    dirty_rate_abort(rate);
    dirty_rate_result_clear(&rate->result);
    g_clear_error(&rate->error);
    g_array_unref(rate->samples);
    pthread_cond_destroy(&rate->wake);
    pthread_mutex_destroy(&rate->lock);
    g_free(rate);
}
