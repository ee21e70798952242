/*
 * ledger.c and verify.c: contents that name themselves, and a proof that finds
 * every way in which a copy can be wrong. The guests do their steps in the
 * test's thread, so each run is the same.
 */
#include "tests/unit/test.h"

#include <string.h>
#include <sys/stat.h>

#include "backend/guest/guest-internal.h"
#include "backend/guest/stress/machine.h"
#include "tests/unit/patience.h"

#define BIG_PAGES (8 * 513u) /* 8 groups */

static Guest *new_guest(const char *machine, uint64_t pages, unsigned smp)
{
    g_autoptr(GError) error = NULL;
    Guest *guest = guest_new(
        &(GuestOptions){ .machine = machine, .memory = pages * MIG_PAGE_SIZE, .smp = smp }, &error);

    if (guest == NULL) {
        fail_msg("%s", error->message);
    }
    return guest;
}

static void verify(Guest *guest, VerifyReport *ret)
{
    assert_true(guest_verify(guest, ret, NULL));
}

static uint64_t n_faults(const VerifyReport *report)
{
    uint64_t n = 0;

    for (unsigned i = 0; i < VERIFY__COUNT; i++) {
        n += report->n_faults[i];
    }
    return n;
}

static void assert_clean(Guest *guest)
{
    g_auto(VerifyReport) report = { 0 };

    verify(guest, &report);
    if (n_faults(&report) > 0) {
        g_autofree char *text =
            verify_finding_text(&g_array_index(report.findings, VerifyFinding, 0));
        fail_msg("%s", text);
    }
    assert_int_equal(report.findings->len, 0);
    assert_int_equal(report.pages_checked, guest->layout.n_data);
}

/* ---- layout and content ---- */

static void test_layout_uses_every_page(void **state)
{
    (void)state;
    for (size_t n = LEDGER_MIN_PAGES; n < 5000; n++) {
        LedgerLayout layout = ledger_layout(n);
        size_t data = 0;

        for (size_t g = 0; g < layout.n_groups; g++) {
            data += ledger_group_pages(&layout, g);
        }
        assert_int_equal(data, layout.n_data);
        assert_int_equal(layout.n_groups, (layout.n_data + 511) / 512);
        assert_int_equal(layout.ledger_page + layout.n_groups, n);
        assert_true(layout.n_data <= layout.ledger_page);
        /* One page over n * 513 could only be the ledger page of nothing. */
        assert_int_equal(layout.ledger_page - layout.n_data, n % 513 == 1);
    }
}

static void test_every_pair_of_words_names_page_and_step(void **state)
{
    static uint64_t page[512];
    static const ContentKind kinds[] = { CONTENT_COMPRESSIBLE, CONTENT_INCOMPRESSIBLE };
    uint64_t random = 1;

    (void)state;
    for (unsigned i = 0; i < 200; i++) {
        uint64_t seed = mix64(random++), p = mix64(random++) % 1000000;
        uint64_t entry = ledger_entry(kinds[i % 2], 1 + mix64(random++) % LEDGER_STEP_MASK);

        content_write((uint8_t *)page, seed, p, entry);
        assert_int_equal(content_differs((uint8_t *)page, seed, p, entry, 0), MIG_PAGE_SIZE);
        for (size_t pair = 0; pair < 256; pair++) {
            uint64_t found_page, found_entry;

            assert_true(
                content_decode((uint8_t *)page, pair, seed, 1000000, &found_page, &found_entry));
            assert_int_equal(found_page, p);
            assert_int_equal(found_entry, entry);
        }
        assert_int_equal(page[0] == page[2], kinds[i % 2] == CONTENT_COMPRESSIBLE);
    }
}

