/*
 * dirty-map.c: counts, borders of words, and nothing lost between threads.
 */
#include "tests/unit/test.h"

#include "backend/base/dirty-map.h"

static const size_t sizes[] = { 0, 1, 63, 64, 65, 127, 128, 1000 };

static void test_new_map_is_clear(void **state)
{
    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(sizes); i++) {
        g_autoptr(DirtyMap) map = dirty_map_new(sizes[i]);

        assert_int_equal(dirty_map_size(map), sizes[i]);
        assert_int_equal(dirty_map_count(map), 0);
        assert_int_equal(dirty_map_next(map, 0), sizes[i]);
        assert_int_equal(dirty_map_next_clear(map, 0), 0);
    }
}

static const struct {
    size_t first, count;
} ranges[] = {
    { 0, 0 },   { 0, 1 },   { 63, 1 },  { 63, 2 },  { 64, 64 }, { 0, 64 },
    { 1, 126 }, { 5, 200 }, { 299, 1 }, { 0, 300 }, { 300, 0 }, { 128, 172 },
};

static void test_ranges_set_and_clear_exactly(void **state)
{
    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(ranges); i++) {
        g_autoptr(DirtyMap) map = dirty_map_new(300);
        size_t first = ranges[i].first, count = ranges[i].count;

        assert_int_equal(dirty_map_set(map, first, count), count);
        assert_int_equal(dirty_map_set(map, first, count), 0);
        assert_int_equal(dirty_map_count(map), count);
        for (size_t page = 0; page < 300; page++) {
            assert_int_equal(dirty_map_test(map, page), page >= first && page < first + count);
        }
        if (count > 0) {
            assert_int_equal(dirty_map_next(map, 0), first);
            assert_int_equal(dirty_map_next_clear(map, first), first + count);
            assert_int_equal(dirty_map_next(map, first + count), 300);
        }
        assert_int_equal(dirty_map_clear(map, first, count), count);
        assert_int_equal(dirty_map_clear(map, 0, 300), 0);
    }
}

static void test_counts_tell_only_what_changed(void **state)
{
    g_autoptr(DirtyMap) map = dirty_map_new(200);

    (void)state;
    assert_int_equal(dirty_map_set(map, 60, 10), 10);
    assert_int_equal(dirty_map_set(map, 50, 30), 20);
    assert_int_equal(dirty_map_clear(map, 0, 55), 5);
    assert_int_equal(dirty_map_count(map), 25);
    assert_int_equal(dirty_map_next(map, 0), 55);
    assert_int_equal(dirty_map_next(map, 70), 70);
    assert_int_equal(dirty_map_next_clear(map, 55), 80);
}

static void test_next_clear_stops_at_the_end(void **state)
{
    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(sizes); i++) {
        g_autoptr(DirtyMap) map = dirty_map_new(sizes[i]);

        dirty_map_set(map, 0, sizes[i]);
        assert_int_equal(dirty_map_next_clear(map, 0), sizes[i]);
        assert_int_equal(dirty_map_next_clear(map, sizes[i]), sizes[i]);
        assert_int_equal(dirty_map_next(map, sizes[i]), sizes[i]);
    }
}

static void test_run_end_looks_no_further_than_asked(void **state)
{
    g_autoptr(DirtyMap) map = dirty_map_new(300);

    (void)state;
    dirty_map_set(map, 60, 100);
    assert_int_equal(dirty_map_run_end(map, 0, 300), 60);
    assert_int_equal(dirty_map_run_end(map, 0, 40), 40);
    assert_int_equal(dirty_map_run_end(map, 60, 300), 160);
    assert_int_equal(dirty_map_run_end(map, 63, 130), 130);
    assert_int_equal(dirty_map_run_end(map, 159, 300), 160);
    assert_int_equal(dirty_map_run_end(map, 160, 300), 300);
    assert_int_equal(dirty_map_run_end(map, 299, 300), 300);
}

static void test_move_adds_and_empties(void **state)
{
    g_autoptr(DirtyMap) from = dirty_map_new(130), into = dirty_map_new(130);

    (void)state;
    dirty_map_set(from, 0, 3);
    dirty_map_set(from, 128, 2);
    dirty_map_set(into, 2, 10);
    assert_int_equal(dirty_map_move(from, into), 4);
    assert_int_equal(dirty_map_count(from), 0);
    assert_int_equal(dirty_map_count(into), 14);
    assert_int_equal(dirty_map_move(from, into), 0);
}

/* ---- threads: four set every page once, one takes; the counts of both must agree ---- */

#define SHARED_PAGES 4096
#define SETTERS      4

static gpointer set_pages(gpointer data)
{
    DirtyMap *map = data;
    size_t changed = 0;

    for (size_t round = 0; round < 20; round++) {
        for (size_t page = 0; page < SHARED_PAGES; page += 3) {
            changed += dirty_map_set(map, page, MIN(2, SHARED_PAGES - page));
        }
    }
    return GSIZE_TO_POINTER(changed);
}

static void test_no_bit_is_lost_between_threads(void **state)
{
    g_autoptr(DirtyMap) map = dirty_map_new(SHARED_PAGES);
    GThread *threads[SETTERS];
    size_t set = 0, taken = 0;

    (void)state;
    for (size_t i = 0; i < SETTERS; i++) {
        threads[i] = g_thread_new("set", set_pages, map);
    }
    for (size_t round = 0; round < 50; round++) {
        g_autoptr(DirtyMap) mine = dirty_map_new(SHARED_PAGES);

        taken += dirty_map_move(map, mine);
        taken += dirty_map_clear(map, round * 64, 64);
    }
    for (size_t i = 0; i < SETTERS; i++) {
        set += GPOINTER_TO_SIZE(g_thread_join(threads[i]));
    }
    assert_int_equal(set, taken + dirty_map_count(map));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_new_map_is_clear),
        cmocka_unit_test(test_ranges_set_and_clear_exactly),
        cmocka_unit_test(test_counts_tell_only_what_changed),
        cmocka_unit_test(test_next_clear_stops_at_the_end),
        cmocka_unit_test(test_run_end_looks_no_further_than_asked),
        cmocka_unit_test(test_move_adds_and_empties),
        cmocka_unit_test(test_no_bit_is_lost_between_threads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
