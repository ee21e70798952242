/*
 * Every capture of a real QEMU with multifd decodes to the RAM that its source had: the main
 * channel up to a sync point, then every channel up to its SYNC, and so on.
 */
#include "tests/unit/test.h"

#include <string.h>

#include "backend/stream/multifd-codec.h"
#include "backend/stream/reader.h"
#include "tests/unit/capture-test.h"
#include "tests/unit/stream-test.h"

#define CHANNELS_MAX 3

typedef struct {
    GBytes *bytes;
    size_t at;
    MultifdUnpacker *unpacker; /* NULL until a packet is packed */
} Channel;

typedef struct {
    const char *block;
    unsigned index; /* of it in the stream's list; UINT_MAX = not seen */
    uint64_t size;
    uint8_t *ram;
    uint8_t *pages; /* room for those of a packet */
    Channel channels[CHANNELS_MAX];
    unsigned n_channels;
    bool flush_seen;
    unsigned n_syncs;
} Load;

/* ---- the channels ---- */

static const uint8_t *take(Channel *channel, size_t count)
{
    gsize size;
    const uint8_t *bytes = g_bytes_get_data(channel->bytes, &size);

    assert_true(count <= size - channel->at);
    channel->at += count;
    return bytes + channel->at - count;
}

static bool is_at_end(const Channel *channel)
{
    return channel->at == g_bytes_get_size(channel->bytes);
}

static const uint8_t *unpack(Load *load, Channel *channel, const MultifdPacket *packet)
{
    const uint8_t *data = take(channel, packet->data_bytes);

    if (packet->compression == MULTIFD_PLAIN) {
        return data;
    }
    if (channel->unpacker == NULL) {
        channel->unpacker = multifd_unpacker_new(packet->compression, NULL);
    }
    assert_true(multifd_unpack(channel->unpacker, data, packet->data_bytes, load->pages,
                               packet->n_normal, NULL));
    return load->pages;
}

static void place(Load *load, Channel *channel, const MultifdPacket *packet)
{
    const uint8_t *data = packet->n_normal > 0 ? unpack(load, channel, packet) : NULL;

    if (strcmp(packet->block, load->block) != 0) {
        return;
    }
    for (uint32_t i = 0; i < packet->n_normal + packet->n_zero; i++) {
        uint8_t *page = load->ram + packet->offsets[i];

        assert_true(packet->offsets[i] < load->size);
        if (i < packet->n_normal) {
            memcpy(page, data + (size_t)i * STREAM_PAGE_SIZE, STREAM_PAGE_SIZE);
        } else {
            memset(page, 0, STREAM_PAGE_SIZE);
        }
    }
}

/* Returns whether the packet had SYNC. */
static bool take_packet(Load *load, Channel *channel)
{
    MultifdPacket packet;
    g_autoptr(GError) error = NULL;

    if (!multifd_packet_decode(take(channel, MULTIFD_HEADER_BYTES), &packet, &error)) {
        fail_msg("%s", error->message);
    }
    if (packet.n_normal + packet.n_zero > 0) {
        place(load, channel, &packet);
    }
    return packet.sync;
}

static void sync_point(Load *load)
{
    load->n_syncs++;
    for (unsigned i = 0; i < load->n_channels; i++) {
        while (!take_packet(load, &load->channels[i])) {}
    }
}

/* ---- the main channel ---- */

static bool take_record(const StreamRecord *record, void *data, GError **error)
{
    Load *load = data;

    (void)error;
    switch (record->type) {
    case RECORD_RAM_BLOCK:
        if (strcmp(record->block_idstr, load->block) == 0) {
            load->index = record->block_index;
        }
        break;
    case RECORD_PAGE:
        if (record->block_index == load->index) {
            memcpy(load->ram + record->offset, record->data, STREAM_PAGE_SIZE);
        }
        break;
    case RECORD_ZERO_PAGE:
        if (record->block_index == load->index) {
            memset(load->ram + record->offset, record->fill, STREAM_PAGE_SIZE);
        }
        break;
    case RECORD_MULTIFD_FLUSH:
        load->flush_seen = true;
        sync_point(load);
        break;
    case RECORD_RAM_EOS:
        if (!load->flush_seen) {
            sync_point(load);
        }
        break;
    default:
        break;
    }
    return true;
}

