/*
 * Names and sentences for the findings of guest_verify(). Any thread.
 */
#include "backend/guest/guest.h"

#include <inttypes.h>

static const char *const fault_names[VERIFY__COUNT] = {
    [VERIFY_STALE] = "stale",
    [VERIFY_LOST] = "lost",
    [VERIFY_SWAPPED] = "swapped",
    [VERIFY_TORN] = "torn",
    [VERIFY_CORRUPT] = "corrupt",
    [VERIFY_STALE_LEDGER] = "stale-ledger",
    [VERIFY_STALE_GROUP] = "stale-group",
};

const char *verify_fault_name(VerifyFault fault)
{
    g_assert(fault < VERIFY__COUNT);
    return fault_names[fault];
}

bool verify_fault_from_name(const char *name, VerifyFault *ret)
{
    for (unsigned i = 0; i < VERIFY__COUNT; i++) {
        if (g_str_equal(name, fault_names[i])) {
            *ret = (VerifyFault)i;
            return true;
        }
    }
    return false;
}

char *verify_finding_text(const VerifyFinding *f)
{
    switch (f->fault) {
    case VERIFY_STALE:
        return g_strdup_printf("page %" PRIu64 " is stale: its content is %" PRIu64
                               " step%s older than the ledger says",
                               f->page, f->steps, f->steps == 1 ? "" : "s");
    case VERIFY_LOST:
        return g_strdup_printf("page %" PRIu64 " is lost: it is zero but should hold data",
                               f->page);
    case VERIFY_SWAPPED:
        return g_strdup_printf("page %" PRIu64 " is swapped: it holds the content of page %" PRIu64,
                               f->page, f->other);
    case VERIFY_TORN:
        return g_strdup_printf("page %" PRIu64 " is torn: two of its contents meet at offset %u",
                               f->page, f->offset);
    case VERIFY_CORRUPT:
        return g_strdup_printf("page %" PRIu64
                               " is corrupt: no step wrote what it holds, from offset %u on",
                               f->page, f->offset);
    case VERIFY_STALE_LEDGER:
        return g_strdup_printf("the ledger page of group %" PRIu64 " (pages from %" PRIu64
                               ") is stale: it is older than its data pages",
                               f->group, f->page);
    case VERIFY_STALE_GROUP:
        return g_strdup_printf("group %" PRIu64 " (pages from %" PRIu64
                               ") is stale: data and ledger agree, but the vCPU's seal is newer",
                               f->group, f->page);
    case VERIFY__COUNT:
        break;
    }
    g_assert_not_reached();
}

void verify_report_clear(VerifyReport *report)
{
    if (report->findings != NULL) {
        g_array_unref(report->findings);
    }
    *report = (VerifyReport){ 0 };
}
