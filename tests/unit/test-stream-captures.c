/*
 * Streams of real QEMU 7.2 and 10.0: each decodes to the RAM its source had,
 * and is written again byte for byte from the same RAM.
 *
 * A capture that is in neither folder (capture-test.h) is named as skipped; those
 * that are in the tree are never skipped.
 */
#include "tests/unit/test.h"

#include <zlib.h>

#include "backend/base/error.h"
#include "backend/engine/attempt/devices.h"
#include "backend/stream/postcopy.h"
#include "backend/stream/return-path.h"
#include "backend/stream/xbzrle.h"
#include "tests/unit/capture-test.h"
#include "tests/unit/stream-test.h"

static CaptureFolder tree;
static CaptureFolder collection;

static int open_folders(void **state)
{
    (void)state;
    tree = capture_folder_open("MIGMON_TEST_DATA", "streams");
    collection = capture_folder_open("MIGMON_STREAMS", "");
    if (tree.path == NULL) {
        print_error("MIGMON_TEST_DATA must name tests/data\n");
        return -1;
    }
    return 0;
}

static int close_folders(void **state)
{
    (void)state;
    capture_folder_close(&tree);
    capture_folder_close(&collection);
    return 0;
}

/* Where @name can be read; NULL, said on the output, when nowhere. */
static json_object *find_capture(const char *name, const CaptureFolder **ret)
{
    const CaptureFolder *const folders[] = { &tree, &collection };

    for (size_t i = 0; i < G_N_ELEMENTS(folders); i++) {
        json_object *capture = capture_find(folders[i], name);
        if (capture != NULL) {
            *ret = folders[i];
            return capture;
        }
    }
    print_message("  skipped %s: not in the tree, and MIGMON_STREAMS %s\n", name,
                  collection.path == NULL ? "is not set" : "does not have it");
    return NULL;
}

typedef enum {
    NO_PAGES = 1, /* RAM was shared: the stream has none of it */
    IN_TREE = 4,
} CaptureNotes;

static const struct {
    const char *name;
    unsigned notes;
} plain[] = {
    { "none-7.2-precopy-running-2m", IN_TREE },
    { "none-10.0-file-offset", IN_TREE },
    { "none-10.0-return-path", IN_TREE },
    { "none-7.2-validate-uuid", IN_TREE },
    { "none-7.2-ignore-shared", IN_TREE | NO_PAGES },
    { "none-10.0-ignore-shared", IN_TREE | NO_PAGES },
    { "none-7.2-precopy-4m", 0 },
    { "none-10.0-precopy-4m", 0 },
    { "none-10.0-precopy-running-2m", 0 },
    { "none-10.0-file", 0 },
    { "none-7.2-return-path", 0 },
    { "none-10.0-switchover-ack", 0 },
    { "none-10.0-validate-uuid", 0 },
    { "pc-7.2-stopped-16m", 0 },
    { "q35-10.0-stopped-16m", 0 },
    { "microvm-10.0-stopped-16m", 0 },
    { "pc-10.0-background-snapshot-16m", 0 },
    { "pc-7.2-xbzrle-16m", 0 },
    { "pc-10.0-xbzrle-16m", 0 },
    { "none-7.2-compress", 0 },
};

/* ---- loading and writing again ---- */

typedef struct {
    const char *block; /* the one whose RAM is known */
    uint64_t size;
    unsigned index;        /* of it, UINT_MAX before it was listed */
    uint8_t *ram;          /* loaded from the stream */
    uint8_t *placed;       /* per page of it */
    const uint8_t *source; /* its RAM at the source; NULL = unknown */
    StreamWriter *writer;
    GByteArray *written;
    bool addresses; /* follow each block of the list */
    unsigned n_eof;
    unsigned n_devices;
} Load;

static void check_block(Load *load, const StreamRecord *record)
{
    if (strcmp(record->block_idstr, load->block) == 0) {
        assert_int_equal(load->index, UINT_MAX);
        assert_int_equal(record->block_length, load->size);
        load->index = record->block_index;
    }
}

