/*
 * Both dirty trackers: what was written is reported, and nothing that was
 * written is ever lost. Each test runs for each tracker; one that this kernel
 * cannot do is skipped, and the message says why.
 */
#include "tests/unit/test.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include "backend/base/error.h"
#include "backend/guest/dirty/tracker.h"
#include "tests/unit/patience.h"

#define CHUNK ((size_t)512)

typedef struct {
    const char *kind;
    bool on_disk;
} Variant;

static Variant variants[] = { { "async", false }, { "sync", false }, { "async", true } };

typedef struct {
    RamBlock *block;
    DirtyTracker *tracker;
    DirtyMap *dirty;
    char *path;
} Setup;

static void setup_clear(Setup *s)
{
    dirty_tracker_free(s->tracker);
    dirty_map_free(s->dirty);
    ram_block_free(s->block);
    if (s->path != NULL) {
        g_unlink(s->path);
        g_free(s->path);
    }
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Setup, setup_clear)

/* False: this variant cannot run here. */
static bool set_up(Setup *s, void **state, size_t n_pages)
{
    const Variant *variant = *state;
    g_autoptr(GError) error = NULL;

    if (variant->on_disk) {
        int fd = g_file_open_tmp("migmon-test-XXXXXX", &s->path, NULL);
        assert_true(fd >= 0);
        close(fd);
    }
    s->block = ram_block_new("ram", n_pages * MIG_PAGE_SIZE, s->path, NULL);
    assert_non_null(s->block);
    s->dirty = dirty_map_new(n_pages);
    s->tracker = dirty_tracker_new(variant->kind, &s->block, 1, &error);
    if (s->tracker == NULL) {
        assert_true(g_error_matches(error, MIG_ERROR, MIG_ERROR_UNSUPPORTED));
        print_message("skipped: %s\n", error->message);
        return false;
    }
    print_message("%s on a %s\n", variant->kind, s->block->backing.name);
    assert_string_equal(dirty_tracker_name(s->tracker), variant->kind);
    return true;
}

static void start(Setup *s)
{
    g_autoptr(GError) error = NULL;

    if (!dirty_tracker_start(s->tracker, &error)) {
        fail_msg("%s", error->message);
    }
}

/* Syncs into an empty map; returns the number of pages and checks it against the map. */
static size_t sync_now(Setup *s)
{
    g_autoptr(GError) error = NULL;
    uint64_t count = 100;

    dirty_map_clear(s->dirty, 0, dirty_map_size(s->dirty));
    if (!dirty_tracker_sync(s->tracker, 0, s->dirty, &count, &error)) {
        fail_msg("%s", error->message);
    }
    assert_int_equal(count - 100, dirty_map_count(s->dirty));
    return count - 100;
}

static void write_pages(uint8_t *mapping, size_t first, size_t count, uint8_t value)
{
    for (size_t i = first; i < first + count; i++) {
        mapping[i * MIG_PAGE_SIZE + 8] = value;
    }
}

static bool all_dirty(const Setup *s, size_t first, size_t count)
{
    return dirty_map_next_clear(s->dirty, first) >= first + count;
}

static blkcnt_t blocks_used(const RamBlock *block)
{
    struct stat st;

    assert_int_equal(fstat(block->fd, &st), 0);
    return st.st_blocks;
}

/* ---- what is reported ---- */

static void test_first_sync_reports_all_data_however_it_came(void **state)
{
    g_auto(Setup) s = { 0 };

    if (!set_up(&s, state, 5 * CHUNK + 100)) {
        skip();
    }
    assert_int_equal(pwrite(s.block->fd, "x", 1, 3 * MIG_PAGE_SIZE), 1);
    write_pages(s.block->host, 700, 5, 1);
    write_pages(s.block->guest, 1500, 1, 1);
    write_pages(s.block->host, 5 * CHUNK + 99, 1, 1);
    start(&s);
    assert_int_equal(sync_now(&s), 8);
    assert_true(all_dirty(&s, 3, 1) && all_dirty(&s, 700, 5) && all_dirty(&s, 1500, 1) &&
                all_dirty(&s, 5 * CHUNK + 99, 1));
    assert_int_equal(sync_now(&s), 0);
}

