/*
 * stream/postcopy.c: the commands of postcopy as bytes, and what is refused of them.
 */
#include "backend/stream/postcopy.h"

#include "tests/unit/test.h"

#include "backend/base/error.h"
#include "tests/unit/stream-test.h"

static void assert_bytes(StreamWriter *w, const char *expected)
{
    g_autoptr(GByteArray) found = g_byte_array_new();
    g_autoptr(GByteArray) wanted = g_byte_array_new();

    stream_test_drain(w, found);
    stream_test_bytes(wanted, expected);
    assert_int_equal(found->len, wanted->len);
    assert_memory_equal(found->data, wanted->data, wanted->len);
}

static void test_commands_are_these_bytes(void **state)
{
    (void)state;
    g_autoptr(StreamWriter) w = stream_writer_new();
    g_autoptr(StreamWriter) content = stream_writer_new();
    g_autoptr(DirtyMap) pages = dirty_map_new(32);

    postcopy_put_advise(w, 4096);
    assert_bytes(w, "08 0003 0010 0000000000001000 0000000000001000");

    dirty_map_set(pages, 1, 2);
    dirty_map_set(pages, 31, 1);
    postcopy_put_discards(w, "ram", pages);
    assert_bytes(w, "08 0006 0026 00 03'ram' 00 0000000000001000 0000000000002000"
                    "000000000001f000 0000000000001000");
    dirty_map_clear(pages, 0, 32);
    postcopy_put_discards(w, "ram", pages);
    assert_int_equal(stream_writer_pending(w), 0);

    stream_put_command(content, COMMAND_POSTCOPY_LISTEN, NULL, 0);
    stream_put_command(content, COMMAND_POSTCOPY_RUN, NULL, 0);
    postcopy_put_package(w, content);
    assert_bytes(w, "08 0007 0004 0000000a 08 0004 0000 08 0005 0000");
    assert_int_equal(stream_writer_pending(content), 0);

    postcopy_put_recv_bitmap(w, "ram0");
    assert_bytes(w, "08 000a 0005 04'ram0'");
}

/* Every other page: as many ranges as there can be. */
static void test_many_ranges_come_back_in_commands_of_twelve(void **state)
{
    (void)state;
    g_autoptr(StreamWriter) w = stream_writer_new();
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    g_autoptr(DirtyMap) pages = dirty_map_new(61);
    g_autoptr(GArray) ranges = g_array_new(FALSE, FALSE, sizeof(PostcopyRange));
    unsigned commands = 0;

    for (size_t page = 0; page < 61; page += 2) {
        dirty_map_set(pages, page, 1);
    }
    postcopy_put_discards(w, "ram", pages);
    stream_test_drain(w, bytes);

    MigCursor in = { bytes->data, bytes->data + bytes->len };
    while (cursor_left(&in) > 0) {
        uint8_t type;
        uint16_t command = 0, length = 0;
        const uint8_t *payload = NULL;
        char idstr[256];
        guint before = ranges->len;

        assert_true(get_u8(&in, &type) && get_be16(&in, &command) && get_be16(&in, &length) &&
                    get_bytes(&in, length, &payload));
        assert_int_equal(command, COMMAND_POSTCOPY_RAM_DISCARD);
        assert_true(postcopy_decode_discard(payload, length, idstr, ranges, NULL));
        assert_string_equal(idstr, "ram");
        assert_true(ranges->len - before <= 12);
        commands++;
    }
    assert_int_equal(commands, 3);
    assert_int_equal(ranges->len, 31);
    for (guint i = 0; i < ranges->len; i++) {
        assert_int_equal(g_array_index(ranges, PostcopyRange, i).start, (uint64_t)i * 8192);
        assert_int_equal(g_array_index(ranges, PostcopyRange, i).length, 4096);
    }
}

