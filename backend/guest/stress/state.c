/*
 * The step of a stress vCPU, and its migrating state. Only the vCPU's thread
 * calls this while the vCPU runs, and other threads while it is stopped, so no
 * locks are needed.
 */
#include "backend/guest/stress/vcpu.h"

#include <inttypes.h>
#include <string.h>

#include "backend/base/error.h"

/* ---- one step ---- */

static ContentKind pick_kind(VcpuState *state)
{
    uint64_t roll = stress_random(state, 100);

    if (roll < state->zero_percent) {
        return CONTENT_ZERO;
    }
    return roll < (uint64_t)state->zero_percent + state->compressible_percent
               ? CONTENT_COMPRESSIBLE
               : CONTENT_INCOMPRESSIBLE;
}

static void write_page(StressVcpu *v, uint64_t own)
{
    uint64_t own_group = own / LEDGER_GROUP;
    uint64_t group = v->base.index + v->n_vcpus * own_group;
    uint64_t page = group * LEDGER_GROUP + own % LEDGER_GROUP;
    uint64_t *slot = ledger_entry_at(&v->layout, v->block->guest, page);
    uint64_t entry = ledger_entry(pick_kind(&v->state), ++v->state.step);
    uint64_t before = *slot;

    content_write(v->block->guest + page * MIG_PAGE_SIZE, v->state.seed, page, entry);
    *slot = entry;
    v->state.seals[own_group] += ledger_mix(page, entry) - ledger_mix(page, before);
    atomic_store_explicit(&v->steps, v->state.step, memory_order_relaxed);
}

bool stress_prefilling(const StressVcpu *v)
{
    return v->state.position[STRESS_PREFILL_NEXT] <
           MIN(v->state.position[STRESS_PREFILL_END], v->own_pages);
}

bool stress_has_work(const StressVcpu *v)
{
    return stress_prefilling(v) || (v->set_pages > 0 && v->state.pattern != STRESS_IDLE);
}

void stress_step(StressVcpu *v)
{
    if (stress_prefilling(v)) {
        write_page(v, v->state.position[STRESS_PREFILL_NEXT]++);
    } else {
        write_page(v, stress_pattern_next(&v->state, v->set_pages));
    }
}

/* ---- state ---- */

/* Own pages in the working set: the same share of them as the set has of all data pages. */
static uint64_t own_set_pages(const StressVcpu *v)
{
    unsigned __int128 share = (unsigned __int128)v->own_pages * v->state.set_pages;

    return (uint64_t)((share + v->layout.n_data - 1) / v->layout.n_data);
}

void stress_vcpu_apply(Vcpu *vcpu, const StressSettings *settings)
{
    StressVcpu *v = (StressVcpu *)vcpu;
    /* A vCPU that owns no page gets no part of the rate. */
    uint64_t active = MIN(v->n_vcpus, v->layout.n_groups);

    if (v->state.pattern != settings->pattern) {
        v->state.pattern = settings->pattern;
        v->state.position[STRESS_POSITION_A] = 0;
        v->state.position[STRESS_POSITION_B] = 0;
    }
    v->state.zero_percent = settings->zero_percent;
    v->state.compressible_percent = settings->compressible_percent;
    v->state.set_pages =
        settings->set == UINT64_MAX ? v->layout.n_data : MAX(settings->set / MIG_PAGE_SIZE, 1);
    v->state.rate = 0;
    if (settings->rate > 0 && vcpu->index < active) {
        v->state.rate = settings->rate / active + (vcpu->index < settings->rate % active);
        v->state.rate = MAX(v->state.rate, 1);
    }
    v->set_pages = own_set_pages(v);
}

/* For other threads; the vCPU is stopped. */
static void publish_steps(StressVcpu *v)
{
    uint64_t next = v->state.position[STRESS_PREFILL_NEXT];
    uint64_t end = MIN(v->state.position[STRESS_PREFILL_END], v->own_pages);

    atomic_store(&v->steps, v->state.step);
    atomic_store(&v->filled, next < end ? v->state.step + (end - next) : 0);
}

