/*
 * What both ends of a hand-over name: see handover.c and incoming.c.
 */
#pragma once

/* "HAND": the value of the PING that a source sends when everything but EOF is out. Its PONG says
 * that all of it is loaded. */
#define HANDOVER_PING 0x48414e44u
