/*
 * reader*.c: rows of streams that are refused, with the text and the place.
 */
#include "backend/stream/reader.h"

#include "tests/unit/test.h"

#include "backend/base/error.h"
#include "tests/unit/stream-test.h"

static const size_t chunks[] = { 1, 7, 4096, SIZE_MAX };

#define F  MIG_ERROR_FORMAT
#define U  MIG_ERROR_UNSUPPORTED
#define IO MIG_ERROR_IO

/* @text: the whole first line, or where our own words stand its beginning; @place: end of the
 * message. */
static const struct {
    const char *what;
    const char *bytes;
    int code;
    const char *text;
    const char *place;
} bad[] = {
    /* file header */
    { "nothing", "", IO, "stream ended too early", "before the first section, offset 0" },
    { "half a magic", "5145", IO, "stream ended too early", "before the first section, offset 2" },
    { "magic alone", "5145564d 0000", IO, "stream ended too early",
      "before the first section, offset 6" },
    { "wrong magic", "5145564e", F, "Not a migration stream\n",
      "before the first section, offset 0" },
    { "a multifd channel", "11223344 00000001", F, "Not a migration stream\n", "offset 0" },
    { "version 2", "5145564d 00000002", F, "SaveVM v2 format is obsolete and don't work anymore\n",
      "offset 0" },
    { "version 4", "5145564d 00000004", F, "Unsupported migration stream version\n", "offset 0" },
    /* configuration */
    { "no configuration", "5145564d 00000003 01", F, "Configuration section missing\n",
      "configuration section, offset 8" },
    { "cut in the machine name", "5145564d 00000003 07 00000004 'no'", IO, "stream ended too early",
      "configuration section, offset 15" },
    { "cut right behind it", HEAD, IO, "stream ended too early",
      "configuration section, offset 17" },
    { "machine name of 257 bytes", "5145564d 00000003 07 00000101", F, "machine name of 257 bytes",
      "offset 8" },
    { "machine name of 4 GiB", "5145564d 00000003 07 ffffffff", F,
      "machine name of 4294967295 bytes", "offset 8" },
    { "no machine name", "5145564d 00000003 07 00000000", F, "machine name of 0 bytes",
      "offset 8" },
    { "machine name with NUL", "5145564d 00000003 07 00000004 'no' 00 'e'", F,
      "machine name has bytes that are not printable", "offset 8" },
    { "machine name with escape", "5145564d 00000003 07 00000004 'no' 1b 'e'", F,
      "machine name has bytes that are not printable", "offset 8" },
    { "unknown subsection", HEAD "05 11'configuration/new' ", F,
      "unknown configuration subsection 'configuration/new'", "configuration section, offset 8" },
    { "subsection without name", HEAD "05 00", F,
      "configuration has a subsection without a proper name", "offset 8" },
    { "subsection of version 2", HEAD "05 12'configuration/uuid' 00000002", F,
      "subsection 'configuration/uuid' has an unknown version", "offset 8" },
    { "uuid twice",
      HEAD "05 12'configuration/uuid' 00000001 <16*00> 05 12'configuration/uuid' 00000001", F,
      "subsection 'configuration/uuid' comes twice", "offset 8" },
    { "cut in the uuid", HEAD "05 12'configuration/uuid' 00000001 <15*00>", IO,
      "stream ended too early", "configuration section, offset 56" },
    { "2^32-1 capabilities", HEAD "05 1a'configuration/capabilities' 00000001 ffffffff", F,
      "stream lists 4294967295 capabilities", "offset 8" },
    { "capability without name", HEAD "05 1a'configuration/capabilities' 00000001 00000001 00", F,
      "capability 0 of the stream has no proper name", "offset 8" },
    { "page bits", HEAD "05 1e'configuration/target-page-bits' 00000001 00000010", U,
      "pages of 2^16 bytes", "offset 8" },
    /* between sections */
    { "unknown type", HEAD "55", F, "Unknown savevm section type 85\n",
      "before the first section, offset 17" },
    { "subsection outside", SETUP "05", F, "Unknown savevm section type 5\n",
      "after section 2 (ram), offset 79" },
    { "configuration again", SETUP "07", F, "Unknown savevm section type 7\n",
      "after section 2 (ram), offset 79" },
    { "footer without section", SETUP FOOTER, F, "Unknown savevm section type 126\n",
      "after section 2 (ram), offset 79" },
    { "description before EOF", SETUP "06", F, "Unknown savevm section type 6\n",
      "after section 2 (ram), offset 79" },
    { "no EOF", SETUP, IO, "stream ended too early", "after section 2 (ram), offset 79" },
    { "EOF without RAM", HEAD "00", F, "end of the stream before the end of its RAM",
      "before the first section, offset 17" },
    { "EOF in the place of a PART", SETUP "00 00000002", F,
      "end of the stream before the end of its RAM", "after section 2 (ram), offset 79" },
    { "EOF behind a device only",
      HEAD "04 00000005 06'device' 00000001 00000001 00000000 7e 00000005 00", F,
      "end of the stream before the end of its RAM", "after section 5 (device), offset 46" },
    { "cut in a section's head", SETUP "02 0000", IO, "stream ended too early",
      "after section 2 (ram), offset 82" },
    { "PART of an unbound id", HEAD PART, F, "Unknown savevm section 2\n",
      "before the first section, offset 17" },
    { "END of an unbound id", SETUP "03 00000003", F, "Unknown savevm section 3\n",
      "after section 2 (ram), offset 79" },
    { "section without name", HEAD "01 00000002 00", F, "section 2 has no proper name",
      "offset 17" },
    { "section named with NUL", HEAD "01 00000002 04'ram' 00", F, "section 2 has no proper name",
      "offset 17" },
    { "ram version 3", HEAD "01 00000002 03'ram' 00000000 00000003", F,
      "savevm: unsupported version 3 for 'ram' v4\n", "section 2 (ram), offset 17" },
    { "ram version 5", HEAD "01 00000002 03'ram' 00000000 00000005", F,
      "savevm: unsupported version 5 for 'ram' v4\n", "section 2 (ram), offset 17" },
    { "second ram", HEAD "01 00000002 03'ram' 00000001 00000004", F,
      "Unknown savevm section or instance 'ram' 1\n", "section 2 (ram), offset 17" },
    { "unknown device", HEAD "04 00000007 03'e1k' 00000000 00000001", F,
      "Unknown savevm section or instance 'e1k' 0\n", "section 7 (e1k), offset 17" },
    { "unknown instance", HEAD "04 00000007 06'device' 00000002 00000001", F,
      "Unknown savevm section or instance 'device' 2\n", "section 7 (device), offset 17" },
    { "id taken by another", SETUP "04 00000002 06'device' 00000001 00000001", F,
      "section id 2 is taken by 'ram' 0 and cannot be 'device' 1 too",
      "after section 2 (ram), offset 79" },
    { "PART of a device",
      HEAD "04 00000005 06'device' 00000001 00000001 00000000 7e 00000005 02 00000005", F,
      "section 5 (device) is a device and does not come in parts",
      "after section 5 (device), offset 46" },
    /* devices and footers */
    { "device too new", HEAD "04 00000005 06'device' 00000001 00000003", F,
      "savevm: unsupported version 3 for 'device' v2\n", "section 5 (device), offset 37" },
    { "device too old", HEAD "04 00000005 06'device' 00000001 00000000", F,
      "savevm: version 0 of 'device' is too old", "section 5 (device), offset 37" },
    { "list above the bound", HEAD "04 00000005 06'device' 00000001 00000001 002dc6c1", F,
      "'device' has a list 'list' of 3000001 entries, more than the 3000000 allowed",
      "section 5 (device), offset 37" },
    { "body above the bound", HEAD "04 00000005 06'device' 00000001 00000001 002dc6c0", F,
      "device state of 24000004 bytes, more than the 16777216 allowed",
      "section 5 (device), offset 37" },
    { "cut in a body", HEAD "04 00000005 06'device' 00000001 00000001 00000002 <15*00>", IO,
      "stream ended too early", "section 5 (device), offset 56" },
    { "no footer", HEAD START LIST EOS "02 00000002", F, "Missing section footer for ram\n",
      "section 2 (ram), offset 74" },
    { "wrong footer", HEAD START LIST EOS "7e 00000003", F,
      "Mismatched section id in footer for ram - read 0x3 expected 0x2\n",
      "section 2 (ram), offset 74" },
    { "cut in the footer", HEAD START LIST EOS "7e 0000", IO, "stream ended too early",
      "section 2 (ram), offset 77" },
    /* commands */
    { "command 0", HEAD "08 0000 0000", F, "MIG_CMD 0x0 unknown (len 0x0)\n",
      "before the first section, offset 17" },
    { "command 12", HEAD "08 000c 0004", F, "MIG_CMD 0xc unknown (len 0x4)\n", "offset 17" },
    { "OPEN_RETURN_PATH with payload", HEAD "08 0001 0004", F,
      "OPEN_RETURN_PATH received with bad length - expecting 0, got 4\n", "offset 17" },
    { "PING without value", HEAD "08 0002 0000", F,
      "PING received with bad length - expecting 4, got 0\n", "offset 17" },
    { "SWITCHOVER_START with payload", SETUP "08 000b 0001", F,
      "SWITCHOVER_START received with bad length - expecting 0, got 1\n",
      "after section 2 (ram), offset 79" },
    { "a package of nothing", HEAD "08 0007 0004 00000000", F,
      "a package of 0 bytes; 1 to 16777207 are possible", "offset 17" },
    { "a package of 4 GiB", HEAD "08 0007 0004 ffffffff", F,
      "a package of 4294967295 bytes; 1 to 16777207 are possible", "offset 17" },
    { "a package that is cut", HEAD "08 0007 0004 00000006 08 0004 0000", IO,
      "stream ended too early", "offset 31" },
    { "a package inside a package", HEAD "08 0007 0004 0000000a 08 0007 0004 00000001 00", F,
      "a package inside a package", "offset 26" },
    { "RAM in a package", SETUP "08 0007 0004 00000005" PART, F, "type 2 has no place in a package",
      "offset 88" },
    { "the end of the stream in a package", SETUP "08 0007 0004 00000001 00", F,
      "type 0 has no place in a package", "offset 88" },
    { "a package that ends inside a command",
      HEAD "08 0007 0004 00000004 08 0004 00 00 08 0004 0000", F,
      "a package ends in the middle of something", "offset 26" },
    { "cut in the payload", HEAD "08 0002 0004 0000", IO, "stream ended too early",
      "before the first section, offset 24" },
    /* block list */
    { "more RAM than expected", HEAD START "0000000000101004", F,
      "stream announces 1052672 bytes of RAM, more than the 1048576 expected",
      "section 2 (ram), offset 34" },
    { "RAM of 2^64-4096", HEAD START "fffffffffffff004", F,
      "stream announces 18446744073709547520 bytes of RAM", "section 2 (ram), offset 34" },
    { "two lists", HEAD START LIST "0000000000001004", F, "a second list of RAM blocks",
      "section 2 (ram), offset 66" },
    { "block of no length", HEAD START "0000000000001004 03'ram' 0000000000000000", F,
      "RAM block 'ram' of 0x0 bytes is not a number of pages", "section 2 (ram), offset 42" },
    { "block of half pages", HEAD START "0000000000001004 03'ram' 0000000000000800", F,
      "RAM block 'ram' of 0x800 bytes is not a number of pages", "offset 42" },
    { "block above the total", HEAD START "0000000000001004 03'ram' 0000000000002000", F,
      "RAM block 'ram' of 0x2000 bytes is more than what the announced total leaves, 0x1000",
      "offset 42" },
    { "block of 2^64-4096",
      HEAD START "0000000000002004 01'a' 0000000000001000 01'b' fffffffffffff000", F,
      "RAM block 'b' of 0xfffffffffffff000 bytes is more than", "offset 52" },
    { "name twice", HEAD START "0000000000002004 01'a' 0000000000001000 01'a' 0000000000001000", F,
      "RAM block 'a' is listed twice", "section 2 (ram), offset 52" },
    { "block without name", HEAD START "0000000000001004 00", F, "RAM block 0 has no proper name",
      "offset 42" },
    { "list too short", HEAD START "0000000000002004 01'a' 0000000000001000" EOS, F,
      "RAM block 1 has no proper name", "offset 52" },
    { "cut in the list", HEAD START "0000000000002004 01'a' 0000000000001000 01", IO,
      "stream ended too early", "section 2 (ram), offset 53" },
    { "page in a mapped-ram file",
      HEAD "05 1a'configuration/capabilities' 00000001 00000001 0a'mapped-ram'" START
           "0000000000001004 03'ram' 0000000000001000 00000001 0000000000001000 0000000000000090 "
           "0000000000001000 <8063*00> 0000000000000002",
      F, "page record in a mapped-ram file", "offset 8192" },
    /* page records */
    { "no flags", SETUP PART "0000000000000000", F, "Unknown combination of migration flags: 0x0\n",
      "section 2 (ram), offset 84" },
    { "obsolete FULL", SETUP PART "0000000000000001", F,
      "Unknown combination of migration flags: 0x1\n", "offset 84" },
    { "PAGE and ZERO", SETUP PART "000000000000000a", F,
      "Unknown combination of migration flags: 0xa\n", "offset 84" },
    { "CONTINUE alone", SETUP PART "0000000000000020", F,
      "Unknown combination of migration flags: 0x20\n", "offset 84" },
    { "EOS and CONTINUE", SETUP PART "0000000000000030", F,
      "Unknown combination of migration flags: 0x30\n", "offset 84" },
    { "HOOK", SETUP PART "0000000000000080", F, "Unknown combination of migration flags: 0x80\n",
      "offset 84" },
    { "all flags", SETUP PART "0000000000000fff", F,
      "Unknown combination of migration flags: 0xfff\n", "offset 84" },
    { "EOS with an offset", SETUP PART "0000000000001010", F, "end of a ram body with an offset",
      "section 2 (ram), offset 84" },
    { "XBZRLE of another form", SETUP PART "0000000000000040 03'ram' 02 0001 00", F,
      "Failed to load XBZRLE page - wrong compression!\n", "section 2 (ram), offset 84" },
    { "XBZRLE longer than a page", SETUP PART "0000000000000040 03'ram' 01 1001", F,
      "Failed to load XBZRLE page - len overflow!\n", "offset 84" },
    { "XBZRLE and CONTINUE before any block", SETUP PART "0000000000000060", F,
      "Ack, bad migration stream!\n", "offset 84" },
    { "XBZRLE that is cut", SETUP PART "0000000000000040 03'ram' 01 0004 000001", IO,
      "stream ended too early", "offset 102" },
    { "XBZRLE beyond the block", SETUP PART "0000000000100040 03'ram' 01 0003 000122", F,
      "Illegal RAM offset 100000\n", "offset 84" },
    { "compressed page of nothing", SETUP PART "0000000000000100 03'ram' 00000000", F,
      "Invalid compressed data length: 0\n", "offset 84" },
    { "compressed page of 4 GiB", SETUP PART "0000000000000100 03'ram' ffffffff", F,
      "Invalid compressed data length: 4294967295\n", "offset 84" },
    { "compressed page that is cut", SETUP PART "0000000000000100 03'ram' 00000009 789c", IO,
      "stream ended too early", "offset 102" },
    { "multifd flush with an offset", SETUP PART "0000000000001200", F,
      "multifd flush with an offset", "offset 84" },
    { "CONTINUE first", SETUP PART "0000000000000022 00", F, "Ack, bad migration stream!\n",
      "section 2 (ram), offset 84" },
    { "unknown block", SETUP PART "0000000000000002 03'rum' 00", F, "Can't find block rum\n",
      "section 2 (ram), offset 84" },
    { "block name empty", SETUP PART "0000000000000002 00", F,
      "page record without a proper block name", "offset 84" },
    { "block name with NUL", SETUP PART "0000000000000002 04'ram' 00 00", F,
      "page record without a proper block name", "offset 84" },
    { "page before the list", HEAD START "0000000000000002 03'ram' 00", F, "Can't find block ram\n",
      "section 2 (ram), offset 34" },
    { "offset at the end", SETUP PART "0000000000002002 03'ram' 00", F, "Illegal RAM offset 2000\n",
      "section 2 (ram), offset 84" },
    { "offset of the larger block", SETUP PART "0000000000001002 03'rom' 00", F,
      "Illegal RAM offset 1000\n", "offset 84" },
    { "offset 2^64-4096", SETUP PART "fffffffffffff008 03'ram'", F,
      "Illegal RAM offset fffffffffffff000\n", "offset 84" },
    { "offset beyond with CONTINUE", SETUP PART "0000000000000002 03'ram' 00 0000000000002028", F,
      "Illegal RAM offset 2000\n", "section 2 (ram), offset 97" },
    { "cut in a page", SETUP PART "0000000000000008 03'ram' <4095*00>", IO,
      "stream ended too early", "section 2 (ram), offset 4191" },
    { "cut before the fill byte", SETUP PART "0000000000000002 03'ram'", IO,
      "stream ended too early", "section 2 (ram), offset 96" },
    { "cut before EOS", SETUP PART, IO, "stream ended too early", "section 2 (ram), offset 84" },
};