static void test_write_is_reported_once(void **state)
{
    g_auto(Setup) s = { 0 };

    if (!set_up(&s, state, 4 * CHUNK)) {
        skip();
    }
    write_pages(s.block->host, 0, 4 * CHUNK, 1);
    start(&s);
    assert_int_equal(sync_now(&s), 4 * CHUNK);
    for (size_t round = 0; round < 3; round++) {
        write_pages(s.block->guest, 17, 3, 2);
        write_pages(s.block->guest, 2 * CHUNK - 1, 2, 2);
        write_pages(s.block->guest, 17, 3, 3);
        assert_int_equal(sync_now(&s), 5);
        assert_true(all_dirty(&s, 17, 3) && all_dirty(&s, 2 * CHUNK - 1, 2));
        assert_int_equal(sync_now(&s), 0);
    }
}

static void test_counting_changes_nothing(void **state)
{
    g_auto(Setup) s = { 0 };
    bool finds_new_data;

    if (!set_up(&s, state, 6 * CHUNK)) {
        skip();
    }
    finds_new_data = strcmp(dirty_tracker_name(s.tracker), "async") == 0;
    write_pages(s.block->host, 0, 4 * CHUNK, 1);
    start(&s);
    sync_now(&s);
    assert_int_equal(dirty_tracker_count(s.tracker), 0);
    write_pages(s.block->guest, 17, 3, 2);
    write_pages(s.block->guest, 2 * CHUNK - 1, 2, 2);
    assert_int_equal(dirty_tracker_count(s.tracker), 5);
    write_pages(s.block->guest, 5 * CHUNK, 7, 2);
    for (int i = 0; i < 2; i++) { /* a file system may show more data than was written */
        assert_in_range(dirty_tracker_count(s.tracker), finds_new_data ? 12 : 5, 5 + CHUNK);
    }
    assert_in_range(sync_now(&s), 12, 5 + CHUNK);
    assert_int_equal(dirty_tracker_count(s.tracker), 0);
}

static void test_count_is_of_pages_new_in_the_map(void **state)
{
    g_auto(Setup) s = { 0 };
    uint64_t count = 0;

    if (!set_up(&s, state, CHUNK)) {
        skip();
    }
    write_pages(s.block->host, 0, 10, 1);
    start(&s);
    dirty_map_set(s.dirty, 0, 4);
    assert_true(dirty_tracker_sync(s.tracker, 0, s.dirty, &count, NULL));
    assert_int_equal(count, 6);
    write_pages(s.block->guest, 8, 4, 1);
    assert_true(dirty_tracker_sync(s.tracker, 0, s.dirty, &count, NULL));
    assert_int_equal(count, 8);
}

static void test_second_mapping_is_not_tracked(void **state)
{
    g_auto(Setup) s = { 0 };

    if (!set_up(&s, state, 2 * CHUNK)) {
        skip();
    }
    write_pages(s.block->host, 0, 10, 1);
    start(&s);
    assert_int_equal(sync_now(&s), 10);
    write_pages(s.block->host, 0, 10, 2);
    assert_int_equal(pwrite(s.block->fd, "y", 1, 4 * MIG_PAGE_SIZE), 1);
    assert_int_equal(sync_now(&s), 0);
    write_pages(s.block->guest, 9, 1, 3);
    assert_int_equal(sync_now(&s), 1);
}

static void test_first_write_to_a_hole_is_reported(void **state)
{
    g_auto(Setup) s = { 0 };

    if (!set_up(&s, state, 6 * CHUNK)) {
        skip();
    }
    write_pages(s.block->host, 2 * CHUNK, 1, 1);
    start(&s);
    assert_int_equal(sync_now(&s), 1);
    write_pages(s.block->guest, 2 * CHUNK + 5, 1, 1); /* beside data */
    write_pages(s.block->guest, 4 * CHUNK + 5, 2, 1); /* where nothing was */
    assert_int_equal(sync_now(&s), 3);
    assert_true(all_dirty(&s, 2 * CHUNK + 5, 1) && all_dirty(&s, 4 * CHUNK + 5, 2));
    assert_int_equal(sync_now(&s), 0);
    write_pages(s.block->guest, 4 * CHUNK + 6, 2, 2);
    assert_int_equal(sync_now(&s), 2);
    write_pages(s.block->guest, 0, 6 * CHUNK, 3);
    assert_int_equal(sync_now(&s), 6 * CHUNK);
}

