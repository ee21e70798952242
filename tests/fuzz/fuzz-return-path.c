/*
 * Any bytes as a destination's answers. A message that is taken encodes again to
 * the same bytes; a bitmap sets no page behind the end of its block.
 */
#include <glib.h>
#include <string.h>

#include "backend/stream/return-path.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    MigCursor in = { data, data + size };
    ReturnPathMessage message;
    ReturnPathResult result = RETURN_PATH_MESSAGE;

    while (result == RETURN_PATH_MESSAGE &&
           (result = return_path_decode(&in, &message, NULL)) == RETURN_PATH_MESSAGE) {
        g_autoptr(GByteArray) out = g_byte_array_new();

        return_path_encode(&message, out);
        g_assert(out->len <= size && memcmp(out->data, in.at - out->len, out->len) == 0);
        if (message.type == RETURN_RECV_BITMAP) {
            uint64_t n_pages = 1 + message.block[0] * 3u;
            g_autoptr(DirtyMap) map = dirty_map_new(n_pages);

            result = return_path_decode_bitmap(&in, map, NULL);
            g_assert(dirty_map_count(map) <= n_pages);
        }
    }
    return 0;
}
