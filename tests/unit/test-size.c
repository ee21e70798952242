/*
 * size.c: sizes in and out of text.
 */
#include "tests/unit/test.h"

#include "backend/base/size.h"

#define KiB UINT64_C(1024)
#define MiB (KiB * 1024)
#define GiB (MiB * 1024)
#define EiB (GiB * GiB)

static const struct {
    const char *text;
    uint64_t unit;
    uint64_t size;
} good[] = {
    { "0", 1, 0 },
    { "10", 1, 10 },
    { "10", MiB, 10 * MiB },
    { "+5", 1, 5 },
    { "  7", 1, 7 },
    { "010", 1, 10 }, /* no octal */
    { "100b", MiB, 100 },
    { "100B", MiB, 100 },
    { "512k", 1, 512 * KiB },
    { "1M", 1, MiB },
    { "1g", 1, GiB },
    { "1T", 1, 1024 * GiB },
    { "1P", 1, MiB *GiB },
    { "7e", 1, 7 * EiB },
    { "7.9E", 1, UINT64_C(0x7e66666666666666) }, /* to the byte */
    { "1.5", MiB, MiB + MiB / 2 },
    { "1.5G", 1, GiB + GiB / 2 },
    { "1.k", 1, KiB },
    { ".5k", 1, 512 },
    { "1.0", 1, 1 },
    { "12.345M", 1, 12944671 },
    { "0.00000000000000000000000001G", 1, 0 },
    { "0x10", 1, 16 },
    { "0x10", MiB, 16 * MiB },
    { "0X1000", 1, 4096 },
    { "0x1B", 1, 27 }, /* B and E are digits here */
    { "9223372036854775807", 1, INT64_MAX },
    { "0x7fffffffffffffff", 1, INT64_MAX },
};

static const struct {
    const char *text;
    bool range;
} bad[] = {
    { "", false },
    { " ", false },
    { "+", false },
    { "-", false },
    { ".", false },
    { ".k", false },
    { "k", false },
    { "abc", false },
    { "1x", false },
    { "1MB", false },
    { "1 M", false },
    { "1M ", false },
    { "1.5", false },
    { "1.5b", false },
    { "1.5.5k", false },
    { "1,5k", false },
    { "1e3", false },
    { "0x", false },
    { "0x10k", false },
    { "0x1.8", false },
    { "0x-1", false },
    { "zz", false },
    { "-x", false },
    { "-1", true },
    { "-1k", true },
    { "8E", true },
    { "9E", true },
    { "9223372036854775808", true },
    { "99999999999999999999", true },
    { "340282366920938463463374607431768211456E", true },
    { "0x8000000000000000", true },
    { "0xffffffffffffffffffffffffffffffffff", true },
};

static void test_parse_accepts(void **state)
{
    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(good); i++) {
        uint64_t size = 1234567;
        bool range = true;

        print_message("'%s'\n", good[i].text);
        assert_true(size_parse(good[i].text, good[i].unit, &size, &range));
        assert_int_equal(size, good[i].size);
        assert_false(range);
    }
}

static void test_parse_refuses(void **state)
{
    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        uint64_t size = 1234567;
        bool range = !bad[i].range;

        print_message("'%s'\n", bad[i].text);
        assert_false(size_parse(bad[i].text, 1, &size, &range));
        assert_int_equal(size, 1234567);
        assert_int_equal(range, bad[i].range);
        assert_false(size_parse(bad[i].text, 1, &size, NULL));
    }
}

static void test_format_reads_well(void **state)
{
    static const struct {
        uint64_t size;
        const char *text;
    } rows[] = {
        { 0, "0 B" },
        { 512, "512 B" },
        { 1023, "1023 B" },
        { 1024, "1.0 KiB" },
        { 1536, "1.5 KiB" },
        { 10 * MiB, "10.0 MiB" },
        { MiB - 1, "1.0 MiB" }, /* not 1024.0 KiB */
        { 1023 * KiB, "1023.0 KiB" },
        { GiB, "1.0 GiB" },
        { EiB, "1.0 EiB" },
        { UINT64_MAX, "16.0 EiB" },
    };

    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *text = size_format(rows[i].size);
        assert_string_equal(text, rows[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse_accepts),
        cmocka_unit_test(test_parse_refuses),
        cmocka_unit_test(test_format_reads_well),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
