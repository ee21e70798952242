/*
 * Verifies a copy: compares each data page with its ledger entry, and each
 * group of entries with its seal. Reads through the second mapping while the
 * vCPUs are held; any thread.
 *
 * RAM and vCPU state travel in different sections, and data and ledger in
 * different pages, so a missed copy of one disagrees with the others:
 *
 *     data older than ledger, ledger = seal   -> the data page was missed
 *     data newer than ledger                  -> the ledger page was missed
 *     data = ledger, seal newer               -> both were missed
 */
#include "backend/guest/stress/verify-internal.h"

#include "backend/base/error.h"

#define MOST_FINDINGS 64u

typedef struct {
    const Guest *guest;
    const LedgerLayout *layout;
    const VcpuState *states;
    DataCursor data;
    DataCursor ledger;
    VerifyReport *report;
} Verify;

static void add_finding(VerifyReport *report, const VerifyFinding *finding)
{
    report->n_faults[finding->fault]++;
    if (report->findings->len < MOST_FINDINGS) {
        g_array_append_val(report->findings, *finding);
    }
}

/* ---- one page ---- */

/* The entry whose content is at one end of a page: the decoded one if it is this page's, 0 for
 * zeros, else the ledger's, of which a few bytes may be left. */
static uint64_t entry_at_end(const uint8_t *at, size_t pair, uint64_t seed, size_t n_data,
                             uint64_t page, uint64_t entry)
{
    const uint64_t *words = (const uint64_t *)(const void *)at + 2 * pair;
    uint64_t found_page, found_entry;

    if (content_decode(at, pair, seed, n_data, &found_page, &found_entry) && found_page == page) {
        return found_entry;
    }
    return (words[0] | words[1]) == 0 ? 0 : entry;
}

/* True when the page holds two of its contents, one before and one after a border. */
static bool is_torn(const uint8_t *at, uint64_t seed, size_t n_data, uint64_t page, uint64_t entry,
                    uint32_t *ret_offset)
{
    uint64_t head = entry_at_end(at, 0, seed, n_data, page, entry);
    uint64_t tail = entry_at_end(at, LEDGER_WORDS / 2 - 1, seed, n_data, page, entry);
    uint32_t border = content_differs(at, seed, page, head, 0);

    *ret_offset = border;
    return head != tail && border > 0 && border < MIG_PAGE_SIZE &&
           content_differs(at, seed, page, tail, border) == MIG_PAGE_SIZE;
}

/* Names what is wrong with a page whose content is not that of @entry. */
static void explain(const uint8_t *at, uint64_t seed, size_t n_data, uint64_t entry,
                    VerifyFinding *finding)
{
    uint64_t page = finding->page;
    uint64_t found_page, found_entry;

    if (ram_page_is_zero(at)) {
        finding->fault = VERIFY_LOST;
        return;
    }
    if (content_decode(at, 0, seed, n_data, &found_page, &found_entry) &&
        content_differs(at, seed, found_page, found_entry, 0) == MIG_PAGE_SIZE) {
        if (found_page != page) {
            finding->fault = VERIFY_SWAPPED;
            finding->other = found_page;
        } else if (ledger_step(found_entry) < ledger_step(entry)) {
            finding->fault = VERIFY_STALE;
            finding->steps = ledger_step(entry) - ledger_step(found_entry);
        } else {
            finding->fault = VERIFY_STALE_LEDGER;
        }
        return;
    }
    if (is_torn(at, seed, n_data, page, entry, &finding->offset)) {
        finding->fault = VERIFY_TORN;
        return;
    }
    finding->fault = VERIFY_CORRUPT;
    finding->offset = content_differs(at, seed, page, entry, 0);
}

