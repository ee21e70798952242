/*
 * RAM that is not sent because the other side has the same memory (capability x-ignore-shared):
 * blocks in a named file (--ram-file), which another process can map too. A memfd ends with its
 * process, so it is always sent.
 *
 * The owner of the file holds a lock on it (ram_block_claim()). The source releases the lock at the
 * commit; the destination takes it before it runs the guest. So two guests cannot run in the same
 * memory, whatever else fails.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "backend/guest/guest.h"

bool ram_is_shared(const RamBlock *block);
/* True when no page of @guest has to be sent. */
bool shared_ram_is_all(const Guest *guest);

/* Source, at the commit: releases the locks. The guest is paused. */
void shared_ram_yield(const Guest *guest);
/* A source that wrote to a file: writes the shared memory to its medium (fsync), so that it
 * survives a crash of the host as the file does. */
bool shared_ram_save(const Guest *guest, GError **error);
