/*
 * Detects that a peer makes no progress while this side waits for it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

typedef struct {
    bool owes;      /* it has bytes to read, or an answer to send */
    uint64_t moved; /* changes with each byte that it reads and each answer */
} PeerLook;

/* Zeroed = no look yet. */
typedef struct {
    bool seen;
    PeerLook last;
    int64_t last_us;
    int64_t silent_us;
} PeerWatch;

/* Takes a look at @now_us (monotonic). True when the peer has owed something and made no progress
 * for @timeout_ms (0 = no limit). To be called every PEER_WATCH_STEP_US. Of a longer interval only
 * twice that is counted, so that a process that was itself stopped does not blame the peer. */
bool peer_watch_look(PeerWatch *watch, PeerLook look, int64_t now_us, uint64_t timeout_ms);

#define PEER_WATCH_STEP_US (50 * 1000)
