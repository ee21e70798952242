/*
 * What holds an outgoing migration up: where each moment of its wall time went, in four kinds that
 * leave nothing out. The link and the receiver are waits of the channels that carry pages, averaged
 * over them; the limiter is the wait of the thread that hands pages out; what is left was spent
 * working: scanning, compressing, copying, or being kept from a processor by others.
 *
 * Any thread may bring the counters up to date; the series of the record (series.h) makes
 * shares of each second out of them.
 */
#include "backend/engine/outgoing/outgoing-internal.h"

#include "backend/base/clock.h"

/* What @now has grown by since @last, taken off what is left of @span. */
static uint64_t take_growth(uint64_t *last, uint64_t now, uint64_t *span)
{
    uint64_t grown = now > *last ? MIN(now - *last, *span) : 0;

    *last = now; /* a new connection begins at nothing */
    *span -= grown;
    return grown;
}

/* All waits for the peer so far. With multifd the main channel carries next to nothing. */
static void read_waits(const Outgoing *o, TransportWaits *ret)
{
    if (o->multifd != NULL) {
        multifd_send_get_waits(o->multifd, ret);
    } else {
        transport_get_waits(o->transport, ret);
    }
    ret->receiver_us += wait_clock_read_us(&o->answer_wait);
}

void outgoing_account_waits(Outgoing *o)
{
    MigCounters *c = &o->migration->counters;
    int64_t now = g_get_monotonic_time();
    TransportWaits waits = { 0 };
    MIG_LOCK(&o->lock);

    if (o->transport == NULL || o->waits.since_us == 0) {
        return;
    }
    read_waits(o, &waits);

    uint64_t limiter = wait_clock_read_us(&o->limiter_wait);
    uint64_t span = (uint64_t)MAX(now - o->waits.since_us, 0);

    o->waits.since_us = now;
    atomic_fetch_add(&c->link_us, take_growth(&o->waits.link_us, waits.link_us, &span));
    atomic_fetch_add(&c->receiver_us, take_growth(&o->waits.receiver_us, waits.receiver_us, &span));
    atomic_fetch_add(&c->limiter_us, take_growth(&o->waits.limiter_us, limiter, &span));
    atomic_fetch_add(&c->busy_us, span);
}

void outgoing_begin_waits(Outgoing *o)
{
    TransportWaits waits;
    MIG_LOCK(&o->lock);

    read_waits(o, &waits);
    o->waits = (WaitsSeen){
        .since_us = g_get_monotonic_time(),
        .link_us = waits.link_us,
        .receiver_us = waits.receiver_us,
        .limiter_us = wait_clock_read_us(&o->limiter_wait),
    };
}
