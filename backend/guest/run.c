/*
 * Running a guest: start, stop, hold, its vCPUs' state, its workload. Any
 * thread; see guest-internal.h for the lock.
 */
#include "backend/guest/guest-internal.h"

#include "backend/base/error.h"
#include "backend/base/lock.h"
#include "backend/guest/stress/machine.h"

/* ---- run control ---- */

static bool should_run(const Guest *guest)
{
    return atomic_load(&guest->state) == RUN_STATE_RUNNING && guest->holds == 0;
}

/* Starts or stops the vCPUs as state and holds require; @ran: they were running. Under the lock.
 * Kicks all before waiting for the first. */
static void update_vcpus(Guest *guest, bool ran)
{
    bool run = should_run(guest);

    for (unsigned i = 0; i < guest->n_vcpus && run != ran; i++) {
        if (run) {
            guest->vcpus[i]->ops->resume(guest->vcpus[i]);
        } else {
            guest->vcpus[i]->ops->kick(guest->vcpus[i]);
        }
    }
    for (unsigned i = 0; i < guest->n_vcpus && ran && !run; i++) {
        guest->vcpus[i]->ops->wait(guest->vcpus[i], false);
    }
}

/* Under the lock; returns the state before. */
static RunState set_state(Guest *guest, RunState state)
{
    RunState before = atomic_load(&guest->state);
    bool ran = should_run(guest);

    if (state == RUN_STATE_RUNNING) {
        ram_block_touch(guest->block);
    }
    atomic_store(&guest->state, state);
    update_vcpus(guest, ran);
    return before;
}

RunState guest_run_state(Guest *guest)
{
    return atomic_load(&guest->state);
}

RunState guest_stop(Guest *guest, RunState state)
{
    g_assert(state != RUN_STATE_RUNNING);
    MIG_LOCK(&guest->lock);
    return set_state(guest, state);
}

RunState guest_start(Guest *guest)
{
    MIG_LOCK(&guest->lock);
    return set_state(guest, RUN_STATE_RUNNING);
}

bool guest_change(Guest *guest, RunState from, RunState to)
{
    MIG_LOCK(&guest->lock);
    if (atomic_load(&guest->state) != from) {
        return false;
    }
    set_state(guest, to);
    return true;
}

static void hold_locked(Guest *guest, int change)
{
    bool ran = should_run(guest);

    guest->holds += (unsigned)change;
    update_vcpus(guest, ran);
}

void guest_hold(Guest *guest)
{
    pthread_mutex_lock(&guest->lock);
    hold_locked(guest, 1);
    pthread_mutex_unlock(&guest->lock);
}

void guest_unhold(Guest *guest)
{
    pthread_mutex_lock(&guest->lock);
    hold_locked(guest, -1);
    pthread_mutex_unlock(&guest->lock);
}

void guest_settle(Guest *guest)
{
    MIG_LOCK(&guest->lock);

    for (unsigned i = 0; i < guest->n_vcpus && !should_run(guest); i++) {
        guest->vcpus[i]->ops->wait(guest->vcpus[i], true);
    }
}

/* ---- vCPUs ---- */

bool guest_find_thread(Guest *guest, int thread_id, unsigned *ret_vcpu)
{
    for (unsigned i = 0; i < guest->n_vcpus; i++) {
        if (guest->vcpus[i]->ops->thread_id(guest->vcpus[i]) == thread_id) {
            *ret_vcpu = i;
            return true;
        }
    }
    return false;
}

void guest_block_vcpu(Guest *guest, unsigned vcpu, bool blocked)
{
    guest->vcpus[vcpu]->ops->block(guest->vcpus[vcpu], blocked);
}

void guest_save_vcpu(Guest *guest, unsigned index, VcpuState *ret)
{
    g_assert(index < guest->n_vcpus);
    pthread_mutex_lock(&guest->lock);
    g_assert(!should_run(guest));
    guest->vcpus[index]->ops->save(guest->vcpus[index], ret);
    pthread_mutex_unlock(&guest->lock);
}

