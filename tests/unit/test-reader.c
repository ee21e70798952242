/*
 * reader*.c: what each element of a stream is answered with, whatever pieces
 * it comes in. What is refused: test-reader-refuses.c.
 */
#include "backend/stream/reader.h"

#include "tests/unit/test.h"

#include "tests/unit/stream-test.h"

/* ---- records as text ---- */

static void log_section(GString *log, const char *what, const StreamRecord *record)
{
    g_string_append_printf(log, "%s %u:%u %s/%u v%u%s", what, record->section_type,
                           record->section_id, record->idstr, record->instance, record->version,
                           record->device != NULL ? " device" : "");
}

/* One record as a line, so that a whole stream compares at a glance. */
static bool log_record(const StreamRecord *record, void *data, GError **error)
{
    GString *log = data;
    (void)error;

    g_string_append_printf(log, "%u ", (unsigned)record->stream_offset);
    switch (record->type) {
    case RECORD_CONFIGURATION:
        g_string_append_printf(log, "machine %s", record->machine);
        for (const char *const *name = record->capabilities; *name != NULL; name++) {
            g_string_append_printf(log, " +%s", *name);
        }
        if (record->uuid != NULL) {
            g_string_append_printf(log, " uuid %02x..%02x", record->uuid[0], record->uuid[15]);
        }
        break;
    case RECORD_SECTION:
        log_section(log, "section", record);
        break;
    case RECORD_SECTION_END:
        log_section(log, "end", record);
        break;
    case RECORD_RAM_TOTAL:
        g_string_append_printf(log, "total 0x%x", (unsigned)record->ram_total);
        break;
    case RECORD_RAM_BLOCK:
        g_string_append_printf(log, "block %u %s 0x%x", record->block_index, record->block_idstr,
                               (unsigned)record->block_length);
        break;
    case RECORD_PAGE:
        g_string_append_printf(log, "page %u 0x%x %zu %02x..%02x", record->block_index,
                               (unsigned)record->offset, record->length, record->data[0],
                               record->data[record->length - 1]);
        break;
    case RECORD_XBZRLE_PAGE:
    case RECORD_COMPRESSED_PAGE:
        g_string_append_printf(log, "%s %u 0x%x %zu",
                               record->type == RECORD_XBZRLE_PAGE ? "delta" : "packed",
                               record->block_index, (unsigned)record->offset, record->length);
        break;
    case RECORD_ZERO_PAGE:
        assert_int_equal(record->n_pages, 1);
        g_string_append_printf(log, "zero %u 0x%x %02x", record->block_index,
                               (unsigned)record->offset, record->fill);
        break;
    case RECORD_MULTIFD_FLUSH:
        g_string_append(log, "flush");
        break;
    case RECORD_RAM_EOS:
        g_string_append(log, "eos");
        break;
    case RECORD_DEVICE:
        log_section(log, "body", record);
        g_string_append_printf(log, " %zu %02x", record->length, record->data[record->length - 1]);
        break;
    case RECORD_COMMAND:
        g_string_append_printf(log, "command %u %zu", record->command, record->length);
        break;
    case RECORD_EOF:
        g_string_append(log, "eof");
        break;
    case RECORD_VMDESCRIPTION:
        g_string_append_printf(log, "description %zu", record->length);
        break;
    }
    g_string_append_c(log, '\n');
    return true;
}

static const size_t chunks[] = { 1, 7, 4096, SIZE_MAX };

/* The stream @text in pieces of every size gives exactly these lines and ends well. */
static void expect_log(const char *text, const char *expected)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();

    stream_test_bytes(bytes, text);
    for (size_t i = 0; i < G_N_ELEMENTS(chunks); i++) {
        g_autoptr(StreamReader) reader = stream_test_reader();
        g_autoptr(GString) log = g_string_new(NULL);
        g_autoptr(GError) error = NULL;
        StreamResult result =
            stream_test_feed(reader, bytes->data, bytes->len, chunks[i], log_record, log, &error);

        if (error != NULL) {
            print_message("%s\n", error->message);
        }
        assert_int_equal(result, STREAM_DONE);
        assert_string_equal(log->str, expected);
        /* And it stays so. */
        StreamRecord record;
        assert_int_equal(stream_reader_next(reader, &record, &error), STREAM_DONE);
    }
}

