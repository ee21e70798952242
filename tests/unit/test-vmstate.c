/*
 * vmstate.c: one table that uses every kind of field, walked in all four ways.
 */
#include "backend/stream/vmstate.h"

#include "tests/unit/test.h"

#include "backend/base/error.h"
#include "tests/unit/stream-test.h"

typedef struct {
    uint8_t small;
    uint64_t big;
    int64_t negative;
    uint8_t text[5];
    uint64_t array[2];
    uint32_t n_first;
    uint64_t *first;
    uint32_t n_second;
    uint64_t *second;
    uint32_t late; /* since version 3 */
} Sample;

static const VmStateField sample_fields[] = {
    { .name = "small", .type = FIELD_U8, .offset = offsetof(Sample, small) },
    { .name = "n_first", .type = FIELD_U32, .offset = offsetof(Sample, n_first) },
    { .name = "first",
      .type = FIELD_U64_LIST,
      .offset = offsetof(Sample, first),
      .count_offset = offsetof(Sample, n_first) },
    { .name = "big", .type = FIELD_U64, .offset = offsetof(Sample, big) },
    { .name = "negative", .type = FIELD_I64, .offset = offsetof(Sample, negative) },
    { .name = "unused", .type = FIELD_UNUSED, .count = 3 },
    { .name = "text", .type = FIELD_BUFFER, .offset = offsetof(Sample, text), .count = 5 },
    { .name = "array", .type = FIELD_U64_ARRAY, .offset = offsetof(Sample, array), .count = 2 },
    { .name = "n_second", .type = FIELD_U32, .offset = offsetof(Sample, n_second) },
    { .name = "second",
      .type = FIELD_U64_LIST,
      .offset = offsetof(Sample, second),
      .count_offset = offsetof(Sample, n_second) },
    { .name = "late", .type = FIELD_U32, .offset = offsetof(Sample, late), .since = 3 },
    { 0 },
};

static const VmStateDesc sample_desc = {
    .name = "sample-vmsd",
    .idstr = "sample",
    .version = 3,
    .minimum_version = 2,
    .fields = sample_fields,
};

#define SAMPLE_VERSION_2                                                                           \
    "01  00000002 0000000000000007 8000000000000001  0102030405060708  ffffffffffffffff"           \
    "000000 'hello' 000000000000000a 000000000000000b  00000001 00000000000000cc"
#define SAMPLE_VERSION_3 SAMPLE_VERSION_2 "deadbeef"

static void sample_clear(Sample *sample)
{
    g_free(sample->first);
    g_free(sample->second);
}

static GByteArray *bytes_of(const char *text)
{
    GByteArray *bytes = g_byte_array_new();

    stream_test_bytes(bytes, text);
    return bytes;
}

static void test_encode_is_these_bytes(void **state)
{
    (void)state;
    uint64_t first[] = { 7, UINT64_C(0x8000000000000001) };
    uint64_t second[] = { 0xcc };
    const Sample sample = {
        .small = 1,
        .big = UINT64_C(0x0102030405060708),
        .negative = -1,
        .text = { 'h', 'e', 'l', 'l', 'o' },
        .array = { 10, 11 },
        .n_first = 2,
        .first = first,
        .n_second = 1,
        .second = second,
        .late = 0xdeadbeef,
    };
    g_autoptr(GByteArray) out = g_byte_array_new();
    g_autoptr(GByteArray) expected = bytes_of(SAMPLE_VERSION_3);

    vmstate_encode(&sample_desc, &sample, out);
    assert_int_equal(out->len, expected->len);
    assert_memory_equal(out->data, expected->data, out->len);
}

static void test_decode_fills_every_member(void **state)
{
    (void)state;
    g_autoptr(GByteArray) bytes = bytes_of(SAMPLE_VERSION_3 "ff");
    g_autoptr(GError) error = NULL;
    Sample sample = { .n_first = 1, .first = g_new0(uint64_t, 1) };
    MigCursor in = { bytes->data, bytes->data + bytes->len };

    assert_true(vmstate_decode(&sample_desc, 3, &in, 2, &sample, &error));
    assert_int_equal(cursor_left(&in), 1);
    assert_int_equal(sample.small, 1);
    assert_int_equal(sample.big, UINT64_C(0x0102030405060708));
    assert_int_equal(sample.negative, -1);
    assert_memory_equal(sample.text, "hello", 5);
    assert_int_equal(sample.array[1], 11);
    assert_int_equal(sample.n_first, 2);
    assert_true(sample.first[1] == UINT64_C(0x8000000000000001));
    assert_int_equal(sample.n_second, 1);
    assert_int_equal(sample.second[0], 0xcc);
    assert_true(sample.late == 0xdeadbeef);
    sample_clear(&sample);
}

