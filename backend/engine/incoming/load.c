/*
 * Loading: records of the stream become pages in place, devices in the guest and answers on the
 * return path. Runs on the destination's thread; nothing here starts the guest.
 */
#include "backend/engine/incoming/incoming-internal.h"

#include <string.h>

#include "backend/base/error.h"
#include "backend/engine/attempt/pings.h"

/* ---- completeness ---- */

/* Checks that every page came at least once. The first pass sends all pages, also those that were
 * never touched (unless x-sparse-ram is on). Pages sent on other channels leave no mark on the main
 * channel, so only this check finds them missing. */
static bool check_pages(Incoming *in, GError **error)
{
    size_t block, n;
    uint64_t page;
    RamBlock *const *blocks = guest_blocks(in->config.guest, &n);

    if (incoming_has(in, CAPABILITY_X_SPARSE_RAM)) {
        return true; /* on at the source too: pages that did not come are holes */
    }
    if (placer_is_complete(in->placer, &block, &page)) {
        return true;
    }
    g_set_error(error, MIG_ERROR, MIG_ERROR_FORMAT,
                "stream ends, but page %" PRIu64 " of RAM block %s never came", page,
                blocks[block]->idstr);
    if (incoming_has(in, CAPABILITY_X_IGNORE_SHARED)) {
        mig_error_hint(error,
                       "x-ignore-shared: was it left out as memory in a file? Start this side "
                       "with the same --ram-file");
    }
    if (in->multifd == NULL) {
        mig_error_hint(error, "a source with multifd sends pages on channels of their own; "
                              "multifd must be the same on both sides");
    }
    return false;
}

bool incoming_check_complete(Incoming *in, GError **error)
{
    if (!in->has_configuration || !in->has_block_list) {
        return mig_fail(error, MIG_ERROR_FORMAT, "stream ends without %s",
                        in->has_configuration ? "RAM" : "a configuration");
    }
    return check_pages(in, error) && device_loader_is_complete(in->devices, error);
}

/* ---- commands ---- */

/* Limit for PINGs on a connection. A source that does not read the answers would block the thread
 * that writes them; so few answers fit into the buffers of any connection. */
#define MAX_PINGS 64u

static bool take_ping(Incoming *in, uint32_t value, GError **error)
{
    if (!in->return_path) {
        return mig_fail(error, MIG_ERROR_FORMAT, "PING %u, but the return path is not open", value);
    }
    if (++in->n_pings > MAX_PINGS) {
        return mig_fail(error, MIG_ERROR_FORMAT,
                        "more than %u PINGs, which no source has questions for", MAX_PINGS);
    }
    if ((value & ATTEMPT_PING_BIT) != 0 && !recovery_take_name(in, value, error)) {
        return false;
    }
    if (value == MULTIFD_HELLO && !incoming_answer(in, RETURN_PONG, MULTIFD_HELLO_ANSWER, error)) {
        return false;
    }
    if (in->faults != NULL) {
        return postcopy_take_ping(in, value, error);
    }
    if (value != HANDOVER_PING) {
        return incoming_answer(in, RETURN_PONG, value, error);
    }
    /* The answer confirms that all earlier pages are in place, so place them first. */
    if ((in->placer != NULL && !placer_flush(in->placer, error)) ||
        !incoming_multifd_finish(in, error) || !incoming_check_complete(in, error) ||
        !incoming_fault(in, "dst-pong", error) || !incoming_answer(in, RETURN_PONG, value, error) ||
        !incoming_fault(in, "dst-ponged", error)) {
        return false;
    }
    in->handover = true;
    return true;
}

/* Places the gathered pages. */
static bool flush_pages(Incoming *in, GError **error)
{
    if (in->faults != NULL) {
        return postcopy_flush(in, error);
    }
    return in->placer == NULL || placer_flush(in->placer, error);
}

