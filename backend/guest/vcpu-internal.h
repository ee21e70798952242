/*
 * Interface of a vCPU implementation. Private to backend/guest/.
 *
 * A vCPU is created stopped. The guest serialises all calls below under its
 * lock; only the vCPU's own thread runs concurrently.
 */
#pragma once

#include "backend/guest/vcpu.h"

typedef struct Vcpu Vcpu;

/* All required. */
typedef struct {
    /* Lets the vCPU run from its present state. */
    void (*resume)(Vcpu *vcpu);
    /* Asks the vCPU to stop at a boundary and wakes it from a sleep; does not wait. */
    void (*kick)(Vcpu *vcpu);
    /* After a kick: returns when the vCPU has stopped at a boundary. Unless @really, a vCPU that
     * waits for a page from the other side counts as stopped too: its instruction is not done yet.
     * Returns whether it has reached a boundary. */
    bool (*wait)(Vcpu *vcpu, bool really);
    /* Any thread: the vCPU waits for a missing page from now on, or no longer. */
    void (*block)(Vcpu *vcpu, bool blocked);
    /* Any thread: the kernel's id of the thread that runs its instructions, 0 = none yet. */
    int (*thread_id)(const Vcpu *vcpu);
    /* Takes away @percent of its time. The vCPU may run. */
    void (*throttle)(Vcpu *vcpu, unsigned percent);
    /* Leaves it @share millionths of the time that remains after throttle. The vCPU may run. */
    void (*limit)(Vcpu *vcpu, uint32_t share);
    /* The vCPU is stopped. */
    void (*save)(const Vcpu *vcpu, VcpuState *ret);
    bool (*load)(Vcpu *vcpu, const VcpuState *state, GError **error);
    /* The vCPU is stopped. Resets to the state before the first instruction. */
    void (*reset)(Vcpu *vcpu);
    /* The vCPU is stopped. */
    void (*free)(Vcpu *vcpu);
} VcpuOps;

/* Head of each implementation's struct. */
struct Vcpu {
    const VcpuOps *ops;
    unsigned index;
};
