/*
 * The dirty pages of an outgoing migration. See dirty-queue.h.
 */
#include "backend/engine/outgoing/dirty-queue.h"

#include <stdatomic.h>

#include "backend/base/lock.h"

typedef struct {
    RamBlock *ram;
    uint64_t base;     /* index of its first page in all RAM */
    DirtyMap *dirty;   /* pages to be sent */
    DirtyMap *data;    /* pages known to hold data, which may be read */
    DirtyMap *scratch; /* pages reported by one sync */
    bool left_out;     /* no page of it is sent */
} SenderBlock;

struct RamSender {
    DirtyTracker *tracker;
    PageEncoder *encoder; /* NULL = pages are sent plain */
    RamMap *map;
    SenderBlock *blocks;
    size_t n_blocks;
    bool synced;
    bool first_pass;            /* until the second sync */
    bool sparse;                /* pages that were never touched are not sent */
    _Atomic uint64_t remaining; /* set bits of all dirty maps */
    _Atomic uint64_t fresh;     /* never-touched pages taken */

    pthread_mutex_t lock; /* taking: each page goes to one thread */
    size_t block;         /* cursor */
    size_t page;
};

RamSender *ram_sender_new(Guest *guest, DirtyTracker *tracker, RamMap *map)
{
    RamSender *sender = g_new0(RamSender, 1);
    uint64_t base = 0;
    RamBlock *const *blocks = guest_blocks(guest, &sender->n_blocks);

    pthread_mutex_init(&sender->lock, NULL);
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
    pthread_mutex_destroy(&sender->lock);
    g_free(sender);
}

void ram_sender_leave_out(RamSender *sender, size_t block)
{
    g_assert(!sender->synced);
    sender->blocks[block].left_out = true;
}

/* Without a tracker nothing writes the RAM, so only the data ranges matter. */
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

    if (b->left_out) {
        return true;
    }
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
    atomic_fetch_add(&sender->remaining, dirty_map_move(b->scratch, b->dirty));
    if (!sender->synced && !sender->sparse) {
        atomic_fetch_add(&sender->remaining, dirty_map_set(b->dirty, 0, b->ram->n_pages));
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
    sender->first_pass = !sender->synced;
    sender->synced = true;
    page_encoder_sync(sender->encoder);
    *ret_dirtied = dirtied;
    return true;
}

uint64_t ram_sender_remaining(const RamSender *sender)
{
    return atomic_load(&sender->remaining);
}

/* Finds the next dirty page from the cursor on and wraps around; there must be one. */
static size_t seek(RamSender *sender)
{
    for (;;) {
        const SenderBlock *b = &sender->blocks[sender->block];
        size_t page = dirty_map_next(b->dirty, sender->page);

        if (page < b->ram->n_pages) {
            return page;
        }
        sender->page = 0;
        sender->block = (sender->block + 1) % sender->n_blocks;
    }
}

/* Under the lock: takes the run that begins at the dirty page @first and ends before @end. It is
 * enough to clear the bits before the run is read: pages that the guest writes meanwhile are in the
 * next sync. */
static void take_run(RamSender *sender, size_t block, size_t first, size_t end, RamRun *ret)
{
    const SenderBlock *b = &sender->blocks[block];

    end = dirty_map_run_end(b->dirty, first, end);
    end = dirty_map_run_end(b->data, first, end);
    *ret = (RamRun){
        .block = (unsigned)block,
        .first = first,
        .count = end - first,
        .host = b->ram->host + first * MIG_PAGE_SIZE,
        .data = dirty_map_test(b->data, first),
    };
    ret->unread = ret->data && sender->first_pass;
    if (!ret->data) {
        atomic_fetch_add(&sender->fresh, ret->count);
    }
    atomic_fetch_sub(&sender->remaining, dirty_map_clear(b->dirty, first, ret->count));
    ram_map_sent(sender->map, b->base + first, ret->count);
    sender->block = block;
    sender->page = end;
}

bool ram_sender_take_holes(RamSender *sender, size_t max_data, size_t max_hole, RamRun *ret)
{
    MIG_LOCK(&sender->lock);

    g_assert(max_data > 0 && max_hole > 0);
    if (atomic_load(&sender->remaining) == 0) {
        return false;
    }

    size_t first = seek(sender);
    const SenderBlock *b = &sender->blocks[sender->block];
    size_t max = dirty_map_test(b->data, first) ? max_data : max_hole;
    take_run(sender, sender->block, first, first + MIN(max, b->ram->n_pages - first), ret);
    return true;
}

bool ram_sender_take(RamSender *sender, size_t max_pages, RamRun *ret)
{
    return ram_sender_take_holes(sender, max_pages, max_pages, ret);
}

uint64_t ram_sender_count_written(RamSender *sender)
{
    return sender->tracker != NULL ? dirty_tracker_count(sender->tracker) : 0;
}

