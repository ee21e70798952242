/*
 * RAM that both sides share. See shared-ram.h. Runs on the thread of a migration and has no state.
 */
#include "backend/engine/attempt/shared-ram.h"

#include <errno.h>

#include "backend/base/error.h"
#include "backend/base/fd.h"

bool ram_is_shared(const RamBlock *block)
{
    return block->path != NULL;
}

bool shared_ram_is_all(const Guest *guest)
{
    size_t n;
    RamBlock *const *blocks = guest_blocks(guest, &n);

    for (size_t i = 0; i < n; i++) {
        if (!ram_is_shared(blocks[i])) {
            return false;
        }
    }
    return true;
}

void shared_ram_yield(const Guest *guest)
{
    size_t n;
    RamBlock *const *blocks = guest_blocks(guest, &n);

    for (size_t i = 0; i < n; i++) {
        ram_block_yield(blocks[i]);
    }
}

bool shared_ram_save(const Guest *guest, GError **error)
{
    size_t n;
    RamBlock *const *blocks = guest_blocks(guest, &n);

    for (size_t i = 0; i < n; i++) {
        if (ram_is_shared(blocks[i]) && mig_fd_sync(blocks[i]->fd) < 0) {
            mig_error_set_errno(error, errno, "RAM file '%s' is not safe on its medium",
                                blocks[i]->path);
            return false;
        }
    }
    return true;
}
