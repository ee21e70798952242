/*
 * Chooses the page that a stress vCPU writes next. The state of a pattern is
 * part of the migrating state, so a migrated guest continues at the same
 * position. Only the thread that runs the vCPU calls this. Positions may come
 * from a stream: any value must be safe.
 */
#include "backend/guest/stress/machine.h"

#define PHASES       UINT64_C(8)
#define DIP_PERIOD   UINT64_C(3000000) /* us: two seconds at full pace, one in the dip */
#define DIP_START    UINT64_C(2000000)
#define GROW_STEPS   UINT64_C(8)  /* steps for each added page */
#define GROW_INITIAL UINT64_C(64) /* 1/64 of the set to begin with */

static const char *const pattern_names[STRESS_PATTERN__COUNT + 1] = {
    [STRESS_UNIFORM] = "uniform", [STRESS_HOTCOLD] = "hotcold", [STRESS_SWEEP] = "sweep",
    [STRESS_PHASES] = "phases",   [STRESS_DIPS] = "dips",       [STRESS_IDLE] = "idle",
    [STRESS_GROWING] = "growing",
};

const char *stress_pattern_name(uint32_t pattern)
{
    g_assert(pattern < STRESS_PATTERN__COUNT);
    return pattern_names[pattern];
}

const char *const *stress_pattern_names(void)
{
    return pattern_names;
}

uint64_t stress_random(VcpuState *state, uint64_t n)
{
    state->generator += UINT64_C(0x9e3779b97f4a7c15);
    return (uint64_t)(((unsigned __int128)mix64(state->generator) * n) >> 64);
}

static uint64_t next_hotcold(VcpuState *state, uint64_t n)
{
    uint64_t hot = MAX(n / 10, 1);

    if (hot == n || stress_random(state, 10) != 0) {
        return stress_random(state, hot);
    }
    return hot + stress_random(state, n - hot);
}

static uint64_t next_sweep(VcpuState *state, uint64_t n)
{
    uint64_t at = state->position[STRESS_POSITION_A] % n;

    state->position[STRESS_POSITION_A] = at + 1;
    return at;
}

/* Position: the phase, and the steps done in it; a phase lasts twice as many as it has pages. */
static uint64_t next_phase(VcpuState *state, uint64_t n)
{
    uint64_t size = (n + PHASES - 1) / PHASES;
    uint64_t count = (n + size - 1) / size;
    uint64_t phase = state->position[STRESS_POSITION_A] % count;
    uint64_t first = phase * size;

    state->position[STRESS_POSITION_A] = phase;
    if (state->position[STRESS_POSITION_B]++ >= 2 * size) {
        state->position[STRESS_POSITION_A] = phase + 1;
        state->position[STRESS_POSITION_B] = 0;
    }
    return first + stress_random(state, MIN(size, n - first));
}

/* Position: the steps done. */
static uint64_t next_growing(VcpuState *state, uint64_t n)
{
    uint64_t steps = state->position[STRESS_POSITION_A];
    uint64_t live = MAX(n / GROW_INITIAL, 1) + steps / GROW_STEPS;

    if (live < n) {
        state->position[STRESS_POSITION_A] = steps + 1;
    }
    return stress_random(state, MIN(live, n));
}

uint64_t stress_pattern_next(VcpuState *state, uint64_t n)
{
    switch ((StressPattern)state->pattern) {
    case STRESS_HOTCOLD:
        return next_hotcold(state, n);
    case STRESS_SWEEP:
        return next_sweep(state, n);
    case STRESS_PHASES:
        return next_phase(state, n);
    case STRESS_GROWING:
        return next_growing(state, n);
    case STRESS_UNIFORM:
    case STRESS_DIPS:
    case STRESS_IDLE:
    case STRESS_PATTERN__COUNT:
        break;
    }
    return stress_random(state, n);
}

double stress_pattern_pace(VcpuState *state, uint64_t elapsed_us)
{
    uint64_t *now = &state->position[STRESS_POSITION_A];

    if (state->pattern != STRESS_DIPS) {
        return 1;
    }
    *now = (*now % DIP_PERIOD + elapsed_us) % DIP_PERIOD;
    return *now < DIP_START ? 1 : 0.1;
}
