/*
 * memory/block.c: two mappings of one memory, holes that stay holes, files.
 */
#include <errno.h>
#include <fcntl.h>
#include "tests/unit/test.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include "backend/guest/memory/block.h"

static RamBlock *new_block(size_t n_pages, const char *path)
{
    g_autoptr(GError) error = NULL;
    RamBlock *block = ram_block_new("ram", n_pages * MIG_PAGE_SIZE, path, &error);

    assert_non_null(block);
    return block;
}

static blkcnt_t blocks_used(const RamBlock *block)
{
    struct stat st;

    assert_int_equal(fstat(block->fd, &st), 0);
    return st.st_blocks;
}

static void test_refuses(void **state)
{
    char long_id[257];
    static const struct {
        const char *id;
        uint64_t size;
        const char *text;
    } rows[] = {
        { "", 4096, "1 to 255 bytes" },
        { NULL, 4096, "1 to 255 bytes, not 256" },
        { "ram", 0, "whole number" },
        { "ram", 4095, "whole number" },
        { "ram", 4097, "whole number" },
        { "ram", UINT64_C(1) << 63, "whole number" },
        { "ram", (UINT64_C(1) << 62) - 4096, "bytes" },
    };

    (void)state;
    memset(long_id, 'x', 256);
    long_id[256] = '\0';
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;
        const char *id = rows[i].id != NULL ? rows[i].id : long_id;

        assert_null(ram_block_new(id, rows[i].size, NULL, &error));
        assert_non_null(error);
        assert_non_null(strstr(error->message, rows[i].text));
    }
}

static void test_longest_name_is_taken(void **state)
{
    char id[256];

    (void)state;
    memset(id, 'x', 255);
    id[255] = '\0';
    g_autoptr(RamBlock) block = ram_block_new(id, 4096, NULL, NULL);
    assert_non_null(block);
    assert_string_equal(block->idstr, id);
}

static void test_both_mappings_are_one_memory(void **state)
{
    g_autoptr(RamBlock) block = new_block(3, NULL);

    (void)state;
    assert_ptr_not_equal(block->guest, block->host);
    block->guest[5000] = 7;
    assert_int_equal(block->host[5000], 7);
    assert_int_equal(pwrite(block->fd, "x", 1, 9000), 1);
    assert_int_equal(block->guest[9000], 'x');
}

static void test_memfd_backing(void **state)
{
    g_autoptr(RamBlock) block = new_block(3, NULL);

    (void)state;
    print_message("memfd here: async %d, sync %d, missing+minor %d\n", block->backing.async_wp,
                  block->backing.sync_wp, block->backing.missing_minor);
    assert_string_equal(block->backing.name, "memfd");
    assert_true(block->backing.seek_data);
    assert_true(block->backing.pwrite);
    assert_int_equal(block->backing.granule, 4096);
    /* Asking changed nothing. */
    assert_int_equal(blocks_used(block), 0);
}

static void test_data_is_found_and_holes_stay_holes(void **state)
{
    g_autoptr(RamBlock) block = new_block(2000, NULL);
    static const size_t expected[][2] = { { 0, 1 }, { 5, 8 }, { 700, 701 }, { 1999, 2000 } };
    size_t first, end = 0;

    (void)state;
    assert_false(ram_block_next_data(block, 0, &first, &end));
    block->host[0] = 1;
    memset(block->guest + 5 * MIG_PAGE_SIZE, 1, 3 * MIG_PAGE_SIZE);
    assert_int_equal(pwrite(block->fd, "x", 1, 700 * MIG_PAGE_SIZE + 17), 1);
    block->host[2000 * MIG_PAGE_SIZE - 1] = 1;

    blkcnt_t used = blocks_used(block);
    end = 0;
    for (size_t i = 0; i < G_N_ELEMENTS(expected); i++) {
        assert_int_equal(ram_block_first_data(block, end), expected[i][0]);
        assert_true(ram_block_next_data(block, end, &first, &end));
        assert_int_equal(first, expected[i][0]);
        assert_int_equal(end, expected[i][1]);
    }
    assert_false(ram_block_next_data(block, end, &first, &end));
    assert_int_equal(ram_block_first_data(block, end), 2000);
    assert_true(ram_block_next_data(block, 6, &first, &end));
    assert_int_equal(first, 6);
    assert_int_equal(end, 8);
    assert_int_equal(blocks_used(block), used);
}