static bool take_command(Incoming *in, const StreamRecord *record, GError **error)
{
    MigCursor payload = { record->data, record->data + record->length };
    uint32_t value = 0;

    switch (record->command) {
    case COMMAND_OPEN_RETURN_PATH:
        if (in->return_path) {
            return true; /* the return path is open */
        }
        in->return_path = true;
        /* This side never delays the switchover, so it acknowledges at once. */
        return !incoming_has(in, CAPABILITY_SWITCHOVER_ACK) ||
               (incoming_fault(in, "dst-switchover-ack", error) &&
                incoming_answer(in, RETURN_SWITCHOVER_ACK, 0, error));
    case COMMAND_PING:
        get_be32(&payload, &value); /* the reader has checked the length */
        return take_ping(in, value, error);
    case COMMAND_SWITCHOVER_START:
        return true;
    default:
        return flush_pages(in, error) && recovery_take_command(in, record, error);
    }
}

/* ---- configuration and blocks ---- */

/* QEMU lists the enabled capabilities that must be equal on both sides. A capability that is not in
 * this table may differ. */
static const struct {
    const char *name;
    MigCapability id;
} validated[] = {
    { "x-ignore-shared", CAPABILITY_X_IGNORE_SHARED },
    { "mapped-ram", CAPABILITY_MAPPED_RAM },
    { "x-sparse-ram", CAPABILITY_X_SPARSE_RAM },
};

static bool take_capabilities(const Incoming *in, const StreamRecord *record, GError **error)
{
    for (size_t i = 0; i < G_N_ELEMENTS(validated); i++) {
        bool theirs = record->capabilities != NULL &&
                      g_strv_contains(record->capabilities, validated[i].name);
        bool ours = incoming_has(in, validated[i].id);

        if (theirs != ours) {
            return mig_fail(error, MIG_ERROR_FORMAT,
                            "Capability %s is %s, but received capability is %s", validated[i].name,
                            ours ? "on" : "off", theirs ? "on" : "off");
        }
    }
    for (const char *const *c = record->capabilities; c != NULL && *c != NULL; c++) {
        MigCapability id;

        /* This build does not know how that capability changes the stream. */
        if (!capability_find(*c, &id)) {
            return mig_fail(error, MIG_ERROR_FORMAT, "Received unknown capability %s", *c);
        }
    }
    return true;
}

static bool take_configuration(Incoming *in, const StreamRecord *record, GError **error)
{
    const char *ours = guest_machine_name(in->config.guest);
    uint8_t uuid[16];

    /* QEMU compares over the received length only; an exact match is required here. */
    if (strcmp(record->machine, ours) != 0) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_FORMAT,
                    "Machine type received is '%s' and local is '%s'", record->machine, ours);
        mig_error_hint(error, "start the destination with --machine %s", record->machine);
        return false;
    }
    if (!take_capabilities(in, record, error)) {
        return false;
    }
    guest_uuid_bytes(in->config.guest, uuid);
    if (record->uuid != NULL && guest_uuid_is_set(in->config.guest) &&
        memcmp(record->uuid, uuid, sizeof uuid) != 0) {
        return mig_fail(error, MIG_ERROR_FORMAT, "UUID received is not the one of this guest (%s)",
                        guest_uuid(in->config.guest));
    }
    in->has_configuration = true;
    if (in->prefetch != NULL) {
        prefetch_set_deadline(in->prefetch, 0);
    }
    return incoming_fault(in, "dst-setup", error);
}

static bool take_block(Incoming *in, const StreamRecord *record, GError **error)
{
    size_t index;
    const RamBlock *block = guest_find_block(in->config.guest, record->block_idstr, &index);

    if (block == NULL) {
        size_t n;
        RamBlock *const *blocks = guest_blocks(in->config.guest, &n);

        g_set_error(error, MIG_ERROR, MIG_ERROR_FORMAT,
                    "Unknown ramblock \"%s\", cannot accept migration", record->block_idstr);
        mig_error_hint(error, "the block here is \"%s\": start the destination with --ram-id %s",
                       blocks[0]->idstr, record->block_idstr);
        return false;
    }
    if (block->size != record->block_length) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_FORMAT,
                    "Size mismatch: %s: 0x%" PRIx64 " != 0x%" PRIx64 ": Invalid argument",
                    block->idstr, record->block_length, block->size);
        mig_error_hint(error, "start the destination with --memory %" PRIu64 "K",
                       record->block_length >> 10);
        return false;
    }
    g_array_append_val(in->blocks, index);
    if (record->is_mapped) {
        g_array_append_val(in->mapped, record->mapped);
    }
    return true;
}

