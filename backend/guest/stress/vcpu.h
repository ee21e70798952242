/*
 * The inside of a stress vCPU, shared by its thread (machine.c) and its steps
 * and state (state.c). No other file includes this.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "backend/guest/stress/machine.h"

typedef struct {
    Vcpu base;

    /* Constant. */
    unsigned n_vcpus;
    RamBlock *block;
    LedgerLayout layout;
    uint64_t own_pages;
    StressSettings initial;
    pthread_t thread;

    /* The vCPU's thread writes these while the vCPU runs, other threads while it is stopped. The
     * settings in @state (pattern, rate, shares, set) change only while it is stopped. */
    VcpuState state;
    uint64_t set_pages; /* own pages that belong to the working set */

    /* Any thread. */
    _Atomic bool kicked;
    _Atomic unsigned throttle; /* percent */
    _Atomic uint32_t share;    /* of VCPU_WHOLE_SHARE */
    _Atomic uint64_t steps;    /* copy of state.step for other threads */
    _Atomic uint64_t filled;   /* the step at which prefill ends; 0 without one */
    _Atomic int thread_id;     /* the kernel's thread id */

    /* Under @lock. */
    pthread_mutex_t lock;
    pthread_cond_t wake;   /* wakes the thread: a field below changed */
    pthread_cond_t stands; /* wakes other threads: @standing became true */
    bool run;
    bool standing;
    bool blocked; /* waits for a missing page in the middle of a step */
    bool poked;
    bool quit;

    /* Only the thread, while it runs. */
    int64_t last_us;    /* when the present slice began */
    int64_t planned_us; /* intended length of the nap before it */
    double credit;      /* bytes it may write at once */
    double budget_us;   /* time it may run at once; negative after an overrun */
} StressVcpu;

/* ---- state.c: the vCPU's thread while it runs, other threads while it is stopped ---- */

/* True while pages remain to be filled before pacing begins. */
bool stress_prefilling(const StressVcpu *v);

/* True when the workload writes at all. */
bool stress_has_work(const StressVcpu *v);

/* Runs one step; requires stress_has_work(). */
void stress_step(StressVcpu *v);

void stress_save(const Vcpu *vcpu, VcpuState *ret);
bool stress_load(Vcpu *vcpu, const VcpuState *state, GError **error);
void stress_reset(Vcpu *vcpu);