static StreamLayouts *find_layouts(const uint8_t *bytes, size_t length)
{
    for (size_t at = length; at-- > 0;) {
        MigCursor in = { bytes + at, bytes + length };
        uint8_t type;
        uint32_t size;

        if (get_u8(&in, &type) && type == STREAM_VMDESCRIPTION && get_be32(&in, &size) &&
            size == cursor_left(&in)) {
            return stream_layouts_new((const char *)in.at, size, NULL);
        }
    }
    return NULL;
}

static void run_main(Load *load, GBytes *stream)
{
    gsize length;
    const uint8_t *bytes = g_bytes_get_data(stream, &length);
    g_autoptr(StreamLayouts) layouts = find_layouts(bytes, length);
    g_autoptr(GError) error = NULL;
    g_autoptr(StreamReader) reader = stream_reader_new(&(StreamReaderConfig){
        .find_device = stream_layouts_find,
        .data = layouts,
    });

    StreamResult result = stream_test_feed(reader, bytes, length, 4099, take_record, load, &error);
    if (error != NULL) {
        fail_msg("%s", error->message);
    }
    assert_int_equal(result, STREAM_DONE);
}

/* ---- captures ---- */

static void open_channel(Load *load, const CaptureFolder *folder, json_object *capture, unsigned i)
{
    g_autofree char *role = g_strdup_printf("ch%u", i);
    Channel *channel = &load->channels[load->n_channels++];
    MultifdInit init;

    channel->bytes = capture_load(folder, capture, role);
    assert_true(multifd_init_decode(take(channel, MULTIFD_INIT_BYTES), &init, NULL));
    assert_true(init.id < CHANNELS_MAX);
}

static void run_capture(const CaptureFolder *folder, json_object *capture)
{
    json_object *parameters = json_object_object_get(capture, "parameters");
    unsigned n =
        (unsigned)json_object_get_int(json_object_object_get(parameters, "multifd_channels"));
    Load load = { .block = capture_text(capture, "ram_block"),
                  .index = UINT_MAX,
                  .size = capture_number(capture, "ram_size") };
    g_autofree uint8_t *ram = g_malloc0(load.size);
    g_autofree uint8_t *pages = g_malloc(MULTIFD_PAGES * STREAM_PAGE_SIZE);
    g_autoptr(GBytes) stream = capture_load(folder, capture, "main");

    memset(ram, 0xa5, load.size); /* what an older guest left: zero pages have to clear it */
    load.ram = ram;
    load.pages = pages;
    assert_in_range(n, 1, CHANNELS_MAX);
    for (unsigned i = 0; i < n; i++) {
        open_channel(&load, folder, capture, i);
    }
    run_main(&load, stream);
    for (unsigned i = 0; i < n; i++) {
        while (!is_at_end(&load.channels[i])) {
            assert_false(take_packet(&load, &load.channels[i])); /* no SYNC is left over */
        }
        g_bytes_unref(load.channels[i].bytes);
        multifd_unpacker_free(load.channels[i].unpacker);
    }
    assert_true(load.n_syncs >= 2);
    g_autofree char *digest = capture_sha256(ram, load.size);
    assert_string_equal(digest, capture_text(capture, "ram_sha256_at_stop"));
}

static const char *const names[] = {
    "none-7.2-multifd-none",
    "none-7.2-multifd-zlib",
    "none-7.2-multifd-zstd",
    "none-7.2-multifd3-zlib-syncdata",
    "none-10.0-multifd-none",
    "none-10.0-multifd-zlib",
    "none-10.0-multifd-zstd",
    "none-10.0-multifd-nozero",
    "none-10.0-multifd-legacyzero",
    "none-10.0-multifd-compat72",
    "pc-7.2-iterating-multifd-none-16m",
    "pc-10.0-iterating-multifd-zstd-16m",
};

static void test_captures_decode_to_the_ram_of_their_source(void **state)
{
    CaptureFolder collection = capture_folder_open("MIGMON_STREAMS", "");

    (void)state;
    if (collection.path == NULL) {
        print_message("  skipped: MIGMON_STREAMS is not set\n");
        skip();
    }
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        json_object *capture = capture_find(&collection, names[i]);

        print_message("  %s\n", names[i]);
        assert_non_null(capture);
        run_capture(&collection, capture);
    }
    capture_folder_close(&collection);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_captures_decode_to_the_ram_of_their_source),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
