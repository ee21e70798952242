/*
 * zlib and zstd for multifd channels. See multifd-codec.h.
 *
 * A page is copied before it is packed: the guest may write it meanwhile, and no compression
 * library defines its output for input that changes.
 */
#include "backend/stream/multifd-codec.h"

#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "backend/base/error.h"

/* Per page, so that a packet always fits: incompressible data grows by a few bytes per block. */
#define PACKED_PAGE ((size_t)STREAM_PAGE_SIZE + 256)
#define PACKED_MAX  (MULTIFD_PAGES * PACKED_PAGE)

/* ---- packing ---- */

struct MultifdPacker {
    MultifdCompression compression;
    z_stream zlib;
    ZSTD_CStream *zstd;
    uint8_t page[STREAM_PAGE_SIZE];
    uint8_t out[PACKED_MAX];
};

MultifdPacker *multifd_packer_new(MultifdCompression compression, int level, GError **error)
{
    MultifdPacker *packer = g_new0(MultifdPacker, 1);

    g_assert(compression == MULTIFD_ZLIB || compression == MULTIFD_ZSTD);
    packer->compression = compression;
    if (compression == MULTIFD_ZLIB) {
        if (deflateInit(&packer->zlib, level) == Z_OK) {
            return packer;
        }
        packer->compression = MULTIFD_PLAIN; /* no codec to free */
    } else {
        packer->zstd = ZSTD_createCStream();
        if (packer->zstd != NULL && !ZSTD_isError(ZSTD_initCStream(packer->zstd, level))) {
            return packer;
        }
    }
    g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC, "multifd: %s cannot start with level %d",
                multifd_compression_name(compression), level);
    multifd_packer_free(packer);
    return NULL;
}

void multifd_packer_free(MultifdPacker *packer)
{
    if (packer == NULL) {
        return;
    }
    if (packer->compression == MULTIFD_ZLIB) {
        deflateEnd(&packer->zlib);
    }
    ZSTD_freeCStream(packer->zstd);
    g_free(packer);
}

static bool pack_zlib(MultifdPacker *packer, const uint8_t *const *pages, uint32_t n,
                      size_t *ret_size)
{
    z_stream *z = &packer->zlib;

    z->next_out = packer->out;
    z->avail_out = sizeof packer->out;
    for (uint32_t i = 0; i < n; i++) {
        int flush = i == n - 1 ? Z_SYNC_FLUSH : Z_NO_FLUSH;

        memcpy(packer->page, pages[i], sizeof packer->page);
        z->next_in = packer->page;
        z->avail_in = sizeof packer->page;
        if (deflate(z, flush) != Z_OK || z->avail_in != 0 || z->avail_out == 0) {
            return false;
        }
    }
    *ret_size = sizeof packer->out - z->avail_out;
    return true;
}

static bool pack_zstd(MultifdPacker *packer, const uint8_t *const *pages, uint32_t n,
                      size_t *ret_size)
{
    ZSTD_outBuffer out = { packer->out, sizeof packer->out, 0 };

    for (uint32_t i = 0; i < n; i++) {
        ZSTD_EndDirective mode = i == n - 1 ? ZSTD_e_flush : ZSTD_e_continue;
        ZSTD_inBuffer in = { packer->page, sizeof packer->page, 0 };
        size_t left;

        memcpy(packer->page, pages[i], sizeof packer->page);
        do {
            left = ZSTD_compressStream2(packer->zstd, &out, &in, mode);
            if (ZSTD_isError(left) || (left > 0 && out.pos == out.size)) {
                return false;
            }
        } while (in.pos < in.size || (mode == ZSTD_e_flush && left > 0));
    }
    *ret_size = out.pos;
    return true;
}

const uint8_t *multifd_pack(MultifdPacker *packer, const uint8_t *const *pages, uint32_t n,
                            size_t *ret_size, GError **error)
{
    bool ok = packer->compression == MULTIFD_ZLIB ? pack_zlib(packer, pages, n, ret_size)
                                                  : pack_zstd(packer, pages, n, ret_size);

    if (!ok) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC, "multifd: %s failed to pack %u pages",
                    multifd_compression_name(packer->compression), n);
        return NULL;
    }
    return packer->out;
}