static void test_ram_records(void **state)
{
    (void)state;
    expect_log(SETUP PART "0000000000000002 03'ram' 00"
                          "0000000000001028 55 <4094*66> 77" /* CONTINUE */
                          "0000000000000022 ff" EOS FOOTER
                          "03 00000002 0000000000001022 00" /* CONTINUE from the section before */
                          "0000000000000008 03'rom' <4096*11>" EOS FOOTER "00",
               "8 machine none\n"
               "17 section 1:2 ram/0 v4\n"
               "34 total 0x3000\n"
               "42 block 0 ram 0x2000\n"
               "54 block 1 rom 0x1000\n"
               "66 eos\n"
               "74 end 1:2 ram/0 v4\n"
               "79 section 2:2 ram/0 v4\n"
               "84 zero 0 0x0 00\n"
               "97 page 0 0x1000 4096 55..77\n"
               "4201 zero 0 0x0 ff\n"
               "4210 eos\n"
               "4218 end 2:2 ram/0 v4\n"
               "4223 section 3:2 ram/0 v4\n"
               "4228 zero 0 0x1000 00\n"
               "4237 page 1 0x0 4096 11..11\n"
               "8345 eos\n"
               "8353 end 3:2 ram/0 v4\n"
               "8358 eof\n");
}

static void test_packed_pages(void **state)
{
    (void)state;
    expect_log(SETUP PART "0000000000000040 03'ram' 01 0003 000122"
                          "0000000000001060 01 0000" /* nothing changed */
                          "0000000000000120 00000004 789c0300" EOS FOOTER "03 00000002" EOS FOOTER
                          "00",
               "8 machine none\n"
               "17 section 1:2 ram/0 v4\n"
               "34 total 0x3000\n"
               "42 block 0 ram 0x2000\n"
               "54 block 1 rom 0x1000\n"
               "66 eos\n"
               "74 end 1:2 ram/0 v4\n"
               "79 section 2:2 ram/0 v4\n"
               "84 delta 0 0x0 3\n"
               "102 delta 0 0x1000 0\n"
               "113 packed 0 0x0 4\n"
               "129 eos\n"
               "137 end 2:2 ram/0 v4\n"
               "142 section 3:2 ram/0 v4\n"
               "147 eos\n"
               "155 end 3:2 ram/0 v4\n"
               "160 eof\n");
}

/* ---- zero pages in a row as one record ---- */

static bool log_zeroes(const StreamRecord *record, void *data, GError **error)
{
    (void)error;
    if (record->type == RECORD_ZERO_PAGE) {
        g_string_append_printf(data, "%u:%u+%u/%02x ", record->block_index,
                               (unsigned)(record->offset / STREAM_PAGE_SIZE),
                               (unsigned)record->n_pages, record->fill);
    } else if (record->type == RECORD_PAGE) {
        g_string_append_printf(data, "%u:%u ", record->block_index,
                               (unsigned)(record->offset / STREAM_PAGE_SIZE));
    }
    return true;
}

/* Rows end at a gap, at another block, at the end of the block and at another fill; in one piece
 * they are as long as they can be. */
static void test_zero_runs(void **state)
{
    (void)state;
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    g_autoptr(GString) log = g_string_new(NULL);
    g_autoptr(GError) error = NULL;
    g_autoptr(StreamReader) reader = stream_reader_new(
        &(StreamReaderConfig){ .find_device = stream_test_find, .zero_runs = true });

    stream_test_bytes(bytes,
                      HEAD "01 00000002 03'ram' 00000000 00000004 0000000000007004"
                           "03'ram' 0000000000006000 03'rom' 0000000000001000" EOS FOOTER PART
                           "0000000000000002 03'ram' 00"
                           "0000000000001022 00 0000000000002022 00" /* 0 to 2 */
                           "0000000000004022 00 0000000000005022 00" /* gap: 4 to 5 */
                           "0000000000000002 03'rom' 00"             /* another block */
                           "0000000000001002 03'ram' ff"             /* another fill */
                           "0000000000002022 ff 0000000000003022 00"
                           "0000000000005028 <4096*11>"
                           "0000000000004022 00 0000000000003022 00" /* backwards */
                      EOS FOOTER "03 00000002" EOS FOOTER "00");
    assert_int_equal(
        stream_test_feed(reader, bytes->data, bytes->len, SIZE_MAX, log_zeroes, log, &error),
        STREAM_DONE);
    assert_string_equal(
        log->str, "0:0+3/00 0:4+2/00 1:0+1/00 0:1+1/ff 0:2+1/ff 0:3+1/00 0:5 0:4+1/00 0:3+1/00 ");
}