static void test_drop_empties(void **state)
{
    g_autoptr(RamBlock) block = new_block(64, NULL);

    (void)state;
    memset(block->guest, 0xaa, block->size);
    assert_true(ram_block_drop(block, NULL));
    assert_int_equal(blocks_used(block), 0);
    for (size_t i = 0; i < block->n_pages; i++) {
        assert_true(ram_page_is_zero(block->host + i * MIG_PAGE_SIZE));
    }
    block->guest[0] = 1;
    assert_int_equal(block->host[0], 1);
}

static void test_populated_block_stays_in_memory_and_zero(void **state)
{
    g_autoptr(RamBlock) block = new_block(64, NULL);
    const blkcnt_t full = (blkcnt_t)(block->size / 512);

    (void)state;
    assert_true(ram_block_populate(block, NULL));
    assert_true(blocks_used(block) >= full);
    assert_true(ram_block_drop(block, NULL)); /* nothing was written: nothing to do */
    assert_true(blocks_used(block) >= full);

    ram_block_touch(block);
    memset(block->guest, 0xaa, block->size);
    assert_true(ram_block_drop(block, NULL));
    assert_true(blocks_used(block) >= full);
    for (size_t i = 0; i < block->n_pages; i++) {
        assert_true(ram_page_is_zero(block->host + i * MIG_PAGE_SIZE));
    }
}

/* A file that held something before is not taken for empty. */
static void test_populating_keeps_what_is_there(void **state)
{
    g_autoptr(RamBlock) block = new_block(64, NULL);

    (void)state;
    block->host[5 * MIG_PAGE_SIZE] = 7;
    assert_true(ram_block_populate(block, NULL));
    assert_int_equal(block->guest[5 * MIG_PAGE_SIZE], 7);
    assert_true(ram_block_drop(block, NULL));
    assert_int_equal(block->guest[5 * MIG_PAGE_SIZE], 0);
}

static void test_zero_test_sees_every_bit(void **state)
{
    static uint64_t page[512];

    (void)state;
    assert_true(ram_page_is_zero((uint8_t *)page));
    for (unsigned bit = 0; bit < 512 * 64; bit += 7) {
        page[bit / 64] = UINT64_C(1) << (bit % 64);
        assert_false(ram_page_is_zero((uint8_t *)page));
        page[bit / 64] = 0;
    }
}

/* ---- files ---- */

static char *dir;

static int make_dir(void **state)
{
    (void)state;
    dir = g_dir_make_tmp("migmon-test-XXXXXX", NULL);
    return dir == NULL ? -1 : 0;
}

static int remove_dir(void **state)
{
    (void)state;
    g_rmdir(dir);
    g_clear_pointer(&dir, g_free);
    return 0;
}

static void test_file_is_made_private(void **state)
{
    g_autofree char *path = g_build_filename(dir, "ram", NULL);
    struct stat st;

    (void)state;
    g_autoptr(RamBlock) block = new_block(16, path);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(st.st_size, 16 * MIG_PAGE_SIZE);
    print_message("%s is a %s: async %d, sync %d, missing+minor %d\n", path, block->backing.name,
                  block->backing.async_wp, block->backing.sync_wp, block->backing.missing_minor);
    assert_true(ram_block_drop(block, NULL));
    g_unlink(path);
}

static void test_file_keeps_its_content_and_grows(void **state)
{
    g_autofree char *path = g_build_filename(dir, "ram", NULL);

    (void)state;
    assert_true(g_file_set_contents(path, "hello", 5, NULL));
    g_autoptr(RamBlock) block = new_block(16, path);
    assert_memory_equal(block->guest, "hello", 6);
    block->guest[8 * MIG_PAGE_SIZE] = 'x';
    g_clear_pointer(&block, ram_block_free);

    block = new_block(32, path);
    assert_int_equal(block->host[8 * MIG_PAGE_SIZE], 'x');
    assert_true(ram_block_drop(block, NULL));
    assert_int_equal(block->guest[8 * MIG_PAGE_SIZE], 0);
    g_unlink(path);
}

