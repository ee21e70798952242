/*
 * A page of a RAM file for which its file system has no room any more: the kernel kills the process
 * (SIGBUS), with the guest. This says why before. Private to backend/guest/.
 */
#pragma once

#include "backend/guest/memory/block.h"

/* From now on a bus error in @block, which has a path, is explained on standard error; the signal
 * then does what it did before. One block at a time: the newest. */
void bus_error_explain(const RamBlock *block);
/* Before @block is freed. */
void bus_error_forget(const RamBlock *block);
