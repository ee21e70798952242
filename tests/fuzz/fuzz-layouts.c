/*
 * Any bytes as the description of a machine's devices at the end of a stream.
 */
#include <glib.h>

#include "backend/stream/reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    stream_layouts_free(stream_layouts_new((const char *)data, size, NULL));
    return 0;
}
