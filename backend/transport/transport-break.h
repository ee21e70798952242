/*
 * The faults of a connection. See break.c.
 */
#pragma once

#include "backend/base/fault.h"
#include "backend/transport/transport.h"

/*
 * Called by the thread that writes to @t, between two messages: FAULT_CUT ends it in both
 * directions FAULT_GARBAGE sends bytes that mean nothing in place of the next message
 * FAULT_TRUNCATE ends what this side sends; the other direction stays (a file or pipe: as cut)
 * FAULT_RESET the peer sees a reset, not an end (where there is none, as with a Unix socket: as
 * cut)
 */
void transport_break(Transport *t, FaultAction action);
