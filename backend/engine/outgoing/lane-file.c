/*
 * Writes pages to their places in a mapped-ram file (capability mapped-ram). Only the bytes between
 * the pages go through the stream writer. Runs on the outgoing thread.
 */
#include "backend/engine/outgoing/outgoing-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "backend/base/error.h"
#include "backend/engine/outgoing/mapped-writer.h"

#define BATCH ((size_t)16 << 20) /* without a limit */

typedef struct {
    Lane lane;
    MappedWriter *writer; /* NULL before the file is open */
} FileLane;

static bool file_begin(Lane *lane, GError **error)
{
    Outgoing *o = lane->o;
    size_t n;
    RamBlock *const *blocks = guest_blocks(o->config.guest, &n);
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
    if (o->config.parameters.direct_io && !transport_file_go_direct(o->transport, error)) {
        return false;
    }
    ((FileLane *)lane)->writer = mapped_writer_new(
        fd, transport_file_pages(o->transport), blocks, n,
        settings_mapped_threads(o->config.capabilities, &o->config.parameters), error);
    return ((FileLane *)lane)->writer != NULL;
}

/* The bitmap and the pages of the block come next in the file; the stream continues after them. */
static bool begin_block(Lane *lane, size_t block, GError **error)
{
    Outgoing *o = lane->o;
    int fd = transport_file(o->transport);
    off_t here = lseek(fd, 0, SEEK_CUR);
    uint64_t next;

    if (here < 0) {
        mig_error_set_errno(error, errno, "Unable to seek in file");
        return false;
    }
    uint64_t bitmap = (uint64_t)here + stream_writer_pending(o->writer) + MAPPED_RAM_HEADER;
    MappedRam mapped = mapped_writer_place(((FileLane *)lane)->writer, block, bitmap, &next);
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

static bool put_pages(Lane *lane, size_t max_bytes, GError **error)
{
    Outgoing *o = lane->o;
    RamBatch batch;
    uint64_t bytes;

    if (!mapped_writer_pages(((FileLane *)lane)->writer, o->ram, max_bytes, &batch, &bytes,
                             error)) {
        mig_error_hint(error, "while writing to %s", transport_name(o->transport));
        return false;
    }
    pace_count_pages(&o->pace, batch);
    pace_count(&o->pace, bytes);
    pace_spend(&o->pace, bytes);
    return outgoing_flush(o, error);
}

static bool part(Lane *lane, GError **error)
{
    return put_pages(lane, pace_batch(&lane->o->pace, BATCH), error);
}

static bool last(Lane *lane, GError **error)
{
    Outgoing *o = lane->o;

    if (!put_pages(lane, BATCH, error)) {
        return false;
    }
    pace_update(&o->pace, outgoing_remaining(o)); /* the pause is long in mode cpr-reboot */
    return true;
}

/* The bitmaps say which pages the file has. */
static bool file_end(Lane *lane, GError **error)
{
    uint64_t bytes;

    if (!mapped_writer_bitmaps(((FileLane *)lane)->writer, &bytes, error)) {
        mig_error_hint(error, "while writing to %s", transport_name(lane->o->transport));
        return false;
    }
    pace_count(&lane->o->pace, bytes);
    return true;
}

static void file_free(Lane *lane)
{
    mapped_writer_free(((FileLane *)lane)->writer);
    g_free(lane);
}

static const LaneOps file_lane = {
    .begin = file_begin,
    .begin_block = begin_block,
    .part = part,
    .last = last,
    .end = file_end,
    .free = file_free,
};

Lane *lane_file_new(Outgoing *o)
{
    FileLane *l = g_new0(FileLane, 1);

    l->lane = (Lane){ .ops = &file_lane, .o = o };
    return &l->lane;
}