static void place(Load *load, const StreamRecord *record)
{
    if (record->block_index != load->index) {
        return;
    }
    assert_true(record->offset + STREAM_PAGE_SIZE <= load->size);
    uint8_t *page = load->ram + record->offset;
    uLongf size = STREAM_PAGE_SIZE;
    switch (record->type) {
    case RECORD_PAGE:
        memcpy(page, record->data, STREAM_PAGE_SIZE);
        break;
    case RECORD_XBZRLE_PAGE:
        assert_true(xbzrle_decode(record->data, record->length, page));
        break;
    case RECORD_COMPRESSED_PAGE:
        assert_int_equal(uncompress(page, &size, record->data, record->length), Z_OK);
        assert_int_equal(size, STREAM_PAGE_SIZE);
        break;
    default:
        memset(page, record->fill, STREAM_PAGE_SIZE);
        break;
    }
    load->placed[record->offset / STREAM_PAGE_SIZE] = 1;
}

/* The page as the source had it: whether it is zero is decided from its RAM, not from the record.
 */
static void write_page(Load *load, const StreamRecord *record)
{
    static const uint8_t zeroes[STREAM_PAGE_SIZE];
    const uint8_t *page = record->type == RECORD_PAGE ? record->data : zeroes;

    if (record->type == RECORD_XBZRLE_PAGE) {
        stream_put_xbzrle_page(load->writer, record->block_index, record->offset, record->data,
                               record->length);
        return;
    }
    if (record->type == RECORD_COMPRESSED_PAGE) {
        stream_put_compressed_page(load->writer, record->block_index, record->offset, record->data,
                                   record->length);
        return;
    }
    if (record->block_index == load->index && load->source != NULL) {
        page = load->source + record->offset;
    }
    if (memcmp(page, zeroes, STREAM_PAGE_SIZE) == 0) {
        stream_put_zero_page(load->writer, record->block_index, record->offset);
    } else {
        stream_put_page(load->writer, record->block_index, record->offset, page);
    }
}

static void write_section(StreamWriter *w, const StreamRecord *record)
{
    switch (record->section_type) {
    case STREAM_SECTION_START:
        stream_put_section_start(w, record->section_id, record->idstr, record->instance,
                                 record->version);
        break;
    case STREAM_SECTION_FULL:
        stream_put_section_full(w, record->section_id, record->idstr, record->instance,
                                record->version);
        break;
    case STREAM_SECTION_PART:
        stream_put_section_part(w, record->section_id);
        break;
    case STREAM_SECTION_END:
        stream_put_section_end(w, record->section_id);
        break;
    }
}

static void write_configuration(StreamWriter *w, const StreamRecord *record)
{
    stream_put_header(w);
    stream_put_configuration(
        w, &(StreamConfiguration){
               .machine = record->machine,
               .capabilities = record->capabilities,
               .n_capabilities = g_strv_length((char **)(uintptr_t)record->capabilities),
               .uuid = record->uuid,
           });
}

static bool take_record(const StreamRecord *record, void *data, GError **error)
{
    Load *load = data;
    StreamWriter *w = load->writer;
    (void)error;

    switch (record->type) {
    case RECORD_CONFIGURATION:
        write_configuration(w, record);
        load->addresses = g_strv_contains(record->capabilities, "x-ignore-shared");
        break;
    case RECORD_SECTION:
        write_section(w, record);
        break;
    case RECORD_SECTION_END:
        stream_put_footer(w, record->section_id);
        break;
    case RECORD_RAM_TOTAL:
        stream_put_ram_total(w, record->ram_total);
        break;
    case RECORD_RAM_BLOCK:
        check_block(load, record);
        stream_put_ram_block(w, record->block_idstr, record->block_length);
        if (load->addresses) {
            stream_put_ram_address(w, 0); /* machine none has its memory there */
        }
        break;
    case RECORD_PAGE:
    case RECORD_ZERO_PAGE:
    case RECORD_XBZRLE_PAGE:
    case RECORD_COMPRESSED_PAGE:
        place(load, record);
        write_page(load, record);
        break;
    case RECORD_MULTIFD_FLUSH:
        stream_put_multifd_flush(w);
        break;
    case RECORD_RAM_EOS:
        stream_put_ram_eos(w);
        break;
    case RECORD_DEVICE:
        load->n_devices++;
        stream_put_bytes(w, record->data, record->length);
        break;
    case RECORD_COMMAND:
        stream_put_command(w, record->command, record->data, (uint16_t)record->length);
        break;
    case RECORD_EOF:
        load->n_eof++;
        stream_put_eof(w);
        break;
    case RECORD_VMDESCRIPTION: {
        g_autofree char *json = g_strndup((const char *)record->data, record->length);
        stream_put_vmdescription(w, json);
        break;
    }
    }
    /* Pages point into the reader's buffer. */
    stream_test_drain(w, load->written);
    return true;
}

