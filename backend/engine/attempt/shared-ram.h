/*
 * RAM that is not sent because the other side has the same memory (capability
 * x-ignore-shared): blocks in a named file (--ram-file), which another process can
 * map too. A memfd dies with its process, so it is always sent.
 *
 * The file has one owner at a time, by a lock on it: the source gives it up at the
 * commit, the destination takes it before it runs the guest. So two guests cannot
 * run in one memory, whatever else goes wrong (ram_block_claim()).
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "backend/guest/guest.h"

bool ram_is_shared(const RamBlock *block);
/* Whether no page of @guest has to be sent at all. */
bool shared_ram_is_all(const Guest *guest);

/* Source, at the commit; the guest stands. */
void shared_ram_yield(const Guest *guest);
/* Source that wrote to a file: what the memory holds is safe on its medium when this returns true,
 * so that it outlives the host too where the file does. */
bool shared_ram_save(const Guest *guest, GError **error);