/* True when the page has the content of @entry. A hole counts as zero and is not filled. */
static bool check_page(Verify *v, uint64_t seed, uint64_t entry, VerifyFinding *finding)
{
    const uint8_t *at = v->data.block->host + finding->page * MIG_PAGE_SIZE;

    if (!data_cursor_has(&v->data, finding->page)) {
        finding->fault = VERIFY_LOST;
        return ledger_kind(entry) == CONTENT_ZERO;
    }
    if (content_differs(at, seed, finding->page, entry, 0) == MIG_PAGE_SIZE) {
        return true;
    }
    explain(at, seed, v->layout->n_data, entry, finding);
    return false;
}

/* ---- one group ---- */

static uint64_t sum_of_entries(const uint64_t *entries, size_t first_page, size_t n,
                               uint64_t *written)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < n; i++) {
        sum += ledger_mix(first_page + i, entries[i]);
        *written += entries[i] != 0;
    }
    return sum;
}

static void check_group(Verify *v, size_t group)
{
    static const uint64_t hole[LEDGER_GROUP];
    const VcpuState *owner = &v->states[group % v->guest->n_vcpus];
    size_t first = group * LEDGER_GROUP;
    size_t n = ledger_group_pages(v->layout, group);
    const uint64_t *entries = data_cursor_entries(&v->ledger, v->layout, group);
    bool ledger_old = false;

    if (entries == NULL) {
        /* Correctly never touched, as most of a huge guest. */
        if (owner->seals[group / v->guest->n_vcpus] == 0 &&
            data_cursor_is_hole(&v->data, first, first + n)) {
            v->report->pages_checked += n;
            return;
        }
        entries = hole;
    }
    bool sealed = sum_of_entries(entries, first, n, &v->report->pages_written) ==
                  owner->seals[group / v->guest->n_vcpus];

    v->report->pages_checked += n;
    for (size_t i = 0; i < n; i++) {
        VerifyFinding finding = { .page = first + i, .group = group };

        if (check_page(v, owner->seed, entries[i], &finding)) {
            continue;
        }
        /* A wrong seal makes the ledger suspect. A stale ledger page explains a page that is zero
         * or newer, so no second fault is reported. */
        if (finding.fault == VERIFY_STALE_LEDGER || (!sealed && finding.fault == VERIFY_LOST)) {
            ledger_old = true;
        } else {
            add_finding(v->report, &finding);
        }
    }
    if (ledger_old || !sealed) {
        add_finding(v->report, &(VerifyFinding){
                                   .fault = ledger_old ? VERIFY_STALE_LEDGER : VERIFY_STALE_GROUP,
                                   .page = first,
                                   .group = group,
                               });
    }
}

bool guest_verify(Guest *guest, VerifyReport *ret, GError **error)
{
    if (guest->machine == MACHINE_NONE) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_UNSUPPORTED,
                    "the machine 'none' has no ledger to verify its RAM against");
        mig_error_hint(error, "give both sides a --ram-file and compare the files");
        return false;
    }

    *ret = (VerifyReport){ .findings = g_array_new(FALSE, FALSE, sizeof(VerifyFinding)) };
    guest_hold(guest);
    VcpuState *states = guest_copy_states(guest);
    Verify v = {
        .guest = guest,
        .layout = &guest->layout,
        .states = states,
        .data = { .block = guest->block },
        .ledger = { .block = guest->block },
        .report = ret,
    };
    bool aborted = false;
    for (size_t group = 0; group < guest->layout.n_groups && !aborted; group++) {
        check_group(&v, group);
        aborted = atomic_load(&guest->verify_abort);
    }
    for (unsigned i = 0; i < guest->n_vcpus; i++) {
        ret->steps += states[i].step;
    }
    guest_free_states(guest, states);
    guest_unhold(guest);
    if (aborted) {
        g_set_error_literal(error, MIG_ERROR, MIG_ERROR_CANCELLED, "the verification was aborted");
        return false;
    }
    return true;
}

void guest_verify_abort(Guest *guest)
{
    atomic_store(&guest->verify_abort, true);
}