/* The block list is accepted: drops the earlier contents of this RAM. */
static bool begin_pages(Incoming *in, GError **error)
{
    size_t n;
    RamBlock *const *blocks = guest_blocks(in->config.guest, &n);

    if (in->has_block_list || in->blocks->len == 0) {
        return true;
    }
    for (size_t i = 0; i < n; i++) {
        if (incoming_shares(in, blocks[i])) {
            continue; /* the source has the same memory */
        }
        if (!ram_block_claim(blocks[i], error)) {
            mig_error_hint(error,
                           "to take over the memory of the guest there, in place: capability "
                           "x-ignore-shared on both sides");
            return false;
        }
        atomic_store(&in->dropped, true);
        if (!ram_block_drop(blocks[i], error)) {
            return false;
        }
    }
    /* Only now: once there is a placer the memory counts as written, and a drop would give back
     * memory that was populated for this attempt. */
    in->placer = placer_new(blocks, n);
    for (size_t i = 0; i < n; i++) {
        if (incoming_shares(in, blocks[i])) {
            placer_leave_out(in->placer, i);
        }
    }
    in->decoder = page_decoder_new(in->placer);
    in->has_block_list = true;
    incoming_multifd_start(in);
    return incoming_mapped_load(in, error) && incoming_fault(in, "dst-ram-setup", error);
}

static bool take_page(Incoming *in, const StreamRecord *record, GError **error)
{
    MigCounters *c = &in->migration->counters;
    size_t block, n;

    if (!begin_pages(in, error)) {
        return false;
    }
    if (!in->pages_began) {
        in->pages_began = true;
        if (!incoming_fault(in, "dst-page", error)) {
            return false;
        }
    }
    block = g_array_index(in->blocks, size_t, record->block_index);
    if (incoming_shares(in, guest_blocks(in->config.guest, &n)[block])) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_FORMAT, "block %s should not be migrated !",
                    guest_blocks(in->config.guest, &n)[block]->idstr);
        mig_error_hint(error, "x-ignore-shared is on and this block is in a file here, but not at "
                              "the source");
        return false;
    }
    if (in->faults != NULL) {
        atomic_fetch_add_explicit(
            record->type == RECORD_ZERO_PAGE ? &c->zero_pages : &c->normal_pages,
            record->type == RECORD_ZERO_PAGE ? record->n_pages : 1, memory_order_relaxed);
        return postcopy_take_page(in, block, record, error);
    }
    if (record->type == RECORD_ZERO_PAGE) {
        atomic_fetch_add_explicit(&c->zero_pages, record->n_pages, memory_order_relaxed);
        if (record->fill != 0) {
            return placer_fill(in->placer, block, record->offset, record->fill, error);
        }
        return placer_zero(in->placer, block, record->offset / MIG_PAGE_SIZE, record->n_pages,
                           error);
    }
    atomic_fetch_add_explicit(&c->normal_pages, 1, memory_order_relaxed);
    if (record->type != RECORD_PAGE) {
        return page_decoder_take(in->decoder, block, record, error);
    }
    return placer_page(in->placer, block, record->offset, record->data, error);
}

/* ---- the stream ---- */

static bool take_section_end(Incoming *in, const StreamRecord *record, GError **error)
{
    if (strcmp(record->idstr, "ram") == 0 && record->section_type == STREAM_SECTION_END) {
        in->ram_ended = true;
        return incoming_fault(in, "dst-ram-end", error);
    }
    return true;
}

