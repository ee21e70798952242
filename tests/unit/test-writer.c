/*
 * writer.c: the minimal stream of the format's description byte for byte,
 * iovec and memory rules, CONTINUE.
 */
#include "backend/stream/writer.h"

#include <limits.h>
#include "tests/unit/test.h"

#include "tests/unit/stream-test.h"

static uint8_t page_a[STREAM_PAGE_SIZE];
static uint8_t page_b[STREAM_PAGE_SIZE];

static int setup(void **state)
{
    (void)state;
    memset(page_a, 0xaa, sizeof page_a);
    memset(page_b, 0xbb, sizeof page_b);
    return 0;
}

static void expect_bytes(const GByteArray *out, const char *text)
{
    g_autoptr(GByteArray) expected = g_byte_array_new();

    stream_test_bytes(expected, text);
    assert_int_equal(out->len, expected->len);
    assert_memory_equal(out->data, expected->data, expected->len);
}

/* Blocks "ram" and "rom" in @w, nothing waiting. */
static void put_two_blocks(StreamWriter *w)
{
    stream_put_ram_total(w, 0x800000);
    stream_put_ram_block(w, "ram", 0x400000);
    stream_put_ram_block(w, "rom", 0x400000);
    stream_writer_reset(w);
}

/* ---- bytes ---- */

static const char minimal_stream[] = "5145564d 00000003"
                                     "07 00000004 'none'"
                                     "01 00000002 03'ram' 00000000 00000004"
                                     "0000000000400004 03'ram' 0000000000400000 0000000000000010"
                                     "7e 00000002"
                                     "02 00000002"
                                     "0000000000000002 03'ram' 00"
                                     "0000000000001028 <4096*aa>"
                                     "0000000000002022 00"
                                     "0000000000000010"
                                     "7e 00000002"
                                     "03 00000002 0000000000000010"
                                     "7e 00000002"
                                     "04 00000000 05'timer' 00000000 00000002 <24*00>"
                                     "7e 00000000"
                                     "04 00000004 0b'globalstate' 00000000 00000001"
                                     "00000007 'paused' <94*00>"
                                     "7e 00000004"
                                     "00"
                                     "06 00000022 '{\"page_size\": 4096, \"devices\": []}'";

static void test_minimal_stream_is_byte_exact(void **state)
{
    (void)state;
    g_autoptr(StreamWriter) w = stream_writer_new();
    g_autoptr(GByteArray) out = g_byte_array_new();
    uint8_t body[104] = { 0, 0, 0, 7, 'p', 'a', 'u', 's', 'e', 'd' };
    const uint8_t zeroes[24] = { 0 };

    stream_put_header(w);
    stream_put_configuration(w, &(StreamConfiguration){ .machine = "none" });
    stream_put_section_start(w, 2, "ram", 0, RAM_SECTION_VERSION);
    stream_put_ram_total(w, 0x400000);
    stream_put_ram_block(w, "ram", 0x400000);
    stream_put_ram_eos(w);
    stream_put_footer(w, 2);
    stream_put_section_part(w, 2);
    stream_put_zero_page(w, 0, 0);
    stream_put_page(w, 0, 0x1000, page_a);
    stream_put_zero_page(w, 0, 0x2000);
    stream_put_ram_eos(w);
    stream_put_footer(w, 2);
    stream_put_section_end(w, 2);
    stream_put_ram_eos(w);
    stream_put_footer(w, 2);
    stream_put_section_full(w, 0, "timer", 0, 2);
    stream_put_bytes(w, zeroes, sizeof zeroes);
    stream_put_footer(w, 0);
    stream_put_section_full(w, 4, "globalstate", 0, 1);
    stream_put_bytes(w, body, sizeof body);
    stream_put_footer(w, 4);
    stream_put_eof(w);
    stream_put_vmdescription(w, "{\"page_size\": 4096, \"devices\": []}");
    memset(body, 0xff, sizeof body); /* was copied */

    size_t pending = stream_writer_pending(w);
    stream_test_drain(w, out);
    assert_int_equal(pending, out->len);
    expect_bytes(out, minimal_stream);
}

