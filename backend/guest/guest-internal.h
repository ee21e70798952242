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
    RamBlock *block; /* both machines have one block */
    LedgerLayout layout;
    Vcpu **vcpus;
    unsigned n_vcpus;

    /* The lock serialises run control and access to the inside of a vCPU. It is held while vCPUs
     * reach a boundary, but never during a walk of the RAM. vCPUs run if and only if the state is
     * running and no guest_hold() is in force. */
    pthread_mutex_t lock;
    unsigned holds;

    /* Changed under the lock, read by any thread. */
    _Atomic RunState state;

    atomic_bool verify_abort;
    atomic_bool empty; /* its memory was given back to the host */
};

/* Any thread: finds the vCPU that runs in the kernel's thread @thread_id; records that a vCPU
 * begins or ends a wait for a missing page. Both avoid the guest's lock, because a stop holds it
 * while it waits for vCPUs. */
bool guest_find_thread(Guest *guest, int thread_id, unsigned *ret_vcpu);
void guest_block_vcpu(Guest *guest, unsigned vcpu, bool blocked);

/* Copies of all n_vcpus vCPU states; freed with guest_free_states(). The guest must be stopped or
 * held. */
VcpuState *guest_copy_states(Guest *guest);
void guest_free_states(Guest *guest, VcpuState *states);

/* Runs @steps steps of each vCPU of a stopped guest in the caller's thread. For tests. */
void guest_run_steps(Guest *guest, uint64_t steps);
