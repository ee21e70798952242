/*
 * Any bytes as a multifd channel: its first message, packets, packed pages. The
 * first byte says how the pages are packed. A packet that is taken encodes again
 * to one that decodes to the same; what is unpacked fits into its pages.
 */
#include <glib.h>
#include <string.h>

#include "backend/stream/multifd-codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_packet(const MultifdPacket *packet)
{
    static uint8_t again[MULTIFD_HEADER_BYTES];
    MultifdPacket other;

    g_assert(packet->n_normal <= MULTIFD_PAGES && packet->n_zero <= MULTIFD_PAGES);
    g_assert(packet->n_normal + packet->n_zero <= MULTIFD_PAGES);
    for (uint32_t i = 0; i < packet->n_normal + packet->n_zero; i++) {
        g_assert(packet->offsets[i] % STREAM_PAGE_SIZE == 0);
    }
    multifd_packet_encode(packet, again);
    g_assert(multifd_packet_decode(again, &other, NULL));
    g_assert(other.n_normal == packet->n_normal && other.n_zero == packet->n_zero);
    g_assert(other.data_bytes == packet->data_bytes && strcmp(other.block, packet->block) == 0);
}

static void unpack(const MultifdPacket *packet, const uint8_t *data, size_t size)
{
    g_autoptr(MultifdUnpacker) unpacker = multifd_unpacker_new(packet->compression, NULL);
    g_autofree uint8_t *pages = g_malloc((size_t)packet->n_normal * STREAM_PAGE_SIZE);

    g_assert(unpacker != NULL);
    multifd_unpack(unpacker, data, size, pages, packet->n_normal, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    MultifdCompression compression = size > 0 ? data[0] % MULTIFD__COMPRESSIONS : MULTIFD_PLAIN;
    MultifdInit init;

    if (size < 1 + MULTIFD_INIT_BYTES) {
        return 0;
    }
    multifd_init_decode(data + 1, &init, NULL);
    data += 1 + MULTIFD_INIT_BYTES;
    size -= 1 + MULTIFD_INIT_BYTES;
    /* Pages packed by hand: a packet that says so is rarely met. */
    if (compression != MULTIFD_PLAIN) {
        unpack(&(MultifdPacket){ .compression = compression, .n_normal = 1 + data[-1] % 4 }, data,
               size);
    }
    while (size >= MULTIFD_HEADER_BYTES) {
        MultifdPacket packet;

        if (!multifd_packet_decode(data, &packet, NULL)) {
            return 0;
        }
        check_packet(&packet);
        data += MULTIFD_HEADER_BYTES;
        size -= MULTIFD_HEADER_BYTES;
        size_t taken = MIN(size, packet.data_bytes);
        if (packet.n_normal > 0 && packet.compression != MULTIFD_PLAIN &&
            taken == packet.data_bytes) {
            unpack(&packet, data, taken);
        }
        data += taken;
        size -= taken;
    }
    return 0;
}
