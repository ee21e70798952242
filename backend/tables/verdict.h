/*
 * Will it finish? A judgement from pass borders only: inside a pass what is left runs down like a
 * saw-tooth and says nothing. Pure.
 */
#pragma once

#include <glib.h>
#include <stdint.h>

typedef struct {
    uint64_t remaining;  /* bytes left after the sync at the end of the newest pass */
    uint64_t sent;       /* bytes of RAM that the newest pass took off, zero pages counted whole */
    uint64_t dirtied;    /* bytes that the sync at its end found written meanwhile */
    int64_t duration_us; /* of the newest pass */
    uint64_t bandwidth;  /* bytes/s, as the switchover is reckoned */
    uint64_t limit_ms;   /* downtime-limit */
} VerdictFacts;

typedef enum {
    VERDICT_OPEN,      /* too early to say */
    VERDICT_FITS,      /* what is left fits into the limit */
    VERDICT_CONVERGES, /* each pass takes off more than the guest writes meanwhile */
    VERDICT_NEVER,     /* the guest writes as much as is sent: it will not finish like this */
} VerdictKind;

VerdictKind verdict_of(const VerdictFacts *facts);

/* A sentence with the numbers that make it, "" for VERDICT_OPEN. Caller frees. */
char *verdict_text(const VerdictFacts *facts);

/* What would make it finish, as a command; "" when nothing is needed. Caller frees. */
char *verdict_advice(const VerdictFacts *facts);