/* ---- unpacking ---- */

struct MultifdUnpacker {
    MultifdCompression compression;
    z_stream zlib;
    ZSTD_DStream *zstd;
};

MultifdUnpacker *multifd_unpacker_new(MultifdCompression compression, GError **error)
{
    MultifdUnpacker *unpacker = g_new0(MultifdUnpacker, 1);

    g_assert(compression == MULTIFD_ZLIB || compression == MULTIFD_ZSTD);
    unpacker->compression = compression;
    if (compression == MULTIFD_ZLIB) {
        if (inflateInit(&unpacker->zlib) == Z_OK) {
            return unpacker;
        }
        unpacker->compression = MULTIFD_PLAIN;
    } else {
        unpacker->zstd = ZSTD_createDStream();
        if (unpacker->zstd != NULL && !ZSTD_isError(ZSTD_initDStream(unpacker->zstd))) {
            return unpacker;
        }
    }
    g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC, "multifd: %s cannot start",
                multifd_compression_name(compression));
    multifd_unpacker_free(unpacker);
    return NULL;
}

void multifd_unpacker_free(MultifdUnpacker *unpacker)
{
    if (unpacker == NULL) {
        return;
    }
    if (unpacker->compression == MULTIFD_ZLIB) {
        inflateEnd(&unpacker->zlib);
    }
    ZSTD_freeDStream(unpacker->zstd);
    g_free(unpacker);
}

/* The remaining input and output; both are advanced. */
typedef struct {
    const uint8_t *in;
    size_t in_left;
    uint8_t *out;
    size_t out_left;
} Unpacking;

/* False when the data is corrupt. */
static bool unpack_zlib(z_stream *z, Unpacking *u)
{
    z->next_in = (uint8_t *)(uintptr_t)u->in; /* zlib's type lacks const; it only reads */
    z->avail_in = (uInt)u->in_left;
    z->next_out = u->out;
    z->avail_out = (uInt)u->out_left;
    int status = inflate(z, Z_SYNC_FLUSH);
    u->in = z->next_in;
    u->in_left = z->avail_in;
    u->out_left = z->avail_out;
    return status == Z_OK || status == Z_BUF_ERROR; /* Z_BUF_ERROR: no progress was possible */
}

static bool unpack_zstd(ZSTD_DStream *zstd, Unpacking *u)
{
    ZSTD_inBuffer in = { u->in, u->in_left, 0 };
    ZSTD_outBuffer out = { u->out, u->out_left, 0 };
    size_t before;

    do {
        before = in.pos + out.pos;
        if (ZSTD_isError(ZSTD_decompressStream(zstd, &out, &in))) {
            return false;
        }
    } while (in.pos + out.pos != before);
    u->in += in.pos;
    u->in_left -= in.pos;
    u->out_left -= out.pos;
    return true;
}

static bool unpack(MultifdUnpacker *unpacker, Unpacking *u)
{
    return unpacker->compression == MULTIFD_ZLIB ? unpack_zlib(&unpacker->zlib, u)
                                                 : unpack_zstd(unpacker->zstd, u);
}

bool multifd_unpack(MultifdUnpacker *unpacker, const uint8_t *bytes, size_t size, uint8_t *out,
                    uint32_t n, GError **error)
{
    Unpacking pages = { bytes, size, out, (size_t)n * STREAM_PAGE_SIZE };
    bool ok = unpack(unpacker, &pages);
    /* All pages are complete; only the mark of the flush may be left. */
    uint8_t one;
    Unpacking more = { pages.in, pages.in_left, &one, 1 };

    if (!ok || !unpack(unpacker, &more)) {
        return mig_fail(error, MIG_ERROR_FORMAT, "multifd: broken %s data",
                        multifd_compression_name(unpacker->compression));
    }
    if (pages.out_left != 0 || more.in_left != 0 || more.out_left == 0) {
        return mig_fail(error, MIG_ERROR_FORMAT, "multifd: %zu bytes of %s are %s %u pages", size,
                        multifd_compression_name(unpacker->compression),
                        pages.out_left != 0 ? "less than" : "more than", n);
    }
    return true;
}
