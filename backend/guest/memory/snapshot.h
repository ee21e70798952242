/*
 * The content of RAM at one point in time, while the guest continues to write.
 *
 * Pages that hold data are write-protected while the guest is stopped (synchronous userfaultfd).
 * The first write to one stops its vCPU until a handler thread has copied the page; a vCPU waits
 * only for that copy, however slowly the snapshot is read. Copies cost memory until they are read,
 * so they are returned first. Pages without data need no protection: their content at that time was
 * zero.
 *
 * Cannot be used together with a dirty tracker: the kernel allows one userfaultfd per range.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backend/base/dirty-map.h"
#include "backend/guest/memory/block.h"

typedef struct RamSnapshot RamSnapshot;

/* Takes the snapshot at the time of the call; no vCPU may run until it returns. @blocks stay the
 * caller's and must outlive it. */
RamSnapshot *ram_snapshot_new(RamBlock *const *blocks, size_t n_blocks, GError **error);

/* Lifts the protection and frees; vCPUs may be running. */
void ram_snapshot_free(RamSnapshot *snapshot);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(RamSnapshot, ram_snapshot_free)

typedef enum { SNAPSHOT_PAGE, SNAPSHOT_ZERO, SNAPSHOT_END } SnapshotItem;

/* Returns the next page, each page once: copies its content to @to (4096 bytes), or returns ZERO
 * and leaves @to alone. One thread. */
SnapshotItem ram_snapshot_next(RamSnapshot *snapshot, size_t *ret_block, size_t *ret_page,
                               uint8_t *to);

/* The pages of block @index that held data at the time of the snapshot; owned by the snapshot. */
const DirtyMap *ram_snapshot_data(const RamSnapshot *snapshot, size_t index);

/* Pages not returned yet, and the largest number of copies kept at once. */
uint64_t ram_snapshot_remaining(const RamSnapshot *snapshot);
uint64_t ram_snapshot_peak(RamSnapshot *snapshot);

/* True when every returned page has its content at the time of the snapshot; false with the error
 * when the handler's failure let a write through. */
bool ram_snapshot_is_whole(RamSnapshot *snapshot, GError **error);