static void test_contents_differ_in_every_word(void **state)
{
    static uint64_t a[512], b[512];
    static const struct {
        uint64_t seed, page, step;
    } other[] = { { 1, 7, 101 }, { 1, 8, 100 }, { 2, 7, 100 } };

    (void)state;
    for (ContentKind kind = CONTENT_COMPRESSIBLE; kind < CONTENT__COUNT; kind++) {
        content_write((uint8_t *)a, 1, 7, ledger_entry(kind, 100));
        for (size_t i = 0; i < G_N_ELEMENTS(other); i++) {
            content_write((uint8_t *)b, other[i].seed, other[i].page,
                          ledger_entry(kind, other[i].step));
            for (size_t w = 0; w < 512; w++) {
                assert_int_not_equal(a[w], b[w]);
                assert_int_not_equal(a[w], 0);
            }
        }
    }
}

static void test_differing_byte_is_found(void **state)
{
    static uint64_t words[512];
    uint8_t *page = (uint8_t *)words;

    (void)state;
    for (ContentKind kind = CONTENT_ZERO; kind < CONTENT__COUNT; kind++) {
        uint64_t entry = ledger_entry(kind, 5);

        content_write(page, 1, 7, entry);
        uint32_t step = sample_everything() ? 1 : 5;
        for (uint32_t i = sample_seed() % step; i < MIG_PAGE_SIZE; i += step) {
            page[i] ^= 0x80;
            assert_int_equal(content_differs(page, 1, 7, entry, 0), i);
            assert_int_equal(content_differs(page, 1, 7, entry, i), i);
            assert_int_equal(content_differs(page, 1, 7, entry, i + 1), MIG_PAGE_SIZE);
            page[i] ^= 0x80;
        }
    }
}

/* ---- clean guests ---- */

static void test_untouched_guest_is_clean_and_stays_untouched(void **state)
{
    g_autoptr(Guest) guest = new_guest("stress", BIG_PAGES, 2);
    g_auto(VerifyReport) report = { 0 };
    struct stat before, after;

    (void)state;
    verify(guest, &report);
    assert_int_equal(n_faults(&report), 0);
    assert_int_equal(report.pages_checked, 8 * 512);
    assert_int_equal(report.pages_written, 0);
    assert_int_equal(fstat(guest->block->fd, &after), 0);
    assert_int_equal(after.st_blocks, 0);

    guest_run_steps(guest, 10);
    assert_int_equal(fstat(guest->block->fd, &before), 0);
    assert_clean(guest);
    assert_int_equal(fstat(guest->block->fd, &after), 0);
    assert_int_equal(after.st_blocks, before.st_blocks);
}

static void test_every_pattern_verifies(void **state)
{
    const char *const *patterns = stress_pattern_names();

    (void)state;
    for (unsigned smp = 1; smp <= 3; smp++) {
        for (unsigned i = 0; patterns[i] != NULL; i++) {
            g_autofree char *machine = g_strdup_printf("stress,pattern=%s", patterns[i]);
            g_autoptr(Guest) guest = new_guest(machine, 1100, smp); /* 3 groups */
            g_auto(VerifyReport) report = { 0 };
            uint64_t steps = g_str_equal(patterns[i], "idle") ? 0 : 500 * smp;

            guest_run_steps(guest, 500);
            assert_clean(guest);
            verify(guest, &report);
            assert_int_equal(report.steps, steps);
            assert_int_equal(report.pages_written > 0, steps > 0);
        }
    }
}

static void test_odd_sizes_verify(void **state)
{
    static const uint64_t sizes[] = { 64, 65, 511, 512, 513, 514, 515, 1026, 1027, 1028 };

    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(sizes); i++) {
        g_autoptr(Guest) guest = new_guest("stress,prefill=on", sizes[i], 3);
        g_auto(VerifyReport) report = { 0 };

        guest_run_steps(guest, sizes[i]); /* enough for the prefill of one vCPU */
        assert_clean(guest);
        verify(guest, &report);
        assert_int_equal(report.pages_written, guest->layout.n_data);
    }
}

/* ---- faults ---- */