static void test_zero_run_stays_inside_its_block(void **state)
{
    (void)state;
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    g_autoptr(GString) log = g_string_new(NULL);
    g_autoptr(GError) error = NULL;
    g_autoptr(StreamReader) reader = stream_reader_new(
        &(StreamReaderConfig){ .find_device = stream_test_find, .zero_runs = true });

    stream_test_bytes(bytes, SETUP PART "0000000000000002 03'ram' 00 0000000000001022 00"
                                        "0000000000002022 00" EOS FOOTER "00");
    assert_int_equal(
        stream_test_feed(reader, bytes->data, bytes->len, SIZE_MAX, log_zeroes, log, &error),
        STREAM_BAD);
    assert_string_equal(log->str, "0:0+2/00 ");
    assert_non_null(strstr(error->message, "Illegal RAM offset 2000"));
}

static void test_ram_in_one_full_section(void **state)
{
    (void)state;
    expect_log(HEAD "04 00000009 03'ram' 00000000 00000004" LIST "0000000000000002 03'rom' 00" EOS
                    "7e 00000009 00",
               "8 machine none\n"
               "17 section 4:9 ram/0 v4\n"
               "34 total 0x3000\n"
               "42 block 0 ram 0x2000\n"
               "54 block 1 rom 0x1000\n"
               "66 zero 1 0x0 00\n"
               "79 eos\n"
               "87 end 4:9 ram/0 v4\n"
               "92 eof\n");
}

static void test_devices_and_commands(void **state)
{
    (void)state;
    expect_log(SETUP "08 0001 0000"
                     "08 0002 0004 00000007"
                     "04 00000005 06'device' 00000001 00000002 00000002 <15*00> 99 7e 00000005"
                     "08 000b 0000"
                     "08 0003 0010 <16*00>"
                     /* the same again is accepted, with any version that fits */
                     "01 00000005 06'device' 00000001 00000001 00000000 7e 00000005"
                     "00",
               "8 machine none\n"
               "17 section 1:2 ram/0 v4\n"
               "34 total 0x3000\n"
               "42 block 0 ram 0x2000\n"
               "54 block 1 rom 0x1000\n"
               "66 eos\n"
               "74 end 1:2 ram/0 v4\n"
               "79 command 1 0\n"
               "84 command 2 4\n"
               "93 section 4:5 device/1 v2 device\n"
               "113 body 4:5 device/1 v2 device 20 99\n"
               "133 end 4:5 device/1 v2 device\n"
               "138 command 11 0\n"
               "143 command 3 16\n"
               "164 section 1:5 device/1 v1 device\n"
               "184 body 1:5 device/1 v1 device 4 00\n"
               "188 end 1:5 device/1 v1 device\n"
               "193 eof\n");
}

static void test_configuration(void **state)
{
    (void)state;
    expect_log(HEAD "05 1a'configuration/capabilities' 00000001 00000002 05'first' 06'second'"
                    "05 12'configuration/uuid' 00000001 21 <14*00> 43"
                    "05 1e'configuration/target-page-bits' 00000001 0000000c"
                    "04 00000002 03'ram' 00000000 00000004" EOS FOOTER "00",
               "8 machine none +first +second uuid 21..43\n"
               "146 section 4:2 ram/0 v4\n"
               "163 eos\n"
               "171 end 4:2 ram/0 v4\n"
               "176 eof\n");
}

