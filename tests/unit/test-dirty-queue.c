/*
 * Which pages go next: runs of one block that are all data or all holes, each page once.
 */
#include "tests/unit/test.h"

#include <string.h>

#include "backend/engine/outgoing/dirty-queue.h"

#define N_PAGES 1024u

typedef struct {
    Guest *guest;
    RamMap map;
    RamSender *sender;
    size_t data_first, data_end; /* the pages that were touched */
} Fixture;

static void setup(Fixture *f, size_t data_first, size_t data_end)
{
    size_t n;

    f->guest =
        guest_new(&(GuestOptions){ .machine = "none", .memory = N_PAGES * MIG_PAGE_SIZE }, NULL);
    assert_non_null(f->guest);
    f->data_first = data_first;
    f->data_end = data_end;
    memset(guest_blocks(f->guest, &n)[0]->host + data_first * MIG_PAGE_SIZE, 7,
           (data_end - data_first) * MIG_PAGE_SIZE);
    f->sender = ram_sender_new(f->guest, NULL, &f->map);
}

static void first_sync(Fixture *f)
{
    uint64_t dirtied;

    assert_true(ram_sender_sync(f->sender, &dirtied, NULL));
    assert_int_equal(dirtied, f->data_end - f->data_first);
}

static void teardown(Fixture *f)
{
    ram_sender_free(f->sender);
    guest_free(f->guest);
}

static void test_nothing_is_there_before_a_sync(void **state)
{
    Fixture f = { 0 };
    RamRun run;

    (void)state;
    setup(&f, 10, 20);
    assert_false(ram_sender_take(f.sender, 128, &run));
    teardown(&f);
}

static void test_runs_are_data_or_holes_and_come_once(void **state)
{
    static const size_t sizes[] = { 1, 7, 128, N_PAGES, SIZE_MAX };

    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(sizes); i++) {
        Fixture f = { 0 };
        RamRun run;
        size_t next = 0;

        setup(&f, 100, 333);
        first_sync(&f);
        while (ram_sender_take(f.sender, sizes[i], &run)) {
            assert_int_equal(run.first, next);
            assert_in_range(run.count, 1, MIN(sizes[i], N_PAGES));
            assert_int_equal(run.data, run.first >= 100 && run.first < 333);
            assert_int_equal(run.data, run.first + run.count > 100 && run.first + run.count <= 333);
            if (run.data) {
                assert_int_equal(*run.host, 7);
            }
            next += run.count;
            assert_int_equal(ram_sender_remaining(f.sender), N_PAGES - next);
        }
        assert_int_equal(next, N_PAGES);
        teardown(&f);
    }
}

static void test_writer_gets_every_page(void **state)
{
    g_autoptr(StreamWriter) w = stream_writer_new();
    Fixture f = { 0 };
    uint64_t normal = 0, zero = 0;

    (void)state;
    setup(&f, 5, 700);
    first_sync(&f);
    stream_put_ram_block(w, "ram", N_PAGES * MIG_PAGE_SIZE);
    while (ram_sender_remaining(f.sender) > 0) {
        RamBatch batch = ram_sender_fill(f.sender, w, 64 * 1024);

        assert_true(batch.normal + batch.zero > 0);
        assert_in_range(stream_writer_pending(w), 1, 64 * 1024 + MIG_PAGE_SIZE + 256);
        normal += batch.normal;
        zero += batch.zero;
        stream_writer_reset(w);
    }
    assert_int_equal(normal, 695);
    assert_int_equal(zero, N_PAGES - 695);
    teardown(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_is_there_before_a_sync),
        cmocka_unit_test(test_runs_are_data_or_holes_and_come_once),
        cmocka_unit_test(test_writer_gets_every_page),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