/* The description at the very end of @bytes. */
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

static void check_ram(const Load *load, json_object *capture, unsigned notes)
{
    if (notes & NO_PAGES) {
        assert_null(memchr(load->placed, 1, load->size / STREAM_PAGE_SIZE));
        return;
    }
    g_autofree char *digest = capture_sha256(load->ram, load->size);
    assert_null(memchr(load->placed, 0, load->size / STREAM_PAGE_SIZE));
    assert_string_equal(digest, capture_text(capture, "ram_sha256_at_stop"));
}

static void run_capture(const CaptureFolder *folder, json_object *capture, unsigned notes,
                        size_t chunk)
{
    g_autoptr(GBytes) stream = capture_load(folder, capture, "main");
    gsize length;
    const uint8_t *bytes = g_bytes_get_data(stream, &length);
    g_autoptr(StreamLayouts) layouts = find_layouts(bytes, length);
    g_autoptr(StreamWriter) writer = stream_writer_new();
    g_autoptr(GByteArray) written = g_byte_array_new();
    g_autoptr(GError) error = NULL;
    uint64_t size = capture_number(capture, "ram_size");
    g_autofree uint8_t *source = capture_ram(capture);
    g_autofree uint8_t *ram = g_malloc0(size);
    g_autofree uint8_t *placed = g_malloc0(size / STREAM_PAGE_SIZE);
    Load load = {
        .block = capture_text(capture, "ram_block"),
        .size = size,
        .index = UINT_MAX,
        .ram = ram,
        .placed = placed,
        .source = source,
        .writer = writer,
        .written = written,
    };
    g_autoptr(StreamReader) reader = stream_reader_new(&(StreamReaderConfig){
        .find_device = stream_layouts_find,
        .data = layouts,
    });

    assert_non_null(layouts);
    StreamResult result =
        stream_test_feed(reader, bytes, length, chunk, take_record, &load, &error);
    if (error != NULL) {
        fail_msg("%s", error->message);
    }
    assert_int_equal(result, STREAM_DONE);
    assert_int_equal(stream_reader_offset(reader), length);
    assert_int_equal(load.n_eof, 1);
    assert_true(load.n_devices >= 2);
    check_ram(&load, capture, notes);
    assert_int_equal(written->len, length);
    assert_memory_equal(written->data, bytes, length);
}

static void test_plain_captures_load_and_are_written_again(void **state)
{
    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(plain); i++) {
        const CaptureFolder *folder;
        json_object *capture = find_capture(plain[i].name, &folder);
        if (capture == NULL) {
            assert_false(plain[i].notes & IN_TREE);
            continue;
        }
        print_message("  %s\n", plain[i].name);
        run_capture(folder, capture, plain[i].notes, 65536);
        run_capture(folder, capture, plain[i].notes, 4099);
    }
}

/* ---- postcopy ---- */

static const char *const postcopies[] = {
    "none-7.2-postcopy",
    "none-10.0-postcopy",
    "none-7.2-postcopy-preempt",
    "none-10.0-postcopy-preempt",
};

typedef struct {
    Load load;
    unsigned commands[COMMAND_SWITCHOVER_START + 1];
} Postcopy;

