/*
 * memory/missing-pages.c: a vCPU that touches a missing page waits for it and sees all of it, and
 * what was here before needs nobody.
 */
#include "backend/guest/memory/missing-pages.h"

#include "tests/unit/test.h"

#include <pthread.h>
#include <stdatomic.h>

#include "backend/base/error.h"

#define PAGES 64

typedef struct {
    Guest *guest;
    RamBlock *ram;
    PageFaults *faults;

    pthread_mutex_t lock;
    pthread_cond_t changed;
    GArray *asked; /* size_t */
} Scene;

static void on_request(void *data, size_t block, size_t first, size_t count)
{
    Scene *s = data;

    assert_int_equal(block, 0);
    assert_int_equal(count, 1);
    pthread_mutex_lock(&s->lock);
    g_array_append_val(s->asked, first);
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

static void wait_for_requests(Scene *s, guint n)
{
    pthread_mutex_lock(&s->lock);
    while (s->asked->len < n) {
        pthread_cond_wait(&s->changed, &s->lock);
    }
    pthread_mutex_unlock(&s->lock);
}

/* Pages 0 to 7 are here: 0 to 3 with data, the others as holes. */
static void open_scene(Scene *s)
{
    g_autoptr(GError) error = NULL;
    size_t n;

    *s = (Scene){ .asked = g_array_new(FALSE, FALSE, sizeof(size_t)) };
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->changed, NULL);
    s->guest =
        guest_new(&(GuestOptions){ .machine = "none", .memory = PAGES * MIG_PAGE_SIZE }, &error);
    assert_non_null(s->guest);
    if (!page_faults_possible(s->guest, &error)) {
        print_message("skipped: %s\n", error->message);
        skip();
    }
    s->ram = guest_blocks(s->guest, &n)[0];
    memset(s->ram->host, 'h', 4 * MIG_PAGE_SIZE);
    s->faults = page_faults_new(s->guest, on_request, s);
    dirty_map_set(page_faults_received(s->faults, 0), 0, 8);
    assert_true(page_faults_start(s->faults, &error));
    assert_int_equal(page_faults_missing(s->faults), PAGES - 8);
}

static void close_scene(Scene *s)
{
    page_faults_free(s->faults);
    guest_free(s->guest);
    g_array_unref(s->asked);
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->lock);
}

static void place(Scene *s, size_t first, int count, int fill)
{
    g_autofree uint8_t *bytes = g_malloc((size_t)count * MIG_PAGE_SIZE);
    g_autofree struct iovec *iov = g_new(struct iovec, count);
    g_autoptr(GError) error = NULL;

    memset(bytes, fill, (size_t)count * MIG_PAGE_SIZE);
    for (int i = 0; i < count; i++) {
        iov[i] = (struct iovec){ bytes + (size_t)i * MIG_PAGE_SIZE, MIG_PAGE_SIZE };
        assert_true(page_faults_claim(s->faults, 0, first + (size_t)i));
    }
    assert_true(page_faults_place(s->faults, 0, first, iov, count, &error));
}

typedef struct {
    pthread_t thread;
    const uint8_t *page;
    uint8_t first, last;
} Toucher;

static void *touch(void *data)
{
    Toucher *t = data;

    t->first = *(const volatile uint8_t *)t->page;
    t->last = *(const volatile uint8_t *)(t->page + MIG_PAGE_SIZE - 1);
    return NULL;
}

static Toucher *begin_touch(Scene *s, size_t page)
{
    Toucher *t = g_new0(Toucher, 1);

    t->page = s->ram->guest + page * MIG_PAGE_SIZE;
    assert_int_equal(pthread_create(&t->thread, NULL, touch, t), 0);
    return t;
}

static void end_touch(Toucher *t, int expected)
{
    pthread_join(t->thread, NULL);
    assert_int_equal(t->first, expected);
    assert_int_equal(t->last, expected);
    g_free(t);
}

static void test_what_is_here_needs_nobody(void **state)
{
    Scene s;

    (void)state;
    open_scene(&s);
    for (size_t page = 0; page < 8; page++) {
        end_touch(begin_touch(&s, page), page < 4 ? 'h' : 0);
    }
    assert_int_equal(s.asked->len, 0);
    close_scene(&s);
}

static void test_a_missing_page_is_asked_for_once_and_waited_for(void **state)
{
    PageFaultStats stats;
    Scene s;

    (void)state;
    open_scene(&s);
    Toucher *first = begin_touch(&s, 20);
    wait_for_requests(&s, 1);
    Toucher *second = begin_touch(&s, 20), *other = begin_touch(&s, 21);
    wait_for_requests(&s, 2);
    assert_true(page_faults_is_wanted(s.faults, 0, 20));
    assert_false(page_faults_is_wanted(s.faults, 0, 22));
    place(&s, 20, 1, 'p');
    end_touch(first, 'p');
    end_touch(second, 'p');
    assert_false(page_faults_is_wanted(s.faults, 0, 20));
    place(&s, 21, 1, 0); /* a page of zeroes is a page */
    end_touch(other, 0);
    assert_int_equal(s.asked->len, 2);
    page_faults_stats(s.faults, &stats);
    assert_int_equal(stats.requests, 2);
    assert_in_range(stats.latency.count, 2,
                    3); /* the second may have come late enough to find it */
    page_fault_stats_clear(&stats);
    close_scene(&s);
}

static void test_pages_that_came_unasked_are_simply_there(void **state)
{
    Scene s;

    (void)state;
    open_scene(&s);
    place(&s, 8, PAGES - 8, 'u');
    assert_int_equal(page_faults_missing(s.faults), 0);
    for (size_t page = 8; page < PAGES; page += 5) {
        end_touch(begin_touch(&s, page), 'u');
    }
    assert_int_equal(s.asked->len, 0);
    page_faults_stop(s.faults);
    end_touch(begin_touch(&s, 9), 'u');
    close_scene(&s);
}

static void test_a_page_is_placed_by_one(void **state)
{
    Scene s;

    (void)state;
    open_scene(&s);
    assert_false(page_faults_claim(s.faults, 0, 3)); /* is here */
    place(&s, 30, 1, 'a');
    assert_false(page_faults_claim(s.faults, 0, 30));
    close_scene(&s);
}

static void test_what_is_waited_for_can_be_asked_for_again(void **state)
{
    Scene s;

    (void)state;
    open_scene(&s);
    Toucher *t = begin_touch(&s, 40);
    wait_for_requests(&s, 1);
    page_faults_repeat(s.faults);
    assert_int_equal(s.asked->len, 2);
    assert_int_equal(g_array_index(s.asked, size_t, 1), 40);
    place(&s, 40, 1, 'r');
    end_touch(t, 'r');
    page_faults_repeat(s.faults);
    assert_int_equal(s.asked->len, 2);
    close_scene(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_here_needs_nobody),
        cmocka_unit_test(test_a_missing_page_is_asked_for_once_and_waited_for),
        cmocka_unit_test(test_pages_that_came_unasked_are_simply_there),
        cmocka_unit_test(test_a_page_is_placed_by_one),
        cmocka_unit_test(test_what_is_waited_for_can_be_asked_for_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
