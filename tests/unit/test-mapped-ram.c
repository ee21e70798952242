/*
 * mapped-ram files: what QEMU 10.0 wrote loads to its digest, alone and in threads, whatever stands
 * in the gaps; what we write has QEMU's layout and loads again; files that cannot be are refused.
 */
#include "tests/unit/test.h"

#include <fcntl.h>
#include <unistd.h>

#include "backend/base/error.h"
#include "backend/engine/attempt/ram-map.h"
#include "backend/engine/incoming/mapped-reader.h"
#include "backend/engine/outgoing/mapped-writer.h"
#include "tests/unit/capture-test.h"
#include "tests/unit/stream-test.h"

#define PAGE ((uint64_t)STREAM_PAGE_SIZE)

/* ---- captures ---- */

typedef struct {
    const char *block;
    MappedRam mapped; /* of it */
    bool found;
    unsigned n_eof;
} Walk;

static bool walk_record(const StreamRecord *record, void *data, GError **error)
{
    Walk *walk = data;

    (void)error;
    assert_true(record->type != RECORD_PAGE && record->type != RECORD_ZERO_PAGE);
    if (record->type == RECORD_RAM_BLOCK && strcmp(record->block_idstr, walk->block) == 0) {
        assert_true(record->is_mapped);
        walk->mapped = record->mapped;
        walk->found = true;
    }
    walk->n_eof += record->type == RECORD_EOF;
    return true;
}

/* The whole of @bytes, the pages jumped over; returns the result of the reader. */
static StreamResult walk_file(const uint8_t *bytes, size_t length, uint64_t file_offset, Walk *walk,
                              GError **error)
{
    g_autoptr(StreamLayouts) layouts = NULL;
    size_t at = file_offset;

    for (size_t end = length; layouts == NULL && end-- > 0;) {
        MigCursor in = { bytes + end, bytes + length };
        uint8_t type;
        uint32_t size;

        if (get_u8(&in, &type) && type == STREAM_VMDESCRIPTION && get_be32(&in, &size) &&
            size == cursor_left(&in)) {
            layouts = stream_layouts_new((const char *)in.at, size, NULL);
        }
    }
    g_autoptr(StreamReader) reader = stream_reader_new(&(StreamReaderConfig){
        .find_device = stream_layouts_find,
        .data = layouts,
        .file_offset = file_offset,
    });
    for (;;) {
        StreamRecord record;
        StreamResult result = stream_reader_next(reader, &record, error);

        if (result == STREAM_RECORD) {
            walk_record(&record, walk, error);
            continue;
        }
        if (result != STREAM_MORE) {
            return result;
        }
        size_t room;
        at += stream_reader_skip(reader);
        uint8_t *space = stream_reader_space(reader, &room);
        size_t count = MIN(MIN(room, 4099), at < length ? length - at : 0);
        if (count == 0) {
            stream_reader_end(reader);
        } else {
            memcpy(space, bytes + at, count);
            stream_reader_filled(reader, count);
            at += count;
        }
    }
}

static int file_with(const uint8_t *bytes, size_t length)
{
    g_autofree char *path = NULL;
    int fd = g_file_open_tmp("migmon-mapped-XXXXXX", &path, NULL);

    assert_true(fd >= 0);
    unlink(path);
    while (length > 0) {
        ssize_t n = write(fd, bytes, length);
        assert_true(n > 0);
        bytes += n;
        length -= (size_t)n;
    }
    return fd;
}

static const char *const captures[] = {
    "none-10.0-mapped-ram",
    "none-10.0-mapped-ram-offset",
    "none-10.0-mapped-ram-multifd",
    "pc-10.0-mapped-ram-16m",
};

static void load_capture(const CaptureFolder *folder, json_object *capture, unsigned n_threads)
{
    uint64_t offset = capture_number(capture, "file_offset");
    g_autoptr(GBytes) stream = capture_load(folder, capture, "main");
    g_autofree char *name = g_strdup(capture_text(capture, "ram_block"));
    Walk walk = { .block = name };
    g_autoptr(GError) error = NULL;
    gsize length;
    const uint8_t *bytes = g_bytes_get_data(stream, &length);
    /* capture_load() leaves out what stands before the stream; offsets count from the beginning. */
    g_autofree uint8_t *file = g_malloc0(offset + length);
    uint64_t pages;

    memcpy(file + offset, bytes, length);
    assert_int_equal(walk_file(file, offset + length, offset, &walk, &error), STREAM_DONE);
    assert_true(walk.found && walk.n_eof == 1);

    g_autoptr(RamBlock) block =
        ram_block_new(name, capture_number(capture, "ram_size"), NULL, &error);
    int fd = file_with(file, offset + length);
    assert_true(mapped_ram_load(&(MappedFile){ .fd = fd, .pages_fd = fd }, &walk.mapped, block,
                                n_threads, &pages, &error));
    close(fd);
    g_autofree char *digest = capture_sha256(block->host, block->size);
    assert_string_equal(digest, capture_text(capture, "ram_sha256_at_stop"));
}