static void discard(Load *load, const StreamRecord *record)
{
    g_autoptr(GArray) ranges = g_array_new(FALSE, FALSE, sizeof(PostcopyRange));
    g_autoptr(GError) error = NULL;
    char idstr[256];

    assert_true(postcopy_decode_discard(record->data, record->length, idstr, ranges, &error));
    assert_string_equal(idstr, load->block);
    for (guint i = 0; i < ranges->len; i++) {
        const PostcopyRange *range = &g_array_index(ranges, PostcopyRange, i);

        assert_true(range->start + range->length <= load->size);
        memset(load->ram + range->start, 0xa5, range->length);
        memset(load->placed + range->start / STREAM_PAGE_SIZE, 0, range->length / STREAM_PAGE_SIZE);
    }
}

static bool take_postcopy(const StreamRecord *record, void *data, GError **error)
{
    Postcopy *p = data;
    (void)error;

    switch (record->type) {
    case RECORD_RAM_BLOCK:
        check_block(&p->load, record);
        break;
    case RECORD_PAGE:
    case RECORD_ZERO_PAGE:
        place(&p->load, record);
        break;
    case RECORD_COMMAND:
        p->commands[record->command]++;
        if (record->command == COMMAND_POSTCOPY_RAM_DISCARD) {
            discard(&p->load, record);
        }
        break;
    case RECORD_EOF:
        p->load.n_eof++;
        break;
    default:
        break;
    }
    return true;
}

static void run_postcopy(const CaptureFolder *folder, json_object *capture, size_t chunk)
{
    g_autoptr(GBytes) main = capture_load(folder, capture, "main");
    g_autoptr(GBytes) urgent = capture_load(folder, capture, "preempt");
    uint64_t size = capture_number(capture, "ram_size");
    g_autofree uint8_t *ram = g_malloc0(size);
    g_autofree uint8_t *placed = g_malloc0(size / STREAM_PAGE_SIZE);
    g_autoptr(GError) error = NULL;
    g_autoptr(Guest) guest =
        guest_new(&(GuestOptions){ .machine = "none", .memory = size, .ram_id = "ram0" }, &error);
    TimerState timer;
    g_autoptr(DeviceLoader) devices = device_loader_new(guest, &timer);
    g_autoptr(StreamReader) reader = stream_reader_new(&(StreamReaderConfig){
        .find_device = device_loader_find,
        .data = devices,
    });
    Postcopy p = {
        .load = { .block = "ram0", .size = size, .index = UINT_MAX, .ram = ram, .placed = placed },
    };
    gsize length;
    const uint8_t *bytes = g_bytes_get_data(main, &length);

    assert_int_equal(stream_test_feed(reader, bytes, length, chunk, take_postcopy, &p, &error),
                     STREAM_DONE);
    assert_int_equal(stream_reader_offset(reader), length);
    assert_int_equal(p.load.n_eof, 1);
    assert_int_equal(p.commands[COMMAND_POSTCOPY_ADVISE], 1);
    assert_int_equal(p.commands[COMMAND_PACKAGED], 1);
    assert_int_equal(p.commands[COMMAND_POSTCOPY_LISTEN], 1);
    assert_int_equal(p.commands[COMMAND_POSTCOPY_RUN], 1);
    if (urgent != NULL) {
        g_autoptr(StreamReader) channel = stream_reader_new_channel(reader);

        bytes = g_bytes_get_data(urgent, &length);
        assert_int_equal(stream_test_feed(channel, bytes, length, chunk, take_postcopy, &p, &error),
                         STREAM_DONE);
    }
    check_ram(&p.load, capture, 0);
}

static void test_postcopies_come_out_whole(void **state)
{
    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(postcopies); i++) {
        const CaptureFolder *folder;
        json_object *capture = find_capture(postcopies[i], &folder);

        if (capture != NULL) {
            print_message("  %s\n", postcopies[i]);
            run_postcopy(folder, capture, 65536);
            run_postcopy(folder, capture, 4099);
        }
    }
}

/* ---- return path ---- */

