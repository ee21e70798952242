/*
 * The content of RAM at one moment, while the guest goes on writing.
 *
 * Pages that hold data are write-protected when the guest stands (synchronous
 * userfaultfd). The first write to one stops its vCPU until a handler thread has
 * copied the page aside; that copy is all a vCPU ever waits for, however slowly the
 * snapshot is read. Copies cost memory until they are read, so they are handed out
 * first. Pages that held nothing need no protection: they were zero, whatever
 * they are now.
 *
 * Not together with a dirty tracker: a range has one userfaultfd.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backend/base/dirty-map.h"
#include "backend/guest/memory/block.h"

typedef struct RamSnapshot RamSnapshot;

/* The moment is now: no vCPU runs until this returns. @blocks stay the caller's and outlive it. */
RamSnapshot *ram_snapshot_new(RamBlock *const *blocks, size_t n_blocks, GError **error);

/* Gives the memory back to the guest; vCPUs may be running. */
void ram_snapshot_free(RamSnapshot *snapshot);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(RamSnapshot, ram_snapshot_free)

typedef enum { SNAPSHOT_PAGE, SNAPSHOT_ZERO, SNAPSHOT_END } SnapshotItem;

/* The next page that was not handed out yet, each once: its content into @to (4096 bytes), or ZERO
 * without touching it. One thread. */
SnapshotItem ram_snapshot_next(RamSnapshot *snapshot, size_t *ret_block, size_t *ret_page,
                               uint8_t *to);

/* The pages of block @index that held something at the moment; the snapshot's. */
const DirtyMap *ram_snapshot_data(const RamSnapshot *snapshot, size_t index);

/* Pages not handed out yet, and the most that were ever held aside at once. */
uint64_t ram_snapshot_remaining(const RamSnapshot *snapshot);
uint64_t ram_snapshot_peak(RamSnapshot *snapshot);

/* Whether all that was handed out is what it was at the moment; false with the error when the
 * kernel let a write through. */
bool ram_snapshot_is_whole(RamSnapshot *snapshot, GError **error);
