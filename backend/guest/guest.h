/*
 * The guest: RAM blocks, vCPUs, name, UUID and run state. One per process.
 *
 * Run control may be called from the main loop and from the migration threads;
 * it is serialised inside. Between guest_stop() and guest_start() no vCPU
 * writes memory, and a vCPU that is blocked on a page counts as stopped.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "backend/base/dirty-map.h"
#include "backend/guest/memory/block.h"
#include "backend/guest/run-state.h"
#include "backend/guest/vcpu.h"

typedef struct Guest Guest;

typedef enum {
    MACHINE_NONE,   /* RAM only; compatible with QEMU's -M none */
    MACHINE_STRESS, /* vCPU threads that write RAM, with a ledger that proves the copy */
} MachineKind;

typedef struct {
    const char *machine;  /* "none" or "stress[,key=value...]"; NULL = "stress" */
    uint64_t memory;      /* bytes, whole pages */
    unsigned smp;         /* vCPUs of stress, >= 1; ignored by none */
    const char *ram_file; /* NULL = memfd. stress refuses a file that holds data */
    bool prealloc;        /* allocate all the memory now */
    bool incoming;        /* the guest arrives later: the file may hold its RAM or be in use */
    const char *ram_id;   /* NULL = "ram" */
    const char *name;     /* NULL = none */
    const char *uuid;     /* text; NULL = all zero */
} GuestOptions;

/* Returns a guest in prelaunch; free with guest_free(). Errors name the option at fault. */
Guest *guest_new(const GuestOptions *options, GError **error);
void guest_free(Guest *guest); /* stops the vCPUs */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Guest, guest_free)

MachineKind guest_machine(const Guest *guest);
const char *guest_machine_name(const Guest *guest); /* as in the stream's configuration */
const char *guest_name(const Guest *guest);         /* "" when unset */
const char *guest_uuid(const Guest *guest);         /* canonical text */
bool guest_uuid_is_set(const Guest *guest);
void guest_uuid_bytes(const Guest *guest, uint8_t ret[16]);

/* The blocks and their array are owned by the guest. */
RamBlock *const *guest_blocks(const Guest *guest, size_t *ret_count);
/* NULL when no block has this name. */
RamBlock *guest_find_block(const Guest *guest, const char *idstr, size_t *ret_index);
uint64_t guest_ram_size(const Guest *guest); /* all blocks, bytes */
/* Gives the memory of a guest that has migrated away back to the host. The guest cannot be started
 * until guest_fill(), which the code that loads a guest calls. */
bool guest_empty(Guest *guest, GError **error);
void guest_fill(Guest *guest);
bool guest_is_empty(const Guest *guest);
/* Locks the files that hold the RAM for this process. Required before the first write. */
bool guest_claim_ram(const Guest *guest, GError **error);

/* ---- run control; any thread ---- */

RunState guest_run_state(Guest *guest);

/* Changes to @state, which is not running. All vCPUs are at a boundary when it returns. Returns the
 * previous state. */
RunState guest_stop(Guest *guest, RunState state);

/* Changes to running. Returns the previous state. */
RunState guest_start(Guest *guest);

/* Changes from @from to @to atomically, vCPUs included. False when the state is not @from, because
 * another thread changed it. */
bool guest_change(Guest *guest, RunState from, RunState to);

/* No vCPU runs between hold and unhold, regardless of the run state. May nest. */
void guest_hold(Guest *guest);
void guest_unhold(Guest *guest);

/* Call when no page is missing any more. When it returns, each vCPU that was stopped while waiting
 * for a page has reached its boundary. */
void guest_settle(Guest *guest);

/* ---- vCPUs; the guest must be stopped or held unless stated otherwise ---- */

unsigned guest_n_vcpus(const Guest *guest); /* 0 for none */
/* Fills @ret; the caller clears it with vcpu_state_clear(). */
void guest_save_vcpu(Guest *guest, unsigned index, VcpuState *ret);
/* Refuses a state that does not fit this machine (number of vCPUs or seals). */
bool guest_load_vcpu(Guest *guest, unsigned index, const VcpuState *state, GError **error);
/* Resets the vCPUs to the state before the first instruction and drops the RAM. */
bool guest_reset(Guest *guest, GError **error);

