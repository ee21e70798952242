/*
 * Attributes written pages to vCPUs. In the stress machine every page is
 * written by one vCPU (see ledger.h), so dirty pages can be counted by vCPU,
 * and the ledger records which pages were written after a given step. Any
 * thread; the vCPUs may run.
 */
#include "backend/guest/guest-internal.h"

#include <unistd.h>

#include "backend/guest/stress/machine.h"

void guest_count_owned(const Guest *guest, const DirtyMap *pages, uint64_t *counts)
{
    const LedgerLayout *layout = &guest->layout;

    for (size_t group = 0; guest->n_vcpus > 0 && group < layout->n_groups; group++) {
        uint64_t *count = &counts[group % guest->n_vcpus];

        *count +=
            dirty_map_count_range(pages, group * LEDGER_GROUP, ledger_group_pages(layout, group));
        *count += dirty_map_test(pages, layout->ledger_page + group);
    }
}

uint64_t guest_vcpu_steps(const Guest *guest, unsigned index)
{
    g_assert(index < guest->n_vcpus);
    return stress_vcpu_steps(guest->vcpus[index]);
}

/* Reads through the descriptor, which does not fill holes. */
static uint64_t count_group(const Guest *guest, size_t group, uint64_t since)
{
    uint64_t entries[LEDGER_GROUP] = { 0 };
    off_t at = (off_t)(guest->layout.ledger_page + group) * MIG_PAGE_SIZE;
    uint64_t count = 0;

    if (pread(guest->block->fd, entries, sizeof entries, at) != sizeof entries) {
        return 0;
    }
    for (size_t i = 0; i < LEDGER_GROUP; i++) {
        count += ledger_step(entries[i]) > since;
    }
    return count;
}

void guest_count_written(const Guest *guest, const uint64_t *since, uint64_t *counts)
{
    for (size_t group = 0; guest->n_vcpus > 0 && group < guest->layout.n_groups; group++) {
        unsigned owner = (unsigned)(group % guest->n_vcpus);
        uint64_t count = count_group(guest, group, since[owner]);

        counts[owner] += count + (count > 0); /* its ledger page was written too */
    }
}
