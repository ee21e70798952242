/*
 * Packets of multifd channels and how their pages are packed: what is written is read back, every
 * field is bounded, what older versions leave over is not looked at.
 */
#include "tests/unit/test.h"

#include <string.h>

#include "backend/base/error.h"
#include "backend/stream/multifd-codec.h"

/* ---- init ---- */

static void test_init_packet(void **state)
{
    MultifdInit in = { .uuid = { 1, 2, 3, [15] = 16 }, .id = 7 }, out = { 0 };
    uint8_t bytes[MULTIFD_INIT_BYTES];
    g_autoptr(GError) error = NULL;

    (void)state;
    multifd_init_encode(&in, bytes);
    assert_memory_equal(bytes, "\x11\x22\x33\x44\0\0\0\1", 8);
    assert_memory_equal(bytes + 8, in.uuid, 16);
    assert_int_equal(bytes[24], 7);
    for (size_t i = 25; i < sizeof bytes; i++) {
        assert_int_equal(bytes[i], 0);
    }
    assert_true(multifd_init_decode(bytes, &out, NULL));
    assert_memory_equal(&in, &out, sizeof in);

    bytes[7] = 2;
    assert_false(multifd_init_decode(bytes, &out, &error));
    assert_string_equal(error->message, "multifd: received packet version 2 expected 1");
    g_clear_error(&error);
    memcpy(bytes, "QEVM", 4);
    assert_false(multifd_init_decode(bytes, &out, &error));
    assert_string_equal(error->message,
                        "multifd: received packet magic 5145564d expected 11223344");
}

/* ---- headers ---- */

static MultifdPacket sample(uint32_t n_normal, uint32_t n_zero)
{
    MultifdPacket packet = { .n_normal = n_normal,
                             .n_zero = n_zero,
                             .data_bytes = n_normal * STREAM_PAGE_SIZE,
                             .number = 0x0102030405060708,
                             .block = "ram" };

    for (uint32_t i = 0; i < n_normal + n_zero; i++) {
        packet.offsets[i] = (uint64_t)(1000 - i) * STREAM_PAGE_SIZE;
    }
    return packet;
}

static void test_packets_are_read_as_written(void **state)
{
    static const uint32_t counts[][2] = { { 0, 0 },   { 1, 0 },   { 0, 1 },  { 128, 0 },
                                          { 0, 128 }, { 64, 64 }, { 127, 1 } };

    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(counts); i++) {
        for (int sync = 0; sync < 2; sync++) {
            MultifdPacket in = sample(counts[i][0], counts[i][1]), out;
            uint8_t bytes[MULTIFD_HEADER_BYTES];
            uint32_t n = in.n_normal + in.n_zero;

            in.sync = sync;
            multifd_packet_encode(&in, bytes);
            assert_true(multifd_packet_decode(bytes, &out, NULL));
            assert_int_equal(out.sync, sync);
            assert_int_equal(out.n_normal, in.n_normal);
            assert_int_equal(out.n_zero, in.n_zero);
            assert_int_equal(out.data_bytes, in.data_bytes);
            assert_int_equal(out.number, in.number);
            assert_string_equal(out.block, n > 0 ? "ram" : "");
            assert_memory_equal(out.offsets, in.offsets, n * sizeof *in.offsets);
        }
    }
}

static void test_layout(void **state)
{
    MultifdPacket packet = sample(2, 1);
    uint8_t bytes[MULTIFD_HEADER_BYTES];

    (void)state;
    packet.compression = MULTIFD_ZSTD;
    packet.data_bytes = 99;
    packet.sync = true;
    multifd_packet_encode(&packet, bytes);
    assert_int_equal(sizeof bytes, 1344);
    assert_memory_equal(bytes,
                        "\x11\x22\x33\x44\0\0\0\1\0\0\0\5\0\0\0\x80\0\0\0\2\0\0\0\x63"
                        "\1\2\3\4\5\6\7\10\0\0\0\1",
                        36);
    assert_memory_equal(bytes + 64, "ram\0", 4);
    assert_memory_equal(bytes + 320, "\0\0\0\0\0\x3e\x80\0\0\0\0\0\0\x3e\x70\0\0\0\0\0\0\x3e\x60\0",
                        24);
    /* A packet that only ends a pass has nothing else in it. */
    packet = (MultifdPacket){ .sync = true, .number = 3 };
    multifd_packet_encode(&packet, bytes);
    assert_memory_equal(
        bytes, "\x11\x22\x33\x44\0\0\0\1\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\3", 32);
}

static void put32(uint8_t *bytes, size_t at, uint32_t value)
{
    value = GUINT32_TO_BE(value);
    memcpy(bytes + at, &value, sizeof value);
}

