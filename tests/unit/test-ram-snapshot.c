/*
 * A snapshot hands out every page once, as it was at its moment, whatever is
 * written to the memory meanwhile and whoever is faster.
 */
#include "tests/unit/test.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "backend/base/error.h"
#include "backend/guest/memory/snapshot.h"

#define PAGES ((size_t)2048)

/* Every third page holds data at the moment. */
static bool holds_data(size_t page)
{
    return page % 3 == 0;
}

static uint64_t content(size_t page)
{
    return UINT64_C(0x1234567800000000) + page;
}

static RamBlock *filled_block(void)
{
    g_autoptr(GError) error = NULL;
    RamBlock *block = ram_block_new("ram", PAGES * MIG_PAGE_SIZE, NULL, &error);

    assert_non_null(block);
    for (size_t page = 0; page < PAGES; page++) {
        if (holds_data(page)) {
            for (size_t i = 0; i < MIG_PAGE_SIZE; i += 8) {
                memcpy(block->guest + page * MIG_PAGE_SIZE + i, &(uint64_t){ content(page) }, 8);
            }
        }
    }
    return block;
}

static RamSnapshot *snapshot_of(RamBlock **block)
{
    g_autoptr(GError) error = NULL;

    if (!(*block)->backing.sync_wp) {
        print_message("skipped: no userfaultfd write-protect with a handler here\n");
        skip();
    }
    RamSnapshot *snapshot = ram_snapshot_new(block, 1, &error);
    if (snapshot == NULL) {
        print_message("%s\n", error->message);
    }
    assert_non_null(snapshot);
    return snapshot;
}

/* Takes the rest and checks it; @seen gets a bit for each page. */
static void take_all(RamSnapshot *snapshot, DirtyMap *seen)
{
    uint8_t room[MIG_PAGE_SIZE];
    size_t block, page;
    SnapshotItem item;

    while ((item = ram_snapshot_next(snapshot, &block, &page, room)) != SNAPSHOT_END) {
        assert_int_equal(block, 0);
        assert_int_equal(dirty_map_set(seen, page, 1), 1);
        if (item == SNAPSHOT_ZERO || !holds_data(page)) {
            assert_false(holds_data(page));
            assert_true(item == SNAPSHOT_ZERO || ram_page_is_zero(room));
            continue;
        }
        for (size_t i = 0; i < MIG_PAGE_SIZE; i += 8) {
            uint64_t word;

            memcpy(&word, room + i, 8);
            assert_true(word == content(page));
        }
    }
    assert_int_equal(ram_snapshot_remaining(snapshot), 0);
}

static void test_pages_written_before_they_are_read(void **state)
{
    g_autoptr(RamBlock) block = filled_block();
    g_autoptr(RamSnapshot) snapshot = snapshot_of(&block);
    g_autoptr(DirtyMap) seen = dirty_map_new(PAGES);

    (void)state;
    memset(block->guest, 0xee, block->size);
    assert_int_equal(ram_snapshot_peak(snapshot), (PAGES + 2) / 3);
    take_all(snapshot, seen);
    assert_int_equal(dirty_map_next_clear(seen, 0), PAGES);
    assert_true(ram_snapshot_is_whole(snapshot, NULL));
    assert_int_equal(block->host[0], 0xee);
    assert_int_equal(block->host[block->size - 1], 0xee);
}

static void test_pages_written_after_they_are_read(void **state)
{
    g_autoptr(RamBlock) block = filled_block();
    g_autoptr(RamSnapshot) snapshot = snapshot_of(&block);
    g_autoptr(DirtyMap) seen = dirty_map_new(PAGES);

    (void)state;
    take_all(snapshot, seen);
    memset(block->guest, 0xee,
           block->size); /* would stop for ever if nobody lifted the protection */
    assert_int_equal(ram_snapshot_peak(snapshot), 0);
}

typedef struct {
    RamBlock *block;
    atomic_bool stop;
} Writer;

static gpointer write_all_over(gpointer data)
{
    Writer *w = data;

    for (uint8_t value = 1; !atomic_load(&w->stop); value++) {
        for (size_t n = 0; n < PAGES; n++) {
            size_t page = n * 769 % PAGES;

            memset(w->block->guest + page * MIG_PAGE_SIZE, value | 0x80, MIG_PAGE_SIZE);
        }
    }
    return NULL;
}

static void test_races(void **state)
{
    (void)state;
    for (int i = 0; i < 10; i++) {
        g_autoptr(RamBlock) block = filled_block();
        g_autoptr(RamSnapshot) snapshot = snapshot_of(&block);
        g_autoptr(DirtyMap) seen = dirty_map_new(PAGES);
        Writer writer = { .block = block };
        GThread *thread = g_thread_new("writer", write_all_over, &writer);

        take_all(snapshot, seen);
        assert_int_equal(dirty_map_next_clear(seen, 0), PAGES);
        assert_true(ram_snapshot_is_whole(snapshot, NULL));
        atomic_store(&writer.stop, true);
        g_thread_join(thread);
    }
}

/* Given up half way, with a writer that waits just then: it goes on. */
static void test_given_up(void **state)
{
    (void)state;
    for (int i = 0; i < 10; i++) {
        g_autoptr(RamBlock) block = filled_block();
        RamSnapshot *snapshot = snapshot_of(&block);
        Writer writer = { .block = block };
        GThread *thread = g_thread_new("writer", write_all_over, &writer);

        ram_snapshot_free(snapshot);
        atomic_store(&writer.stop, true);
        g_thread_join(thread);
    }
}

static void test_one_watcher_at_a_time(void **state)
{
    g_autoptr(RamBlock) block = filled_block();
    G_GNUC_UNUSED g_autoptr(RamSnapshot) snapshot = snapshot_of(&block);
    g_autoptr(GError) error = NULL;

    (void)state;
    assert_null(ram_snapshot_new(&block, 1, &error));
    assert_non_null(strstr(error->message, "has one watcher"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pages_written_before_they_are_read),
        cmocka_unit_test(test_pages_written_after_they_are_read),
        cmocka_unit_test(test_races),
        cmocka_unit_test(test_given_up),
        cmocka_unit_test(test_one_watcher_at_a_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
