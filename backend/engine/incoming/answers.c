/*
 * The connection of an incoming migration to its source, for the files above: answers on the return
 * path, the cut, fault points; and the start of the guest, which the source's last word allows.
 */
#include "backend/engine/incoming/incoming-internal.h"

#include "backend/base/fault.h"
#include "backend/base/lock.h"
#include "backend/stream/return-path.h"
#include "backend/transport/transport-break.h"

/* ---- return path ---- */

bool incoming_send(Incoming *in, const GByteArray *bytes, GError **error)
{
    struct iovec iov = { bytes->data, bytes->len };
    MIG_LOCK(&in->answer_lock);

    if (!transport_is_two_way(in->config.transport)) {
        return true; /* a saved stream: no source waits for the answer */
    }
    if (!transport_write_all(in->config.transport, &iov, 1, NULL, error)) {
        g_prefix_error(error, "answering the source: ");
        return false;
    }
    return true;
}

bool incoming_answer(Incoming *in, ReturnPathType type, uint32_t value, GError **error)
{
    ReturnPathMessage message = { .type = type, .value = value };
    g_autoptr(GByteArray) bytes = g_byte_array_new();

    return_path_encode(&message, bytes);
    return incoming_send(in, bytes, error);
}

/* ---- cut and faults ---- */

void incoming_pause(Incoming *in)
{
    MIG_LOCK(&in->lock);

    transport_shutdown(in->config.transport);
    if (in->urgent != NULL) {
        urgent_receiver_shutdown(in->urgent);
    }
}

static bool transport_is_gone(void *data)
{
    Incoming *in = data;
    MIG_LOCK(&in->lock);

    return transport_is_shut_down(in->config.transport);
}

static bool break_link(void *data, FaultAction action)
{
    Incoming *in = data;

    if (action == FAULT_CUT) {
        incoming_pause(in); /* postcopy needs both of its connections */
        return true;
    }
    MIG_LOCK(&in->answer_lock); /* another thread writes page requests */

    return transport_break(in->config.transport, action);
}

bool incoming_fault(Incoming *in, const char *point, GError **error)
{
    return fault_act(point, break_link, transport_is_gone, in, error);
}

/* ---- the start of the guest ---- */

/* From here on the guest belongs to this process. "stop" or "cont" of the operator may come at the
 * same time, so @autostart is read again after the run state is set: either this thread or the
 * command sees the change of the other. */
void incoming_start_guest(Incoming *in, const char *evidence)
{
    Guest *guest = in->config.guest;
    RunState state = RUN_STATE_RUNNING;

    device_loader_run_state(in->devices, &state);
    migration_set_owner(in->migration, OWNER_HERE, evidence);
    if (state != RUN_STATE_RUNNING) {
        guest_stop(guest, state == RUN_STATE_PRELAUNCH ? RUN_STATE_PRELAUNCH : RUN_STATE_PAUSED);
    } else if (!atomic_load(&in->autostart)) {
        guest_stop(guest, RUN_STATE_PAUSED);
        if (!atomic_load(&in->autostart) ||
            !guest_change(guest, RUN_STATE_PAUSED, RUN_STATE_RUNNING)) {
            return;
        }
        migration_post(in->migration, ENGINE_EVENT_RESUME, 0, NULL);
    } else {
        guest_start(guest);
        migration_post(in->migration, ENGINE_EVENT_RESUME, 0, NULL);
        if (!atomic_load(&in->autostart) &&
            guest_change(guest, RUN_STATE_RUNNING, RUN_STATE_PAUSED)) {
            migration_post(in->migration, ENGINE_EVENT_STOP, 0, NULL);
        }
    }
}