static const struct {
    VerifyFault fault;
    const char *text;
} faults[] = {
    { VERIFY_STALE, "is stale: its content is 1 step older" },
    { VERIFY_LOST, "is lost" },
    { VERIFY_SWAPPED, "is swapped: it holds the content of page" },
    { VERIFY_TORN, "is torn: two of its contents meet at offset 2048" },
    { VERIFY_CORRUPT, "is corrupt: no step wrote what it holds, from offset 1000 on" },
    { VERIFY_STALE_LEDGER, "is stale: it is older than its data pages" },
    { VERIFY_STALE_GROUP, "is stale: data and ledger agree, but the vCPU's seal is newer" },
};

static void test_each_planted_fault_is_found_and_named(void **state)
{
    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(faults); i++) {
        g_autoptr(Guest) guest = new_guest("stress", 1100, 2);
        g_auto(VerifyReport) report = { 0 };
        uint64_t page;

        guest_run_steps(guest, 1500);
        assert_true(guest_plant_fault(guest, faults[i].fault, &page, NULL));
        verify(guest, &report);
        assert_int_equal(n_faults(&report), 1);
        assert_int_equal(report.n_faults[faults[i].fault], 1);
        assert_int_equal(report.findings->len, 1);

        const VerifyFinding *finding = &g_array_index(report.findings, VerifyFinding, 0);
        g_autofree char *text = verify_finding_text(finding);
        g_autofree char *number = g_strdup_printf("%" G_GUINT64_FORMAT, page);
        print_message("%s: %s\n", verify_fault_name(finding->fault), text);
        assert_int_equal(finding->fault, faults[i].fault);
        assert_int_equal(finding->page, page);
        assert_int_equal(finding->group, page / 512);
        assert_non_null(strstr(text, faults[i].text));
        assert_non_null(strstr(text, number));
    }
}

static void test_all_faults_at_once_are_told_apart(void **state)
{
    g_autoptr(Guest) guest = new_guest("stress", BIG_PAGES, 2);
    g_auto(VerifyReport) report = { 0 };
    uint64_t pages[VERIFY__COUNT];

    (void)state;
    guest_run_steps(guest, 5000);
    for (unsigned i = 0; i < VERIFY__COUNT; i++) {
        assert_true(guest_plant_fault(guest, (VerifyFault)i, &pages[i], NULL));
    }
    verify(guest, &report);
    assert_int_equal(n_faults(&report), VERIFY__COUNT);
    for (unsigned i = 0; i < VERIFY__COUNT; i++) {
        const VerifyFinding *finding = &g_array_index(report.findings, VerifyFinding, i);

        assert_int_equal(report.n_faults[i], 1);
        assert_int_equal(finding->page, pages[finding->fault]);
    }
}

/* The vCPUs keep writing over the damage's group: the seal never comes right by that. */
static void test_seal_fault_outlives_later_steps(void **state)
{
    static const VerifyFault kinds[] = { VERIFY_STALE_LEDGER, VERIFY_STALE_GROUP };

    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
        g_autoptr(Guest) guest = new_guest("stress", 600, 1);
        g_auto(VerifyReport) report = { 0 };
        uint64_t page;

        guest_run_steps(guest, 2000);
        assert_true(guest_plant_fault(guest, kinds[i], &page, NULL));
        guest_run_steps(guest, 4000);
        verify(guest, &report);
        assert_int_equal(n_faults(&report), 1);
    }
}

static void test_findings_are_capped_but_counted(void **state)
{
    g_autoptr(Guest) guest = new_guest("stress,zero=0,prefill=on", BIG_PAGES, 1);
    g_auto(VerifyReport) report = { 0 };

    (void)state;
    guest_run_steps(guest, 8 * 512);
    memset(guest->block->host, 0, 1000 * MIG_PAGE_SIZE);
    verify(guest, &report);
    assert_int_equal(report.n_faults[VERIFY_LOST], 1000);
    assert_int_equal(report.findings->len, 64);
}