static void test_captures_load(void **state)
{
    CaptureFolder folder = capture_folder_open("MIGMON_STREAMS", "");

    (void)state;
    if (folder.path == NULL) {
        print_message("skipped: MIGMON_STREAMS is not set\n");
        skip();
    }
    for (size_t i = 0; i < G_N_ELEMENTS(captures); i++) {
        json_object *capture = capture_find(&folder, captures[i]);

        assert_non_null(capture);
        print_message("  %s\n", captures[i]);
        load_capture(&folder, capture, 1);
        load_capture(&folder, capture, 3);
    }
    capture_folder_close(&folder);
}

/* ---- our own ---- */

typedef struct {
    Guest *guest;
    RamBlock *block;
    RamMap *map;
    RamSender *sender;
    MappedWriter *writer;
    MappedRam mapped;
    int fd;
} Fixture;

#define N_PAGES 3000u

static int setup(void **state)
{
    Fixture *f = g_new0(Fixture, 1);
    size_t n;

    f->guest = guest_new(&(GuestOptions){ .machine = "none", .memory = N_PAGES * PAGE }, NULL);
    f->block = guest_blocks(f->guest, &n)[0];
    f->map = g_new0(RamMap, 1);
    f->sender = ram_sender_new(f->guest, NULL, f->map);
    f->fd = file_with(NULL, 0);
    f->writer = mapped_writer_new(f->fd, f->fd, guest_blocks(f->guest, &n), n, 3, NULL);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    Fixture *f = *state;

    mapped_writer_free(f->writer);
    ram_sender_free(f->sender);
    g_free(f->map);
    guest_free(f->guest);
    close(f->fd);
    g_free(f);
    return 0;
}

static void fill(RamBlock *block, unsigned seed)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(seed);

    for (size_t page = 0; page < block->n_pages; page++) {
        uint8_t *at = block->host + page * PAGE;

        switch (g_rand_int_range(rand, 0, 4)) {
        case 0:
            break; /* as it is: at first never touched */
        case 1:
            memset(at, 0, PAGE);
            break;
        default:
            memset(at, g_rand_int_range(rand, 1, 256), PAGE);
            break;
        }
    }
}

static void write_pass(Fixture *f)
{
    g_autoptr(GError) error = NULL;
    uint64_t dirtied, bytes;
    RamBatch batch;

    assert_true(ram_sender_sync(f->sender, &dirtied, &error));
    while (ram_sender_remaining(f->sender) > 0) {
        assert_true(mapped_writer_pages(f->writer, f->sender, 1 << 20, &batch, &bytes, &error));
        assert_int_equal(bytes, batch.normal * PAGE);
        assert_true(bytes <= 1 << 20);
    }
    assert_true(mapped_writer_bitmaps(f->writer, &bytes, &error));
}

static void expect_same_ram(Fixture *f)
{
    g_autoptr(RamBlock) copy = ram_block_new("copy", f->block->size, NULL, NULL);
    g_autoptr(GError) error = NULL;
    uint64_t pages;

    assert_true(mapped_ram_load(&(MappedFile){ .fd = f->fd, .pages_fd = f->fd }, &f->mapped, copy,
                                2, &pages, &error));
    assert_memory_equal(copy->host, f->block->host, copy->size);
}

static void test_what_is_written_loads_again(void **state)
{
    Fixture *f = *state;
    uint64_t next;

    f->mapped = mapped_writer_place(f->writer, 0, 130, &next);
    assert_int_equal(f->mapped.bitmap_offset, 130);
    assert_int_equal(f->mapped.pages_offset, 0x100000);
    assert_int_equal(next, 0x100000 + N_PAGES * PAGE);
    fill(f->block, 1);
    write_pass(f);
    expect_same_ram(f);
}

/* A page that became zero has old data in the file, and its bit is clear. */
static void test_a_second_pass_writes_in_place(void **state)
{
    Fixture *f = *state;
    uint64_t next;

    f->mapped = mapped_writer_place(f->writer, 0, 130, &next);
    fill(f->block, 2);
    write_pass(f);
    ram_sender_free(f->sender); /* without a tracker a new one finds everything dirty */
    f->sender = ram_sender_new(f->guest, NULL, f->map);
    fill(f->block, 3);
    write_pass(f);
    expect_same_ram(f);
    assert_true(lseek(f->fd, 0, SEEK_END) <= (off_t)next);
}