static void expect_refused(size_t row, size_t chunk)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    g_autoptr(StreamReader) reader = stream_test_reader();
    g_autoptr(GError) error = NULL;
    g_autoptr(GError) again = NULL;
    StreamRecord record;

    stream_test_bytes(bytes, bad[row].bytes);
    /* What is refused for what it says is refused before anything behind it comes. */
    if (bad[row].code != IO) {
        stream_test_bytes(bytes, "<64*00>");
    }
    StreamResult result =
        stream_test_feed(reader, bytes->data, bytes->len, chunk, NULL, NULL, &error);
    assert_int_equal(result, STREAM_BAD);
    if (!g_error_matches(error, MIG_ERROR, bad[row].code) ||
        !g_str_has_prefix(error->message, bad[row].text) ||
        !g_str_has_suffix(error->message, bad[row].place)) {
        fail_msg("chunk %zu: %d %s", chunk, error->code, error->message);
    }
    assert_int_equal(stream_reader_next(reader, &record, &again), STREAM_BAD);
    assert_string_equal(again->message, error->message);
}

static void test_bad_streams_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        print_message("%s\n", bad[i].what);
        for (size_t k = 0; k < G_N_ELEMENTS(chunks); k++) {
            expect_refused(i, chunks[k]);
        }
    }
}

