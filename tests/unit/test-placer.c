/*
 * Placing pages: whatever order they come in, the last one wins, runs are written whole, and zero
 * pages of fresh memory are not touched.
 */
#include "tests/unit/test.h"

#include <string.h>

#include "backend/engine/incoming/placer.h"

#define N_PAGES 1024u

static RamBlock *new_block(void)
{
    g_autoptr(GError) error = NULL;
    RamBlock *block = ram_block_new("ram", N_PAGES * MIG_PAGE_SIZE, NULL, &error);

    assert_null(error);
    return block;
}

static void test_last_write_wins_in_any_order(void **state)
{
    g_autoptr(RamBlock) block = new_block();
    RamBlock *blocks[] = { block };
    g_autoptr(Placer) placer = placer_new(blocks, 1);
    g_autoptr(GRand) rand = g_rand_new_with_seed(1);
    g_autofree uint8_t *expected = g_malloc0(block->size);
    g_autofree uint8_t *pages = g_malloc(256 * MIG_PAGE_SIZE);
    g_autoptr(GError) error = NULL;

    (void)state;
    for (int i = 0; i < 256; i++) {
        memset(pages + (size_t)i * MIG_PAGE_SIZE, i, MIG_PAGE_SIZE);
    }
    for (int i = 0; i < 20000; i++) {
        /* Long runs as well as jumps and repeats. */
        static size_t at;
        const uint8_t *page = pages + (size_t)g_rand_int_range(rand, 1, 256) * MIG_PAGE_SIZE;

        at = g_rand_int_range(rand, 0, 40) == 0   ? (size_t)g_rand_int_range(rand, 0, N_PAGES)
             : g_rand_int_range(rand, 0, 10) == 0 ? at
                                                  : (at + 1) % N_PAGES;
        if (g_rand_int_range(rand, 0, 4) == 0) {
            uint8_t fill = g_rand_boolean(rand) ? 0 : 0xff;
            assert_true(placer_fill(placer, 0, at * MIG_PAGE_SIZE, fill, &error));
            memset(expected + at * MIG_PAGE_SIZE, fill, MIG_PAGE_SIZE);
        } else {
            assert_true(placer_page(placer, 0, at * MIG_PAGE_SIZE, page, &error));
            memcpy(expected + at * MIG_PAGE_SIZE, page, MIG_PAGE_SIZE);
        }
    }
    assert_true(placer_flush(placer, &error));
    assert_memory_equal(block->host, expected, block->size);
}

static void test_zero_pages_of_fresh_memory_stay_holes(void **state)
{
    g_autoptr(RamBlock) block = new_block();
    RamBlock *blocks[] = { block };
    g_autoptr(Placer) placer = placer_new(blocks, 1);
    g_autoptr(GError) error = NULL;
    uint8_t page[MIG_PAGE_SIZE];
    size_t first, end;

    (void)state;
    memset(page, 7, sizeof page);
    for (size_t p = 0; p < N_PAGES; p++) {
        if (p == 500) {
            assert_true(placer_page(placer, 0, p * MIG_PAGE_SIZE, page, &error));
        } else {
            assert_true(placer_fill(placer, 0, p * MIG_PAGE_SIZE, 0, &error));
        }
    }
    assert_true(placer_flush(placer, &error));
    assert_true(ram_block_next_data(block, 0, &first, &end));
    assert_int_equal(first, 500);
    assert_int_equal(end, 501);
    assert_false(ram_block_next_data(block, end, &first, &end));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_last_write_wins_in_any_order),
        cmocka_unit_test(test_zero_pages_of_fresh_memory_stay_holes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