static const struct {
    const char *what;
    const char *bytes;
    const char *text;
} bad_discards[] = {
    { "nothing", "", "unknown version" },
    { "version 1", "01 03'ram' 00 0000000000001000 0000000000001000", "unknown version" },
    { "no name", "00 00 00 0000000000001000 0000000000001000", "names no block" },
    { "name cut", "00 ff'ram'", "names no block" },
    { "name of control characters", "00 01 0a 00 0000000000001000 0000000000001000",
      "names no block" },
    { "no byte behind the name", "00 03'ram' 01 0000000000001000 0000000000001000",
      "names no block" },
    { "no range", "00 03'ram' 00", "no whole ranges" },
    { "half a range", "00 03'ram' 00 0000000000001000", "no whole ranges" },
    { "an empty range", "00 03'ram' 00 0000000000001000 0000000000000000", "no whole pages" },
    { "half a page", "00 03'ram' 00 0000000000001000 0000000000000800", "no whole pages" },
    { "beside the pages", "00 03'ram' 00 0000000000001001 0000000000001000", "no whole pages" },
};

static void test_bad_discards_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(bad_discards); i++) {
        g_autoptr(GByteArray) bytes = g_byte_array_new();
        g_autoptr(GArray) ranges = g_array_new(FALSE, FALSE, sizeof(PostcopyRange));
        g_autoptr(GError) error = NULL;
        char idstr[256];

        print_message("%s\n", bad_discards[i].what);
        stream_test_bytes(bytes, bad_discards[i].bytes);
        assert_false(postcopy_decode_discard(bytes->data, bytes->len, idstr, ranges, &error));
        assert_true(g_error_matches(error, MIG_ERROR, MIG_ERROR_FORMAT));
        assert_non_null(strstr(error->message, bad_discards[i].text));
    }
}

static void test_an_advise_for_other_pages_is_refused(void **state)
{
    static const struct {
        const char *bytes;
        const char *text; /* NULL: it is good */
    } rows[] = {
        { "0000000000001000 0000000000001000", NULL },
        { "", "RAM postcopy is enabled but have 0 byte advise" },
        { "0000000000001000", "8 byte advise" },
        { "0000000000200000 0000000000001000", "matching RAM page sizes (s=200000 d=1000)" },
        { "0000000000001000 0000000000002000", "matching RAM page sizes" },
    };

    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GByteArray) bytes = g_byte_array_new();
        g_autoptr(GError) error = NULL;

        stream_test_bytes(bytes, rows[i].bytes);
        assert_int_equal(postcopy_check_advise(bytes->data, bytes->len, 4096, &error),
                         rows[i].text == NULL);
        assert_true(rows[i].text == NULL || strstr(error->message, rows[i].text) != NULL);
    }
}

/* ---- through the reader ---- */

static bool count_record(const StreamRecord *record, void *data, GError **error)
{
    (void)error;
    if (record->type == RECORD_COMMAND) {
        g_array_append_val((GArray *)data, record->command);
    }
    return true;
}

static void test_a_package_takes_effect_only_when_all_of_it_is_there(void **state)
{
    static const char *const whole =
        SETUP "08 0007 0004 0000000a 08 0004 0000 08 0005 0000" PART EOS FOOTER;

    (void)state;
    for (size_t missing = 0; missing < 30; missing++) {
        g_autoptr(GByteArray) bytes = g_byte_array_new();
        g_autoptr(GArray) commands = g_array_new(FALSE, FALSE, sizeof(StreamCommand));
        g_autoptr(GError) error = NULL;
        g_autoptr(StreamReader) reader = stream_reader_new(&(StreamReaderConfig){ 0 });
        /* What stands behind the package: PART, EOS, footer. */
        size_t behind = 5 + 8 + 5;

        stream_test_bytes(bytes, whole);
        assert_int_equal(stream_test_feed(reader, bytes->data, bytes->len - missing, 5,
                                          count_record, commands, &error),
                         STREAM_BAD);
        assert_int_equal(commands->len, missing <= behind ? 3 : 0);
    }
}