static const struct {
    const char *name;
    unsigned notes;
    ReturnPathMessage messages[6]; /* the first ones */
    size_t n;
    bool postcopy; /* page requests follow, and SHUT at the end */
} return_paths[] = {
    { "none-10.0-return-path",
      IN_TREE,
      { { .type = RETURN_PONG, .value = 1 }, { .type = RETURN_SHUT, .value = 0 } },
      2,
      false },
    { "none-7.2-return-path",
      0,
      { { .type = RETURN_PONG, .value = 1 }, { .type = RETURN_SHUT, .value = 0 } },
      2,
      false },
    { "none-10.0-switchover-ack",
      0,
      { { .type = RETURN_SWITCHOVER_ACK, .value = 0 },
        { .type = RETURN_PONG, .value = 1 },
        { .type = RETURN_SHUT, .value = 0 } },
      3,
      false },
    { "none-7.2-postcopy",
      0,
      { { .type = RETURN_PONG, .value = 1 },
        { .type = RETURN_PONG, .value = 2 },
        { .type = RETURN_PONG, .value = 3 },
        { .type = RETURN_PONG, .value = 4 } },
      4,
      true },
    { "none-10.0-postcopy",
      0,
      { { .type = RETURN_PONG, .value = 1 },
        { .type = RETURN_PONG, .value = 2 },
        { .type = RETURN_PONG, .value = 4 },
        { .type = RETURN_PONG, .value = 3 } },
      4,
      true },
};

/* The first request names the block, the others mean the same one; then SHUT(0). */
static void run_requests(MigCursor *in)
{
    ReturnPathMessage message = { 0 };
    unsigned n = 0;

    for (; cursor_left(in) > 0; n++) {
        const uint8_t *bytes = in->at;
        g_autoptr(GByteArray) again = g_byte_array_new();
        g_autoptr(GError) error = NULL;

        assert_int_equal(return_path_decode(in, &message, &error), RETURN_PATH_MESSAGE);
        return_path_encode(&message, again);
        assert_memory_equal(again->data, bytes, in->at - bytes);
        if (cursor_left(in) > 0) {
            assert_int_equal(message.type, n == 0 ? RETURN_REQ_PAGES_ID : RETURN_REQ_PAGES);
            assert_string_equal(message.block, n == 0 ? "ram0" : "");
            assert_int_equal(message.length, STREAM_PAGE_SIZE);
        }
    }
    assert_true(n > 1);
    assert_int_equal(message.type, RETURN_SHUT);
    assert_int_equal(message.value, 0);
}

static void run_return_path(size_t row, GBytes *stream)
{
    gsize length;
    const uint8_t *bytes = g_bytes_get_data(stream, &length);
    MigCursor in = { bytes, bytes + length };
    g_autoptr(GByteArray) written = g_byte_array_new();
    g_autoptr(GError) error = NULL;
    ReturnPathMessage message;

    for (size_t i = 0; i < return_paths[row].n; i++) {
        assert_int_equal(return_path_decode(&in, &message, &error), RETURN_PATH_MESSAGE);
        assert_int_equal(message.type, return_paths[row].messages[i].type);
        assert_int_equal(message.value, return_paths[row].messages[i].value);
        return_path_encode(&message, written);
    }
    assert_int_equal(written->len, in.at - bytes);
    assert_memory_equal(written->data, bytes, written->len);
    if (return_paths[row].postcopy) {
        run_requests(&in);
    }
    assert_int_equal(cursor_left(&in), 0);
}

static void test_return_paths_decode(void **state)
{
    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(return_paths); i++) {
        const CaptureFolder *folder;
        json_object *capture = find_capture(return_paths[i].name, &folder);
        if (capture == NULL) {
            assert_false(return_paths[i].notes & IN_TREE);
            continue;
        }
        print_message("  %s\n", return_paths[i].name);
        g_autoptr(GBytes) stream = capture_load(folder, capture, "main.rp");
        run_return_path(i, stream);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain_captures_load_and_are_written_again),
        cmocka_unit_test(test_postcopies_come_out_whole),
        cmocka_unit_test(test_return_paths_decode),
    };
    return cmocka_run_group_tests(tests, open_folders, close_folders);
}
