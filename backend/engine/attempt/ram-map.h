/*
 * A coarse picture of the guest's RAM during an outgoing migration, for people: at most 1024 cells.
 * Each cell counts the pages that hold data, that are dirty now, and that were sent so far. Written
 * by the migration's thread, read by any thread at any time.
 */
#pragma once

#include <json-c/json.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "backend/base/dirty-map.h"

#define RAM_MAP_CELLS 1024u

typedef struct {
    uint64_t pages_per_cell; /* 0 = no picture; constant once set */
    size_t n_cells;
    struct {
        _Atomic uint32_t data, dirty;
        _Atomic uint64_t sent;
    } cells[RAM_MAP_CELLS];
} RamMap;

/* Called once, before all other calls; @n_pages is the size of all RAM. */
void ram_map_init(RamMap *map, uint64_t n_pages);

/* Recounts a block whose first page is page @base of all RAM. */
void ram_map_recount(RamMap *map, uint64_t base, const DirtyMap *data, const DirtyMap *dirty);

/* A run of pages of all RAM was sent and is no longer dirty. */
void ram_map_sent(RamMap *map, uint64_t first, uint64_t count);

/* x-query-ram-map; caller puts. */
json_object *ram_map_to_json(const RamMap *map);