bool guest_load_vcpu(Guest *guest, unsigned index, const VcpuState *state, GError **error)
{
    if (index >= guest->n_vcpus) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_FORMAT,
                    "state of vCPU %u, but this machine has %u vCPUs", index, guest->n_vcpus);
        mig_error_hint(error, "both sides need the same --machine and --smp");
        return false;
    }
    pthread_mutex_lock(&guest->lock);
    g_assert(!should_run(guest));
    bool ok = guest->vcpus[index]->ops->load(guest->vcpus[index], state, error);
    pthread_mutex_unlock(&guest->lock);
    if (!ok) {
        g_prefix_error(error, "vCPU %u: ", index);
    }
    return ok;
}

bool guest_reset(Guest *guest, GError **error)
{
    pthread_mutex_lock(&guest->lock);
    g_assert(!should_run(guest));
    for (unsigned i = 0; i < guest->n_vcpus; i++) {
        guest->vcpus[i]->ops->reset(guest->vcpus[i]);
    }
    pthread_mutex_unlock(&guest->lock);
    /* Slow for much RAM; the caller prevents a start meanwhile. */
    return ram_block_drop(guest->block, error);
}

void guest_throttle(Guest *guest, unsigned percent)
{
    for (unsigned i = 0; i < guest->n_vcpus; i++) {
        guest->vcpus[i]->ops->throttle(guest->vcpus[i], percent);
    }
}

void guest_limit_vcpu(Guest *guest, unsigned index, uint32_t share)
{
    g_assert(index < guest->n_vcpus);
    guest->vcpus[index]->ops->limit(guest->vcpus[index], share);
}

VcpuState *guest_copy_states(Guest *guest)
{
    VcpuState *states = g_new0(VcpuState, MAX(guest->n_vcpus, 1));

    for (unsigned i = 0; i < guest->n_vcpus; i++) {
        guest_save_vcpu(guest, i, &states[i]);
    }
    return states;
}

void guest_free_states(Guest *guest, VcpuState *states)
{
    for (unsigned i = 0; i < guest->n_vcpus; i++) {
        vcpu_state_clear(&states[i]);
    }
    g_free(states);
}

void guest_run_steps(Guest *guest, uint64_t steps)
{
    guest_hold(guest);
    for (unsigned i = 0; i < guest->n_vcpus; i++) {
        stress_vcpu_run(guest->vcpus[i], steps);
    }
    guest_unhold(guest);
}

/* ---- workload ---- */

/* Under the lock, while held: false when a vCPU waits for a missing page in the middle of a step,
 * which it may finish at any time. */
static bool all_stand(Guest *guest)
{
    bool stand = true;

    for (unsigned i = 0; i < guest->n_vcpus; i++) {
        stand &= guest->vcpus[i]->ops->wait(guest->vcpus[i], false);
    }
    return stand;
}

static bool set_locked(Guest *guest, const char *key, const char *value, GError **error)
{
    StressSettings settings = { 0 };

    for (unsigned i = 0; i < guest->n_vcpus; i++) {
        stress_vcpu_settings(guest->vcpus[i], &settings);
    }
    if (!stress_settings_set(&settings, key, value, error) ||
        !stress_settings_check(&settings, &guest->layout, error)) {
        return false;
    }
    hold_locked(guest, 1);
    bool stand = all_stand(guest);
    for (unsigned i = 0; i < guest->n_vcpus && stand; i++) {
        stress_vcpu_apply(guest->vcpus[i], &settings);
    }
    hold_locked(guest, -1);
    if (!stand) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC,
                    "'%s' cannot be changed now: a vCPU waits for a page that is still at the "
                    "source (postcopy)",
                    key);
        mig_error_hint(error, "try again, or wait until the migration has completed");
    }
    return stand;
}

bool guest_set(Guest *guest, const char *key, const char *value, GError **error)
{
    if (guest->machine == MACHINE_NONE) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC,
                    "the machine 'none' has no vCPUs and no workload to change");
        return false;
    }
    pthread_mutex_lock(&guest->lock);
    bool ok = set_locked(guest, key, value, error);
    pthread_mutex_unlock(&guest->lock);
    return ok;
}

const char *const *guest_set_keys(void)
{
    return stress_keys();
}

const char *const *guest_set_values(const char *key)
{
    return stress_values(key);
}

const char *guest_set_form(const char *key)
{
    return stress_form(key);
}
