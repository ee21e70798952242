/*
 * dirty/share.c: several readers of one kernel tracker. Each must learn of
 * every write, whoever asks the kernel. With both kinds of tracker, where they
 * work here.
 */
#include "tests/unit/test.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "backend/base/error.h"
#include "backend/guest/dirty/share.h"
#include "tests/unit/patience.h"

#define PAGES ((size_t)1500) /* more than one of the async tracker's chunks */

typedef struct {
    RamBlock *block;
    DirtyShare *share;
    DirtyTracker *readers[3];
    DirtyMap *dirty;
} Setup;

static void setup_clear(Setup *s)
{
    for (size_t i = 0; i < G_N_ELEMENTS(s->readers); i++) {
        dirty_tracker_free(s->readers[i]);
    }
    dirty_share_free(s->share);
    dirty_map_free(s->dirty);
    ram_block_free(s->block);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Setup, setup_clear)

/* False: this kind cannot run here. */
static bool set_up(Setup *s, void **state)
{
    g_autoptr(GError) error = NULL;

    s->block = ram_block_new("ram", PAGES * MIG_PAGE_SIZE, NULL, NULL);
    assert_non_null(s->block);
    s->dirty = dirty_map_new(PAGES);
    s->share = dirty_share_new(*state, &s->block, 1);
    for (size_t i = 0; i < G_N_ELEMENTS(s->readers); i++) {
        s->readers[i] = dirty_share_join(s->share, &error);
        if (s->readers[i] == NULL) {
            assert_true(g_error_matches(error, MIG_ERROR, MIG_ERROR_UNSUPPORTED));
            print_message("skipped: %s\n", error->message);
            return false;
        }
        assert_string_equal(dirty_tracker_name(s->readers[i]), *state);
    }
    return true;
}

static void start(Setup *s, size_t reader)
{
    g_autoptr(GError) error = NULL;

    if (!dirty_tracker_start(s->readers[reader], &error)) {
        fail_msg("%s", error->message);
    }
}

/* How many pages the sync reports; s->dirty has them. */
static size_t sync_now(Setup *s, size_t reader)
{
    g_autoptr(GError) error = NULL;
    uint64_t count = 0;

    dirty_map_clear(s->dirty, 0, PAGES);
    if (!dirty_tracker_sync(s->readers[reader], 0, s->dirty, &count, &error)) {
        fail_msg("%s", error->message);
    }
    assert_int_equal(count, dirty_map_count(s->dirty));
    return count;
}

static void write_pages(Setup *s, size_t first, size_t count)
{
    for (size_t i = first; i < first + count; i++) {
        s->block->guest[i * MIG_PAGE_SIZE]++;
    }
}

/* ---- who learns what ---- */

static void test_each_reader_gets_each_page_once(void **state)
{
    g_auto(Setup) s = { 0 };

    if (!set_up(&s, state)) {
        skip();
    }
    write_pages(&s, 10, 5);
    start(&s, 0);
    start(&s, 1);
    assert_int_equal(sync_now(&s, 0), 5);
    assert_int_equal(sync_now(&s, 1), 5);
    write_pages(&s, 11, 1);
    write_pages(&s, 900, 2);
    assert_int_equal(sync_now(&s, 0), 3);
    write_pages(&s, 901, 2);
    assert_int_equal(sync_now(&s, 0), 2);
    /* It comes late, and gets what two syncs of the other have found and nothing twice. */
    assert_int_equal(sync_now(&s, 1), 4);
    assert_true(dirty_map_test(s.dirty, 11) && dirty_map_test(s.dirty, 902));
    assert_int_equal(sync_now(&s, 1), 0);
    assert_int_equal(sync_now(&s, 0), 0);
}

static void test_who_begins_late_gets_all_data(void **state)
{
    g_auto(Setup) s = { 0 };

    if (!set_up(&s, state)) {
        skip();
    }
    write_pages(&s, 0, 3);
    start(&s, 0);
    sync_now(&s, 0);
    write_pages(&s, 700, 2);
    sync_now(&s, 0);
    start(&s, 1);
    write_pages(&s, 701, 2);
    assert_int_equal(sync_now(&s, 1), 6);
    /* What it took from the kernel is kept for the first. */
    assert_int_equal(sync_now(&s, 0), 2);
    write_pages(&s, 0, 1);
    assert_int_equal(sync_now(&s, 1), 1);
    assert_int_equal(sync_now(&s, 0), 1);
}

