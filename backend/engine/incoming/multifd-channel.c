/*
 * One multifd channel of the destination. See multifd-pool.h.
 *
 * Pages with content are read straight into place where the memory is populated. Fresh pages are
 * read into a buffer and written to the memory's descriptor in runs, which needs no page fault
 * (docs/engine.md). The read of a packet's bytes asks for the next header too.
 */
#include "backend/engine/incoming/multifd-internal.h"

#include <inttypes.h>
#include <string.h>

#include "backend/base/error.h"
#include "backend/engine/attempt/shared-ram.h"
#include "backend/transport/transport-break.h"

/* ---- calls to the pool, under its lock ---- */

/* Its first packet has @id; false with the error when @id is too large or in use. */
static bool register_id(RecvChannel *channel, unsigned id, GError **error)
{
    MultifdRecv *r = channel->pool;
    unsigned n = r->config.settings.channels;
    MIG_LOCK(&r->lock);

    if (id >= n) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_FORMAT,
                    "multifd: received channel id %u is greater than number of channels %u", id, n);
        mig_error_hint(error, "multifd-channels must be the same on both sides");
        return false;
    }
    for (unsigned i = 0; i < r->n_come; i++) {
        if (r->channels[i].known && r->channels[i].id == id) {
            return mig_fail(error, MIG_ERROR_FORMAT, "multifd: received id '%u' already setup'",
                            id);
        }
    }
    channel->id = id;
    channel->known = true;
    channel->stats = &r->config.stats[id];
    atomic_store(&channel->stats->state, CHANNEL_STATE_CONNECTED);
    pthread_cond_broadcast(&r->changed);
    return true;
}

/* Waits until pages may be placed; NULL when the attempt ends before. */
static Placer *wait_start(RecvChannel *channel)
{
    MultifdRecv *r = channel->pool;
    MIG_LOCK(&r->lock);

    while (r->placer == NULL && !r->quit && r->error == NULL) {
        pthread_cond_wait(&r->changed, &r->lock);
    }
    return r->placer != NULL && !r->quit ? placer_new_beside(r->placer) : NULL;
}

/* Called around placing; begin_placing() returns false when no more pages may be placed. */
static bool begin_placing(RecvChannel *channel)
{
    MultifdRecv *r = channel->pool;
    MIG_LOCK(&r->lock);

    if (r->finished || r->quit || r->error != NULL) {
        return false;
    }
    r->placing++;
    return true;
}

static void end_placing(RecvChannel *channel)
{
    MultifdRecv *r = channel->pool;
    MIG_LOCK(&r->lock);

    r->placing--;
}

/* A SYNC came: waits until the main channel has passed the sync point. False: the channel must
 * end. */
static bool wait_sync(RecvChannel *channel)
{
    MultifdRecv *r = channel->pool;
    MIG_LOCK(&r->lock);

    channel->reached++;
    pthread_cond_broadcast(&r->changed);
    while (channel->reached > r->passed && !r->finished && !r->quit && r->error == NULL) {
        pthread_cond_wait(&r->changed, &r->lock);
    }
    return !r->quit && r->error == NULL;
}

/* ---- reading ---- */

typedef enum { READ_ALL, READ_END, READ_FAILED } ReadResult;

static void count_bytes(RecvChannel *channel, size_t count)
{
    atomic_fetch_add(&channel->pool->config.counters->transferred, count);
    if (channel->stats != NULL) {
        atomic_fetch_add(&channel->stats->bytes, count);
    }
}

static void advance(struct iovec **iov, int *n, size_t count)
{
    while (count > 0) {
        size_t step = MIN(count, (*iov)->iov_len);

        (*iov)->iov_base = (uint8_t *)(*iov)->iov_base + step;
        (*iov)->iov_len -= step;
        count -= step;
        if ((*iov)->iov_len == 0) {
            (*iov)++;
            (*n)--;
        }
    }
}

/* Reads at least @wanted bytes into the entries; *@ret_got is the number read. END only before the
 * first byte. */
static ReadResult read_iov(RecvChannel *channel, struct iovec *iov, int n, size_t wanted,
                           size_t *ret_got, GError **error)
{
    size_t got = 0;

    while (got < wanted) {
        GError *reason = NULL;
        ssize_t count = transport_readv(channel->transport, iov, n, &reason);

        if (count < 0 && got == 0 && g_error_matches(reason, MIG_ERROR, MIG_ERROR_CUT)) {
            /* A QEMU 7.2 leaves close_notify out. What was cut is missed at the next sync. */
            g_error_free(reason);
            return READ_END;
        }
        if (count < 0) {
            g_propagate_error(error, reason);
            return READ_FAILED;
        }
        if (count == 0) {
            if (got == 0) {
                return READ_END;
            }
            g_set_error_literal(error, MIG_ERROR, MIG_ERROR_IO,
                                "the connection ended in the middle of a packet");
            return READ_FAILED;
        }
        got += (size_t)count;
        advance(&iov, &n, (size_t)count);
    }
    count_bytes(channel, got);
    *ret_got = got;
    return READ_ALL;
}