/* A tear or a hole where a page was dropped as a whole, with borders at every place. */
static void test_tear_is_found_at_any_border(void **state)
{
    g_autoptr(Guest) guest = new_guest("stress,zero=0,compressible=0,prefill=on", 64, 1);
    uint64_t entry = 0, page = 30;
    uint8_t good[MIG_PAGE_SIZE], old[MIG_PAGE_SIZE] __attribute__((aligned(8)));
    uint8_t *at = guest->block->host + page * MIG_PAGE_SIZE;

    (void)state;
    guest_run_steps(guest, 63);
    entry = *ledger_entry_at(&guest->layout, guest->block->host, page);
    memcpy(good, at, MIG_PAGE_SIZE);
    content_write(old, 1, page, entry - 1);
    uint32_t step = sample_everything() ? 4 : 20;
    for (uint32_t border = 16 + sample_seed() % step / 4 * 4; border <= MIG_PAGE_SIZE - 8;
         border += step) {
        g_auto(VerifyReport) report = { 0 };

        memcpy(at, good, border);
        memcpy(at + border, old + border, MIG_PAGE_SIZE - border);
        verify(guest, &report);
        assert_int_equal(n_faults(&report), 1);
        const VerifyFinding *finding = &g_array_index(report.findings, VerifyFinding, 0);
        if (border <= MIG_PAGE_SIZE - 16) {
            assert_int_equal(finding->fault, VERIFY_TORN);
        }
        /* A byte may be the same in both contents by chance. */
        assert_in_range(finding->offset, border, border + 2);
    }
}

static void test_zeroed_half_is_torn(void **state)
{
    g_autoptr(Guest) guest = new_guest("stress,zero=0,prefill=on", 64, 1);
    g_auto(VerifyReport) report = { 0 };

    (void)state;
    guest_run_steps(guest, 63);
    memset(guest->block->host + 30 * MIG_PAGE_SIZE + 1024, 0, MIG_PAGE_SIZE - 1024);
    verify(guest, &report);
    assert_int_equal(report.n_faults[VERIFY_TORN], 1);
    assert_int_equal(g_array_index(report.findings, VerifyFinding, 0).offset, 1024);
}

static void test_nothing_to_plant_into(void **state)
{
    g_autoptr(Guest) guest = new_guest("stress", 64, 1);
    g_autoptr(Guest) none = new_guest("none", 64, 0);
    g_autoptr(GError) error = NULL;
    uint64_t page;

    (void)state;
    assert_false(guest_plant_fault(guest, VERIFY_LOST, &page, &error));
    assert_non_null(strstr(error->message, "not written enough"));
    g_clear_error(&error);
    assert_false(guest_plant_fault(none, VERIFY_LOST, &page, &error));
    assert_non_null(strstr(error->message, "no ledger"));
}

static void test_machine_none_has_no_ledger(void **state)
{
    g_autoptr(Guest) guest = new_guest("none", 4, 0);
    g_auto(VerifyReport) report = { 0 };
    g_autoptr(GError) error = NULL;

    (void)state;
    assert_false(guest_verify(guest, &report, &error));
    assert_non_null(strstr(error->message, "no ledger"));
    assert_null(report.findings);
}

static void test_fault_names_go_both_ways(void **state)
{
    VerifyFault fault;

    (void)state;
    for (unsigned i = 0; i < VERIFY__COUNT; i++) {
        assert_true(verify_fault_from_name(verify_fault_name((VerifyFault)i), &fault));
        assert_int_equal(fault, i);
    }
    assert_false(verify_fault_from_name("", &fault));
    assert_false(verify_fault_from_name("stale_ledger", &fault));
}

/* ---- moving ---- */

static void copy_page(Guest *from, Guest *to, size_t page)
{
    memcpy(to->block->host + page * MIG_PAGE_SIZE, from->block->host + page * MIG_PAGE_SIZE,
           MIG_PAGE_SIZE);
}

static void copy_ram(Guest *from, Guest *to)
{
    size_t first, end = 0;

    while (ram_block_next_data(from->block, end, &first, &end)) {
        for (size_t page = first; page < end; page++) {
            copy_page(from, to, page);
        }
    }
}