static void test_configuration_subsections(void **state)
{
    (void)state;
    static const char *const names[] = { "x-ignore-shared", "mapped-ram" };
    static const uint8_t uuid[16] = { 0, 0x11, 0x22, 0x33, [15] = 0xff };
    g_autoptr(StreamWriter) w = stream_writer_new();
    g_autoptr(GByteArray) out = g_byte_array_new();

    stream_put_configuration(w, &(StreamConfiguration){
                                    .machine = "none",
                                    .capabilities = names,
                                    .n_capabilities = G_N_ELEMENTS(names),
                                    .uuid = uuid,
                                });
    stream_test_drain(w, out);
    expect_bytes(out, "07 00000004 'none'"
                      "05 1a'configuration/capabilities' 00000001 00000002"
                      "0f'x-ignore-shared' 0a'mapped-ram'"
                      "05 12'configuration/uuid' 00000001 00112233 <11*00> ff");
}

static void test_commands(void **state)
{
    (void)state;
    g_autoptr(StreamWriter) w = stream_writer_new();
    g_autoptr(GByteArray) out = g_byte_array_new();

    stream_put_command(w, COMMAND_OPEN_RETURN_PATH, NULL, 0);
    stream_put_ping(w, 0x01020304);
    stream_put_command(w, COMMAND_SWITCHOVER_START, NULL, 0);
    stream_test_drain(w, out);
    expect_bytes(out, "08 0001 0000  08 0002 0004 01020304  08 000b 0000");
}

/* ---- CONTINUE ---- */

static void test_continue_lasts_over_sections_and_resets(void **state)
{
    (void)state;
    g_autoptr(StreamWriter) w = stream_writer_new();
    g_autoptr(GByteArray) out = g_byte_array_new();

    put_two_blocks(w);
    stream_put_section_part(w, 1);
    stream_put_zero_page(w, 0, 0x3000);
    stream_put_ram_eos(w);
    stream_put_footer(w, 1);
    stream_test_drain(w, out);
    stream_put_section_end(w, 1);
    stream_put_page(w, 0, 0x4000, page_a);
    stream_put_page(w, 1, 0x0000, page_b);
    stream_put_zero_page(w, 1, 0x1000);
    stream_put_zero_page(w, 0, 0x5000);
    stream_test_drain(w, out);
    expect_bytes(out, "02 00000001  0000000000003002 03'ram' 00  0000000000000010  7e 00000001"
                      "03 00000001  0000000000004028 <4096*aa>"
                      "0000000000000008 03'rom' <4096*bb>"
                      "0000000000001022 00"
                      "0000000000005002 03'ram' 00");
}

/* ---- iovec and memory ---- */

static void test_pages_are_pointed_at(void **state)
{
    (void)state;
    g_autoptr(StreamWriter) w = stream_writer_new();
    int count;

    put_two_blocks(w);
    stream_put_page(w, 0, 0x0000, page_a);
    stream_put_page(w, 0, 0x1000, page_b);
    struct iovec *iov = stream_writer_iov(w, &count);
    assert_int_equal(count, 4);
    assert_ptr_equal(iov[1].iov_base, page_a);
    assert_ptr_equal(iov[3].iov_base, page_b);
    assert_int_equal(iov[1].iov_len, STREAM_PAGE_SIZE);
}

static void test_headers_that_touch_share_an_entry(void **state)
{
    (void)state;
    g_autoptr(StreamWriter) w = stream_writer_new();
    int count;

    put_two_blocks(w);
    for (uint64_t offset = 0; offset < 0x100000; offset += STREAM_PAGE_SIZE) {
        stream_put_zero_page(w, 0, offset);
    }
    stream_put_page(w, 0, 0x100000, page_a);
    stream_put_ram_eos(w);
    stream_put_footer(w, 1);
    stream_writer_iov(w, &count);
    assert_int_equal(count, 3);
}

