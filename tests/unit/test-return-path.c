/*
 * return-path.c: what each message looks like, and what is refused.
 */
#include "backend/stream/return-path.h"

#include "tests/unit/test.h"

#include "backend/base/error.h"
#include "tests/unit/stream-test.h"

static const struct {
    const char *what;
    ReturnPathMessage message;
    const char *bytes;
} good[] = {
    { "SHUT, success", { .type = RETURN_SHUT, .value = 0 }, "0001 0004 00000000" },
    { "SHUT, failure", { .type = RETURN_SHUT, .value = 1 }, "0001 0004 00000001" },
    { "PONG", { .type = RETURN_PONG, .value = 0x01020304 }, "0002 0004 01020304" },
    { "REQ_PAGES_ID",
      { .type = RETURN_REQ_PAGES_ID, .start = 0x12345000, .length = 0x1000, .block = "ram" },
      "0003 0010 0000000012345000 00001000 03 72616d" },
    { "REQ_PAGES",
      { .type = RETURN_REQ_PAGES, .start = 0x8000, .length = 0x4000 },
      "0004 000c 0000000000008000 00004000" },
    { "RECV_BITMAP", { .type = RETURN_RECV_BITMAP, .block = "ram0" }, "0005 0005 04 72616d30" },
    { "RESUME_ACK", { .type = RETURN_RESUME_ACK, .value = 1 }, "0006 0004 00000001" },
    { "SWITCHOVER_ACK", { .type = RETURN_SWITCHOVER_ACK }, "0007 0000" },
};

static void test_messages_are_these_bytes(void **state)
{
    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(good); i++) {
        g_autoptr(GByteArray) expected = g_byte_array_new();
        g_autoptr(GByteArray) out = g_byte_array_new();

        print_message("%s\n", good[i].what);
        stream_test_bytes(expected, good[i].bytes);
        return_path_encode(&good[i].message, out);
        assert_int_equal(out->len, expected->len);
        assert_memory_equal(out->data, expected->data, out->len);
    }
}

static void test_messages_decode_again(void **state)
{
    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(good); i++) {
        g_autoptr(GByteArray) bytes = g_byte_array_new();
        g_autoptr(GError) error = NULL;
        ReturnPathMessage message;

        print_message("%s\n", good[i].what);
        stream_test_bytes(bytes, good[i].bytes);
        stream_test_bytes(bytes, "0002"); /* begin of the next one */
        MigCursor in = { bytes->data, bytes->data + bytes->len };
        assert_int_equal(return_path_decode(&in, &message, &error), RETURN_PATH_MESSAGE);
        assert_int_equal(message.type, good[i].message.type);
        assert_int_equal(message.value, good[i].message.value);
        assert_int_equal(message.start, good[i].message.start);
        assert_int_equal(message.length, good[i].message.length);
        assert_string_equal(message.block, good[i].message.block);
        assert_int_equal(cursor_left(&in), 2);
        assert_int_equal(return_path_decode(&in, &message, &error), RETURN_PATH_SHORT);
    }
}

static void test_a_part_of_a_message_is_short_and_stays(void **state)
{
    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(good); i++) {
        g_autoptr(GByteArray) bytes = g_byte_array_new();

        stream_test_bytes(bytes, good[i].bytes);
        for (guint length = 0; length < bytes->len; length++) {
            MigCursor in = { bytes->data, bytes->data + length };
            g_autoptr(GError) error = NULL;
            ReturnPathMessage message;

            assert_int_equal(return_path_decode(&in, &message, &error), RETURN_PATH_SHORT);
            assert_ptr_equal(in.at, bytes->data);
            assert_null(error);
        }
    }
}

