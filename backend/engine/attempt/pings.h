/*
 * What both ends of a hand-over name: see outgoing/switchover.c and incoming.c.
 */
#pragma once

/* "HAND": the value of the PING that a source sends when everything but EOF is out. Its PONG says
 * that all of it is loaded. */
#define HANDOVER_PING 0x48414e44u

/*
 * PING values with this bit name a postcopy: its source sends one behind its advise and again
 * before it goes on after a pause, so that pages of one guest never get into another whose postcopy
 * is paused too. A source that sent none (a QEMU) is not asked for one.
 */
#define ATTEMPT_PING_BIT 0x80000000u

/* The stages of postcopy. PONG(PING_LOADED) says that what the package holds is in place and that
 * only its last command, which starts the guest, comes after it. */
enum {
    PING_DISCARDED = 2,
    PING_LOADED = 3,
    PING_RUNS = 4,
};
