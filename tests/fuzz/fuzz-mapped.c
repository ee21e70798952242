/*
 * Any bytes as a mapped-ram file. The first byte is where in its file the stream
 * begins, in pages. The bitmap and the pages of a block lie where the header says,
 * and what the reader skips is never before what it has read.
 */
#include <glib.h>
#include <string.h>

#include "tests/unit/stream-test.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_block(const StreamRecord *record)
{
    uint64_t bitmap = mapped_ram_bitmap_size(record->block_length / STREAM_PAGE_SIZE);
    uint64_t end;

    g_assert(!__builtin_add_overflow(record->mapped.bitmap_offset, bitmap, &end));
    g_assert(end <= record->mapped.pages_offset);
    g_assert(!__builtin_add_overflow(record->mapped.pages_offset, record->block_length, &end));
    g_assert(record->mapped.pages_offset % STREAM_PAGE_SIZE == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(StreamReader) reader = stream_reader_new(&(StreamReaderConfig){
        .find_device = stream_test_find,
        .max_list = 1000,
        .max_ram = UINT64_C(1) << 40,
        .buffer_size = 64 * 1024,
        .file_offset = size > 0 ? data[0] * UINT64_C(4096) : 0,
    });
    const uint8_t *end = data + size;
    StreamResult result;

    data += size > 0;
    for (;;) {
        g_autoptr(GError) error = NULL;
        StreamRecord record;

        result = stream_reader_next(reader, &record, &error);
        if (result == STREAM_RECORD && record.type == RECORD_RAM_BLOCK && record.is_mapped) {
            check_block(&record);
        }
        if (result == STREAM_RECORD) {
            continue;
        }
        g_assert((result == STREAM_BAD) == (error != NULL));
        if (result != STREAM_MORE) {
            break;
        }
        /* The corpus leaves the skipped bytes out: they are megabytes. */
        stream_reader_skip(reader);
        if (data == end) {
            stream_reader_end(reader);
            continue;
        }
        size_t room, count;
        uint8_t *space = stream_reader_space(reader, &room);
        count = MIN(room, (size_t)(end - data));
        memcpy(space, data, count);
        stream_reader_filled(reader, count);
        data += count;
    }
    return 0;
}
