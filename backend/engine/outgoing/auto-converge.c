/*
 * When to slow the guest, and by how much. See auto-converge.h; periods,
 * threshold and steps are those of QEMU 8.2, so that the same parameters have
 * the same effect.
 */
#include "backend/engine/outgoing/auto-converge.h"

#define PERIOD_US INT64_C(1000000) /* a shorter period is joined with the next */
#define PATIENCE  2                /* number of periods with too many writes before a step */

unsigned auto_converge_next(const LiveSettings *settings, unsigned now, uint64_t dirtied,
                            uint64_t allowed)
{
    unsigned step = (unsigned)atomic_load(&settings->cpu_throttle_increment);
    unsigned most = (unsigned)atomic_load(&settings->max_cpu_throttle);

    if (now == 0) {
        return (unsigned)atomic_load(&settings->cpu_throttle_initial);
    }
    if (atomic_load(&settings->cpu_throttle_tailslow)) {
        /* No more than is needed if writes fall in proportion to the remaining time. */
        double left = 100.0 - now;
        double enough = left - left * (double)allowed / (double)MAX(dirtied, 1);

        step = MIN(step, (unsigned)MAX(enough, 0));
    }
    return MIN(now + step, most);
}

/* Uses the present parameters. */
static void limit_vcpus(AutoConverge *c)
{
    dirty_limit_set_all(c->limit, dirty_limit_from_mib(atomic_load(&c->settings->vcpu_dirty_limit)),
                        atomic_load(&c->settings->x_vcpu_dirty_limit_period));
}

static void slow_down(AutoConverge *c, uint64_t allowed)
{
    if (c->means == CONVERGE_BY_LIMIT) {
        c->limited = true;
        limit_vcpus(c);
        return;
    }

    unsigned now = (unsigned)atomic_load(c->percentage);
    unsigned next = auto_converge_next(c->settings, now, c->dirtied, allowed);

    guest_throttle(c->guest, next);
    atomic_store(c->percentage, next);
}

static void begin_period(AutoConverge *c, uint64_t sent, int64_t now_us)
{
    c->begun = true;
    c->start_us = now_us;
    c->sent = sent;
    c->dirtied = 0;
}

void auto_converge_sync(AutoConverge *c, uint64_t dirtied, uint64_t sent, int64_t now_us)
{
    if (c->means == CONVERGE_BY_NOTHING) {
        return;
    }
    if (!c->begun) {
        begin_period(c, sent, now_us);
        return;
    }
    if (c->limited) {
        limit_vcpus(c);
    }
    c->dirtied += dirtied;
    if (now_us - c->start_us <= PERIOD_US) {
        return;
    }

    uint64_t percent = atomic_load(&c->settings->throttle_trigger_threshold);
    uint64_t allowed = (uint64_t)((double)(sent - c->sent) * (double)percent / 100.0);

    if (c->dirtied > allowed && ++c->too_many >= PATIENCE) {
        c->too_many = 0;
        slow_down(c, allowed);
    }
    begin_period(c, sent, now_us);
}

void auto_converge_end(AutoConverge *c)
{
    if (c->means == CONVERGE_BY_THROTTLE && atomic_exchange(c->percentage, 0) != 0) {
        guest_throttle(c->guest, 0);
    }
    if (c->limited) {
        dirty_limit_set_all(c->limit, 0, 0);
        c->limited = false;
    }
    c->means = CONVERGE_BY_NOTHING;
}
