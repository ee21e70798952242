/*
 * The inside of a guest, shared by the files of backend/guest/ and its tests.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "backend/guest/guest.h"
#include "backend/guest/stress/ledger.h"
#include "backend/guest/vcpu-internal.h"

struct Guest {
    /* Constant. */
    MachineKind machine;
    char *name;
    char *uuid;
    bool uuid_is_set;
    RamBlock *block; /* machines of today have one */
    LedgerLayout layout;
    Vcpu **vcpus;
    unsigned n_vcpus;

    /* The lock serialises run control and everything that looks into a vCPU. It is held while vCPUs
     * come to a boundary, but never for as long as walking the RAM takes. vCPUs run if and only if
     * the state is running and nobody holds them. */
    pthread_mutex_t lock;
    unsigned holds;

    /* Changed under the lock, read by anyone. */
    _Atomic RunState state;

    atomic_bool verify_abort;
    atomic_bool empty; /* its memory was given back */
};

/* Any thread: which vCPU runs in the kernel's thread @thread_id; and that one waits for a missing
 * page, or no longer. They take no lock of the guest: a stop holds it while it waits for vCPUs. */
bool guest_find_thread(Guest *guest, int thread_id, unsigned *ret_vcpu);
void guest_block_vcpu(Guest *guest, unsigned vcpu, bool blocked);

/* Copies of all vCPU states, n_vcpus of them; the guest stands or is held. */
VcpuState *guest_copy_states(Guest *guest);
void guest_free_states(Guest *guest, VcpuState *states);

/* Each vCPU of a standing guest does @steps steps, in this thread. For tests. */
void guest_run_steps(Guest *guest, uint64_t steps);
