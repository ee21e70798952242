/*
 * A vCPU as the engine uses it: it runs, can be stopped between two
 * instructions of its guest, and its state can be saved and loaded while it is
 * stopped. KVM vCPUs can implement the same vtable.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* All of a vCPU's time, see guest_limit_vcpu(). */
#define VCPU_WHOLE_SHARE 1000000u

/*
 * State of a stress vCPU as it migrates. It has one u64 seal per group that the
 * vCPU owns (group g belongs to vCPU g mod N); see stress/machine.h.
 */
typedef struct {
    uint64_t seed;
    uint64_t step;      /* k: steps done */
    uint64_t generator; /* state of the vCPU's own random generator */
    uint32_t pattern;   /* StressPattern */
    uint32_t zero_percent;
    uint32_t compressible_percent;
    uint32_t n_vcpus;     /* of the machine that saved it: must match */
    uint64_t rate;        /* bytes/s of this vCPU, 0 = as fast as it can */
    uint64_t set_pages;   /* working set of the whole guest, pages */
    uint64_t position[4]; /* of the pattern (sweep cursor, phase, ...) */
    uint32_t n_seals;
    uint64_t *seals; /* n_seals entries, owned */
} VcpuState;

void vcpu_state_clear(VcpuState *state);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(VcpuState, vcpu_state_clear)