static void test_who_ends_takes_nothing_along(void **state)
{
    g_auto(Setup) s = { 0 };

    if (!set_up(&s, state)) {
        skip();
    }
    start(&s, 0);
    start(&s, 1);
    start(&s, 2);
    for (size_t i = 0; i < 3; i++) {
        sync_now(&s, i);
    }
    write_pages(&s, 5, 4);
    assert_int_equal(sync_now(&s, 1), 4);
    dirty_tracker_stop(s.readers[1]);
    write_pages(&s, 1400, 1);
    assert_int_equal(sync_now(&s, 2), 5);
    dirty_tracker_stop(s.readers[2]);
    assert_int_equal(sync_now(&s, 0), 5);
    dirty_tracker_stop(s.readers[0]);
    /* The kernel's tracker was off: a new beginning. */
    write_pages(&s, 20, 1);
    start(&s, 2);
    assert_int_equal(sync_now(&s, 2), 6);
    assert_int_equal(sync_now(&s, 2), 0);
}

static void test_memory_that_cannot_be_tracked_is_told_when_somebody_asks(void **state)
{
    g_autoptr(GError) error = NULL;
    RamBlock *block = ram_block_new("ram", PAGES * MIG_PAGE_SIZE, NULL, NULL);
    DirtyShare *share = dirty_share_new("nosuch", &block, 1);

    (void)state;
    for (int i = 0; i < 2; i++) {
        assert_null(dirty_share_join(share, &error));
        assert_true(g_str_has_prefix(error->message, "there is no dirty tracker 'nosuch'"));
        g_clear_error(&error);
    }
    dirty_share_free(share);
    ram_block_free(block);
}

/* ---- all at once ---- */

#define COPIES 2
#define SYNCS  sample_size(40, 400) /* of each while the memory is written */

typedef struct {
    Setup *s;
    size_t reader;
    uint8_t *copy;
    atomic_bool *over;
    _Atomic unsigned syncs;
} Copier;

/* What a migration does: copy what a sync reports, again and again; once more when the writer
 * stands. */
static void *copy_thread(void *data)
{
    Copier *c = data;
    const RamBlock *block = c->s->block;
    g_autoptr(DirtyMap) dirty = dirty_map_new(PAGES);
    bool last;

    do {
        last = atomic_load(c->over);
        if (!dirty_tracker_sync(c->s->readers[c->reader], 0, dirty, NULL, NULL)) {
            return c;
        }
        for (size_t page = dirty_map_next(dirty, 0); page < PAGES;
             page = dirty_map_next(dirty, page + 1)) {
            memcpy(c->copy + page * MIG_PAGE_SIZE, block->host + page * MIG_PAGE_SIZE,
                   MIG_PAGE_SIZE);
        }
        dirty_map_clear(dirty, 0, PAGES);
        atomic_fetch_add(&c->syncs, 1);
    } while (!last);
    return NULL;
}

static unsigned fewest_syncs(Copier *copiers)
{
    unsigned fewest = UINT_MAX;

    for (size_t i = 0; i < COPIES; i++) {
        fewest = MIN(fewest, atomic_load(&copiers[i].syncs));
    }
    return fewest;
}

static void test_copies_of_all_readers_are_complete(void **state)
{
    g_auto(Setup) s = { 0 };
    atomic_bool over = false;
    Copier copiers[COPIES];
    pthread_t threads[COPIES];
    uint32_t random = 1;

    if (!set_up(&s, state)) {
        skip();
    }
    for (size_t i = 0; i < COPIES; i++) {
        copiers[i] = (Copier){ &s, i, g_malloc0(PAGES * MIG_PAGE_SIZE), &over, 0 };
        start(&s, i);
        assert_int_equal(pthread_create(&threads[i], NULL, copy_thread, &copiers[i]), 0);
    }
    WAIT_STEPPING(fewest_syncs(copiers) >= SYNCS, fewest_syncs(copiers), {
        random = random * 1664525 + 1013904223;
        write_pages(&s, (random >> 8) % PAGES, 1);
    });
    atomic_store(&over, true);
    for (size_t i = 0; i < COPIES; i++) {
        void *failed_sync;

        pthread_join(threads[i], &failed_sync);
        assert_null(failed_sync);
        assert_memory_equal(copiers[i].copy, s.block->host, PAGES * MIG_PAGE_SIZE);
        g_free(copiers[i].copy);
    }
}

#define WITH_BOTH(test)                                                                            \
    cmocka_unit_test_prestate(test, (void *)(uintptr_t) "async"),                                  \
        cmocka_unit_test_prestate(test, (void *)(uintptr_t) "sync")

int main(void)
{
    static const struct CMUnitTest tests[] = {
        WITH_BOTH(test_each_reader_gets_each_page_once),
        WITH_BOTH(test_who_begins_late_gets_all_data),
        WITH_BOTH(test_who_ends_takes_nothing_along),
        WITH_BOTH(test_copies_of_all_readers_are_complete),
        cmocka_unit_test(test_memory_that_cannot_be_tracked_is_told_when_somebody_asks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