/* ---- traps ---- */

/* The page table forgets the page, the tracker must not. Two whole chunks among them: the kernel
 * may then free the page table itself. */
static void test_written_and_reclaimed_is_reported(void **state)
{
    g_auto(Setup) s = { 0 };
    size_t n = 4 * CHUNK;

    if (!set_up(&s, state, n)) {
        skip();
    }
    write_pages(s.block->host, 0, n, 1);
    start(&s);
    assert_int_equal(sync_now(&s), n);
    write_pages(s.block->guest, 10, 64, 2);
    write_pages(s.block->guest, CHUNK, 2 * CHUNK, 2);
    assert_int_equal(madvise(s.block->guest, s.block->size, MADV_DONTNEED), 0);
    assert_int_equal(sync_now(&s), 64 + 2 * CHUNK);
    assert_true(all_dirty(&s, 10, 64) && all_dirty(&s, CHUNK, 2 * CHUNK));

    /* And a page whose protected entry was forgotten is still protected. */
    assert_int_equal(madvise(s.block->guest, s.block->size, MADV_DONTNEED), 0);
    assert_int_equal(sync_now(&s), 0);
    write_pages(s.block->guest, 20, 1, 3);
    assert_int_equal(sync_now(&s), 1);

#ifdef MADV_PAGEOUT
    write_pages(s.block->guest, 30, 8, 4);
    madvise(s.block->guest, s.block->size, MADV_PAGEOUT); /* works where there is swap, or a file */
    assert_int_equal(sync_now(&s), 8);
#endif
}

static size_t page_table_kib(void)
{
    g_autofree char *text = NULL;
    size_t kib = 0;

    assert_true(g_file_get_contents("/proc/self/status", &text, NULL, NULL));
    const char *line = strstr(text, "VmPTE:");
    assert_non_null(line);
    assert_int_equal(sscanf(line, "VmPTE: %zu kB", &kib), 1);
    return kib;
}

static void test_sync_populates_no_hole(void **state)
{
    g_auto(Setup) s = { 0 };
    const Variant *variant = *state;

    if (!set_up(&s, state, 512 * CHUNK)) {
        skip();
    }
    write_pages(s.block->host, 100 * CHUNK, 3, 1);
    blkcnt_t used = blocks_used(s.block);
    size_t tables = page_table_kib();
    start(&s);
    assert_int_equal(sync_now(&s), 3);
    assert_int_equal(sync_now(&s), 0);
    assert_int_equal(blocks_used(s.block), used);
    if (g_str_equal(variant->kind, "async")) {
        /* Tables for the whole GiB would be 2 MiB. */
        assert_true(page_table_kib() < tables + 512);
    }
}

static void test_restart_begins_anew(void **state)
{
    g_auto(Setup) s = { 0 };

    if (!set_up(&s, state, 2 * CHUNK)) {
        skip();
    }
    write_pages(s.block->host, 0, 20, 1);
    for (size_t round = 0; round < 3; round++) {
        start(&s);
        assert_int_equal(sync_now(&s), 20 + round);
        write_pages(s.block->guest, 5, 1, 2);
        assert_int_equal(sync_now(&s), 1);
        dirty_tracker_stop(s.tracker);
        dirty_tracker_stop(s.tracker);
        /* While nobody tracks, too. */
        write_pages(s.block->guest, CHUNK + round, 1, 1);
    }
}

static void test_several_blocks(void **state)
{
    const Variant *variant = *state;
    RamBlock *blocks[2] = {
        ram_block_new("a", 3 * MIG_PAGE_SIZE, NULL, NULL),
        ram_block_new("b", 5 * MIG_PAGE_SIZE, NULL, NULL),
    };
    DirtyTracker *tracker = dirty_tracker_new(variant->kind, blocks, 2, NULL);
    DirtyMap *a = dirty_map_new(3), *b = dirty_map_new(5);

    if (tracker != NULL) {
        uint64_t count = 0;

        assert_true(dirty_tracker_start(tracker, NULL));
        write_pages(blocks[0]->guest, 2, 1, 1);
        write_pages(blocks[1]->guest, 3, 2, 1);
        assert_true(dirty_tracker_sync(tracker, 1, b, &count, NULL));
        assert_int_equal(count, 2);
        assert_true(dirty_tracker_sync(tracker, 0, a, &count, NULL));
        assert_int_equal(count, 3);
        assert_true(dirty_map_test(a, 2) && dirty_map_test(b, 3) && dirty_map_test(b, 4));
    }
    dirty_map_free(a);
    dirty_map_free(b);
    dirty_tracker_free(tracker);
    ram_block_free(blocks[0]);
    ram_block_free(blocks[1]);
}

