/*
 * Limits the bytes sent per second. Pure: the time is an argument, and no function waits. One
 * thread owns a limiter; another thread that changes the rate passes the number to the owner, which
 * sets it.
 *
 *     while ((us = rate_limiter_wait_us(&limiter, now())) > 0) { wait at most us }
 *     send a batch
 *     rate_limiter_account(&limiter, bytes, now());
 *
 * Used like this, no period of 100 ms exceeds rate * 100 ms plus one batch, and a sender that is
 * woken slightly late still reaches the rate.
 */
#pragma once

#include <stdint.h>

#define RATE_LIMITER_SLOTS 101 /* of 1 ms: 100 complete ones and the present one */

/* Initialise with rate_limiter_init(). The fields are private. */
typedef struct {
    uint64_t rate;   /* bytes a second, 0 = no limit */
    int64_t next_ns; /* when the time of the bytes sent so far is over */
    int64_t slot_ms; /* the millisecond of the newest slot */
    uint64_t sum;    /* of @slots */
    uint64_t slots[RATE_LIMITER_SLOTS];
} RateLimiter;

void rate_limiter_init(RateLimiter *limiter, uint64_t rate, int64_t now_us);

/* A change takes effect at once; bytes sent ahead of time at the old rate remain a debt. */
void rate_limiter_set_rate(RateLimiter *limiter, uint64_t rate, int64_t now_us);

/* Microseconds until more may be sent; 0 = now. */
int64_t rate_limiter_wait_us(RateLimiter *limiter, int64_t now_us);

void rate_limiter_account(RateLimiter *limiter, uint64_t bytes, int64_t now_us);
