/*
 * The faults of a connection. See break.c.
 */
#pragma once

#include "backend/base/fault.h"
#include "backend/transport/transport.h"

/*
 * Called by the thread that writes to @t, between two messages. False for an action that does not
 * concern a connection (FAULT_CANCEL).
 *   FAULT_CUT ends it in both directions.
 *   FAULT_GARBAGE sends bytes that mean nothing in place of the next message.
 *   FAULT_TRUNCATE ends what this side sends; the other direction stays (a file or pipe: as cut).
 *   FAULT_RESET: the peer sees a reset, not an end (where there is none, as with a Unix socket: as
 *   cut).
 */
bool transport_break(Transport *t, FaultAction action);

/* fault_act() for a channel of a destination, by the thread that reads it. */
bool transport_fault(Transport *t, const char *point, GError **error);
