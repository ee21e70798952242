/*
 * What a kind of vCPU fills in. Private to backend/guest/.
 *
 * A vCPU is made standing. The guest serialises all calls below under its own
 * lock; only the thread behind the vCPU runs beside them.
 */
#pragma once

#include "backend/guest/vcpu.h"

typedef struct Vcpu Vcpu;

/* All required. */
typedef struct {
    /* Lets it run from where it stands. */
    void (*resume)(Vcpu *vcpu);
    /* Asks it to come to a boundary and wakes it from a sleep; does not wait. */
    void (*kick)(Vcpu *vcpu);
    /* After a kick: returns when it stands at a boundary. A vCPU whose fault cannot be answered
     * because the page is still at the other side counts as standing too, unless @really: its
     * instruction is simply not done yet. Whether it really stands now. */
    bool (*wait)(Vcpu *vcpu, bool really);
    /* Any thread: the vCPU waits for a missing page from now on, or no longer. */
    void (*block)(Vcpu *vcpu, bool blocked);
    /* Any thread: the kernel's number of the thread that its instructions run in, 0 = none yet. */
    int (*thread_id)(const Vcpu *vcpu);
    /* Takes @percent of its time away. May run. */
    void (*throttle)(Vcpu *vcpu, unsigned percent);
    /* Leaves it @share millionths of the time that throttle leaves it. May run. */
    void (*limit)(Vcpu *vcpu, uint32_t share);
    /* It stands. */
    void (*save)(const Vcpu *vcpu, VcpuState *ret);
    bool (*load)(Vcpu *vcpu, const VcpuState *state, GError **error);
    /* It stands. Back to before the first instruction. */
    void (*reset)(Vcpu *vcpu);
    /* It stands. */
    void (*free)(Vcpu *vcpu);
} VcpuOps;

/* Head of each implementation's struct. */
struct Vcpu {
    const VcpuOps *ops;
    unsigned index;
};