static bool read_init(RecvChannel *channel, GError **error)
{
    MultifdRecv *r = channel->pool;
    uint8_t bytes[MULTIFD_INIT_BYTES], ours[16];
    struct iovec iov = { bytes, sizeof bytes };
    MultifdInit init;
    size_t got;

    switch (read_iov(channel, &iov, 1, sizeof bytes, &got, error)) {
    case READ_ALL:
        break;
    case READ_END:
        return mig_fail(error, MIG_ERROR_IO,
                        "a multifd channel ended before it said which one it is");
    case READ_FAILED:
        return false;
    }
    if (!multifd_init_decode(bytes, &init, error)) {
        return false;
    }
    guest_uuid_bytes(r->config.guest, ours);
    if (memcmp(init.uuid, ours, sizeof ours) != 0) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_FORMAT,
                    "multifd: received uuid is not that of this guest (%s) for channel %u",
                    guest_uuid(r->config.guest), init.id);
        mig_error_hint(error, "start both sides with the same --uuid");
        return false;
    }
    if (!register_id(channel, init.id, error)) {
        return false;
    }
    atomic_fetch_add(&channel->stats->bytes, sizeof bytes);
    g_autofree char *name = g_strdup_printf("mig/dst/recv_%u", init.id);
    pthread_setname_np(pthread_self(), name); /* fails, harmlessly, for a long name */
    return transport_fault(channel->transport, "dst-channel-init", error);
}

static ReadResult read_header(RecvChannel *channel, GError **error)
{
    size_t have = channel->header_have, got;
    struct iovec iov = { channel->header + have, sizeof channel->header - have };

    channel->header_have = 0;
    if (iov.iov_len == 0) {
        return READ_ALL;
    }
    ReadResult result = read_iov(channel, &iov, 1, iov.iov_len, &got, error);
    if (result == READ_END && have > 0) {
        g_set_error_literal(error, MIG_ERROR, MIG_ERROR_IO,
                            "the connection ended in the middle of a packet");
        return READ_FAILED;
    }
    return result;
}

/* Reads @size bytes into the @n entries, and the part of the next header that has come with
 * them. */
static bool read_data(RecvChannel *channel, int n, size_t size, GError **error)
{
    size_t got;

    channel->iov[n] = (struct iovec){ channel->header, sizeof channel->header };
    switch (read_iov(channel, channel->iov, n + 1, size, &got, error)) {
    case READ_ALL:
        channel->header_have = got - size;
        return true;
    case READ_END:
        return mig_fail(error, MIG_ERROR_IO, "the connection ended in the middle of a packet");
    case READ_FAILED:
        break;
    }
    return false;
}

/* ---- placing ---- */

static bool place_zeroes(RecvChannel *channel, size_t block, GError **error)
{
    const MultifdPacket *packet = &channel->packet;
    const uint64_t *offsets = packet->offsets + packet->n_normal;

    for (uint32_t i = 0, end; i < packet->n_zero; i = end) {
        for (end = i + 1; end < packet->n_zero && offsets[end] == offsets[end - 1] + MIG_PAGE_SIZE;
             end++) {}
        if (!placer_zero(channel->placer, block, offsets[i] / MIG_PAGE_SIZE, end - i, error)) {
            return false;
        }
    }
    return true;
}

static void add_target(RecvChannel *channel, int *n, uint8_t *target)
{
    struct iovec *last = *n > 0 ? &channel->iov[*n - 1] : NULL;

    if (last != NULL && (uint8_t *)last->iov_base + last->iov_len == target) {
        last->iov_len += MIG_PAGE_SIZE;
    } else {
        channel->iov[(*n)++] = (struct iovec){ target, MIG_PAGE_SIZE };
    }
}

/* Reads plain pages: populated ones into place, the others through the buffer. */
static bool take_plain(RecvChannel *channel, size_t block, GError **error)
{
    const MultifdPacket *packet = &channel->packet;
    uint32_t n_fresh = 0;
    int n = 0;

    for (uint32_t i = 0; i < packet->n_normal; i++) {
        uint8_t *target;

        if (!placer_in_place(channel->placer, block, packet->offsets[i], &target, error)) {
            return false;
        }
        if (target == NULL) {
            target = channel->buffer + (size_t)n_fresh * MIG_PAGE_SIZE;
            channel->fresh[n_fresh++] = packet->offsets[i];
        }
        add_target(channel, &n, target);
    }
    if (!read_data(channel, n, packet->data_bytes, error)) {
        return false;
    }
    for (uint32_t i = 0; i < n_fresh; i++) {
        if (!placer_page(channel->placer, block, channel->fresh[i],
                         channel->buffer + (size_t)i * MIG_PAGE_SIZE, error)) {
            return false;
        }
    }
    return placer_flush(channel->placer, error);
}