/* ---- writers beside the tracker ---- */

#define N_WRITERS 3u

typedef struct {
    RamBlock *block;
    unsigned id;
    const _Atomic bool *stop;
    _Atomic uint64_t *progress; /* writes done by all */
} Writer;

typedef struct {
    Writer writers[N_WRITERS];
    GThread *threads[N_WRITERS];
    _Atomic bool stop;
    _Atomic uint64_t progress;
} Writers;

/* Scattered and running writes, each writer in its own words of every page. */
static gpointer writer_main(gpointer data)
{
    Writer *w = data;
    uint64_t random = w->id + 1;

    for (uint64_t i = 1; !atomic_load_explicit(w->stop, memory_order_relaxed); i++) {
        random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
        size_t page = i % 3 == 0 ? i / 3 % w->block->n_pages : (random >> 33) % w->block->n_pages;
        uint64_t *words = (uint64_t *)(void *)(w->block->guest + page * MIG_PAGE_SIZE);

        words[w->id] = i;
        words[512 - N_WRITERS + w->id] = i;
        atomic_fetch_add_explicit(w->progress, 1, memory_order_relaxed);
    }
    return NULL;
}

static void start_writers(Writers *w, RamBlock *block)
{
    atomic_store(&w->stop, false);
    atomic_store(&w->progress, 0);
    for (unsigned i = 0; i < N_WRITERS; i++) {
        w->writers[i] = (Writer){ block, i, &w->stop, &w->progress };
        w->threads[i] = g_thread_new("writer", writer_main, &w->writers[i]);
    }
}

static void stop_writers(Writers *w)
{
    atomic_store(&w->stop, true);
    for (unsigned i = 0; i < N_WRITERS; i++) {
        g_thread_join(w->threads[i]);
    }
}

static void copy_dirty(Setup *s, uint8_t *copy)
{
    size_t n = s->block->n_pages;

    for (size_t page = dirty_map_next(s->dirty, 0); page < n;
         page = dirty_map_next(s->dirty, page + 1)) {
        memcpy(copy + page * MIG_PAGE_SIZE, s->block->host + page * MIG_PAGE_SIZE, MIG_PAGE_SIZE);
    }
}

/* A copy made of what each sync reports must in the end be the memory: from a block that is nearly
 * all holes, with the writers never pausing. Many rounds, since holes fill up once only. */
static void test_no_write_is_lost(void **state)
{
    g_auto(Setup) s = { 0 };
    Writers w;

    if (!set_up(&s, state, 2 * CHUNK + 40)) {
        skip();
    }
    g_autofree uint8_t *copy = g_malloc(s.block->size);
    for (unsigned round = 0; round < sample_size(4, 40); round++) {
        assert_true(ram_block_drop(s.block, NULL));
        memset(copy, 0, s.block->size);
        write_pages(s.block->host, 0, CHUNK / 4, 0x55);
        start(&s);
        start_writers(&w, s.block);
        unsigned n = 0;
        WAIT_STEPPING(n >= 15 && atomic_load(&w.progress) >= 1000, atomic_load(&w.progress), {
            sync_now(&s);
            copy_dirty(&s, copy);
            n++;
        });
        stop_writers(&w);
        sync_now(&s);
        copy_dirty(&s, copy);
        for (size_t i = 0; i < s.block->n_pages; i++) {
            assert_memory_equal(copy + i * MIG_PAGE_SIZE, s.block->host + i * MIG_PAGE_SIZE,
                                MIG_PAGE_SIZE);
        }
        /* Not asserted: that a further sync finds nothing. Two writers that faulted on one page are
         * two messages, and the handler may note the second after both went on. */
        dirty_tracker_stop(s.tracker);
    }
}

