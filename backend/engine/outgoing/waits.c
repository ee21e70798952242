/*
 * Where the wall time of an outgoing migration went, in four kinds that add up to all of it. Link
 * and receiver are waits of the channels that carry pages, as an average over the channels. Limiter
 * is the wait of the outgoing thread for its bandwidth limit. The rest is work: scanning,
 * compressing, copying, or waiting for a processor.
 *
 * Any thread may bring the counters up to date; the series of the record (series.h) computes shares
 * of each second from them.
 */
#include "backend/engine/outgoing/outgoing-internal.h"

#include "backend/base/clock.h"

/* Returns the growth of @now since @last, at most @span, and subtracts it from @span. */
static uint64_t take_growth(uint64_t *last, uint64_t now, uint64_t *span)
{
    uint64_t grown = now > *last ? MIN(now - *last, *span) : 0;

    *last = now; /* a new connection begins at 0 */
    *span -= grown;
    return grown;
}

typedef struct {
    TransportWaits sum;
    unsigned n;
} Visited;

static void add_waits(const Transport *transport, void *data)
{
    Visited *v = data;
    TransportWaits waits = { 0 };

    if (transport != NULL) {
        transport_get_waits(transport, &waits);
    }
    v->sum.link_us += waits.link_us;
    v->sum.receiver_us += waits.receiver_us;
    v->n++;
}

/* All waits for the peer so far. Where the lane has connections of its own, the main channel
 * carries next to nothing. */
static void read_waits(const Outgoing *o, TransportWaits *ret)
{
    Visited v = { 0 };

    if (o->lane->ops->each != NULL) {
        o->lane->ops->each(o->lane, add_waits, &v);
    } else {
        add_waits(o->transport, &v);
    }
    ret->link_us = v.sum.link_us / v.n;
    ret->receiver_us = v.sum.receiver_us / v.n + wait_clock_read_us(&o->waits.answer);
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

    uint64_t limiter = wait_clock_read_us(&o->waits.limiter);
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
    o->waits.since_us = g_get_monotonic_time();
    o->waits.link_us = waits.link_us;
    o->waits.receiver_us = waits.receiver_us;
    o->waits.limiter_us = wait_clock_read_us(&o->waits.limiter);
}
