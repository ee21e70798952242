/*
 * Packets of multifd channels. See multifd-packet.h.
 */
#include "backend/stream/multifd-packet.h"

#include <inttypes.h>
#include <string.h>

#include "backend/base/bytes.h"
#include "backend/base/error.h"

/* Offsets in the header; the bytes between the fields are zero. */
enum {
    AT_FLAGS = 8,
    AT_ALLOCATED = 12,
    AT_NORMAL = 16,
    AT_DATA_BYTES = 20,
    AT_NUMBER = 24,
    AT_ZERO = 32,
    AT_BLOCK = 64,
    AT_OFFSETS = 320,
    INIT_AT_UUID = 8,
    INIT_AT_ID = 24,
};

#define FLAG_SYNC         0x01u
#define COMPRESSION_SHIFT 1
#define COMPRESSION_MASK  (0x1fu << COMPRESSION_SHIFT)
#define FLAG_DEVICE_STATE 0x40u

/* Compressed pages can be longer than the originals; this is more than any of our codecs needs. */
#define DATA_MAX (2u * MULTIFD_PAGES * STREAM_PAGE_SIZE)

/* The value of the flags' compression bits for each. */
static const struct {
    const char *name;
    uint32_t bits;
} compressions[MULTIFD__COMPRESSIONS] = {
    [MULTIFD_PLAIN] = { "none", 0 << COMPRESSION_SHIFT },
    [MULTIFD_ZLIB] = { "zlib", 1 << COMPRESSION_SHIFT },
    [MULTIFD_ZSTD] = { "zstd", 2 << COMPRESSION_SHIFT },
};

const char *multifd_compression_name(MultifdCompression compression)
{
    return compressions[compression].name;
}

/* ---- words ---- */

static void store_be32(uint8_t *at, uint32_t value)
{
    value = GUINT32_TO_BE(value);
    memcpy(at, &value, sizeof value);
}

static void store_be64(uint8_t *at, uint64_t value)
{
    value = GUINT64_TO_BE(value);
    memcpy(at, &value, sizeof value);
}

static uint32_t load_be32(const uint8_t *at)
{
    uint32_t value;

    memcpy(&value, at, sizeof value);
    return GUINT32_FROM_BE(value);
}

static uint64_t load_be64(const uint8_t *at)
{
    uint64_t value;

    memcpy(&value, at, sizeof value);
    return GUINT64_FROM_BE(value);
}

static bool check_start(const uint8_t *bytes, GError **error)
{
    if (load_be32(bytes) != MULTIFD_MAGIC) {
        return mig_fail(error, MIG_ERROR_FORMAT, "multifd: received packet magic %x expected %x",
                        load_be32(bytes), MULTIFD_MAGIC);
    }
    if (load_be32(bytes + 4) != MULTIFD_VERSION) {
        return mig_fail(error, MIG_ERROR_FORMAT, "multifd: received packet version %u expected %u",
                        load_be32(bytes + 4), MULTIFD_VERSION);
    }
    return true;
}

/* ---- init packet ---- */

void multifd_init_encode(const MultifdInit *init, uint8_t ret[MULTIFD_INIT_BYTES])
{
    memset(ret, 0, MULTIFD_INIT_BYTES);
    store_be32(ret, MULTIFD_MAGIC);
    store_be32(ret + 4, MULTIFD_VERSION);
    memcpy(ret + INIT_AT_UUID, init->uuid, sizeof init->uuid);
    ret[INIT_AT_ID] = init->id;
}

bool multifd_init_decode(const uint8_t bytes[MULTIFD_INIT_BYTES], MultifdInit *ret, GError **error)
{
    if (!check_start(bytes, error)) {
        return false;
    }
    memcpy(ret->uuid, bytes + INIT_AT_UUID, sizeof ret->uuid);
    ret->id = bytes[INIT_AT_ID];
    return true;
}

/* ---- data packets ---- */

void multifd_packet_encode(const MultifdPacket *packet, uint8_t ret[MULTIFD_HEADER_BYTES])
{
    uint32_t n_pages = packet->n_normal + packet->n_zero;

    g_assert(n_pages <= MULTIFD_PAGES);
    memset(ret, 0, MULTIFD_HEADER_BYTES);
    store_be32(ret, MULTIFD_MAGIC);
    store_be32(ret + 4, MULTIFD_VERSION);
    store_be64(ret + AT_NUMBER, packet->number);
    store_be32(ret + AT_FLAGS, packet->sync ? FLAG_SYNC : 0);
    if (n_pages == 0) {
        return;
    }
    store_be32(ret + AT_FLAGS,
               compressions[packet->compression].bits | (packet->sync ? FLAG_SYNC : 0));
    store_be32(ret + AT_ALLOCATED, MULTIFD_PAGES);
    store_be32(ret + AT_NORMAL, packet->n_normal);
    store_be32(ret + AT_DATA_BYTES, packet->data_bytes);
    store_be32(ret + AT_ZERO, packet->n_zero);
    memcpy(ret + AT_BLOCK, packet->block, strnlen(packet->block, sizeof packet->block - 1));
    for (uint32_t i = 0; i < n_pages; i++) {
        store_be64(ret + AT_OFFSETS + 8 * i, packet->offsets[i]);
    }
}

