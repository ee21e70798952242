/*
 * A stress vCPU: its thread and its pace.
 *
 * The thread checks one flag between two steps, and a kick ends its naps: a stop, which is
 * downtime, never waits for more than one step. This file and guest/guest.c use pthread locks
 * instead of GLib's, because the thread sanitizer does not understand the latter and would report
 * false races.
 */
#include "backend/guest/stress/vcpu.h"

#include <errno.h>
#include <time.h>
#include <unistd.h>

#include "backend/base/clock.h"
#include "backend/base/error.h"

#define QUANTUM_US  INT64_C(1000)  /* length of a slice of the pace */
#define CATCH_UP_US INT64_C(20000) /* most that a late wake-up can make up for */
#define LONGEST_US  INT64_C(60000000)
#define BURST       16               /* steps between two readings of the clock */
#define SLOW        0.1              /* below this pace the clock is read after each step */
#define DEEPEST_US  INT64_C(1000000) /* longest nap of a throttled vCPU */

/* ---- pace ---- */

/* Sleeps @us microseconds, for ever when it is negative; a kick or a poke ends it. */
static void nap(StressVcpu *v, int64_t us)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += us / 1000000;
    until.tv_nsec += us % 1000000 * 1000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    v->planned_us = us;
    pthread_mutex_lock(&v->lock);
    while (v->run && !v->poked) {
        if (us < 0) {
            pthread_cond_wait(&v->wake, &v->lock);
        } else if (pthread_cond_timedwait(&v->wake, &v->lock, &until) == ETIMEDOUT) {
            break;
        }
    }
    v->poked = false;
    pthread_mutex_unlock(&v->lock);
}

static bool is_kicked(StressVcpu *v)
{
    return atomic_load_explicit(&v->kicked, memory_order_relaxed);
}

/* Runs at full speed for the share @pace of the time. Time overrun by a last step is added to the
 * next sleep, so that even a very small share is kept. */
static void run_free(StressVcpu *v, int64_t elapsed_us, double pace)
{
    bool whole = pace >= 1;
    int burst = pace < SLOW ? 1 : BURST;
    int64_t now = v->last_us;

    v->budget_us = whole ? (double)QUANTUM_US : v->budget_us + (double)elapsed_us * pace;
    int64_t end = now + (int64_t)v->budget_us;
    while (now < end && !is_kicked(v)) {
        for (int i = 0; i < burst && !is_kicked(v); i++) {
            stress_step(v);
        }
        now = mig_clock_now_us();
    }
    v->planned_us = 0;
    v->budget_us = whole ? 0 : v->budget_us - (double)(now - v->last_us);
    if (!whole && !is_kicked(v)) {
        double debt = MAX(-v->budget_us, 0) / pace + (1 - pace) * (double)QUANTUM_US;

        nap(v, (int64_t)MIN(debt, (double)DEEPEST_US));
    }
}

/* Writes the bytes that @elapsed_us allow at the rate, then sleeps until more are due. */
static void run_paced(StressVcpu *v, int64_t elapsed_us, double pace)
{
    double rate = (double)v->state.rate * pace / 1e6; /* bytes/us */

    v->credit += (double)elapsed_us * rate;
    while (v->credit >= MIG_PAGE_SIZE && !is_kicked(v)) {
        stress_step(v);
        v->credit -= MIG_PAGE_SIZE;
    }

    double wait = MIN((MIG_PAGE_SIZE - v->credit) / rate, (double)LONGEST_US);
    int64_t left = MAX((int64_t)wait, QUANTUM_US) - (mig_clock_now_us() - v->last_us);
    v->planned_us = 0;
    if (left > 0 && !is_kicked(v)) {
        nap(v, left);
    }
}

static void run_slice(StressVcpu *v)
{
    int64_t now = mig_clock_now_us();
    int64_t elapsed = CLAMP(now - v->last_us, 0, v->planned_us + CATCH_UP_US);
    unsigned throttle = atomic_load_explicit(&v->throttle, memory_order_relaxed);
    uint32_t share = atomic_load_explicit(&v->share, memory_order_relaxed);
    double pace = stress_pattern_pace(&v->state, (uint64_t)elapsed) * (100 - throttle) / 100.0 *
                  share / VCPU_WHOLE_SHARE;

    v->last_us = now;
    if (v->state.rate == 0) {
        run_free(v, elapsed, pace);
    } else {
        run_paced(v, elapsed, pace);
    }
}

static void run_until_kicked(StressVcpu *v)
{
    v->last_us = mig_clock_now_us();
    v->planned_us = 0;
    v->credit = 0;
    v->budget_us = 0;
    while (!is_kicked(v)) {
        if (stress_prefilling(v)) {
            stress_step(v);
            v->last_us = mig_clock_now_us();
        } else if (stress_has_work(v)) {
            run_slice(v);
        } else {
            nap(v, -1);
        }
    }
}

