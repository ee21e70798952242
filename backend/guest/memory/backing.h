/*
 * What a kind of memory allows, found by trying it. Private to backend/guest/.
 */
#pragma once

#include "backend/guest/memory/block.h"

/* Tries the kernel's features on a scratch mapping of the first @size bytes of @fd; changes neither
 * the file nor its holes. @is_memfd only serves the name. */
void ram_backing_probe(int fd, uint64_t size, bool is_memfd, RamBacking *ret);

/* A sentence on why no dirty tracker works for @backing, with the remedy; static. */
const char *ram_backing_remedy(const RamBacking *backing);