static void test_leftovers_without_pages_do_not_matter(void **state)
{
    MultifdPacket packet = sample(3, 0), out;
    uint8_t bytes[MULTIFD_HEADER_BYTES];

    (void)state;
    multifd_packet_encode(&packet, bytes);
    put32(bytes, 8, 1);
    put32(bytes, 16, 0);           /* no pages, but */
    put32(bytes, 20, 0xffffffff);  /* the size of the packet before */
    memset(bytes + 64, 0xff, 256); /* and its name */
    assert_true(multifd_packet_decode(bytes, &out, NULL));
    assert_true(out.sync);
    assert_int_equal(out.n_normal + out.n_zero, 0);
    assert_int_equal(out.data_bytes, 0);
}

/* One changed word each of a packet with 3 pages of content and 2 zero ones. */
static const struct {
    size_t at;
    uint32_t value;
    const char *text;
} bad[] = {
    { 0, 0x11223345, "magic 11223345" },
    { 4, 0, "version 0" },
    { 8, 0x40, "state of a device" },
    { 8, 0x80, "unknown flags 0x80" },
    { 8, 0x80000000, "unknown flags 0x80000000" },
    { 8, 3 << 1, "not known here (flags 0x6)" },
    { 8, 4 << 1, "not known here (flags 0x8)" },
    { 8, 16 << 1, "not known here (flags 0x20)" },
    { 12, 129, "size 129 expected a maximum size of 128" },
    { 12, 0xffffffff, "maximum size" },
    { 12, 4, "3 normal and 2 zero pages" },
    { 12, 0, "maximum of 0" },
    { 16, 127, "127 normal and 2 zero" },
    { 16, 0xffffffff, "zero pages" },
    { 16, 2, "2 pages in 12288 bytes" },
    { 20, 0, "3 pages in 0 bytes" },
    { 20, 12289, "3 pages in 12289 bytes" },
    { 20, 0xffffffff, "pages in" },
    { 32, 126, "3 normal and 126 zero" },
    { 32, 0xfffffffe, "zero pages" },
    { 64, 0, "without a name" },
    { 64, 0x1b5b326a, "not printable" },
    { 324, 1, "offset 0x1 is not" },
    { 356, 0xfff, "offset 0xfff is not" },
};

static void test_bad_packets_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        MultifdPacket packet = sample(3, 2), out;
        uint8_t bytes[MULTIFD_HEADER_BYTES];
        g_autoptr(GError) error = NULL;

        multifd_packet_encode(&packet, bytes);
        put32(bytes, bad[i].at, bad[i].value);
        assert_false(multifd_packet_decode(bytes, &out, &error));
        if (strstr(error->message, bad[i].text) == NULL) {
            fail_msg("row %zu: \"%s\" does not say \"%s\"", i, error->message, bad[i].text);
        }
    }
}

static void test_name_without_an_end_is_refused(void **state)
{
    MultifdPacket packet = sample(1, 0), out;
    uint8_t bytes[MULTIFD_HEADER_BYTES];

    (void)state;
    multifd_packet_encode(&packet, bytes);
    memset(bytes + 64, 'a', 256);
    assert_false(multifd_packet_decode(bytes, &out, NULL));
    bytes[64 + 255] = 0;
    assert_true(multifd_packet_decode(bytes, &out, NULL));
    assert_int_equal(strlen(out.block), 255);
}

static void test_every_value_of_every_byte_is_bounded(void **state)
{
    static const uint8_t flips[] = { 0x01, 0x80, 0xff, 0x10 };
    MultifdPacket packet = sample(60, 50), out;
    uint8_t good[MULTIFD_HEADER_BYTES], bytes[MULTIFD_HEADER_BYTES];

    (void)state;
    multifd_packet_encode(&packet, good);
    for (size_t at = 0; at < sizeof good; at++) {
        for (size_t f = 0; f < G_N_ELEMENTS(flips); f++) {
            g_autoptr(GError) error = NULL;

            memcpy(bytes, good, sizeof good);
            bytes[at] ^= flips[f];
            if (!multifd_packet_decode(bytes, &out, &error)) {
                assert_non_null(error);
                continue;
            }
            assert_true(out.n_normal + out.n_zero <= MULTIFD_PAGES);
            assert_true(out.data_bytes <= 2 * MULTIFD_PAGES * STREAM_PAGE_SIZE);
            assert_int_equal(out.data_bytes == 0, out.n_normal == 0);
            for (uint32_t i = 0; i < out.n_normal + out.n_zero; i++) {
                assert_int_equal(out.offsets[i] % STREAM_PAGE_SIZE, 0);
            }
        }
    }
}

/* ---- packing ---- */

#define PACKETS 20

typedef struct {
    uint8_t pages[MULTIFD_PAGES][STREAM_PAGE_SIZE];
    const uint8_t *list[MULTIFD_PAGES];
    uint8_t out[MULTIFD_PAGES][STREAM_PAGE_SIZE];
} Pages;

