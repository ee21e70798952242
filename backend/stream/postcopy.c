/*
 * Commands of postcopy. See postcopy.h.
 */
#include "backend/stream/postcopy.h"

#include <inttypes.h>
#include <string.h>

#include "backend/base/bytes.h"
#include "backend/base/error.h"

#define DISCARD_VERSION 0u
#define DISCARD_RANGES  12u /* in one command; QEMU's maximum */
#define ADVISE_LENGTH   16u

/* ---- advise ---- */

void postcopy_put_advise(StreamWriter *w, uint64_t host_pages)
{
    uint64_t payload[] = { GUINT64_TO_BE(host_pages), GUINT64_TO_BE((uint64_t)STREAM_PAGE_SIZE) };

    stream_put_command(w, COMMAND_POSTCOPY_ADVISE, payload, sizeof payload);
}

bool postcopy_check_advise(const uint8_t *data, size_t length, uint64_t host_pages, GError **error)
{
    MigCursor in = { data, data + length };
    uint64_t host = 0, target = 0;

    if (length != ADVISE_LENGTH || !get_be64(&in, &host) || !get_be64(&in, &target)) {
        return mig_fail(error, MIG_ERROR_FORMAT, "RAM postcopy is enabled but have %zu byte advise",
                        length);
    }
    if (host != host_pages || target != STREAM_PAGE_SIZE) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_FORMAT,
                    "Postcopy needs matching RAM page sizes (s=%" PRIx64 " d=%" PRIx64 ")", host,
                    host_pages);
        mig_error_hint(error,
                       "the memory of both sides needs pages of the same size; the target "
                       "page is %" PRIu64 " bytes there, %u here",
                       target, STREAM_PAGE_SIZE);
        return false;
    }
    return true;
}

/* ---- discard ---- */

void postcopy_put_discards(StreamWriter *w, const char *idstr, const DirtyMap *pages)
{
    g_autoptr(GByteArray) payload = g_byte_array_new();
    size_t n_pages = dirty_map_size(pages);
    size_t end = 0, first = dirty_map_next(pages, 0);

    while (first < n_pages) {
        g_byte_array_set_size(payload, 0);
        put_u8(payload, DISCARD_VERSION);
        put_name(payload, idstr);
        put_u8(payload, 0);
        for (unsigned n = 0; n < DISCARD_RANGES && first < n_pages; n++) {
            end = dirty_map_next_clear(pages, first);
            put_be64(payload, (uint64_t)first * STREAM_PAGE_SIZE);
            put_be64(payload, (uint64_t)(end - first) * STREAM_PAGE_SIZE);
            first = dirty_map_next(pages, end);
        }
        stream_put_command(w, COMMAND_POSTCOPY_RAM_DISCARD, payload->data, (uint16_t)payload->len);
    }
}

static bool refuse_discard(GError **error, const char *what)
{
    return mig_fail(error, MIG_ERROR_FORMAT, "CMD_POSTCOPY_RAM_DISCARD %s", what);
}

bool postcopy_decode_discard(const uint8_t *data, size_t length, char ret_idstr[256],
                             GArray *ret_ranges, GError **error)
{
    MigCursor in = { data, data + length };
    uint8_t version, zero;
    PostcopyRange range;

    if (!get_u8(&in, &version) || version != DISCARD_VERSION) {
        return refuse_discard(error, "has an unknown version");
    }
    if (!get_name(&in, ret_idstr) || !get_u8(&in, &zero) || zero != 0) {
        return refuse_discard(error, "names no block");
    }
    if (cursor_left(&in) == 0 || cursor_left(&in) % 16 != 0) {
        return refuse_discard(error, "has no whole ranges");
    }
    while (get_be64(&in, &range.start) && get_be64(&in, &range.length)) {
        if (range.length == 0 || range.start % STREAM_PAGE_SIZE != 0 ||
            range.length % STREAM_PAGE_SIZE != 0) {
            return refuse_discard(error, "has a range that is no whole pages");
        }
        g_array_append_val(ret_ranges, range);
    }
    return true;
}

/* ---- package, bitmap ---- */

void postcopy_put_package(StreamWriter *w, StreamWriter *content)
{
    uint32_t length = GUINT32_TO_BE((uint32_t)stream_writer_pending(content));
    int n;
    const struct iovec *iov = stream_writer_iov(content, &n);

    stream_put_command(w, COMMAND_PACKAGED, &length, sizeof length);
    for (int i = 0; i < n; i++) {
        stream_put_bytes(w, iov[i].iov_base, iov[i].iov_len);
    }
    stream_writer_reset(content);
}

void postcopy_put_recv_bitmap(StreamWriter *w, const char *idstr)
{
    g_autoptr(GByteArray) payload = g_byte_array_new();

    put_name(payload, idstr);
    stream_put_command(w, COMMAND_RECV_BITMAP, payload->data, (uint16_t)payload->len);
}

bool postcopy_decode_recv_bitmap(const uint8_t *data, size_t length, char ret_idstr[256],
                                 GError **error)
{
    MigCursor in = { data, data + length };

    if (!get_name(&in, ret_idstr) || cursor_left(&in) != 0) {
        return mig_fail(error, MIG_ERROR_FORMAT, "MIG_CMD_RECV_BITMAP names no block");
    }
    return true;
}
