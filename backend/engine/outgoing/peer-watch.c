/*
 * See peer-watch.h.
 */
#include "backend/engine/outgoing/peer-watch.h"

#include <glib.h>

bool peer_watch_look(PeerWatch *watch, PeerLook look, int64_t now_us, uint64_t timeout_ms)
{
    bool still = watch->seen && look.owes && watch->last.owes && look.moved == watch->last.moved;

    watch->silent_us =
        still ? watch->silent_us + MIN(now_us - watch->last_us, 2 * PEER_WATCH_STEP_US) : 0;
    watch->seen = true;
    watch->last = look;
    watch->last_us = now_us;
    return timeout_ms != 0 && watch->silent_us >= (int64_t)timeout_ms * 1000;
}
