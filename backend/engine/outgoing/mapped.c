/*
 * The source's side of a mapped-ram file: pages go to their places, only what stands between them
 * goes through the stream writer. Runs on the outgoing thread.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "backend/base/clock.h"
#include "backend/base/error.h"
#include "backend/engine/outgoing/outgoing-internal.h"

#define BATCH (16u << 20) /* without a limit */

bool outgoing_mapped_init(Outgoing *o, GError **error)
{
    size_t n;
    RamBlock *const *blocks = guest_blocks(o->config.guest, &n);

    if (o->config.mapped_threads == 0) {
        return true;
    }
    int fd = transport_file(o->transport);
    if (fd < 0) {
        g_set_error_literal(error, MIG_ERROR, MIG_ERROR_UNSUPPORTED,
                            "Migration requires seekable transport (e.g. file)");
        mig_error_hint(error, "capability mapped-ram is on, but %s is no file",
                       transport_name(o->transport));
        return false;
    }
    if ((fcntl(fd, F_GETFL) & O_APPEND) != 0) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC,
                    "%s was opened for appending, and pages would not get to their places",
                    transport_name(o->transport));
        mig_error_hint(error, "open it without O_APPEND");
        return false;
    }
    if (o->config.direct_io && !transport_file_go_direct(o->transport, error)) {
        return false;
    }
    o->mapped = mapped_writer_new(fd, transport_file_pages(o->transport), blocks, n,
                                  o->config.mapped_threads, error);
    return o->mapped != NULL;
}

bool outgoing_mapped_place(Outgoing *o, size_t block, GError **error)
{
    int fd = transport_file(o->transport);
    off_t here = lseek(fd, 0, SEEK_CUR);
    uint64_t next;

    if (here < 0) {
        mig_error_set_errno(error, errno, "Unable to seek in file");
        return false;
    }
    uint64_t bitmap = (uint64_t)here + stream_writer_pending(o->writer) + MAPPED_RAM_HEADER;
    MappedRam mapped = mapped_writer_place(o->mapped, block, bitmap, &next);
    stream_put_mapped_ram(o->writer, &mapped);
    if (!outgoing_flush(o, error)) {
        return false;
    }
    if (lseek(fd, (off_t)next, SEEK_SET) < 0) {
        mig_error_set_errno(error, errno, "Unable to seek in file");
        return false;
    }
    return true;
}

static void account(Outgoing *o, uint64_t bytes)
{
    MigCounters *c = &o->migration->counters;

    atomic_fetch_add(&c->transferred, bytes);
    atomic_fetch_add(o->stopped ? &c->downtime_bytes : &c->precopy_bytes, bytes);
    o->window.bytes += bytes;
    o->pass.bytes += bytes;
    rate_limiter_account(&o->limiter, bytes, mig_clock_now_us());
}

bool outgoing_mapped_part(Outgoing *o, GError **error)
{
    bool limited = !o->stopped && atomic_load(&o->config.settings->max_bandwidth) != 0;
    RamBatch batch;
    uint64_t bytes;

    if (!mapped_writer_pages(o->mapped, o->ram, limited ? outgoing_batch_size(o) : BATCH, &batch,
                             &bytes, error)) {
        mig_error_hint(error, "while writing to %s", transport_name(o->transport));
        return false;
    }
    outgoing_count_batch(o, batch);
    account(o, bytes);
    return outgoing_flush_part(o, error);
}

bool outgoing_mapped_end(Outgoing *o, GError **error)
{
    uint64_t bytes;

    if (o->mapped == NULL) {
        return true;
    }
    if (!mapped_writer_bitmaps(o->mapped, &bytes, error)) {
        mig_error_hint(error, "while writing to %s", transport_name(o->transport));
        return false;
    }
    account(o, bytes);
    return true;
}
