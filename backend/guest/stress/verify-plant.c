/*
 * Damages a guest on purpose, one kind of fault at a time, so that tests can
 * prove that guest_verify() finds each kind. Any thread; holds the vCPUs.
 */
#include "backend/guest/stress/verify-internal.h"

#include <string.h>

#include "backend/base/error.h"

#define TEAR_OFFSET  2048u
#define BREAK_OFFSET 1000u

/* A page that holds data, with its ledger entry. */
typedef struct {
    uint64_t page;
    uint64_t group;
    uint64_t seed;
    uint64_t *slot; /* its ledger entry, through the second mapping */
    uint8_t *at;    /* its content, through the second mapping */
} Victim;

/* Finds the first page at or after @from with non-zero content that a previous step can have
 * written too. */
static bool find_victim(Guest *guest, const VcpuState *states, uint64_t from, Victim *ret)
{
    DataCursor ledger = { .block = guest->block };

    for (size_t group = from / LEDGER_GROUP; group < guest->layout.n_groups; group++) {
        uint64_t *entries = data_cursor_entries(&ledger, &guest->layout, group);
        size_t first = group * LEDGER_GROUP;
        size_t n = ledger_group_pages(&guest->layout, group);

        for (size_t i = 0; entries != NULL && i < n; i++) {
            if (first + i >= from && ledger_kind(entries[i]) != CONTENT_ZERO &&
                ledger_step(entries[i]) > 1) {
                *ret = (Victim){
                    .page = first + i,
                    .group = group,
                    .seed = states[group % guest->n_vcpus].seed,
                    .slot = &entries[i],
                    .at = guest->block->host + (first + i) * MIG_PAGE_SIZE,
                };
                return true;
            }
        }
    }
    return false;
}

static void damage(VerifyFault fault, const Victim *v, const Victim *other)
{
    uint64_t older = *v->slot - 1; /* same kind, one step back */
    uint8_t old_content[MIG_PAGE_SIZE] __attribute__((aligned(8)));

    content_write(old_content, v->seed, v->page, older);
    switch (fault) {
    case VERIFY_STALE:
        memcpy(v->at, old_content, MIG_PAGE_SIZE);
        break;
    case VERIFY_LOST:
        memset(v->at, 0, MIG_PAGE_SIZE);
        break;
    case VERIFY_SWAPPED:
        memcpy(v->at, other->at, MIG_PAGE_SIZE);
        break;
    case VERIFY_TORN:
        memcpy(v->at + TEAR_OFFSET, old_content + TEAR_OFFSET, MIG_PAGE_SIZE - TEAR_OFFSET);
        break;
    case VERIFY_CORRUPT:
        v->at[BREAK_OFFSET] ^= 0x10;
        break;
    case VERIFY_STALE_LEDGER:
        *v->slot = older;
        break;
    case VERIFY_STALE_GROUP:
        memcpy(v->at, old_content, MIG_PAGE_SIZE);
        *v->slot = older;
        break;
    case VERIFY__COUNT:
        g_assert_not_reached();
    }
}

static bool plant(Guest *guest, VerifyFault fault, uint64_t *ret_page, GError **error)
{
    VcpuState *states = guest_copy_states(guest);
    /* Each kind starts its search at a different page, so that several can be planted into one
     * guest. */
    uint64_t from = guest->layout.n_data * (uint64_t)fault / VERIFY__COUNT;
    Victim victim, other;
    bool found =
        (find_victim(guest, states, from, &victim) || find_victim(guest, states, 0, &victim)) &&
        (find_victim(guest, states, victim.page + 1, &other) ||
         (find_victim(guest, states, 0, &other) && other.page != victim.page));

    guest_free_states(guest, states);
    if (!found) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC,
                    "the guest has not written enough pages for a planted fault");
        return false;
    }
    damage(fault, &victim, &other);
    *ret_page = fault == VERIFY_STALE_LEDGER || fault == VERIFY_STALE_GROUP
                    ? victim.group * LEDGER_GROUP
                    : victim.page;
    return true;
}

bool guest_plant_fault(Guest *guest, VerifyFault fault, uint64_t *ret_page, GError **error)
{
    g_assert(fault < VERIFY__COUNT);
    if (guest->machine == MACHINE_NONE) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_UNSUPPORTED,
                    "the machine 'none' has no ledger to plant a fault against");
        return false;
    }
    guest_hold(guest);
    bool ok = plant(guest, fault, ret_page, error);
    guest_unhold(guest);
    return ok;
}