static bool decode_flags(uint32_t flags, MultifdPacket *ret, GError **error)
{
    if (flags & FLAG_DEVICE_STATE) {
        return mig_fail(error, MIG_ERROR_UNSUPPORTED,
                        "multifd: packet with state of a device: "
                        "this machine has none that moves so");
    }
    if (flags & ~(FLAG_SYNC | COMPRESSION_MASK)) {
        return mig_fail(error, MIG_ERROR_FORMAT, "multifd: unknown flags 0x%x", flags);
    }
    ret->sync = (flags & FLAG_SYNC) != 0;
    for (int c = MULTIFD_PLAIN; c < MULTIFD__COMPRESSIONS; c++) {
        if ((flags & COMPRESSION_MASK) == compressions[c].bits) {
            ret->compression = (MultifdCompression)c;
            return true;
        }
    }
    return mig_fail(error, MIG_ERROR_UNSUPPORTED,
                    "multifd: packet packed by a method that is not known here (flags 0x%x)",
                    flags);
}

static bool decode_pages(const uint8_t *bytes, MultifdPacket *ret, GError **error)
{
    const char *block = (const char *)bytes + AT_BLOCK;
    uint32_t n_pages = ret->n_normal + ret->n_zero;

    if (memchr(block, 0, sizeof ret->block) == NULL || *block == '\0') {
        return mig_fail(error, MIG_ERROR_FORMAT, "multifd: packet without a name of a RAM block");
    }
    for (const char *c = block; *c != '\0'; c++) {
        if (!g_ascii_isprint(*c)) {
            return mig_fail(error, MIG_ERROR_FORMAT,
                            "multifd: name of the RAM block is not printable");
        }
    }
    g_strlcpy(ret->block, block, sizeof ret->block);
    for (uint32_t i = 0; i < n_pages; i++) {
        ret->offsets[i] = load_be64(bytes + AT_OFFSETS + 8 * i);
        if (ret->offsets[i] % STREAM_PAGE_SIZE != 0) {
            return mig_fail(error, MIG_ERROR_FORMAT,
                            "multifd: offset 0x%" PRIx64 " is not that of a page", ret->offsets[i]);
        }
    }
    return true;
}

bool multifd_packet_decode(const uint8_t bytes[MULTIFD_HEADER_BYTES], MultifdPacket *ret,
                           GError **error)
{
    uint32_t allocated = load_be32(bytes + AT_ALLOCATED);
    uint32_t plain_bytes;

    if (!check_start(bytes, error) || !decode_flags(load_be32(bytes + AT_FLAGS), ret, error)) {
        return false;
    }
    ret->n_normal = load_be32(bytes + AT_NORMAL);
    ret->n_zero = load_be32(bytes + AT_ZERO);
    ret->number = load_be64(bytes + AT_NUMBER);
    ret->data_bytes = 0;
    ret->block[0] = '\0';
    if (allocated > MULTIFD_PAGES) {
        return mig_fail(error, MIG_ERROR_FORMAT,
                        "multifd: received packet with size %u expected a maximum size of %u",
                        allocated, MULTIFD_PAGES);
    }
    if (ret->n_normal > allocated || ret->n_zero > allocated - ret->n_normal) {
        return mig_fail(error, MIG_ERROR_FORMAT,
                        "multifd: received packet with %u normal and %u zero pages, expected "
                        "a maximum of %u",
                        ret->n_normal, ret->n_zero, allocated);
    }
    if (ret->n_normal + ret->n_zero == 0) {
        return true; /* the rest may be stale data of the previous packet */
    }
    if (ret->n_normal > 0) {
        ret->data_bytes = load_be32(bytes + AT_DATA_BYTES);
        plain_bytes = ret->n_normal * STREAM_PAGE_SIZE;
        if (ret->compression == MULTIFD_PLAIN
                ? ret->data_bytes != plain_bytes
                : ret->data_bytes == 0 || ret->data_bytes > DATA_MAX) {
            return mig_fail(error, MIG_ERROR_FORMAT, "multifd: %u pages in %u bytes", ret->n_normal,
                            ret->data_bytes);
        }
    }
    return decode_pages(bytes, ret, error);
}
