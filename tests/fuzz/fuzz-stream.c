/*
 * Any bytes as the main channel, cut into pieces in two ways that must agree:
 * sections, pages, device bodies, and the blocks of a mapped-ram file.
 */
#include <glib.h>
#include <string.h>

#include "backend/stream/xbzrle.h"
#include "backend/stream/reader.h"
#include "tests/unit/stream-test.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A hash over all that was read: the same for every way of cutting. */
typedef struct {
    uint64_t digest;
    uint64_t blocks[4096];
    unsigned n_blocks;
    uint64_t bytes; /* of payload */
} Seen;

static void mix(Seen *seen, uint64_t value)
{
    seen->digest = (seen->digest ^ value) * UINT64_C(0x100000001b3);
}

static void mix_bytes(Seen *seen, const uint8_t *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        mix(seen, bytes[i]);
    }
    seen->bytes += length;
}

/* A body that the reader has measured decodes, and encodes again to the same bytes. */
static void check_device(const StreamRecord *record)
{
    if (record->device != &stream_test_device) {
        return;
    }
    g_autoptr(GByteArray) out = g_byte_array_new();
    TestDevice device = { 0 };
    MigCursor in = { record->data, record->data + record->length };

    g_assert(vmstate_decode(record->device, record->version, &in, 1000, &device, NULL));
    g_assert(cursor_left(&in) == 0);
    vmstate_encode(record->device, &device, out);
    g_assert(out->len == record->length && memcmp(out->data, record->data, out->len) == 0);
    g_free(device.list);
}

static bool see(const StreamRecord *record, void *data, GError **error)
{
    Seen *seen = data;
    (void)error;

    mix(seen, record->type);
    mix(seen, record->stream_offset);
    switch (record->type) {
    case RECORD_CONFIGURATION:
        mix(seen, strlen(record->machine));
        mix(seen, g_strv_length((char **)(uintptr_t)record->capabilities));
        break;
    case RECORD_RAM_BLOCK:
        g_assert(record->block_index == seen->n_blocks && record->block_length > 0);
        seen->blocks[seen->n_blocks++] = record->block_length;
        break;
    case RECORD_PAGE:
        g_assert(record->length == STREAM_PAGE_SIZE);
        mix_bytes(seen, record->data, record->length);
        G_GNUC_FALLTHROUGH;
    case RECORD_XBZRLE_PAGE:
    case RECORD_COMPRESSED_PAGE:
    case RECORD_ZERO_PAGE:
        g_assert(record->block_index < seen->n_blocks);
        g_assert(record->offset % STREAM_PAGE_SIZE == 0);
        g_assert(record->offset < seen->blocks[record->block_index]);
        mix(seen, record->offset);
        if (record->type == RECORD_XBZRLE_PAGE) {
            uint8_t page[STREAM_PAGE_SIZE] = { 0 };

            xbzrle_decode(record->data, record->length, page);
            mix_bytes(seen, page, sizeof page);
        }
        break;
    case RECORD_DEVICE:
        check_device(record);
        G_GNUC_FALLTHROUGH;
    case RECORD_COMMAND:
    case RECORD_VMDESCRIPTION:
        mix_bytes(seen, record->data, record->length);
        break;
    default:
        break;
    }
    return true;
}

static StreamResult read_stream(const uint8_t *data, size_t size, size_t chunk, Seen *seen)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(StreamReader) reader = stream_reader_new(&(StreamReaderConfig){
        .find_device = stream_test_find,
        .max_list = 1000,
        .buffer_size = 64 * 1024,
    });

    StreamResult result = stream_test_feed(reader, data, size, chunk, see, seen, &error);
    g_assert(result == STREAM_DONE || result == STREAM_BAD);
    g_assert((result == STREAM_BAD) == (error != NULL));
    g_assert(error == NULL || strstr(error->message, ", offset ") != NULL);
    g_assert(stream_reader_offset(reader) <= size && seen->bytes <= size);
    return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Seen *whole = g_new0(Seen, 1);
    Seen *pieces = g_new0(Seen, 1);

    g_assert(read_stream(data, size, SIZE_MAX, whole) == read_stream(data, size, 13, pieces));
    g_assert(whole->digest == pieces->digest);
    g_free(whole);
    g_free(pieces);
    return 0;
}
