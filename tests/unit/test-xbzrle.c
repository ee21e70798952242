/*
 * XBZRLE: known bytes both ways, random round trips, and deltas that are none.
 */
#include "tests/unit/test.h"

#include "backend/stream/xbzrle.h"
#include "tests/unit/stream-test.h"

#define PAGE STREAM_PAGE_SIZE

typedef struct {
    _Alignas(8) uint8_t bytes[PAGE];
} Page;

static const struct {
    const char *what;
    size_t at, count; /* bytes changed in a page of 0x11 to 0x22 */
    const char *delta;
} known[] = {
    { "nothing", 0, 0, "" },
    { "the first byte", 0, 1, "00 01 22" },
    { "the last byte", 4095, 1, "ff1f 01 22" },
    { "across a word", 6, 4, "06 04 22222222" },
    { "a length of 127", 1, 127, "01 7f <127*22>" },
    { "a length of 128", 200, 128, "c801 8001 <128*22>" },
};

static void test_known_deltas(void **state)
{
    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(known); i++) {
        g_autoptr(GByteArray) delta = g_byte_array_new();
        uint8_t out[PAGE];
        Page old, now;

        print_message("  %s\n", known[i].what);
        stream_test_bytes(delta, known[i].delta);
        memset(old.bytes, 0x11, PAGE);
        now = old;
        memset(now.bytes + known[i].at, 0x22, known[i].count);
        assert_int_equal(xbzrle_encode(old.bytes, now.bytes, out, sizeof out), delta->len);
        assert_memory_equal(out, delta->data, delta->len);
        assert_true(xbzrle_decode(delta->data, delta->len, old.bytes));
        assert_memory_equal(old.bytes, now.bytes, PAGE);
    }
}

static void test_a_delta_that_does_not_fit_overflows(void **state)
{
    (void)state;
    Page old, now;
    struct {
        uint8_t out[PAGE];
        uint8_t guard[16];
    } room;

    memset(&old, 0, sizeof old);
    memset(&now, 0xff, sizeof now);
    memset(room.guard, 0x5a, sizeof room.guard);
    assert_true(xbzrle_encode(old.bytes, now.bytes, room.out, PAGE) == XBZRLE_OVERFLOW);
    /* Every other byte: longer than the page as well. */
    now = old;
    for (size_t i = 0; i < PAGE; i += 2) {
        now.bytes[i] = 1;
    }
    assert_true(xbzrle_encode(old.bytes, now.bytes, room.out, PAGE) == XBZRLE_OVERFLOW);
    for (size_t i = 0; i < sizeof room.guard; i++) {
        assert_int_equal(room.guard[i], 0x5a);
    }
}

static void test_random_round_trips(void **state)
{
    (void)state;
    g_autoptr(GRand) rand = g_rand_new_with_seed(11);

    for (unsigned turn = 0; turn < 3000; turn++) {
        Page old, now;
        uint8_t out[PAGE];

        for (size_t i = 0; i < PAGE; i++) {
            old.bytes[i] = (uint8_t)g_rand_int(rand);
        }
        now = old;
        for (int n = g_rand_int_range(rand, 0, 40); n > 0; n--) {
            size_t at = (size_t)g_rand_int_range(rand, 0, PAGE);
            size_t count = (size_t)g_rand_int_range(rand, 1, 100);
            count = MIN(PAGE - at, count); /* MIN looks at its arguments twice */

            for (size_t i = 0; i < count; i++) {
                now.bytes[at + i] = (uint8_t)g_rand_int_range(rand, 0, 3);
            }
        }
        size_t length = xbzrle_encode(old.bytes, now.bytes, out, sizeof out);
        assert_true(length != XBZRLE_OVERFLOW);
        assert_int_equal(length == 0, memcmp(&old, &now, sizeof old) == 0);
        assert_true(xbzrle_decode(out, length, old.bytes));
        assert_memory_equal(old.bytes, now.bytes, PAGE);
    }
}

static const struct {
    const char *what;
    const char *delta;
} refused[] = {
    { "nothing behind the kept bytes", "05" },
    { "a length that is cut", "85" },
    { "a length of three bytes", "808001 01 22" },
    { "no bytes changed", "05 00" },
    { "fewer bytes than announced", "05 02 22" },
    { "keeps beyond the page", "8120 01 22" },
    { "keeps the whole page and changes one more", "8020 01 22" },
    { "changes beyond the page", "ff1f 02 2222" },
    { "nothing kept in the middle", "00 01 22 00 01 22" },
    { "a second run beyond the page", "00 01 22 ff1f 01 22" },
};

static void test_what_is_no_delta_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(refused); i++) {
        g_autoptr(GByteArray) delta = g_byte_array_new();
        struct {
            Page page;
            uint8_t guard[64];
        } room = { 0 };

        print_message("  %s\n", refused[i].what);
        stream_test_bytes(delta, refused[i].delta);
        assert_false(xbzrle_decode(delta->data, delta->len, room.page.bytes));
        for (size_t j = 0; j < sizeof room.guard; j++) {
            assert_int_equal(room.guard[j], 0);
        }
    }
}

static void test_random_bytes_never_leave_the_page(void **state)
{
    (void)state;
    g_autoptr(GRand) rand = g_rand_new_with_seed(12);

    for (unsigned turn = 0; turn < 100000; turn++) {
        g_autofree uint8_t *page = g_malloc0(PAGE); /* its borders are the sanitizer's */
        uint8_t delta[24];
        size_t length = (size_t)g_rand_int_range(rand, 0, sizeof delta);

        for (size_t i = 0; i < length; i++) {
            delta[i] = (uint8_t)(g_rand_int(rand) % (g_rand_boolean(rand) ? 4 : 256));
        }
        xbzrle_decode(delta, length, page);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_deltas),
        cmocka_unit_test(test_a_delta_that_does_not_fit_overflows),
        cmocka_unit_test(test_random_round_trips),
        cmocka_unit_test(test_what_is_no_delta_is_refused),
        cmocka_unit_test(test_random_bytes_never_leave_the_page),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
