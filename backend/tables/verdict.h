/*
 * Will the migration finish? The verdict uses values at the ends of passes
 * only: within a pass the remaining bytes fall like a saw-tooth and give no
 * information. Pure.
 */
#pragma once

#include <glib.h>
#include <stdint.h>

typedef struct {
    uint64_t remaining;  /* bytes left after the sync at the end of the newest pass */
    uint64_t sent;       /* bytes of RAM sent by the newest pass, zero pages in full */
    uint64_t dirtied;    /* bytes that the sync at its end found dirty */
    int64_t duration_us; /* of the newest pass */
    uint64_t bandwidth;  /* bytes/s that the switchover calculates with */
    uint64_t limit_ms;   /* downtime-limit */
} VerdictFacts;

typedef enum {
    VERDICT_OPEN,      /* too early to say */
    VERDICT_FITS,      /* the remaining bytes fit into the limit */
    VERDICT_CONVERGES, /* each pass sends more than the guest dirties meanwhile */
    VERDICT_NEVER,     /* the guest dirties as much as is sent, so it will not finish */
} VerdictKind;

VerdictKind verdict_of(const VerdictFacts *facts);

/* A sentence with the numbers behind the verdict, "" for VERDICT_OPEN. Caller frees. */
char *verdict_text(const VerdictFacts *facts);

/* A command that would make it finish; "" when none is needed. Caller frees. */
char *verdict_advice(const VerdictFacts *facts);