static void copy_vcpus(Guest *from, Guest *to)
{
    for (unsigned i = 0; i < guest_n_vcpus(from); i++) {
        g_auto(VcpuState) vcpu = { 0 };
        g_autoptr(GError) error = NULL;

        guest_save_vcpu(from, i, &vcpu);
        if (!guest_load_vcpu(to, i, &vcpu, &error)) {
            fail_msg("%s", error->message);
        }
    }
}

static void test_moved_guest_verifies_and_goes_on_as_the_other_would(void **state)
{
    const char *const *patterns = stress_pattern_names();

    (void)state;
    for (unsigned i = 0; patterns[i] != NULL; i++) {
        g_autofree char *machine = g_strdup_printf("stress,seed=99,pattern=%s", patterns[i]);
        g_autoptr(Guest) a = new_guest(machine, 700, 3); /* 2 groups */

        guest_run_steps(a, 400);
        for (unsigned hop = 0; hop < 3; hop++) {
            /* Its own options do not matter: the state that came says what it does. */
            g_autoptr(Guest) b = new_guest("stress,zero=77,compressible=1,prefill=on", 700, 3);

            copy_ram(a, b);
            copy_vcpus(a, b);
            assert_clean(b);
            guest_run_steps(a, 200);
            guest_run_steps(b, 200);
            assert_memory_equal(a->block->host, b->block->host, a->block->size);
            assert_clean(b);
            guest_free(a);
            a = g_steal_pointer(&b);
        }
    }
}

/* The faults again, made as a bad copy makes them: something is not sent a second time. */
static void test_missed_pages_are_found(void **state)
{
    static const struct {
        bool miss_data, miss_ledger;
        VerifyFault fault;
    } rows[] = {
        { true, false, VERIFY_STALE },
        { false, true, VERIFY_STALE_LEDGER },
        { true, true, VERIFY_STALE_GROUP },
    };

    (void)state;
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(Guest) a = new_guest("stress,pattern=sweep,zero=0", 1100, 1);
        g_autoptr(Guest) b = new_guest("stress", 1100, 1);
        g_auto(VerifyReport) report = { 0 };
        size_t page = 700;

        guest_run_steps(a, a->layout.n_data);
        copy_ram(a, b);
        guest_run_steps(a, page + 1); /* the sweep comes round and ends with this page */
        for (size_t p = 0; p < a->block->n_pages; p++) {
            bool is_data = p == page || (rows[i].miss_ledger && p / 512 == page / 512);
            bool is_ledger = p == a->layout.ledger_page + page / 512;

            if (!(rows[i].miss_data && p < a->layout.n_data && is_data) &&
                !(rows[i].miss_ledger && is_ledger)) {
                copy_page(a, b, p);
            }
        }
        copy_vcpus(a, b);
        assert_clean(a);
        verify(b, &report);
        assert_int_equal(n_faults(&report), 1);

        const VerifyFinding *finding = &g_array_index(report.findings, VerifyFinding, 0);
        assert_int_equal(finding->fault, rows[i].fault);
        assert_int_equal(finding->page, rows[i].miss_ledger ? 512 : page);
        if (rows[i].fault == VERIFY_STALE) {
            assert_int_equal(finding->steps, a->layout.n_data);
        }
    }
}