static void test_ignore_shared_has_addresses(void **state)
{
    (void)state;
    expect_log(HEAD "05 1a'configuration/capabilities' 00000001 00000001 0f'x-ignore-shared'" START
                    "0000000000003004 03'ram' 0000000000002000 0000000000000000"
                    "03'rom' 0000000000001000 00000000fffc0000" EOS FOOTER END "00",
               "8 machine none +x-ignore-shared\n"
               "69 section 1:2 ram/0 v4\n"
               "86 total 0x3000\n"
               "94 block 0 ram 0x2000\n"
               "114 block 1 rom 0x1000\n"
               "134 eos\n"
               "142 end 1:2 ram/0 v4\n"
               "147 section 3:2 ram/0 v4\n"
               "152 eos\n"
               "160 end 3:2 ram/0 v4\n"
               "165 eof\n");
}

static void test_no_ram_at_all(void **state)
{
    (void)state;
    expect_log(NO_RAM "00", "8 machine none\n"
                            "17 section 4:2 ram/0 v4\n"
                            "34 total 0x0\n"
                            "42 eos\n"
                            "50 end 4:2 ram/0 v4\n"
                            "55 eof\n");
}

/* A background snapshot has no END; its devices say that RAM is over. */
static void test_devices_end_ram_too(void **state)
{
    (void)state;
    expect_log(HEAD START "0000000000000004" EOS FOOTER
                          "04 00000005 06'device' 00000001 00000001 00000000 7e 00000005 00",
               "8 machine none\n"
               "17 section 1:2 ram/0 v4\n"
               "34 total 0x0\n"
               "42 eos\n"
               "50 end 1:2 ram/0 v4\n"
               "55 section 4:5 device/1 v1 device\n"
               "75 body 4:5 device/1 v1 device 4 00\n"
               "79 end 4:5 device/1 v1 device\n"
               "84 eof\n");
}

/* ---- behind EOF ---- */

static const struct {
    const char *what;
    const char *bytes;
    const char *description; /* what is delivered */
} tails[] = {
    { "nothing", "", "" },
    { "a description", "06 00000002 '{}'", "56 description 2\n" },
    { "an empty one", "06 00000000", "56 description 0\n" },
    { "no JSON", "06 00000004 ffffffff", "56 description 4\n" },
    { "one with bytes behind it", "06 00000002 '{}' 06 00", "56 description 2\n" },
    { "the type alone", "06", "" },
    { "half a length", "06 0000", "" },
    { "a length larger than what follows", "06 00000003 '{}'", "" },
    { "a huge length", "06 ffffffff '{}'", "" },
    { "a large one, larger than the buffer", "06 00030d40 <200000*20>", "56 description 200000\n" },
    { "one too large to hold", "06 001e8480 <2000000*20>", "" },
    { "garbage", "55 <100000*66>", "" },
};

static void test_behind_eof_nothing_is_bad(void **state)
{
    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(tails); i++) {
        g_autofree char *stream = g_strconcat(NO_RAM "00", tails[i].bytes, NULL);
        g_autofree char *expected =
            g_strconcat("8 machine none\n17 section 4:2 ram/0 v4\n34 total 0x0\n42 eos\n"
                        "50 end 4:2 ram/0 v4\n55 eof\n",
                        tails[i].description, NULL);

        print_message("%s\n", tails[i].what);
        expect_log(stream, expected);
    }
}

static void test_eof_needs_no_further_byte(void **state)
{
    (void)state;
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    g_autoptr(StreamReader) reader = stream_test_reader();
    StreamRecord record;
    size_t room;

    stream_test_bytes(bytes, NO_RAM "00");
    memcpy(stream_reader_space(reader, &room), bytes->data, bytes->len);
    stream_reader_filled(reader, bytes->len);
    do {
        assert_int_equal(stream_reader_next(reader, &record, NULL), STREAM_RECORD);
    } while (record.type != RECORD_EOF);
    assert_int_equal(stream_reader_offset(reader), bytes->len);
    assert_int_equal(stream_reader_next(reader, &record, NULL), STREAM_MORE);
    stream_reader_end(reader);
    assert_int_equal(stream_reader_next(reader, &record, NULL), STREAM_DONE);
}

