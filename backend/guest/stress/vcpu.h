/*
 * The inside of a stress vCPU, shared by its thread (machine.c) and its steps
 * and state (state.c). Nobody else includes this.
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

    /* The guest's: the thread writes them while it runs, others while it stands, except that the
     * settings in @state (pattern, rate, shares, set) only change while it stands. */
    VcpuState state;
    uint64_t set_pages; /* own pages that belong to the working set */

    /* Any thread. */
    _Atomic bool kicked;
    _Atomic unsigned throttle; /* percent */
    _Atomic uint32_t share;    /* of VCPU_WHOLE_SHARE */
    _Atomic uint64_t steps;    /* state.step for those who look on */
    _Atomic int thread_id;     /* the kernel's */

    /* Under @lock. */
    pthread_mutex_t lock;
    pthread_cond_t wake;   /* for the thread: something below changed */
    pthread_cond_t stands; /* for others: @standing became true */
    bool run;
    bool standing;
    bool blocked; /* on a missing page, in the middle of a step */
    bool poked;
    bool quit;

    /* Only the thread, while it runs. */
    int64_t last_us;    /* when the present slice began */
    int64_t planned_us; /* how long the nap before it was meant to be */
    double credit;      /* bytes it may write at once */
    double budget_us;   /* time it may run at once; below 0 when it ran for longer */
} StressVcpu;

/* ---- state.c: the thread while it runs, others while it stands ---- */

/* Pages are still to be filled before pacing begins? */
bool stress_prefilling(const StressVcpu *v);

/* Is there anything to write at all? */
bool stress_has_work(const StressVcpu *v);

/* One step; there is work. */
void stress_step(StressVcpu *v);

void stress_save(const Vcpu *vcpu, VcpuState *ret);
bool stress_load(Vcpu *vcpu, const VcpuState *state, GError **error);
void stress_reset(Vcpu *vcpu);