static void test_a_reader_goes_on_over_another_connection(void **state)
{
    (void)state;
    g_autoptr(GByteArray) first = g_byte_array_new();
    g_autoptr(GByteArray) second = g_byte_array_new();
    g_autoptr(GArray) commands = g_array_new(FALSE, FALSE, sizeof(StreamCommand));
    g_autoptr(GError) error = NULL;
    g_autoptr(StreamReader) reader = stream_reader_new(&(StreamReaderConfig){ 0 });

    stream_test_bytes(first, SETUP PART "0000000000000002 03'ram' 00 00000000000010");
    assert_int_equal(
        stream_test_feed(reader, first->data, first->len, SIZE_MAX, NULL, NULL, &error),
        STREAM_BAD);
    g_clear_error(&error);
    stream_reader_resume(reader);
    stream_test_bytes(second, "08 000a 0004 03'ram' 08 0009 0000" PART
                              "0000000000001002 03'ram' 00" EOS FOOTER END "00");
    assert_int_equal(
        stream_test_feed(reader, second->data, second->len, 3, count_record, commands, &error),
        STREAM_DONE);
    assert_int_equal(commands->len, 2);

    /* The block has to be named again. */
    stream_reader_resume(reader);
    g_byte_array_set_size(second, 0);
    stream_test_bytes(second, PART "0000000000001022 00");
    assert_int_equal(
        stream_test_feed(reader, second->data, second->len, SIZE_MAX, NULL, NULL, &error),
        STREAM_BAD);
    assert_non_null(strstr(error->message, "Ack, bad migration stream!"));
}

static const struct {
    const char *what;
    const char *bytes;
    StreamResult result;
} channels[] = {
    { "nothing at all", "", STREAM_DONE },
    { "the end at once", EOS, STREAM_DONE },
    { "a page and the end of the connection", "0000000000001002 03'ram' 00", STREAM_DONE },
    { "a page and the end", "0000000000001002 03'rom' 00", STREAM_BAD }, /* beyond the block */
    { "two pages", "0000000000001002 03'ram' 00 0000000000000022 00" EOS, STREAM_DONE },
    { "half a page", "0000000000001008 03'ram' <4095*11>", STREAM_BAD },
    { "half a word", "00000000", STREAM_BAD },
    { "no block", "0000000000001022 00", STREAM_BAD },
    { "a block list", "0000000000001004", STREAM_BAD },
    { "a section", PART, STREAM_BAD },
};

static void test_a_channel_has_pages_and_nothing_else(void **state)
{
    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(channels); i++) {
        g_autoptr(GByteArray) setup = g_byte_array_new();
        g_autoptr(GByteArray) bytes = g_byte_array_new();
        g_autoptr(GError) error = NULL;
        g_autoptr(StreamReader) main = stream_reader_new(&(StreamReaderConfig){ 0 });

        print_message("%s\n", channels[i].what);
        stream_test_bytes(setup, SETUP);
        stream_test_feed(main, setup->data, setup->len, SIZE_MAX, NULL, NULL, NULL);
        g_autoptr(StreamReader) channel = stream_reader_new_channel(main);
        stream_test_bytes(bytes, channels[i].bytes);
        assert_int_equal(stream_test_feed(channel, bytes->data, bytes->len, 7, NULL, NULL, &error),
                         channels[i].result);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_commands_are_these_bytes),
        cmocka_unit_test(test_many_ranges_come_back_in_commands_of_twelve),
        cmocka_unit_test(test_bad_discards_are_refused),
        cmocka_unit_test(test_an_advise_for_other_pages_is_refused),
        cmocka_unit_test(test_a_package_takes_effect_only_when_all_of_it_is_there),
        cmocka_unit_test(test_a_reader_goes_on_over_another_connection),
        cmocka_unit_test(test_a_channel_has_pages_and_nothing_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