static void test_an_older_version_leaves_newer_members(void **state)
{
    (void)state;
    g_autoptr(GByteArray) bytes = bytes_of(SAMPLE_VERSION_2);
    g_autoptr(GError) error = NULL;
    Sample sample = { .late = 77 };
    MigCursor in = { bytes->data, bytes->data + bytes->len };

    assert_true(vmstate_decode(&sample_desc, 2, &in, 2, &sample, &error));
    assert_int_equal(cursor_left(&in), 0);
    assert_int_equal(sample.late, 77);
    sample_clear(&sample);
}

static void test_empty_lists(void **state)
{
    (void)state;
    g_autoptr(GByteArray) bytes =
        bytes_of("00 00000000 <16*00> <3*ee> <5*00> <16*00> 00000000 00000000");
    g_autoptr(GByteArray) out = g_byte_array_new();
    Sample sample = { .first = g_new0(uint64_t, 9), .n_first = 9 };
    MigCursor in = { bytes->data, bytes->data + bytes->len };

    /* No list may hold anything, and none does; what stands in unused bytes does not matter. */
    assert_true(vmstate_decode(&sample_desc, 3, &in, 0, &sample, NULL));
    assert_null(sample.first);
    assert_int_equal(sample.n_first, 0);
    vmstate_encode(&sample_desc, &sample, out);
    assert_int_equal(out->len, bytes->len);
    sample_clear(&sample);
}

static void test_measure_tells_what_is_missing(void **state)
{
    (void)state;
    g_autoptr(GByteArray) bytes = bytes_of(SAMPLE_VERSION_3);
    size_t last = 0;

    for (guint length = 0; length <= bytes->len; length++) {
        MigCursor in = { bytes->data, bytes->data + length };
        g_autoptr(GError) error = NULL;
        size_t needed = 0;
        VmStateResult result = vmstate_measure(&sample_desc, 3, in, 2, &needed, &error);

        assert_null(error);
        assert_int_equal(result, length < bytes->len ? VMSTATE_SHORT : VMSTATE_OK);
        /* Always more than there is, never more than the truth, never less than before. */
        assert_true(needed >= last && needed <= bytes->len);
        assert_true(result == VMSTATE_OK || needed > length);
        last = needed;
    }
    assert_int_equal(last, bytes->len);
}

static void test_a_short_body_leaves_the_state(void **state)
{
    (void)state;
    g_autoptr(GByteArray) bytes = bytes_of(SAMPLE_VERSION_3);
    uint64_t *list = g_new0(uint64_t, 3);
    const Sample before = { .small = 42, .n_first = 3, .first = list };

    for (guint length = 0; length < bytes->len; length++) {
        MigCursor in = { bytes->data, bytes->data + length };
        g_autoptr(GError) error = NULL;
        Sample sample;

        memcpy(&sample, &before, sizeof sample);
        assert_false(vmstate_decode(&sample_desc, 3, &in, 2, &sample, &error));
        assert_true(g_error_matches(error, MIG_ERROR, MIG_ERROR_FORMAT));
        assert_non_null(strstr(error->message, "'sample' is cut short"));
        assert_memory_equal(&sample, &before, sizeof sample);
        assert_ptr_equal(in.at, bytes->data);
    }
    g_free(list);
}

static const struct {
    const char *what;
    uint32_t version;
    uint32_t max_list;
    const char *bytes;
    const char *text;
} bad[] = {
    { "newer version", 4, 2, SAMPLE_VERSION_3, "savevm: unsupported version 4 for 'sample' v3" },
    { "version of all ones", UINT32_MAX, 2, SAMPLE_VERSION_3, "unsupported version 4294967295" },
    { "older version", 1, 2, SAMPLE_VERSION_3, "version 1 of 'sample' is too old" },
    { "first list above the bound", 3, 1, SAMPLE_VERSION_3,
      "list 'first' of 2 entries, more than the 1 allowed" },
    { "list of 2^32-1, nothing behind", 3, 1000, "01 ffffffff",
      "list 'first' of 4294967295 entries" },
    { "second list above the bound", 3, 2, "00 00000000 <40*00> 00000003",
      "list 'second' of 3 entries" },
};