/* Half text-like, half random. */
static void make_pages(Pages *p, GRand *rand)
{
    for (uint32_t i = 0; i < MULTIFD_PAGES; i++) {
        for (uint32_t b = 0; b < STREAM_PAGE_SIZE; b++) {
            p->pages[i][b] = (uint8_t)(i % 2 == 0 ? g_rand_int(rand) : b % 16);
        }
        p->list[i] = p->pages[i];
    }
}

static void test_packed_pages_come_out_again(void **state)
{
    static const struct {
        MultifdCompression compression;
        int level;
    } rows[] = { { MULTIFD_ZLIB, 0 }, { MULTIFD_ZLIB, 1 }, { MULTIFD_ZLIB, 9 },
                 { MULTIFD_ZSTD, 0 }, { MULTIFD_ZSTD, 1 }, { MULTIFD_ZSTD, 20 } };
    g_autofree Pages *p = g_new0(Pages, 1);
    g_autoptr(GRand) rand = g_rand_new_with_seed(1);

    (void)state;
    for (size_t r = 0; r < G_N_ELEMENTS(rows); r++) {
        g_autoptr(MultifdPacker) packer =
            multifd_packer_new(rows[r].compression, rows[r].level, NULL);
        g_autoptr(MultifdUnpacker) unpacker = multifd_unpacker_new(rows[r].compression, NULL);

        for (uint32_t i = 0; i < PACKETS; i++) {
            uint32_t n = i == 0 ? MULTIFD_PAGES : (uint32_t)g_rand_int_range(rand, 1, 129);
            g_autoptr(GError) error = NULL;
            size_t size;

            make_pages(p, rand);
            const uint8_t *bytes = multifd_pack(packer, p->list, n, &size, NULL);
            assert_non_null(bytes);
            if (!multifd_unpack(unpacker, bytes, size, p->out[0], n, &error)) {
                fail_msg("row %zu packet %u: %s", r, i, error->message);
            }
            assert_memory_equal(p->pages, p->out, n * STREAM_PAGE_SIZE);
        }
    }
}

static void test_data_that_is_no_such_pages_is_refused(void **state)
{
    g_autofree Pages *p = g_new0(Pages, 1);
    g_autoptr(GRand) rand = g_rand_new_with_seed(2);

    (void)state;
    make_pages(p, rand);
    for (int c = MULTIFD_ZLIB; c <= MULTIFD_ZSTD; c++) {
        static const int changes[] = { -1, 1 };
        size_t size;

        for (size_t i = 0; i < G_N_ELEMENTS(changes); i++) {
            g_autoptr(MultifdPacker) packer = multifd_packer_new((MultifdCompression)c, 1, NULL);
            g_autoptr(MultifdUnpacker) a = multifd_unpacker_new((MultifdCompression)c, NULL);
            g_autoptr(MultifdUnpacker) b = multifd_unpacker_new((MultifdCompression)c, NULL);
            g_autoptr(MultifdUnpacker) d = multifd_unpacker_new((MultifdCompression)c, NULL);
            const uint8_t *bytes = multifd_pack(packer, p->list, 10, &size, NULL);
            g_autofree uint8_t *copy = g_memdup2(bytes, size);
            g_autoptr(GError) error = NULL;

            /* Another number of pages than there are, and a byte less. */
            assert_false(
                multifd_unpack(a, bytes, size, p->out[0], (uint32_t)(10 + changes[i]), &error));
            assert_true(g_error_matches(error, MIG_ERROR, MIG_ERROR_FORMAT));
            assert_false(multifd_unpack(b, bytes, size / 2, p->out[0], 10, NULL));
            memset(copy, 0xa5, size / 2);
            assert_false(multifd_unpack(d, copy, size, p->out[0], 10, NULL));
        }
    }
}

static void test_levels_out_of_range(void **state)
{
    g_autoptr(GError) error = NULL;

    (void)state;
    assert_null(multifd_packer_new(MULTIFD_ZLIB, 10, &error));
    assert_string_equal(error->message, "multifd: zlib cannot start with level 10");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_init_packet),
        cmocka_unit_test(test_packets_are_read_as_written),
        cmocka_unit_test(test_layout),
        cmocka_unit_test(test_leftovers_without_pages_do_not_matter),
        cmocka_unit_test(test_bad_packets_are_refused),
        cmocka_unit_test(test_name_without_an_end_is_refused),
        cmocka_unit_test(test_every_value_of_every_byte_is_bounded),
        cmocka_unit_test(test_packed_pages_come_out_again),
        cmocka_unit_test(test_data_that_is_no_such_pages_is_refused),
        cmocka_unit_test(test_levels_out_of_range),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