static void test_a_description_too_large_is_not_held(void **state)
{
    (void)state;
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    g_autoptr(StreamReader) reader = stream_test_reader();
    StreamRecord record;
    size_t room;

    stream_test_bytes(bytes, NO_RAM "00 06 7fffffff");
    memcpy(stream_reader_space(reader, &room), bytes->data, bytes->len);
    stream_reader_filled(reader, bytes->len);
    while (stream_reader_next(reader, &record, NULL) == STREAM_RECORD) {
        continue;
    }
    for (unsigned i = 0; i < 1000; i++) {
        memset(stream_reader_space(reader, &room), 0, 1000);
        assert_true(room <= 64 * 1024);
        stream_reader_filled(reader, 1000);
        assert_int_equal(stream_reader_next(reader, &record, NULL), STREAM_MORE);
    }
}

/* ---- buffer and places ---- */

/* A body larger than the buffer makes it grow, once, and no further than needed and bounded. */
static void test_a_large_body_fits(void **state)
{
    (void)state;
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    g_autoptr(StreamReader) reader = stream_test_reader();
    g_autoptr(GString) log = g_string_new(NULL);

    stream_test_bytes(
        bytes, HEAD START EOS FOOTER
        "04 00000005 06'device' 00000001 00000001 001e8480 <15999999*00> 44 7e 00000005 00");
    assert_int_equal(
        stream_test_feed(reader, bytes->data, bytes->len, 65536, log_record, log, NULL),
        STREAM_DONE);
    assert_non_null(strstr(log->str, "body 4:5 device/1 v1 device 16000004 44\n"));
}

/* The caller names the place of the last record in its own errors. */
static void test_where_names_the_last_record(void **state)
{
    (void)state;
    static const char *const places[] = {
        "configuration section, offset 8", "section 2 (ram), offset 17",
        "section 2 (ram), offset 34",      "section 2 (ram), offset 42",
        "section 2 (ram), offset 54",      "section 2 (ram), offset 66",
        "section 2 (ram), offset 74",      "after section 2 (ram), offset 79",
    };
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    g_autoptr(StreamReader) reader = stream_test_reader();
    StreamRecord record;
    size_t room;

    stream_test_bytes(bytes, SETUP "08 000b 0000");
    memcpy(stream_reader_space(reader, &room), bytes->data, bytes->len);
    stream_reader_filled(reader, bytes->len);
    for (size_t i = 0; i < G_N_ELEMENTS(places); i++) {
        assert_int_equal(stream_reader_next(reader, &record, NULL), STREAM_RECORD);
        g_autofree char *place = stream_reader_where(reader);
        assert_string_equal(place, places[i]);
    }
}

/* No page is copied: the payload is where the bytes were read to. */
static void test_a_page_stays_in_the_buffer(void **state)
{
    (void)state;
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    g_autoptr(StreamReader) reader = stream_test_reader();
    StreamRecord record = { 0 };
    size_t room;

    stream_test_bytes(bytes, SETUP PART "0000000000000008 03'ram' <4096*77>");
    uint8_t *space = stream_reader_space(reader, &room);
    memcpy(space, bytes->data, bytes->len);
    stream_reader_filled(reader, bytes->len);
    while (stream_reader_next(reader, &record, NULL) == STREAM_RECORD &&
           record.type != RECORD_PAGE) {
        continue;
    }
    assert_int_equal(record.type, RECORD_PAGE);
    assert_ptr_equal(record.data, space + 96);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ram_records),
        cmocka_unit_test(test_packed_pages),
        cmocka_unit_test(test_zero_runs),
        cmocka_unit_test(test_zero_run_stays_inside_its_block),
        cmocka_unit_test(test_ram_in_one_full_section),
        cmocka_unit_test(test_devices_and_commands),
        cmocka_unit_test(test_configuration),
        cmocka_unit_test(test_ignore_shared_has_addresses),
        cmocka_unit_test(test_no_ram_at_all),
        cmocka_unit_test(test_devices_end_ram_too),
        cmocka_unit_test(test_behind_eof_nothing_is_bad),
        cmocka_unit_test(test_eof_needs_no_further_byte),
        cmocka_unit_test(test_a_description_too_large_is_not_held),
        cmocka_unit_test(test_a_large_body_fits),
        cmocka_unit_test(test_where_names_the_last_record),
        cmocka_unit_test(test_a_page_stays_in_the_buffer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