static void test_state_that_does_not_fit_is_refused(void **state)
{
    g_autoptr(Guest) guest = new_guest("stress", 1600, 2);
    uint64_t seals[8] = { 0 };
    VcpuState good = {
        .n_vcpus = 2,
        .n_seals = 2,
        .seals = seals,
        .set_pages = 100,
        .zero_percent = 10,
    };
    struct {
        VcpuState state;
        const char *text;
    } rows[8];
    size_t n = 0;

    (void)state;
#define ROW(member, value, expected)                                                               \
    rows[n] = (typeof(rows[0])){ good, expected };                                                 \
    rows[n++].state.member = (value)
    ROW(n_vcpus, 3, "number of vCPUs 3, this machine 2");
    ROW(n_seals, 1, "number of seals 1, this machine 2");
    ROW(n_seals, UINT32_MAX, "number of seals 4294967295");
    ROW(set_pages, 0, "working set of pages 0");
    ROW(set_pages, 1597, "working set of pages 1597, this machine 1596");
    ROW(pattern, STRESS_PATTERN__COUNT, "pattern 7");
    ROW(compressible_percent, 91, "91 % compressible");
    ROW(step, LEDGER_STEP_MASK, "step");
#undef ROW
    assert_true(guest_load_vcpu(guest, 0, &good, NULL));
    for (size_t i = 0; i < n; i++) {
        g_autoptr(GError) error = NULL;

        assert_false(guest_load_vcpu(guest, 0, &rows[i].state, &error));
        assert_non_null(strstr(error->message, rows[i].text));
        assert_non_null(strstr(error->message, "vCPU 0"));
    }

    g_autoptr(GError) error = NULL;
    assert_false(guest_load_vcpu(guest, 2, &good, &error));
    assert_non_null(strstr(error->message, "this machine has 2 vCPUs"));
}

/* Positions and generators come from a stream too, and every value of them must be safe. */
static void test_any_position_is_safe(void **state)
{
    g_autoptr(Guest) guest = new_guest("stress", 1100, 2); /* 3 groups */
    uint64_t set = guest->layout.n_data;
    const uint64_t values[] = { 0, 1, 511, set / 2, 1u << 31, UINT64_MAX - 1, UINT64_MAX };
    size_t step = sample_everything() ? 1 : 5; /* has no factor in common with the 7 values */
    uint64_t seals[2] = { 0 };

    (void)state;
    for (uint32_t pattern = 0; pattern < STRESS_PATTERN__COUNT; pattern++) {
        for (size_t i = sample_seed() % step; i < G_N_ELEMENTS(values) * G_N_ELEMENTS(values);
             i += step) {
            uint64_t a = values[i % G_N_ELEMENTS(values)], b = values[i / G_N_ELEMENTS(values)];
            VcpuState vcpu = {
                .n_vcpus = 2,
                .n_seals = 2,
                .seals = seals,
                .set_pages = set,
                .pattern = pattern,
                .generator = a,
                .position = { a, b, b, a },
            };

            assert_true(guest_reset(guest, NULL));
            assert_true(guest_load_vcpu(guest, 0, &vcpu, NULL));
            guest_run_steps(guest, 50);
            assert_clean(guest);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layout_uses_every_page),
        cmocka_unit_test(test_every_pair_of_words_names_page_and_step),
        cmocka_unit_test(test_contents_differ_in_every_word),
        cmocka_unit_test(test_differing_byte_is_found),
        cmocka_unit_test(test_untouched_guest_is_clean_and_stays_untouched),
        cmocka_unit_test(test_every_pattern_verifies),
        cmocka_unit_test(test_odd_sizes_verify),
        cmocka_unit_test(test_each_planted_fault_is_found_and_named),
        cmocka_unit_test(test_all_faults_at_once_are_told_apart),
        cmocka_unit_test(test_seal_fault_outlives_later_steps),
        cmocka_unit_test(test_findings_are_capped_but_counted),
        cmocka_unit_test(test_tear_is_found_at_any_border),
        cmocka_unit_test(test_zeroed_half_is_torn),
        cmocka_unit_test(test_nothing_to_plant_into),
        cmocka_unit_test(test_machine_none_has_no_ledger),
        cmocka_unit_test(test_fault_names_go_both_ways),
        cmocka_unit_test(test_moved_guest_verifies_and_goes_on_as_the_other_would),
        cmocka_unit_test(test_missed_pages_are_found),
        cmocka_unit_test(test_state_that_does_not_fit_is_refused),
        cmocka_unit_test(test_any_position_is_safe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