void stress_reset(Vcpu *vcpu)
{
    StressVcpu *v = (StressVcpu *)vcpu;
    uint64_t *seals = v->state.seals;
    uint32_t n_seals = v->state.n_seals;

    memset(seals, 0, n_seals * sizeof seals[0]);
    v->state = (VcpuState){
        .seed = v->initial.seed,
        .generator = mix64(v->initial.seed ^ mix64(vcpu->index + 1)),
        .n_vcpus = v->n_vcpus,
        .n_seals = n_seals,
        .seals = seals,
    };
    stress_vcpu_apply(vcpu, &v->initial);
    if (v->initial.prefill) {
        v->state.position[STRESS_PREFILL_END] = v->set_pages;
    }
    publish_steps(v);
}

void stress_save(const Vcpu *vcpu, VcpuState *ret)
{
    const StressVcpu *v = (const StressVcpu *)vcpu;

    *ret = v->state;
    ret->seals = g_memdup2(v->state.seals, v->state.n_seals * sizeof v->state.seals[0]);
}

static bool refuse(GError **error, const char *what, uint64_t found, uint64_t expected)
{
    g_set_error(error, MIG_ERROR, MIG_ERROR_FORMAT,
                "vCPU state has %s %" PRIu64 ", this machine %" PRIu64, what, found, expected);
    mig_error_hint(error, "both sides need the same --machine, --memory and --smp");
    return false;
}

/* The state may come from a stream, so every field is checked. */
static bool state_fits(const StressVcpu *v, const VcpuState *s, GError **error)
{
    if (s->n_vcpus != v->n_vcpus) {
        return refuse(error, "number of vCPUs", s->n_vcpus, v->n_vcpus);
    }
    if (s->n_seals != v->state.n_seals) {
        return refuse(error, "number of seals", s->n_seals, v->state.n_seals);
    }
    if (s->set_pages == 0 || s->set_pages > v->layout.n_data) {
        return refuse(error, "working set of pages", s->set_pages, v->layout.n_data);
    }
    if (s->pattern >= STRESS_PATTERN__COUNT || s->zero_percent > 100 ||
        s->compressible_percent > 100 - s->zero_percent || s->step >= LEDGER_STEP_MASK) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_FORMAT,
                    "vCPU state is not possible: pattern %u, %u %% zero, %u %% compressible, step "
                    "%" PRIu64,
                    s->pattern, s->zero_percent, s->compressible_percent, s->step);
        return false;
    }
    return true;
}

bool stress_load(Vcpu *vcpu, const VcpuState *state, GError **error)
{
    StressVcpu *v = (StressVcpu *)vcpu;
    uint64_t *seals = v->state.seals;

    if (!state_fits(v, state, error)) {
        return false;
    }
    if (state->n_seals > 0) {
        memcpy(seals, state->seals, state->n_seals * sizeof seals[0]);
    }
    v->state = *state;
    v->state.seals = seals;
    v->set_pages = own_set_pages(v);
    publish_steps(v);
    return true;
}

void stress_vcpu_settings(const Vcpu *vcpu, StressSettings *ret)
{
    const StressVcpu *v = (const StressVcpu *)vcpu;

    ret->pattern = (StressPattern)v->state.pattern;
    ret->rate += v->state.rate;
    ret->set = v->state.set_pages * MIG_PAGE_SIZE;
    ret->zero_percent = v->state.zero_percent;
    ret->compressible_percent = v->state.compressible_percent;
    ret->seed = v->state.seed;
}

uint64_t stress_vcpu_steps(const Vcpu *vcpu)
{
    return atomic_load_explicit(&((const StressVcpu *)vcpu)->steps, memory_order_relaxed);
}

uint64_t stress_vcpu_to_fill(const Vcpu *vcpu)
{
    uint64_t filled =
        atomic_load_explicit(&((const StressVcpu *)vcpu)->filled, memory_order_relaxed);

    return filled - MIN(filled, stress_vcpu_steps(vcpu));
}

void stress_vcpu_run(Vcpu *vcpu, uint64_t steps)
{
    StressVcpu *v = (StressVcpu *)vcpu;

    for (uint64_t i = 0; i < steps && stress_has_work(v); i++) {
        stress_step(v);
    }
}
