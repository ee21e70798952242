/*
 * The dirty pages of an outgoing migration. See ram-sender.h.
 */
#include "backend/engine/ram-sender.h"

typedef struct {
    RamBlock *ram;
    uint64_t base;     /* its first page among all RAM */
    DirtyMap *dirty;   /* to be sent */
    DirtyMap *data;    /* known to hold data: may be read */
    DirtyMap *scratch; /* what one sync reported */
} SenderBlock;

struct RamSender {
    DirtyTracker *tracker;
    RamMap *map;
    SenderBlock *blocks;
    size_t n_blocks;
    bool synced;
    uint64_t remaining; /* set bits of all dirty maps */
    size_t block;       /* cursor */
    size_t page;
};

RamSender *ram_sender_new(Guest *guest, DirtyTracker *tracker, RamMap *map)
{
    RamSender *sender = g_new0(RamSender, 1);
    uint64_t base = 0;
    RamBlock *const *blocks = guest_blocks(guest, &sender->n_blocks);

    sender->tracker = tracker;
    sender->map = map;
    ram_map_init(map, guest_ram_size(guest) / MIG_PAGE_SIZE);
    sender->blocks = g_new0(SenderBlock, sender->n_blocks);
    for (size_t i = 0; i < sender->n_blocks; i++) {
        sender->blocks[i] = (SenderBlock){
            .ram = blocks[i],
            .base = base,
            .dirty = dirty_map_new(blocks[i]->n_pages),
            .data = dirty_map_new(blocks[i]->n_pages),
            .scratch = dirty_map_new(blocks[i]->n_pages),
        };
        base += blocks[i]->n_pages;
    }
    return sender;
}

void ram_sender_free(RamSender *sender)
{
    if (sender == NULL) {
        return;
    }
    for (size_t i = 0; i < sender->n_blocks; i++) {
        dirty_map_free(sender->blocks[i].dirty);
        dirty_map_free(sender->blocks[i].data);
        dirty_map_free(sender->blocks[i].scratch);
    }
    g_free(sender->blocks);
    g_free(sender);
}

/* Without a tracker nothing changes: the data ranges are all there is to know. */
static void scan_data(const RamBlock *ram, DirtyMap *into)
{
    size_t first, end = 0;

    while (ram_block_next_data(ram, end, &first, &end)) {
        dirty_map_set(into, first, end - first);
    }
}

static bool sync_block(RamSender *sender, size_t index, uint64_t *dirtied, GError **error)
{
    SenderBlock *b = &sender->blocks[index];

    if (sender->tracker != NULL) {
        if (!dirty_tracker_sync(sender->tracker, index, b->scratch, NULL, error)) {
            g_prefix_error(error, "reading the dirty pages of RAM block %s: ", b->ram->idstr);
            return false;
        }
    } else if (!sender->synced) {
        scan_data(b->ram, b->scratch);
    }

    for (size_t first = dirty_map_next(b->scratch, 0), end; first < b->ram->n_pages;
         first = dirty_map_next(b->scratch, end)) {
        end = dirty_map_next_clear(b->scratch, first);
        dirty_map_set(b->data, first, end - first);
        *dirtied += end - first;
    }
    sender->remaining += dirty_map_move(b->scratch, b->dirty);
    if (!sender->synced) {
        sender->remaining += dirty_map_set(b->dirty, 0, b->ram->n_pages);
    }
    ram_map_recount(sender->map, b->base, b->data, b->dirty);
    return true;
}

bool ram_sender_sync(RamSender *sender, uint64_t *ret_dirtied, GError **error)
{
    uint64_t dirtied = 0;

    for (size_t i = 0; i < sender->n_blocks; i++) {
        if (!sync_block(sender, i, &dirtied, error)) {
            return false;
        }
    }
    sender->synced = true;
    *ret_dirtied = dirtied;
    return true;
}

uint64_t ram_sender_remaining(const RamSender *sender)
{
    return sender->remaining;
}

/* Puts the run of dirty pages that begins at @first, as far as there is room; returns the page
 * after it. The bits change on this thread only (the tracker reports in a sync), so it is enough to
 * clear them behind the run: what the guest writes meanwhile is in the next sync. */
static size_t put_run(RamSender *sender, StreamWriter *w, size_t first, size_t max_bytes,
                      RamBatch *batch)
{
    const SenderBlock *b = &sender->blocks[sender->block];
    size_t page;

    for (page = first; page < b->ram->n_pages && dirty_map_test(b->dirty, page); page++) {
        const uint8_t *host = b->ram->host + page * MIG_PAGE_SIZE;

        if (!stream_writer_has_room(w) || stream_writer_pending(w) >= max_bytes) {
            break;
        }
        if (!dirty_map_test(b->data, page) || ram_page_is_zero(host)) {
            stream_put_zero_page(w, (unsigned)sender->block, page * MIG_PAGE_SIZE);
            batch->zero++;
        } else {
            stream_put_page(w, (unsigned)sender->block, page * MIG_PAGE_SIZE, host);
            batch->normal++;
        }
    }
    sender->remaining -= dirty_map_clear(b->dirty, first, page - first);
    ram_map_sent(sender->map, b->base + first, page - first);
    return page;
}

RamBatch ram_sender_fill(RamSender *sender, StreamWriter *w, size_t max_bytes)
{
    RamBatch batch = { 0 };

    while (sender->remaining > 0 && stream_writer_has_room(w) &&
           stream_writer_pending(w) < max_bytes) {
        const SenderBlock *b = &sender->blocks[sender->block];
        size_t first = dirty_map_next(b->dirty, sender->page);

        if (first >= b->ram->n_pages) {
            sender->page = 0;
            sender->block = (sender->block + 1) % sender->n_blocks;
            continue;
        }
        sender->page = put_run(sender, w, first, max_bytes, &batch);
    }
    return batch;
}