/* Slows the vCPUs to (100 - @percent) % of their time; 0 = full speed. The guest may run. */
void guest_throttle(Guest *guest, unsigned percent);

/* Leaves vCPU @index @share of VCPU_WHOLE_SHARE of the time that remains after guest_throttle().
 * Any thread; the guest may run. */
void guest_limit_vcpu(Guest *guest, unsigned index, uint32_t share);

/* ---- written pages by vCPU; any thread, the guest may run ---- */

/* Adds to counts[i] the number of @pages (of the machine's block) that belong to vCPU i, data pages
 * and ledger pages. Adds nothing for a machine without vCPUs. */
void guest_count_owned(const Guest *guest, const DirtyMap *pages, uint64_t *counts);

/* Number of steps done by vCPU @index. */
uint64_t guest_vcpu_steps(const Guest *guest, unsigned index);

/* Reads the ledger: adds to counts[i] the number of different pages that vCPU i wrote after its
 * step since[i], ledger pages included. */
void guest_count_written(const Guest *guest, const uint64_t *since, uint64_t *counts);

/* Changes the workload of a stress machine, which may run: keys pattern, rate, set, zero,
 * compressible. The error for an unknown key or value lists the valid ones. */
bool guest_set(Guest *guest, const char *key, const char *value, GError **error);

/* For "info guest": alternating keys and values in display order; caller frees with
 * g_strfreev(). */
char **guest_describe(Guest *guest);

/* Keys of guest_set and their values for completion; static, NULL terminated. */
const char *const *guest_set_keys(void);
const char *const *guest_set_values(const char *key); /* NULL for free text */
const char *guest_set_form(const char *key);          /* what a value is; NULL: no such key */

/* ---- proof ---- */

typedef enum {
    VERIFY_STALE,        /* an older content of this page, @steps behind */
    VERIFY_LOST,         /* page is zero, should hold data */
    VERIFY_SWAPPED,      /* content of page @other */
    VERIFY_TORN,         /* two contents of this page, border at @offset */
    VERIFY_CORRUPT,      /* bytes no step ever wrote; first at @offset */
    VERIFY_STALE_LEDGER, /* ledger page older than its data pages */
    VERIFY_STALE_GROUP,  /* data and ledger of a group agree but the seal is newer */
    VERIFY__COUNT,
} VerifyFault;

typedef struct {
    VerifyFault fault;
    uint64_t page; /* page of the block; first page of the group for a group fault */
    uint64_t group;
    uint64_t steps;  /* VERIFY_STALE */
    uint64_t other;  /* VERIFY_SWAPPED */
    uint32_t offset; /* VERIFY_TORN, VERIFY_CORRUPT: bytes */
} VerifyFinding;

typedef struct {
    uint64_t pages_checked; /* data pages */
    uint64_t pages_written; /* of these, written at least once */
    uint64_t steps;         /* sum over the vCPUs */
    uint64_t n_faults[VERIFY__COUNT];
    GArray *findings; /* VerifyFinding, the first 64 */
} VerifyReport;

void verify_report_clear(VerifyReport *report);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(VerifyReport, verify_report_clear)

const char *verify_fault_name(VerifyFault fault); /* "stale", "stale-ledger", ... */
bool verify_fault_from_name(const char *name, VerifyFault *ret);

/* A sentence with the page and the fields of this kind of fault; caller frees. */
char *verify_finding_text(const VerifyFinding *finding);

/* Any thread: makes running and later verifications end soon with MIG_ERROR_CANCELLED. For the end
 * of the program. */
void guest_verify_abort(Guest *guest);

/* Holds the vCPUs while it reads the data ranges through the second mapping. Fills no hole. Any
 * thread; takes about as long as reading the RAM once. The caller clears @ret with
 * verify_report_clear(). Error when the machine has no ledger. */
bool guest_verify(Guest *guest, VerifyReport *ret, GError **error);

/* For tests: damages RAM so that guest_verify() finds one @fault, and stores the page that the
 * finding names. Error when the vCPUs have not written enough yet. Holds the vCPUs. Writes through
 * the second mapping, which dirty trackers do not watch. */
bool guest_plant_fault(Guest *guest, VerifyFault fault, uint64_t *ret_page, GError **error);