static bool take_record(Incoming *in, const StreamRecord *record, GError **error)
{
    switch (record->type) {
    case RECORD_CONFIGURATION:
        return take_configuration(in, record, error);
    case RECORD_RAM_BLOCK:
        return take_block(in, record, error);
    case RECORD_PAGE:
    case RECORD_ZERO_PAGE:
    case RECORD_XBZRLE_PAGE:
    case RECORD_COMPRESSED_PAGE:
        return take_page(in, record, error);
    case RECORD_MULTIFD_FLUSH:
        return begin_pages(in, error) && incoming_multifd_flush(in, error);
    case RECORD_RAM_EOS:
        return begin_pages(in, error) && incoming_multifd_eos(in, error);
    case RECORD_DEVICE:
        if (!in->has_block_list) {
            return mig_fail(error, MIG_ERROR_FORMAT,
                            "state of device '%s' comes before the list of RAM blocks",
                            record->idstr);
        }
        if (in->runs) {
            return mig_fail(error, MIG_ERROR_FORMAT,
                            "state of device '%s' comes after the guest was started",
                            record->idstr);
        }
        if (!device_loader_load(in->devices, record, error)) {
            g_prefix_error(error, "error while loading state for instance 0x%x of device '%s': ",
                           record->instance, record->idstr);
            return false;
        }
        return incoming_fault(in, "dst-devices", error);
    case RECORD_SECTION_END:
        return take_section_end(in, record, error);
    case RECORD_COMMAND:
        return take_command(in, record, error);
    case RECORD_RAM_TOTAL:
        atomic_store(&in->migration->counters.total, record->ram_total);
        return true;
    case RECORD_SECTION:
    case RECORD_EOF:
    case RECORD_VMDESCRIPTION:
        return true;
    }
    return true;
}

static void add_place(Incoming *in, GError **error)
{
    g_autofree char *where = stream_reader_where(in->reader);
    mig_error_hint(error, "while reading %s", where);
}

/* Gets more bytes into the reader. Pages that point into the present buffer are placed first. */
static bool read_more(Incoming *in, GError **error)
{
    size_t count;

    if (!flush_pages(in, error)) {
        return false;
    }
    if (in->prefetch == NULL) {
        if (!incoming_mapped_read(in, error)) {
            add_place(in, error);
            return false;
        }
        return true;
    }
    uint8_t *bytes = prefetch_next(in->prefetch, &count, error);
    if (bytes == NULL) {
        add_place(in, error);
        return false;
    }
    if (count == 0) {
        stream_reader_end(in->reader);
    } else {
        stream_reader_lend(in->reader, bytes, PREFETCH_HEADROOM, count);
        atomic_fetch_add(&in->migration->counters.transferred, count);
    }
    return true;
}

bool incoming_load(Incoming *in, GError **error)
{
    StreamRecord record;

    for (;;) {
        switch (stream_reader_next(in->reader, &record, error)) {
        case STREAM_RECORD:
            if (!take_record(in, &record, error)) {
                add_place(in, error);
                return false;
            }
            if (record.type == RECORD_EOF) {
                return flush_pages(in, error) && incoming_multifd_finish(in, error);
            }
            break;
        case STREAM_MORE:
            if (!read_more(in, error)) {
                return false;
            }
            break;
        case STREAM_DONE:
        case STREAM_BAD:
            if (error != NULL && *error == NULL) {
                g_set_error_literal(error, MIG_ERROR, MIG_ERROR_FORMAT, "stream without an end");
            }
            return false;
        }
    }
}

bool incoming_drain(Incoming *in, GError **error)
{
    static const size_t limit = 64u << 20;
    size_t total = 0, count = 1;

    while (in->prefetch != NULL && total < limit && count > 0) {
        if (prefetch_next(in->prefetch, &count, error) == NULL) {
            return false;
        }
        total += count;
    }
    return true;
}