static void test_bad_bodies_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GByteArray) bytes = bytes_of(bad[i].bytes);
        MigCursor in = { bytes->data, bytes->data + bytes->len };
        g_autoptr(GError) measured = NULL;
        g_autoptr(GError) error = NULL;
        Sample sample = { 0 };
        size_t length;

        print_message("%s\n", bad[i].what);
        assert_int_equal(
            vmstate_measure(&sample_desc, bad[i].version, in, bad[i].max_list, &length, &measured),
            VMSTATE_BAD);
        assert_non_null(strstr(measured->message, bad[i].text));
        assert_false(
            vmstate_decode(&sample_desc, bad[i].version, &in, bad[i].max_list, &sample, &error));
        assert_string_equal(error->message, measured->message);
        assert_null(sample.first);
    }
}

static void test_description(void **state)
{
    (void)state;
    uint64_t first[] = { 1, 2 };
    const Sample sample = { .n_first = 2, .first = first };
    json_object *device = vmstate_describe(&sample_desc, 5, &sample);

    assert_string_equal(
        json_object_to_json_string_ext(device, JSON_C_TO_STRING_PLAIN),
        "{\"name\":\"sample\",\"instance_id\":5,\"vmsd_name\":\"sample-vmsd\",\"version\":3,"
        "\"fields\":["
        "{\"name\":\"small\",\"type\":\"uint8\",\"size\":1},"
        "{\"name\":\"n_first\",\"type\":\"uint32\",\"size\":4},"
        "{\"name\":\"first\",\"array_len\":2,\"type\":\"uint64\",\"size\":8},"
        "{\"name\":\"big\",\"type\":\"uint64\",\"size\":8},"
        "{\"name\":\"negative\",\"type\":\"int64\",\"size\":8},"
        "{\"name\":\"unused\",\"type\":\"unused_buffer\",\"size\":3},"
        "{\"name\":\"text\",\"type\":\"buffer\",\"size\":5},"
        "{\"name\":\"array\",\"array_len\":2,\"type\":\"uint64\",\"size\":8},"
        "{\"name\":\"n_second\",\"type\":\"uint32\",\"size\":4},"
        /* "second" is empty and so not described */
        "{\"name\":\"late\",\"type\":\"uint32\",\"size\":4}]}");
    json_object_put(device);
}

/* What a walker of descriptions makes of ours is what we write. */
static void test_description_adds_up_to_the_body(void **state)
{
    (void)state;
    g_autoptr(GByteArray) bytes = bytes_of(SAMPLE_VERSION_3);
    g_autoptr(GByteArray) out = g_byte_array_new();
    g_autoptr(GError) error = NULL;
    MigCursor in = { bytes->data, bytes->data + bytes->len };
    Sample sample = { 0 };

    assert_true(vmstate_decode(&sample_desc, 3, &in, 2, &sample, &error));
    json_object *device = vmstate_describe(&sample_desc, 5, &sample);
    g_autofree char *json =
        g_strdup_printf("{\"devices\": [%s]}", json_object_to_json_string(device));
    json_object_put(device);
    vmstate_encode(&sample_desc, &sample, out);
    sample_clear(&sample);

    g_autoptr(StreamLayouts) layouts = stream_layouts_new(json, strlen(json), &error);
    assert_non_null(layouts);
    const VmStateDesc *layout = stream_layouts_find(layouts, "sample", 5, 3, &error);
    assert_non_null(layout);
    assert_string_equal(layout->name, "sample-vmsd");
    assert_int_equal(layout->fields[0].count, out->len);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_encode_is_these_bytes),
        cmocka_unit_test(test_decode_fills_every_member),
        cmocka_unit_test(test_an_older_version_leaves_newer_members),
        cmocka_unit_test(test_empty_lists),
        cmocka_unit_test(test_measure_tells_what_is_missing),
        cmocka_unit_test(test_a_short_body_leaves_the_state),
        cmocka_unit_test(test_bad_bodies_are_refused),
        cmocka_unit_test(test_description),
        cmocka_unit_test(test_description_adds_up_to_the_body),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
