/*
 * return-path.c: what each message looks like, and what is refused.
 */
#include "backend/stream/return-path.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "backend/base/error.h"
#include "tests/unit/stream-test.h"

static const struct {
    const char *what;
    ReturnPathMessage message;
    const char *bytes;
} good[] = {
    { "SHUT, success", { RETURN_SHUT, 0 }, "0001 0004 00000000" },
    { "SHUT, failure", { RETURN_SHUT, 1 }, "0001 0004 00000001" },
    { "PONG", { RETURN_PONG, 0x01020304 }, "0002 0004 01020304" },
    { "RESUME_ACK", { RETURN_RESUME_ACK, 1 }, "0006 0004 00000001" },
    { "SWITCHOVER_ACK", { RETURN_SWITCHOVER_ACK, 0 }, "0007 0000" },
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
    { "SHUT without value", "0001 0000", MIG_ERROR_FORMAT, "'SHUT' message (0x0001) with incorrect length 0, expecting 4" },
    { "PONG too long", "0002 0005", MIG_ERROR_FORMAT, "incorrect length 5, expecting 4" },
    { "PONG beyond all bounds", "0002 ffff", MIG_ERROR_FORMAT, "invalid message 0x0002 length 0xffff" },
    { "SWITCHOVER_ACK with value", "0007 0004", MIG_ERROR_FORMAT, "incorrect length 4, expecting 0" },
    { "RESUME_ACK cut", "0006 0003", MIG_ERROR_FORMAT, "incorrect length 3, expecting 4" },
    { "page request with a name", "0003 0011", MIG_ERROR_UNSUPPORTED, "'REQ_PAGES_ID' message (0x0003), which belongs to postcopy" },
    { "page request", "0004 000c", MIG_ERROR_UNSUPPORTED, "'REQ_PAGES'" },
    { "bitmap", "0005 0004", MIG_ERROR_UNSUPPORTED, "'RECV_BITMAP'" },
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages_are_these_bytes),
        cmocka_unit_test(test_messages_decode_again),
        cmocka_unit_test(test_a_part_of_a_message_is_short_and_stays),
        cmocka_unit_test(test_bad_messages_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