static bool take_packed(RecvChannel *channel, size_t block, GError **error)
{
    const MultifdPacket *packet = &channel->packet;

    channel->iov[0] = (struct iovec){ channel->packed, packet->data_bytes };
    if (!read_data(channel, 1, packet->data_bytes, error) ||
        !multifd_unpack(channel->unpacker, channel->packed, packet->data_bytes, channel->buffer,
                        packet->n_normal, error)) {
        return false;
    }
    for (uint32_t i = 0; i < packet->n_normal; i++) {
        if (!placer_page(channel->placer, block, packet->offsets[i],
                         channel->buffer + (size_t)i * MIG_PAGE_SIZE, error)) {
            return false;
        }
    }
    return placer_flush(channel->placer, error);
}

/* ---- packets ---- */

static bool check_packet(RecvChannel *channel, size_t *ret_block, GError **error)
{
    MultifdRecv *r = channel->pool;
    const MultifdPacket *packet = &channel->packet;
    const RamBlock *block = guest_find_block(r->config.guest, packet->block, ret_block);

    if (block == NULL) {
        return mig_fail(error, MIG_ERROR_FORMAT, "multifd: unknown ram block %s", packet->block);
    }
    if (r->config.ignore_shared && ram_is_shared(block)) {
        return mig_fail(error, MIG_ERROR_FORMAT, "block %s should not be migrated !", block->idstr);
    }
    for (uint32_t i = 0; i < packet->n_normal + packet->n_zero; i++) {
        if (packet->offsets[i] > block->size - MIG_PAGE_SIZE) {
            return mig_fail(error, MIG_ERROR_FORMAT,
                            "multifd: offset too long %" PRIx64 " (max %" PRIx64
                            ") of RAM block %s",
                            packet->offsets[i], block->size, block->idstr);
        }
    }
    if (packet->n_normal > 0 && packet->compression != r->config.settings.compression) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_FORMAT,
                    "multifd: pages are packed by %s, expected %s",
                    multifd_compression_name(packet->compression),
                    multifd_compression_name(r->config.settings.compression));
        mig_error_hint(error, "multifd-compression must be the same on both sides");
        return false;
    }
    return true;
}

static bool place_packet(RecvChannel *channel, size_t block, GError **error)
{
    const MultifdPacket *packet = &channel->packet;
    MigCounters *counters = channel->pool->config.counters;

    if ((packet->n_normal > 0 &&
         !(channel->packed == NULL ? take_plain : take_packed)(channel, block, error)) ||
        !place_zeroes(channel, block, error)) {
        return false;
    }
    atomic_fetch_add(&counters->normal_pages, packet->n_normal);
    atomic_fetch_add(&counters->zero_pages, packet->n_zero);
    atomic_fetch_add(&channel->stats->normal_pages, packet->n_normal);
    atomic_fetch_add(&channel->stats->zero_pages, packet->n_zero);
    return true;
}

/* False without an error when no more packets are wanted. */
static bool take_packet(RecvChannel *channel, GError **error)
{
    size_t block;

    if (!multifd_packet_decode(channel->header, &channel->packet, error)) {
        return false;
    }
    if (channel->packet.n_normal + channel->packet.n_zero > 0) {
        if (!check_packet(channel, &block, error) || !begin_placing(channel)) {
            return false;
        }
        atomic_store(&channel->stats->state, CHANNEL_STATE_ACTIVE);
        bool ok = place_packet(channel, block, error);
        end_placing(channel);
        if (!ok || !transport_fault(channel->transport, "dst-channel-packet", error)) {
            return false;
        }
    }
    if (!channel->packet.sync) {
        return true;
    }
    atomic_store(&channel->stats->state, CHANNEL_STATE_SYNC);
    return transport_fault(channel->transport, "dst-channel-sync", error) && wait_sync(channel);
}

static bool prepare(RecvChannel *channel, GError **error)
{
    MultifdCompression compression = channel->pool->config.settings.compression;

    channel->buffer = g_malloc((size_t)MULTIFD_PAGES * MIG_PAGE_SIZE);
    if (compression == MULTIFD_PLAIN) {
        return true;
    }
    channel->packed = g_malloc(RECV_BUFFER);
    channel->unpacker = multifd_unpacker_new(compression, error);
    return channel->unpacker != NULL;
}

bool recv_channel_run(RecvChannel *channel, GError **error)
{
    if (!read_init(channel, error) || !prepare(channel, error)) {
        return false;
    }
    channel->placer = wait_start(channel);
    if (channel->placer == NULL) {
        return true;
    }
    for (;;) {
        GError *reason = NULL;

        switch (read_header(channel, error)) {
        case READ_FAILED:
            return false;
        case READ_END:
            return true;
        case READ_ALL:
            break;
        }
        if (!take_packet(channel, &reason)) {
            if (reason != NULL) {
                g_propagate_error(error, reason);
            }
            return reason == NULL;
        }
    }
}
