/*
 * The limiter has two rules; the stricter one applies.
 *
 * Pace: every byte takes 1/rate seconds; more may be sent when the time of the
 * previous bytes is over. A late sender may catch up by at most CREDIT_NS;
 * without this, every late wake-up would reduce the rate.
 *
 * Window: what was sent in the last 100 ms, kept in slots of 1 ms, must be
 * below rate * 100 ms before another batch starts. It prevents that catching up
 * adds to a burst.
 */
#include "backend/base/rate-limiter.h"

#include <glib.h>
#include <string.h>

#define CREDIT_NS     (5 * INT64_C(1000000))
#define WINDOW_MS     100
#define NS_PER_SECOND 1000000000
/* Largest debt, because the rate may be raised later and the sum must not overflow. */
#define DEBT_MAX_NS (INT64_C(3600) * NS_PER_SECOND)

static int64_t clamp_ns(unsigned __int128 ns)
{
    return (int64_t)MIN(ns, (unsigned __int128)DEBT_MAX_NS);
}

/* Advances the slots to @now_us and clears the passed ones. */
static void advance_slots(RateLimiter *limiter, int64_t now_us)
{
    int64_t now_ms = now_us / 1000;

    if (now_ms - limiter->slot_ms >= RATE_LIMITER_SLOTS) {
        memset(limiter->slots, 0, sizeof limiter->slots);
        limiter->sum = 0;
        limiter->slot_ms = now_ms;
    }
    while (limiter->slot_ms < now_ms) {
        uint64_t *slot = &limiter->slots[++limiter->slot_ms % RATE_LIMITER_SLOTS];

        limiter->sum -= *slot;
        *slot = 0;
    }
}

void rate_limiter_init(RateLimiter *limiter, uint64_t rate, int64_t now_us)
{
    memset(limiter, 0, sizeof *limiter);
    limiter->rate = rate;
    limiter->next_ns = now_us * 1000;
    limiter->slot_ms = now_us / 1000;
}

void rate_limiter_set_rate(RateLimiter *limiter, uint64_t rate, int64_t now_us)
{
    int64_t now_ns = now_us * 1000;

    if (rate == limiter->rate) {
        return;
    }
    if (limiter->rate == 0 || rate == 0 || limiter->next_ns <= now_ns) {
        limiter->next_ns = now_ns;
    } else {
        unsigned __int128 debt = (unsigned __int128)(limiter->next_ns - now_ns) * limiter->rate;
        limiter->next_ns = now_ns + clamp_ns(debt / rate);
    }
    limiter->rate = rate;
}

/* Time until the oldest slots have left the window and its sum is below @allowed. */
static int64_t window_wait_us(const RateLimiter *limiter, uint64_t allowed, int64_t now_us)
{
    uint64_t sum = limiter->sum;
    int64_t ms = limiter->slot_ms;

    while (sum > 0 && sum >= allowed) {
        sum -= limiter->slots[++ms % RATE_LIMITER_SLOTS];
    }
    return ms > limiter->slot_ms ? ms * 1000 - now_us : 0;
}

int64_t rate_limiter_wait_us(RateLimiter *limiter, int64_t now_us)
{
    if (limiter->rate == 0) {
        return 0;
    }
    advance_slots(limiter, now_us);

    int64_t pace_us = (limiter->next_ns - now_us * 1000 + 999) / 1000;
    uint64_t allowed = MAX(limiter->rate / (1000 / WINDOW_MS), 1);
    return MAX(MAX(pace_us, window_wait_us(limiter, allowed, now_us)), 0);
}

void rate_limiter_account(RateLimiter *limiter, uint64_t bytes, int64_t now_us)
{
    /* The slots are kept even without a limit, because a limit may be set at any time. */
    advance_slots(limiter, now_us);
    limiter->slots[limiter->slot_ms % RATE_LIMITER_SLOTS] += bytes;
    limiter->sum += bytes;

    if (limiter->rate > 0) {
        int64_t now_ns = now_us * 1000;
        unsigned __int128 cost = (unsigned __int128)bytes * NS_PER_SECOND;
        int64_t from = MAX(limiter->next_ns, now_ns - CREDIT_NS);

        limiter->next_ns =
            MIN(from + clamp_ns((cost + limiter->rate - 1) / limiter->rate), now_ns + DEBT_MAX_NS);
    }
}
