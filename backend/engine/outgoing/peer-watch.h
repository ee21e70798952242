/*
 * Notices that a peer which is waited for does nothing any more.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

typedef struct {
    bool owes;      /* it has bytes to take, or an answer to give */
    uint64_t moved; /* changes with each byte that it takes and each answer */
} PeerLook;

/* Zeroed = nothing was seen yet. */
typedef struct {
    bool seen;
    PeerLook last;
    int64_t last_us;
    int64_t silent_us;
} PeerWatch;

/* Takes a look at @now_us (monotonic). True when the peer has done nothing of what it owes for
 * @timeout_ms (0 = no limit). Looks are to come every PEER_WATCH_STEP_US; of a longer distance
 * only twice that counts, so that a process that was itself stopped does not blame the peer. */
bool peer_watch_look(PeerWatch *watch, PeerLook look, int64_t now_us, uint64_t timeout_ms);

#define PEER_WATCH_STEP_US (50 * 1000)
