/*
 * The features of a kind of memory, found by trying them. Private to
 * backend/guest/.
 */
#pragma once

#include "backend/guest/memory/block.h"

/* Tries the kernel's features on a scratch mapping of the first @size bytes of @fd; changes neither
 * the file nor its holes. @is_memfd only affects the name. */
void ram_backing_probe(int fd, uint64_t size, bool is_memfd, RamBacking *ret);

/* Why no dirty tracker works for @backing, and the remedy; static. */
const char *ram_backing_remedy(const RamBacking *backing);
