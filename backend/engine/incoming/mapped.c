/*
 * The destination's side of a mapped-ram file. The stream is read in pieces, with jumps over the
 * pages; those are loaded after the block list. Runs on the destination's thread.
 */
#include <errno.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend/base/error.h"
#include "backend/engine/incoming/incoming-internal.h"
#include "backend/engine/incoming/mapped-reader.h"

#define READ_SIZE ((size_t)64 * 1024)

bool incoming_mapped_init(Incoming *in, GError **error)
{
    int fd = transport_file(in->config.transport);

    if (fd < 0) {
        g_set_error_literal(error, MIG_ERROR, MIG_ERROR_UNSUPPORTED,
                            "Migration requires seekable transport (e.g. file)");
        mig_error_hint(error, "capability mapped-ram is on, but %s is no file",
                       transport_name(in->config.transport));
        return false;
    }
    if (in->config.parameters.direct_io && !transport_file_go_direct(in->config.transport, error)) {
        return false;
    }
    in->mapped_at = lseek(fd, 0, SEEK_CUR);
    return true;
}

bool incoming_mapped_read(Incoming *in, GError **error)
{
    int fd = transport_file(in->config.transport);
    size_t size;
    ssize_t n;

    if (transport_is_shut_down(in->config.transport)) {
        return mig_fail(error, MIG_ERROR_CANCELLED, "the migration was cancelled");
    }
    in->mapped_at += (off_t)stream_reader_skip(in->reader);
    uint8_t *space = stream_reader_space(in->reader, &size);
    do {
        n = pread(fd, space, MIN(size, READ_SIZE), in->mapped_at);
    } while (n < 0 && errno == EINTR);
    if (n < 0) {
        mig_error_set_errno(error, errno, "Unable to read from file");
        return false;
    }
    struct stat info;
    if (n == 0 && fstat(fd, &info) == 0 && info.st_size < in->mapped_at) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_IO,
                    "stream ended too early: the file has %" PRIi64
                    " bytes, its pages reach to %" PRIi64,
                    (int64_t)info.st_size, (int64_t)in->mapped_at);
        return false;
    }
    if (n == 0) {
        stream_reader_end(in->reader);
    } else {
        stream_reader_filled(in->reader, (size_t)n);
        in->mapped_at += n;
        atomic_fetch_add(&in->migration->counters.transferred, (uint64_t)n);
    }
    return true;
}

static bool is_over(void *data)
{
    return transport_is_shut_down(data);
}

/* Blocks whose memory both sides share have no pages in the file. */
bool incoming_mapped_load(Incoming *in, GError **error)
{
    MigCounters *c = &in->migration->counters;
    size_t n;
    RamBlock *const *blocks = guest_blocks(in->config.guest, &n);
    const MappedFile file = {
        .fd = transport_file(in->config.transport),
        .pages_fd = transport_file_pages(in->config.transport),
        .is_over = is_over,
        .data = in->config.transport,
    };
    unsigned n_threads = settings_mapped_threads(in->config.capabilities, &in->config.parameters);

    for (guint i = 0; i < in->mapped->len; i++) {
        size_t index = g_array_index(in->blocks, size_t, i);
        RamBlock *block = blocks[index];
        uint64_t pages;

        if (incoming_shares(in, block)) {
            continue;
        }
        if (!mapped_ram_load(&file, &g_array_index(in->mapped, MappedRam, i), block,
                             MAX(n_threads, 1), &pages, error) ||
            !placer_zero(in->placer, index, 0, block->n_pages, error)) {
            g_prefix_error(error, "RAM block %s: ", block->idstr);
            return false;
        }
        atomic_fetch_add(&c->normal_pages, pages);
        atomic_fetch_add(&c->zero_pages, block->n_pages - pages);
        atomic_fetch_add(&c->transferred, pages * MIG_PAGE_SIZE);
    }
    return true;
}
