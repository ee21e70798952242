/*
 * Bytes a second, evened out. Pure: time comes in as an argument and nothing
 * waits here. One thread owns a limiter; who changes the rate from outside
 * hands the number over and the owner sets it.
 *
 *     while ((us = rate_limiter_wait_us(&limiter, now())) > 0) { wait at most us }
 *     send a batch
 *     rate_limiter_account(&limiter, bytes, now());
 *
 * Used like this, no 100 ms see more than rate * 100 ms plus one batch, and a
 * sender that is woken a little late still reaches the rate.
 */
#pragma once

#include <stdint.h>

#define RATE_LIMITER_SLOTS 101 /* of 1 ms: 100 whole ones and the one that has begun */

/* Initialise with rate_limiter_init(); the fields are the limiter's own. */
typedef struct {
    uint64_t rate;   /* bytes a second, 0 = no limit */
    int64_t next_ns; /* when the bytes sent so far would have taken their time */
    int64_t slot_ms; /* the millisecond of the newest slot */
    uint64_t sum;    /* of @slots */
    uint64_t slots[RATE_LIMITER_SLOTS];
} RateLimiter;

void rate_limiter_init(RateLimiter *limiter, uint64_t rate, int64_t now_us);

/* A change takes effect at once; what was sent ahead of time under the old rate is still paid for.
 */
void rate_limiter_set_rate(RateLimiter *limiter, uint64_t rate, int64_t now_us);

/* How long until more may be sent; 0 = now. */
int64_t rate_limiter_wait_us(RateLimiter *limiter, int64_t now_us);

void rate_limiter_account(RateLimiter *limiter, uint64_t bytes, int64_t now_us);