/* All are refused by their head alone, before any payload comes. */
static const struct {
    const char *what;
    const char *bytes;
    int code;
    const char *text;
} bad[] = {
    { "type 0", "0000 0000", MIG_ERROR_FORMAT, "invalid message 0x0000 length 0x0000" },
    { "unknown type", "0008 0004", MIG_ERROR_FORMAT, "invalid message 0x0008 length 0x0004" },
    { "type of all ones", "ffff ffff", MIG_ERROR_FORMAT, "invalid message 0xffff" },
    { "SHUT without value", "0001 0000", MIG_ERROR_FORMAT,
      "'SHUT' message (0x0001) with incorrect length 0, expecting 4" },
    { "PONG too long", "0002 0005", MIG_ERROR_FORMAT, "incorrect length 5, expecting 4" },
    { "PONG beyond all bounds", "0002 ffff", MIG_ERROR_FORMAT,
      "invalid message 0x0002 length 0xffff" },
    { "SWITCHOVER_ACK with value", "0007 0004", MIG_ERROR_FORMAT,
      "incorrect length 4, expecting 0" },
    { "RESUME_ACK cut", "0006 0003", MIG_ERROR_FORMAT, "incorrect length 3, expecting 4" },
    { "page request without its name", "0003 000d", MIG_ERROR_FORMAT, "expecting 12 and a name" },
    { "page request with a name too long", "0003 010d", MIG_ERROR_FORMAT, "incorrect length 269" },
    { "page request with a name that ends too early",
      "0003 0010 0000000012345000 00001000 02 72616d", MIG_ERROR_FORMAT,
      "without a proper block name" },
    { "page request with a name that is none", "0003 000e 0000000012345000 00001000 01 0a",
      MIG_ERROR_FORMAT, "without a proper block name" },
    { "page request, cut", "0004 000b", MIG_ERROR_FORMAT, "incorrect length 11, expecting 12" },
    { "bitmap of no block", "0005 0001", MIG_ERROR_FORMAT, "expecting 0 and a name" },
};

static void test_bad_messages_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GByteArray) bytes = g_byte_array_new();
        g_autoptr(GError) error = NULL;
        ReturnPathMessage message;

        print_message("%s\n", bad[i].what);
        stream_test_bytes(bytes, bad[i].bytes);
        MigCursor in = { bytes->data, bytes->data + bytes->len };
        assert_int_equal(return_path_decode(&in, &message, &error), RETURN_PATH_BAD);
        assert_true(g_error_matches(error, MIG_ERROR, bad[i].code));
        assert_non_null(strstr(error->message, bad[i].text));
        assert_ptr_equal(in.at, bytes->data);
    }
}

/* Page 0, 9 and the last of 70: two words, bit order from the low end. */
static const char bitmap_bytes[] =
    "0000000000000010 0102000000000000 2000000000000000 0123456789abcdef";

static void test_a_bitmap_is_these_bytes_and_decodes_again(void **state)
{
    (void)state;
    g_autoptr(DirtyMap) map = dirty_map_new(70);
    g_autoptr(DirtyMap) back = dirty_map_new(70);
    g_autoptr(GByteArray) expected = g_byte_array_new();
    g_autoptr(GByteArray) out = g_byte_array_new();
    g_autoptr(GError) error = NULL;

    dirty_map_set(map, 0, 1);
    dirty_map_set(map, 9, 1);
    dirty_map_set(map, 69, 1);
    stream_test_bytes(expected, bitmap_bytes);
    return_path_encode_bitmap(map, out);
    assert_int_equal(out->len, expected->len);
    assert_memory_equal(out->data, expected->data, out->len);
    for (guint length = 0; length < out->len; length++) {
        MigCursor part = { out->data, out->data + length };
        assert_int_equal(return_path_decode_bitmap(&part, back, &error), RETURN_PATH_SHORT);
        assert_int_equal(dirty_map_count(back), 0);
    }
    MigCursor in = { out->data, out->data + out->len };
    assert_int_equal(return_path_decode_bitmap(&in, back, &error), RETURN_PATH_MESSAGE);
    assert_int_equal(cursor_left(&in), 0);
    assert_int_equal(dirty_map_count(back), 3);
    assert_true(dirty_map_test(back, 0) && dirty_map_test(back, 9) && dirty_map_test(back, 69));
}

static void test_a_bitmap_of_another_size_or_end_is_refused(void **state)
{
    static const char *const bytes[] = {
        "0000000000000008", /* of a smaller block */
        "ffffffffffffffff", /* of the whole world */
        "0000000000000010 0102000000000000 2000000000000000 0123456789abcdee",
    };

    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(bytes); i++) {
        g_autoptr(DirtyMap) map = dirty_map_new(70);
        g_autoptr(GByteArray) in_bytes = g_byte_array_new();
        g_autoptr(GError) error = NULL;

        stream_test_bytes(in_bytes, bytes[i]);
        MigCursor in = { in_bytes->data, in_bytes->data + in_bytes->len };
        assert_int_equal(return_path_decode_bitmap(&in, map, &error), RETURN_PATH_BAD);
        assert_true(g_error_matches(error, MIG_ERROR, MIG_ERROR_FORMAT));
        assert_int_equal(dirty_map_count(map), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages_are_these_bytes),
        cmocka_unit_test(test_messages_decode_again),
        cmocka_unit_test(test_a_part_of_a_message_is_short_and_stays),
        cmocka_unit_test(test_bad_messages_are_refused),
        cmocka_unit_test(test_a_bitmap_is_these_bytes_and_decodes_again),
        cmocka_unit_test(test_a_bitmap_of_another_size_or_end_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
