/*
 * page-requests.c: what a destination in postcopy asks for, and what it may not.
 */
#include "backend/engine/outgoing/page-requests.h"

#include "tests/unit/test.h"

#include "backend/base/error.h"

#define PAGE UINT64_C(4096)

static Guest *new_guest(void)
{
    g_autoptr(GError) error = NULL;
    Guest *guest = guest_new(&(GuestOptions){ .machine = "none", .memory = 16 * PAGE }, &error);

    assert_non_null(guest);
    return guest;
}

static void assert_next(PageRequests *requests, size_t page)
{
    size_t block, found;

    assert_true(page_requests_take(requests, &block, &found));
    assert_int_equal(block, 0);
    assert_int_equal(found, page);
}

static void test_pages_come_out_in_the_order_they_were_asked_for_once(void **state)
{
    (void)state;
    g_autoptr(Guest) guest = new_guest();
    PageRequests *requests = page_requests_new(guest);
    size_t block, page;

    assert_true(page_requests_add(requests, "ram", 9 * PAGE, PAGE, NULL));
    assert_true(page_requests_add(requests, "", 2 * PAGE, 3 * PAGE, NULL));
    assert_true(page_requests_add(requests, "", 9 * PAGE, PAGE, NULL)); /* is in the queue */
    assert_int_equal(page_requests_count(requests), 3);
    assert_next(requests, 9);
    assert_true(page_requests_add(requests, "", 9 * PAGE, PAGE, NULL)); /* is not any more */
    assert_next(requests, 2);
    assert_next(requests, 3);
    assert_next(requests, 4);
    assert_next(requests, 9);
    assert_false(page_requests_take(requests, &block, &page));
    assert_false(page_requests_wait(requests, 0));
    page_requests_free(requests);
}

static void test_a_new_connection_has_to_name_the_block_again(void **state)
{
    (void)state;
    g_autoptr(Guest) guest = new_guest();
    PageRequests *requests = page_requests_new(guest);

    assert_false(page_requests_add(requests, "", 0, PAGE, NULL));
    assert_true(page_requests_add(requests, "ram", 0, PAGE, NULL));
    assert_true(page_requests_wait(requests, 0));
    page_requests_clear(requests);
    assert_false(page_requests_wait(requests, 0));
    assert_false(page_requests_add(requests, "", 0, PAGE, NULL));
    page_requests_free(requests);
}

static const struct {
    const char *block;
    uint64_t start;
    uint32_t length;
    const char *text;
} bad[] = {
    { "rom", 0, PAGE, "block 'rom', which is not here" },
    { "ram", 0, 0, "0x0 bytes at 0x0" },
    { "ram", 1, PAGE, "no pages of it" },
    { "ram", 0, PAGE + 1, "no pages of it" },
    { "ram", 16 * PAGE, PAGE, "no pages of it" },
    { "ram", 15 * PAGE, 2 * PAGE, "no pages of it" },
    { "ram", UINT64_MAX - PAGE + 1, PAGE, "no pages of it" },
    { "ram", 0, UINT32_MAX - PAGE + 1, "no pages of it" },
};

static void test_what_is_no_page_of_the_guest_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(Guest) guest = new_guest();
        PageRequests *requests = page_requests_new(guest);
        g_autoptr(GError) error = NULL;

        assert_false(
            page_requests_add(requests, bad[i].block, bad[i].start, bad[i].length, &error));
        assert_true(g_error_matches(error, MIG_ERROR, MIG_ERROR_FORMAT));
        assert_non_null(strstr(error->message, bad[i].text));
        assert_false(page_requests_wait(requests, 0));
        page_requests_free(requests);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pages_come_out_in_the_order_they_were_asked_for_once),
        cmocka_unit_test(test_a_new_connection_has_to_name_the_block_again),
        cmocka_unit_test(test_what_is_no_page_of_the_guest_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