/* ---- bounds that rows cannot show ---- */

static void test_too_many_blocks(void **state)
{
    (void)state;
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    g_autoptr(StreamReader) reader = stream_reader_new(&(StreamReaderConfig){
        .find_device = stream_test_find,
    });
    g_autoptr(GError) error = NULL;

    stream_test_bytes(bytes, HEAD START "0000000010000004");
    for (unsigned i = 0; i < 5000; i++) {
        g_autofree char *entry = g_strdup_printf("04'%04u' 0000000000001000", i);
        stream_test_bytes(bytes, entry);
    }
    assert_int_equal(
        stream_test_feed(reader, bytes->data, bytes->len, SIZE_MAX, NULL, NULL, &error),
        STREAM_BAD);
    assert_non_null(strstr(error->message, "more than 4096 RAM blocks: section 2 (ram), offset"));
}

static void test_too_many_sections(void **state)
{
    (void)state;
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    g_autoptr(StreamReader) reader = stream_test_reader();
    g_autoptr(GError) error = NULL;

    stream_test_bytes(bytes, HEAD);
    for (unsigned i = 0; i < 5000; i++) {
        g_autofree char *section =
            g_strdup_printf("04 %08x 06'device' 00000001 00000002 00000000 7e %08x", i, i);
        stream_test_bytes(bytes, section);
    }
    assert_int_equal(
        stream_test_feed(reader, bytes->data, bytes->len, SIZE_MAX, NULL, NULL, &error),
        STREAM_BAD);
    assert_non_null(strstr(error->message, "more than 4096 sections: after section 4095 (device)"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_streams_are_refused),
        cmocka_unit_test(test_too_many_blocks),
        cmocka_unit_test(test_too_many_sections),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
