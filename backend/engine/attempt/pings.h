/*
 * PING values that both ends of a hand-over use. See outgoing/switchover.c and incoming.c.
 */
#pragma once

/* "HAND": the value of the PING that a source sends when everything except EOF is written. Its PONG
 * means that the destination has loaded all of it. */
#define HANDOVER_PING 0x48414e44u

/*
 * PING values with this bit name a postcopy. The source sends one after its ADVISE and again before
 * it resumes after a pause, so that pages of one guest never get into another guest whose postcopy
 * is paused too. A source that sent none (QEMU) need not send one on resume.
 */
#define ATTEMPT_PING_BIT 0x80000000u

/* The stages of postcopy. PONG(PING_LOADED) means that the contents of the package are loaded and
 * that only its last command, which starts the guest, is left. */
enum {
    PING_DISCARDED = 2,
    PING_LOADED = 3,
    PING_RUNS = 4,
};

/* Values of a SHUT with a failure. QEMU sends 1; any other than 0 is a failure for it. */
#define SHUT_FAILED 1u
#define SHUT_BUSY   2u /* another source has the destination */