static void test_room_ends_before_the_iovec_does(void **state)
{
    (void)state;
    g_autoptr(StreamWriter) w = stream_writer_new();
    size_t pages = 0;
    int count;

    put_two_blocks(w);
    /* The longest headers: the block changes each time. */
    for (; stream_writer_room(w) > 0; pages++) {
        stream_put_page(w, pages % 2, 0, page_a);
    }
    /* What ends a stream still fits behind it. */
    stream_put_ram_eos(w);
    stream_put_footer(w, 1);
    for (int i = 0; i < 8; i++) {
        static const uint8_t body[100000];
        stream_put_section_full(w, 2, "device", 0, 1);
        stream_put_bytes(w, body, sizeof body);
        stream_put_footer(w, 2);
    }
    stream_put_eof(w);
    stream_writer_iov(w, &count);
    assert_true(count <= IOV_MAX);
    assert_true(pages > 400);
}

static void test_room_ends_for_zero_pages_too(void **state)
{
    (void)state;
    g_autoptr(StreamWriter) w = stream_writer_new();

    put_two_blocks(w);
    for (size_t i = 0; stream_writer_room(w) > 0; i++) {
        stream_put_zero_page(w, 0, 0);
        assert_true(i < 100000);
    }
    assert_true(stream_writer_pending(w) < 300000);
    assert_int_equal(stream_writer_zero_room(w), 0);
}

static void test_a_row_of_zero_pages_is_that_many_records(void **state)
{
    (void)state;
    g_autoptr(StreamWriter) one = stream_writer_new();
    g_autoptr(StreamWriter) all = stream_writer_new();
    g_autoptr(GByteArray) expected = g_byte_array_new();
    g_autoptr(GByteArray) out = g_byte_array_new();

    put_two_blocks(one);
    put_two_blocks(all);
    for (size_t i = 0; i < 1000; i++) {
        stream_put_zero_page(one, 1, (7 + i) * STREAM_PAGE_SIZE);
    }
    stream_put_zero_pages(all, 1, 7 * STREAM_PAGE_SIZE, 1);
    stream_put_zero_pages(all, 1, 8 * STREAM_PAGE_SIZE, 999);
    stream_put_zero_pages(all, 0, 0, 0);
    stream_test_drain(one, expected);
    stream_test_drain(all, out);
    assert_int_equal(out->len, expected->len);
    assert_memory_equal(out->data, expected->data, out->len);
}

static void test_chunks_do_not_move_what_is_pointed_at(void **state)
{
    (void)state;
    g_autoptr(StreamWriter) w = stream_writer_new();
    g_autoptr(GByteArray) out = g_byte_array_new();
    g_autoptr(GByteArray) expected = g_byte_array_new();

    for (unsigned i = 0; i < 100; i++) {
        g_autofree uint8_t *bytes = g_malloc(10007);
        memset(bytes, (int)i, 10007);
        stream_put_bytes(w, bytes, 10007);
        g_byte_array_append(expected, bytes, 10007);
    }
    stream_test_drain(w, out);
    assert_int_equal(out->len, expected->len);
    assert_memory_equal(out->data, expected->data, out->len);
}

static void test_reset_keeps_the_offset(void **state)
{
    (void)state;
    g_autoptr(StreamWriter) w = stream_writer_new();
    int count;

    stream_put_header(w);
    assert_int_equal(stream_writer_pending(w), 8);
    assert_int_equal(stream_writer_offset(w), 8);
    stream_writer_reset(w);
    assert_int_equal(stream_writer_pending(w), 0);
    assert_int_equal(stream_writer_offset(w), 8);
    stream_writer_iov(w, &count);
    assert_int_equal(count, 0);
    stream_put_eof(w);
    assert_int_equal(stream_writer_pending(w), 1);
    assert_int_equal(stream_writer_offset(w), 9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_minimal_stream_is_byte_exact),
        cmocka_unit_test(test_configuration_subsections),
        cmocka_unit_test(test_commands),
        cmocka_unit_test(test_continue_lasts_over_sections_and_resets),
        cmocka_unit_test(test_pages_are_pointed_at),
        cmocka_unit_test(test_headers_that_touch_share_an_entry),
        cmocka_unit_test(test_room_ends_before_the_iovec_does),
        cmocka_unit_test(test_room_ends_for_zero_pages_too),
        cmocka_unit_test(test_a_row_of_zero_pages_is_that_many_records),
        cmocka_unit_test(test_chunks_do_not_move_what_is_pointed_at),
        cmocka_unit_test(test_reset_keeps_the_offset),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
