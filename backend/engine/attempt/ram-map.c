/*
 * The picture of RAM. See ram-map.h. Cells are atomics: a sync recounts them, and sending changes
 * one cell. A reader never makes the migration wait.
 */
#include "backend/engine/attempt/ram-map.h"

void ram_map_init(RamMap *map, uint64_t n_pages)
{
    map->pages_per_cell = MAX((n_pages + RAM_MAP_CELLS - 1) / RAM_MAP_CELLS, 1);
    map->n_cells = (size_t)((n_pages + map->pages_per_cell - 1) / map->pages_per_cell);
}

/* Returns the cell of page @first of a block at @base; *@end is the first later page outside that
 * cell. */
static size_t cell_of(const RamMap *map, uint64_t base, size_t first, size_t n_pages, size_t *end)
{
    size_t cell = (size_t)((base + first) / map->pages_per_cell);
    uint64_t border = (cell + 1) * map->pages_per_cell - base;

    *end = (size_t)MIN(border, (uint64_t)n_pages);
    return cell;
}

void ram_map_recount(RamMap *map, uint64_t base, const DirtyMap *data, const DirtyMap *dirty)
{
    size_t n_pages = dirty_map_size(data);
    size_t end;

    for (size_t first = 0; first < n_pages; first = end) {
        size_t cell = cell_of(map, base, first, n_pages, &end);
        uint32_t n_data = (uint32_t)dirty_map_count_range(data, first, end - first);
        uint32_t n_dirty = (uint32_t)dirty_map_count_range(dirty, first, end - first);

        if (first == 0 && base % map->pages_per_cell != 0) {
            /* The cell began in the previous block. */
            atomic_fetch_add(&map->cells[cell].data, n_data);
            atomic_fetch_add(&map->cells[cell].dirty, n_dirty);
        } else {
            atomic_store(&map->cells[cell].data, n_data);
            atomic_store(&map->cells[cell].dirty, n_dirty);
        }
    }
}

void ram_map_sent(RamMap *map, uint64_t first, uint64_t count)
{
    while (count > 0) {
        size_t cell = (size_t)(first / map->pages_per_cell);
        uint64_t step = MIN(count, (cell + 1) * map->pages_per_cell - first);

        atomic_fetch_add(&map->cells[cell].sent, step);
        atomic_fetch_sub(&map->cells[cell].dirty, (uint32_t)step);
        first += step;
        count -= step;
    }
}

json_object *ram_map_to_json(const RamMap *map)
{
    json_object *o = json_object_new_object();
    json_object *data = json_object_new_array();
    json_object *dirty = json_object_new_array();
    json_object *sent = json_object_new_array();

    for (size_t i = 0; i < map->n_cells; i++) {
        json_object_array_add(data, json_object_new_int64(map->cells[i].data));
        json_object_array_add(dirty, json_object_new_int64(map->cells[i].dirty));
        json_object_array_add(sent, json_object_new_uint64(map->cells[i].sent));
    }
    json_object_object_add(o, "pages-per-cell", json_object_new_uint64(map->pages_per_cell));
    json_object_object_add(o, "data", data);
    json_object_object_add(o, "dirty", dirty);
    json_object_object_add(o, "sent", sent);
    return o;
}
