/*
 * The main channel of an outgoing migration: the check whether the migration may continue, the
 * write of the writer's bytes, and the frame of the ram section around the pages.
 */
#include "backend/engine/outgoing/outgoing-internal.h"

#include "backend/base/error.h"

bool outgoing_is_cancelled(const Outgoing *o)
{
    return atomic_load(&o->decision) == DECISION_CANCELLED;
}

bool outgoing_check(Outgoing *o, GError **error)
{
    if (outgoing_is_cancelled(o)) {
        return mig_fail(error, MIG_ERROR_CANCELLED, "the migration was cancelled");
    }
    return !outgoing_gave_up(o, error) && !lane_failed(o->lane, error) &&
           (o->return_path == NULL || !source_return_path_failed(o->return_path, error));
}

bool outgoing_flush(Outgoing *o, GError **error)
{
    size_t bytes = stream_writer_pending(o->writer);
    int n;
    struct iovec *iov = stream_writer_iov(o->writer, &n);
    bool ok = transport_write_all(o->transport, iov, n, NULL, error);

    stream_writer_reset(o->writer);
    if (!ok) {
        /* A cancel or a failed channel of the lane shuts this channel down, and then "broken pipe"
         * is not the cause. */
        if (outgoing_is_cancelled(o) || lane_failed(o->lane, NULL)) {
            g_clear_error(error);
            return outgoing_check(o, error);
        }
        mig_error_hint(error, "while sending to %s", transport_name(o->transport));
        return false;
    }
    pace_count(&o->pace, bytes);
    return true;
}

void outgoing_begin_part(Outgoing *o)
{
    stream_put_section_part(o->writer, RAM_SECTION_ID);
}

bool outgoing_end_body(Outgoing *o, GError **error)
{
    stream_put_ram_eos(o->writer);
    stream_put_footer(o->writer, RAM_SECTION_ID);
    return outgoing_flush(o, error);
}

bool outgoing_end_part(Outgoing *o, GError **error)
{
    uint64_t before = o->pace.window.bytes;

    if (!outgoing_end_body(o, error)) {
        return false;
    }
    pace_spend(&o->pace, o->pace.window.bytes - before);
    return true;
}