static void test_file_has_one_owner_at_a_time(void **state)
{
    g_autofree char *path = g_build_filename(dir, "shared", NULL);
    g_autoptr(GError) error = NULL;

    (void)state;
    g_autoptr(RamBlock) here = new_block(4, path);
    g_autoptr(RamBlock) there = ram_block_open("ram", 4 * MIG_PAGE_SIZE, path, NULL);

    assert_non_null(there);
    here->guest[5] = 'x';
    assert_int_equal(there->host[5], 'x');
    assert_true(ram_block_claim(here, NULL)); /* it has it already */
    assert_false(ram_block_claim(there, &error));
    assert_non_null(strstr(error->message, "in use by another process"));

    ram_block_yield(here);
    assert_true(ram_block_claim(there, NULL));
    assert_false(ram_block_claim(here, NULL));
    g_unlink(path);
}

/* Populated and empty here: that says nothing while another process may write. */
static void test_a_drop_knows_of_other_owners(void **state)
{
    g_autofree char *path = g_build_filename(dir, "shared", NULL);

    (void)state;
    g_autoptr(RamBlock) here = new_block(4, path);
    g_autoptr(RamBlock) there = ram_block_open("ram", 4 * MIG_PAGE_SIZE, path, NULL);

    assert_true(ram_block_populate(there, NULL));
    here->guest[5] = 'x';
    ram_block_yield(here);
    assert_true(ram_block_claim(there, NULL));
    assert_true(ram_block_drop(there, NULL));
    assert_int_equal(there->host[5], 0);

    ram_block_yield(there);
    assert_true(ram_block_claim(here, NULL));
    here->guest[6] = 'y';
    ram_block_yield(here);
    assert_true(ram_block_claim(there, NULL));
    assert_true(ram_block_drop(there, NULL));
    assert_int_equal(there->host[6], 0);
    g_unlink(path);
}

static void test_file_is_refused(void **state)
{
    g_autofree char *path = g_build_filename(dir, "ram", NULL);
    g_autofree char *nowhere = g_build_filename(dir, "no", "ram", NULL);
    g_autoptr(GError) error = NULL;
    struct stat st;

    (void)state;
    RamBlock *block = new_block(17, path);
    assert_non_null(block);
    assert_null(ram_block_new("ram", 17 * MIG_PAGE_SIZE, path, &error));
    assert_non_null(strstr(error->message, "in use by another process"));
    g_clear_error(&error);
    ram_block_free(block);
    assert_null(ram_block_new("ram", 16 * MIG_PAGE_SIZE, path, &error));
    assert_non_null(strstr(error->message, "has 69632 bytes, the guest only 65536"));
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, 17 * MIG_PAGE_SIZE);
    g_unlink(path);

    g_clear_error(&error);
    assert_null(ram_block_new("ram", 4096, "/dev/null", &error));
    assert_non_null(strstr(error->message, "not a regular file"));
    g_clear_error(&error);
    assert_null(ram_block_new("ram", 4096, dir, &error));
    assert_non_null(strstr(error->message, "opening RAM file"));
    g_clear_error(&error);
    assert_null(ram_block_new("ram", 4096, nowhere, &error));
    assert_non_null(strstr(error->message, "No such file"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_longest_name_is_taken),
        cmocka_unit_test(test_both_mappings_are_one_memory),
        cmocka_unit_test(test_memfd_backing),
        cmocka_unit_test(test_data_is_found_and_holes_stay_holes),
        cmocka_unit_test(test_drop_empties),
        cmocka_unit_test(test_populated_block_stays_in_memory_and_zero),
        cmocka_unit_test(test_populating_keeps_what_is_there),
        cmocka_unit_test(test_zero_test_sees_every_bit),
        cmocka_unit_test(test_file_is_made_private),
        cmocka_unit_test(test_file_keeps_its_content_and_grows),
        cmocka_unit_test(test_file_has_one_owner_at_a_time),
        cmocka_unit_test(test_a_drop_knows_of_other_owners),
        cmocka_unit_test(test_file_is_refused),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