static void *vcpu_main(void *data)
{
    StressVcpu *v = data;

    atomic_store(&v->thread_id, (int)gettid());
    pthread_mutex_lock(&v->lock);
    while (!v->quit) {
        if (v->run) {
            pthread_mutex_unlock(&v->lock);
            run_until_kicked(v);
            pthread_mutex_lock(&v->lock);
        } else {
            v->standing = true;
            pthread_cond_broadcast(&v->stands);
            pthread_cond_wait(&v->wake, &v->lock);
        }
    }
    pthread_mutex_unlock(&v->lock);
    return NULL;
}

/* ---- control ---- */

static void stress_resume(Vcpu *vcpu)
{
    StressVcpu *v = (StressVcpu *)vcpu;

    pthread_mutex_lock(&v->lock);
    atomic_store(&v->kicked, false);
    v->run = true;
    v->standing = false;
    pthread_cond_signal(&v->wake);
    pthread_mutex_unlock(&v->lock);
}

static void stress_kick(Vcpu *vcpu)
{
    StressVcpu *v = (StressVcpu *)vcpu;

    atomic_store(&v->kicked, true);
    pthread_mutex_lock(&v->lock);
    v->run = false;
    pthread_cond_signal(&v->wake);
    pthread_mutex_unlock(&v->lock);
}

static bool stress_wait(Vcpu *vcpu, bool really)
{
    StressVcpu *v = (StressVcpu *)vcpu;

    pthread_mutex_lock(&v->lock);
    while (!v->standing && (really || !v->blocked)) {
        pthread_cond_wait(&v->stands, &v->lock);
    }
    bool standing = v->standing;
    pthread_mutex_unlock(&v->lock);
    return standing;
}

/* Makes the thread compute its pace again. */
static void poke(StressVcpu *v)
{
    pthread_mutex_lock(&v->lock);
    v->poked = true;
    pthread_cond_signal(&v->wake);
    pthread_mutex_unlock(&v->lock);
}

static void stress_block(Vcpu *vcpu, bool blocked)
{
    StressVcpu *v = (StressVcpu *)vcpu;

    pthread_mutex_lock(&v->lock);
    v->blocked = blocked;
    pthread_cond_broadcast(&v->stands);
    pthread_mutex_unlock(&v->lock);
}

static int stress_thread_id(const Vcpu *vcpu)
{
    return atomic_load(&((const StressVcpu *)vcpu)->thread_id);
}

static void stress_throttle(Vcpu *vcpu, unsigned percent)
{
    StressVcpu *v = (StressVcpu *)vcpu;

    /* 100 % would stop the vCPU, which is not the purpose of a throttle. */
    atomic_store(&v->throttle, MIN(percent, 99));
    poke(v);
}

static void stress_limit(Vcpu *vcpu, uint32_t share)
{
    StressVcpu *v = (StressVcpu *)vcpu;

    atomic_store(&v->share, CLAMP(share, 1, VCPU_WHOLE_SHARE));
    poke(v);
}

/* ---- making and freeing ---- */

static void destroy(StressVcpu *v)
{
    pthread_cond_destroy(&v->wake);
    pthread_cond_destroy(&v->stands);
    pthread_mutex_destroy(&v->lock);
    vcpu_state_clear(&v->state);
    g_free(v);
}

static void stress_free(Vcpu *vcpu)
{
    StressVcpu *v = (StressVcpu *)vcpu;

    pthread_mutex_lock(&v->lock);
    v->quit = true;
    pthread_cond_signal(&v->wake);
    pthread_mutex_unlock(&v->lock);
    pthread_join(v->thread, NULL);
    destroy(v);
}

static const VcpuOps stress_ops = {
    .resume = stress_resume,
    .kick = stress_kick,
    .wait = stress_wait,
    .block = stress_block,
    .thread_id = stress_thread_id,
    .throttle = stress_throttle,
    .limit = stress_limit,
    .save = stress_save,
    .load = stress_load,
    .reset = stress_reset,
    .free = stress_free,
};

static void init_locks(StressVcpu *v)
{
    pthread_condattr_t attr;

    pthread_mutex_init(&v->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&v->wake, &attr);
    pthread_cond_init(&v->stands, &attr);
    pthread_condattr_destroy(&attr);
}

Vcpu *stress_vcpu_new(unsigned index, unsigned n_vcpus, RamBlock *block,
                      const StressSettings *settings, GError **error)
{
    StressVcpu *v = g_new0(StressVcpu, 1);

    v->base = (Vcpu){ .ops = &stress_ops, .index = index };
    v->n_vcpus = n_vcpus;
    v->block = block;
    v->layout = ledger_layout(block->n_pages);
    v->initial = *settings;
    atomic_init(&v->share, VCPU_WHOLE_SHARE);
    for (size_t group = index; group < v->layout.n_groups; group += n_vcpus) {
        v->own_pages += ledger_group_pages(&v->layout, group);
        v->state.n_seals++;
    }
    v->state.seals = g_new0(uint64_t, MAX(v->state.n_seals, 1));
    init_locks(v);
    stress_reset(&v->base);

    int errnum = pthread_create(&v->thread, NULL, vcpu_main, v);
    if (errnum != 0) {
        mig_error_set_errno(error, errnum, "starting the thread of vCPU %u", index);
        destroy(v);
        return NULL;
    }
    return &v->base;
}