/* Nobody may be left waiting for a handler that is gone. */
static void test_stop_lets_writers_go_on(void **state)
{
    g_auto(Setup) s = { 0 };
    Writers w;

    if (!set_up(&s, state, 4 * CHUNK)) {
        skip();
    }
    start_writers(&w, s.block);
    for (unsigned round = 0; round < sample_size(15, 50); round++) {
        uint64_t before;

        start(&s);
        sync_now(&s);
        sync_now(&s);
        dirty_tracker_stop(s.tracker);
        before = atomic_load(&w.progress);
        WAIT_UNTIL(atomic_load(&w.progress) >= before + N_WRITERS);
    }
    stop_writers(&w);
}

/* ---- choosing ---- */

static void test_unknown_kind_is_refused(void **state)
{
    g_autoptr(RamBlock) block = ram_block_new("ram", 4096, NULL, NULL);
    g_autoptr(GError) error = NULL;

    (void)state;
    assert_null(dirty_tracker_new("softdirty", &block, 1, &error));
    assert_non_null(strstr(error->message, "'softdirty': use async or sync"));
}

static void test_best_is_chosen(void **state)
{
    g_autoptr(RamBlock) block = ram_block_new("ram", 4096, NULL, NULL);
    g_autoptr(GError) error = NULL;
    const char *expected = block->backing.async_wp  ? "async"
                           : block->backing.sync_wp ? "sync"
                                                    : NULL;

    (void)state;
    g_autoptr(DirtyTracker) tracker = dirty_tracker_new(NULL, &block, 1, &error);
    if (expected == NULL) {
        assert_null(tracker);
        assert_non_null(strstr(error->message, "vm.unprivileged_userfaultfd"));
        return;
    }
    assert_string_equal(dirty_tracker_name(tracker), expected);
}

/* The flags decide, whatever they came from: so kernels that are not here can be played. */
static void test_poorer_backings(void **state)
{
    g_autoptr(RamBlock) block = ram_block_new("ram", 4096, NULL, NULL);
    g_autoptr(GError) error = NULL;

    (void)state;
    block->backing.async_wp = false;
    block->backing.sync_wp = true;
    g_autoptr(DirtyTracker) tracker = dirty_tracker_new(NULL, &block, 1, NULL);
    assert_string_equal(dirty_tracker_name(tracker), "sync");
    assert_null(dirty_tracker_new("async", &block, 1, &error));
    assert_non_null(strstr(error->message, "'ram' (memfd) cannot be tracked by the tracker async"));

    block->backing.sync_wp = false;
    block->backing.name = "file";
    g_clear_error(&error);
    assert_null(dirty_tracker_new(NULL, &block, 1, &error));
    assert_true(g_error_matches(error, MIG_ERROR, MIG_ERROR_UNSUPPORTED));
    assert_non_null(strstr(error->message, "Linux 6.7"));
    assert_non_null(strstr(error->message, "/dev/shm"));
}

#define FOR_EACH_VARIANT(test)                                                                     \
    { #test " (async)", test, NULL, NULL, &variants[0] },                                          \
        { #test " (sync)", test, NULL, NULL, &variants[1] },                                       \
    {                                                                                              \
#test " (async, file)", test, NULL, NULL, &variants[2]                                     \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        FOR_EACH_VARIANT(test_first_sync_reports_all_data_however_it_came),
        FOR_EACH_VARIANT(test_write_is_reported_once),
        FOR_EACH_VARIANT(test_count_is_of_pages_new_in_the_map),
        FOR_EACH_VARIANT(test_counting_changes_nothing),
        FOR_EACH_VARIANT(test_second_mapping_is_not_tracked),
        FOR_EACH_VARIANT(test_first_write_to_a_hole_is_reported),
        FOR_EACH_VARIANT(test_written_and_reclaimed_is_reported),
        FOR_EACH_VARIANT(test_sync_populates_no_hole),
        FOR_EACH_VARIANT(test_restart_begins_anew),
        FOR_EACH_VARIANT(test_several_blocks),
        FOR_EACH_VARIANT(test_no_write_is_lost),
        FOR_EACH_VARIANT(test_stop_lets_writers_go_on),
        cmocka_unit_test(test_unknown_kind_is_refused),
        cmocka_unit_test(test_best_is_chosen),
        cmocka_unit_test(test_poorer_backings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