static void test_a_file_that_is_cut_is_an_error(void **state)
{
    Fixture *f = *state;
    g_autoptr(RamBlock) copy = ram_block_new("copy", f->block->size, NULL, NULL);
    g_autoptr(GError) error = NULL;
    uint64_t next, pages;

    f->mapped = mapped_writer_place(f->writer, 0, 130, &next);
    memset(f->block->host, 7, f->block->size);
    write_pass(f);
    assert_int_equal(ftruncate(f->fd, (off_t)(next - 5000)), 0);
    assert_false(mapped_ram_load(&(MappedFile){ .fd = f->fd, .pages_fd = f->fd }, &f->mapped, copy,
                                 3, &pages, &error));
    assert_true(g_error_matches(error, MIG_ERROR, MIG_ERROR_IO));
    assert_non_null(strstr(error->message, "file ends"));
}

static bool at_once(void *data)
{
    (void)data;
    return true;
}

/* Whoever waits for the load to end would else wait for the whole file. */
static void test_a_load_can_be_ended(void **state)
{
    Fixture *f = *state;
    g_autoptr(RamBlock) copy = ram_block_new("copy", f->block->size, NULL, NULL);
    g_autoptr(GError) error = NULL;
    uint64_t next, pages;
    size_t first, end;

    f->mapped = mapped_writer_place(f->writer, 0, 130, &next);
    fill(f->block, 4);
    write_pass(f);
    const MappedFile file = { .fd = f->fd, .pages_fd = f->fd, .is_over = at_once };
    assert_false(mapped_ram_load(&file, &f->mapped, copy, 3, &pages, &error));
    assert_true(g_error_matches(error, MIG_ERROR, MIG_ERROR_CANCELLED));
    assert_false(ram_block_next_data(copy, 0, &first, &end));
}

/* ---- files that cannot be ---- */

#define MAPPED_HEAD                                                                                \
    "5145564d 00000003 07 00000004 'none' 05 1a'configuration/capabilities' 00000001 "             \
    "00000001 0a'mapped-ram' 01 00000002 03'ram' 00000000 00000004 0000000000002004 "              \
    "03'ram' 0000000000002000 "

static const struct {
    const char *what, *bytes, *text;
} refused[] = {
    { "version 2", MAPPED_HEAD "00000002 0000000000001000 0000000000000100 0000000000100000",
      "mapped-ram of version 2" },
    { "pages of 64 KiB", MAPPED_HEAD "00000001 0000000000010000 0000000000000100 0000000000100000",
      "pages of 65536 bytes" },
    { "bitmap before this",
      MAPPED_HEAD "00000001 0000000000001000 0000000000000010 0000000000100000", "cannot be" },
    { "pages in the bitmap",
      MAPPED_HEAD "00000001 0000000000001000 0000000000000ffc 0000000000001000", "cannot be" },
    { "pages at no page border",
      MAPPED_HEAD "00000001 0000000000001000 0000000000000100 0000000000100800", "cannot be" },
    { "pages beyond any file",
      MAPPED_HEAD "00000001 0000000000001000 0000000000000100 7ffffffffffff000", "cannot be" },
    { "bitmap at the end of all numbers",
      MAPPED_HEAD "00000001 0000000000001000 ffffffffffffffff fffffffffffff000", "cannot be" },
    { "cut behind the header",
      MAPPED_HEAD "00000001 0000000000001000 0000000000000100 0000000000100000",
      "stream ended too early" },
    { "cut in the header", MAPPED_HEAD "00000001 0000000000001000 00000000000001",
      "stream ended too early" },
};

static void test_impossible_files_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(refused); i++) {
        g_autoptr(GByteArray) bytes = g_byte_array_new();
        g_autoptr(GError) error = NULL;
        Walk walk = { .block = "ram" };

        print_message("  %s\n", refused[i].what);
        stream_test_bytes(bytes, refused[i].bytes);
        assert_int_equal(walk_file(bytes->data, bytes->len, 0, &walk, &error), STREAM_BAD);
        if (strstr(error->message, refused[i].text) == NULL) {
            fail_msg("%s", error->message);
        }
    }
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_captures_load),
        TEST(test_what_is_written_loads_again),
        TEST(test_a_second_pass_writes_in_place),
        TEST(test_a_file_that_is_cut_is_an_error),
        TEST(test_a_load_can_be_ended),
        cmocka_unit_test(test_impossible_files_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
