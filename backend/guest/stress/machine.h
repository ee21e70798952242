/*
 * vCPUs of the stress machine: threads that write guest RAM with plain stores
 * through the tracked mapping and do not report their writes. Private to
 * backend/guest/ and its tests.
 *
 * A group of 512 data pages belongs to one vCPU: group g to vCPU g mod N, its
 * i-th own group has the i-th of its seals. The pages of its own groups, in
 * order, are its own pages 0, 1, 2 ... One step writes one own page, its
 * ledger entry and the seal; a vCPU stops between steps only.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "backend/guest/stress/ledger.h"
#include "backend/guest/vcpu-internal.h"

/* In VcpuState.pattern; numbers go over the wire. */
typedef enum {
    STRESS_UNIFORM, /* any page of the set */
    STRESS_HOTCOLD, /* nine of ten writes to a tenth of the set */
    STRESS_SWEEP,   /* pages in order, repeatedly */
    STRESS_PHASES,  /* an eighth of the set at a time, then the next */
    STRESS_DIPS,    /* uniform, with one second of three at a tenth of the speed */
    STRESS_IDLE,    /* writes nothing */
    STRESS_GROWING, /* uniform over a part of the set that grows to the whole set */
    STRESS_PATTERN__COUNT,
} StressPattern;

/* VcpuState.position: two words for the pattern, then the own pages still to prefill. */
enum {
    STRESS_POSITION_A,
    STRESS_POSITION_B,
    STRESS_PREFILL_NEXT,
    STRESS_PREFILL_END,
};

/* The workload of the whole guest. */
typedef struct {
    StressPattern pattern;
    uint64_t rate; /* bytes/s, 0 = as fast as it can */
    uint64_t set;  /* bytes, UINT64_MAX = all data pages */
    uint32_t zero_percent;
    uint32_t compressible_percent;
    uint64_t seed;
    bool prefill; /* writes each page of the set once before pacing begins */
} StressSettings;

/* ---- options.c ---- */

/* Parses the text after "stress": "" or ",key=value,...". */
bool stress_settings_parse(const char *text, StressSettings *ret, GError **error);

/* Changes one key that may change while the guest runs. @settings is untouched on failure. */
bool stress_settings_set(StressSettings *settings, const char *key, const char *value,
                         GError **error);

/* True when the working set fits into @layout. */
bool stress_settings_check(const StressSettings *settings, const LedgerLayout *layout,
                           GError **error);

/* "hotcold, 50.0 MiB/s, set 1.0 GiB, pages 10 % zero, ..."; caller frees. */
char *stress_settings_text(const StressSettings *settings);

const char *const *stress_keys(void);
const char *const *stress_values(const char *key);
const char *stress_form(const char *key); /* what a value of @key is; NULL: guest_set has it not */

/* ---- pattern.c ---- */

const char *stress_pattern_name(uint32_t pattern);
const char *const *stress_pattern_names(void);

/* A number below @n (> 0) from the vCPU's own generator. */
uint64_t stress_random(VcpuState *state, uint64_t n);

/* The index, of @n own pages, that the next step writes; advances the position. */
uint64_t stress_pattern_next(VcpuState *state, uint64_t n);

/* The present speed of the workload: 1 = full speed. Advances the position by @elapsed_us. */
double stress_pattern_pace(VcpuState *state, uint64_t elapsed_us);

/* ---- machine.c ---- */

/* A stopped vCPU, one of @n_vcpus, with its own thread. The block must outlive it. */
Vcpu *stress_vcpu_new(unsigned index, unsigned n_vcpus, RamBlock *block,
                      const StressSettings *settings, GError **error);

/* Applies this vCPU's share of a changed workload; the vCPU must be stopped. */
void stress_vcpu_apply(Vcpu *vcpu, const StressSettings *settings);

/* Adds this vCPU's rate to *@ret and copies its other settings. The vCPU may run. */
void stress_vcpu_settings(const Vcpu *vcpu, StressSettings *ret);

/* Steps done so far; the vCPU may run. */
uint64_t stress_vcpu_steps(const Vcpu *vcpu);
/* Pages that prefill has still to write; any thread. */
uint64_t stress_vcpu_to_fill(const Vcpu *vcpu);

/* Runs @steps steps in the caller's thread, without pacing; the vCPU must be stopped. For tests,
 * which need a reproducible guest. */
void stress_vcpu_run(Vcpu *vcpu, uint64_t steps);