uint64_t ram_sender_take_fresh(RamSender *sender)
{
    return atomic_exchange(&sender->fresh, 0);
}

void ram_sender_leave_holes_out(RamSender *sender)
{
    sender->sparse = true;
}

bool ram_sender_take_at(RamSender *sender, size_t block, size_t first, size_t count, RamRun *ret)
{
    MIG_LOCK(&sender->lock);
    const DirtyMap *dirty = sender->blocks[block].dirty;
    size_t end = first + count;

    if (!dirty_map_test(dirty, first)) {
        first = dirty_map_run_end(dirty, first, end);
    }
    if (first >= end) {
        return false;
    }
    take_run(sender, block, first, end, ret);
    return true;
}

const DirtyMap *ram_sender_dirty(const RamSender *sender, size_t block)
{
    return sender->blocks[block].dirty;
}

void ram_sender_begin_again(RamSender *sender, size_t block, const DirtyMap *received)
{
    SenderBlock *b = &sender->blocks[block];
    size_t end, first;
    uint64_t before = dirty_map_set(b->dirty, 0, b->ram->n_pages);

    atomic_fetch_add(&sender->remaining, before);
    for (first = dirty_map_next(received, 0); first < b->ram->n_pages;
         first = dirty_map_next(received, end)) {
        end = dirty_map_next_clear(received, first);
        atomic_fetch_sub(&sender->remaining, dirty_map_clear(b->dirty, first, end - first));
    }
    ram_map_recount(sender->map, b->base, b->data, b->dirty);
}

void ram_sender_set_encoder(RamSender *sender, PageEncoder *encoder)
{
    sender->encoder = encoder;
}

/* The kernel maps 16 pages around a fault anyway. */
#define MAP_IN_MIN 32

void ram_run_map_in(const RamRun *run)
{
    if (run->unread && run->count >= MAP_IN_MIN) {
        ram_map_in(run->host, run->count * MIG_PAGE_SIZE);
    }
}

static void put_zeroes(StreamWriter *w, const RamRun *run, size_t index, size_t count,
                       RamBatch *batch)
{
    stream_put_zero_pages(w, run->block, (run->first + index) * MIG_PAGE_SIZE, count);
    batch->zero += count;
}

static void put_page(const RamSender *sender, StreamWriter *w, const RamRun *run, size_t index,
                     RamBatch *batch)
{
    const EncoderPage page = {
        .block = run->block,
        .offset = (run->first + index) * MIG_PAGE_SIZE,
        .number = sender->blocks[run->block].base + run->first + index,
        .host = run->host + index * MIG_PAGE_SIZE,
    };

    if (sender->encoder == NULL) {
        stream_put_page(w, page.block, page.offset, page.host);
        batch->normal++;
        return;
    }
    switch (sender->encoder->ops->put(sender->encoder, w, &page)) {
    case PUT_WHOLE:
        batch->normal++;
        break;
    case PUT_PACKED:
        batch->packed++;
        break;
    case PUT_NOTHING:
        break;
    }
}

static void put_data(const RamSender *sender, StreamWriter *w, const RamRun *run, RamBatch *batch)
{
    size_t zeroes = 0; /* zero pages before this one, not yet put */

    ram_run_map_in(run);

    for (size_t i = 0; i < run->count; i++) {
        if (ram_page_is_zero(run->host + i * MIG_PAGE_SIZE)) {
            page_encoder_zero(sender->encoder, sender->blocks[run->block].base + run->first + i);
            zeroes++;
            continue;
        }
        put_zeroes(w, run, i - zeroes, zeroes, batch);
        zeroes = 0;
        put_page(sender, w, run, i, batch);
    }
    put_zeroes(w, run, run->count - zeroes, zeroes, batch);
}

void ram_sender_put(RamSender *sender, StreamWriter *w, const RamRun *run, RamBatch *batch)
{
    if (run->data) {
        put_data(sender, w, run, batch);
    } else {
        put_zeroes(w, run, 0, run->count, batch);
    }
}

RamBatch ram_sender_fill(RamSender *sender, StreamWriter *w, size_t max_bytes)
{
    RamBatch batch = { 0 };
    RamRun run;
    size_t room;

    page_encoder_begin(sender->encoder);
    while ((room = stream_writer_room(w)) > 0 && stream_writer_pending(w) < max_bytes) {
        size_t left = max_bytes - stream_writer_pending(w);
        size_t holes = stream_writer_zero_room(w);

        if (!ram_sender_take_holes(sender, MIN(room, left / MIG_PAGE_SIZE + 1),
                                   MIN(holes, left / STREAM_ZERO_BYTES + 1), &run)) {
            break;
        }
        ram_sender_put(sender, w, &run, &batch);
    }
    page_encoder_end(sender->encoder, w);
    return batch;
}
