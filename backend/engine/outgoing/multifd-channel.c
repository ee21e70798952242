/*
 * One multifd channel of the source: runs of pages become packets. See multifd-pool.h.
 *
 * Whether a page is zero is found out here, by the thread that then sends it, while it is in the
 * cache. Pages that were never touched are zero without being read.
 */
#include "backend/engine/outgoing/multifd-internal.h"

#include "backend/base/error.h"

static void set_state(SendChannel *channel, ChannelState state)
{
    atomic_store(&channel->stats->state, (int)state);
}

/* The header comes first and is used again for the next packet, so it is copied in any case. */
static bool write_iov(SendChannel *channel, int n, size_t bytes, GError **error)
{
    bool lend = channel->pool->config.settings.zero_copy && n > 1;

    if (!transport_write_all(channel->transport, channel->iov, lend ? 1 : n, NULL, error) ||
        (lend && !transport_lend_all(channel->transport, channel->iov + 1, n - 1, error))) {
        return false;
    }
    atomic_fetch_add(&channel->stats->bytes, bytes);
    return true;
}

static bool at_fault(SendChannel *channel, const char *point, GError **error)
{
    MultifdSend *pool = channel->pool;

    return pool->config.fault(pool->config.data, point, channel->transport, error);
}

bool send_channel_hello(SendChannel *channel, GError **error)
{
    MultifdInit init = { .id = (uint8_t)channel->id };
    uint8_t bytes[MULTIFD_INIT_BYTES];

    memcpy(init.uuid, channel->pool->config.uuid, sizeof init.uuid);
    multifd_init_encode(&init, bytes);
    channel->iov[0] = (struct iovec){ bytes, sizeof bytes };
    if (!write_iov(channel, 1, sizeof bytes, error)) {
        return false;
    }
    set_state(channel, CHANNEL_STATE_CONNECTED);
    return at_fault(channel, "src-channel-init", error);
}

/* ---- packets ---- */

static void put_header(SendChannel *channel)
{
    MultifdSend *pool = channel->pool;

    channel->packet.number = atomic_fetch_add(&pool->packets, 1);
    multifd_packet_encode(&channel->packet, channel->header);
    channel->iov[0] = (struct iovec){ channel->header, sizeof channel->header };
}

/* Points at the pages, those that follow each other in memory by one entry; returns how many. */
static int point_at_pages(SendChannel *channel)
{
    int n = 0;

    for (uint32_t i = 0; i < channel->packet.n_normal; i++) {
        struct iovec *last = &channel->iov[n];
        /* iovec has no const; nobody writes through it. */
        uint8_t *page = (uint8_t *)(uintptr_t)channel->pages[i];

        if (n > 0 && (uint8_t *)last->iov_base + last->iov_len == page) {
            last->iov_len += MIG_PAGE_SIZE;
        } else {
            channel->iov[++n] = (struct iovec){ page, MIG_PAGE_SIZE };
        }
    }
    return n;
}

/* The bytes behind the header; returns the entries, -1 with an error. */
static int put_data(SendChannel *channel, GError **error)
{
    MultifdPacket *packet = &channel->packet;
    size_t size = (size_t)packet->n_normal * MIG_PAGE_SIZE;
    int n;

    if (packet->n_normal == 0) {
        n = 0;
    } else if (channel->packer == NULL) {
        n = point_at_pages(channel);
    } else {
        const uint8_t *bytes =
            multifd_pack(channel->packer, channel->pages, packet->n_normal, &size, error);
        if (bytes == NULL) {
            return -1;
        }
        channel->iov[1] = (struct iovec){ (uint8_t *)(uintptr_t)bytes, size };
        n = 1;
    }
    packet->data_bytes = (uint32_t)size;
    return n;
}

static bool send_packet(SendChannel *channel, GError **error)
{
    MultifdPacket *packet = &channel->packet;
    ChannelStats *stats = channel->stats;

    if (packet->n_normal + packet->n_zero == 0) {
        return true;
    }
    memcpy(packet->offsets + packet->n_normal, channel->zeroes,
           packet->n_zero * sizeof *channel->zeroes);
    packet->compression = channel->pool->config.settings.compression;
    g_strlcpy(packet->block, channel->pool->config.blocks[channel->block]->idstr,
              sizeof packet->block);
    int n = put_data(channel, error);
    if (n < 0) {
        return false;
    }
    put_header(channel);
    if (!write_iov(channel, 1 + n, sizeof channel->header + packet->data_bytes, error)) {
        return false;
    }
    atomic_fetch_add(&stats->normal_pages, packet->n_normal);
    atomic_fetch_add(&stats->zero_pages, packet->n_zero);
    packet->n_normal = 0;
    packet->n_zero = 0;
    return at_fault(channel, "src-channel-packet", error);
}

static bool add_run(SendChannel *channel, const RamRun *run, bool tested, GError **error)
{
    MultifdPacket *packet = &channel->packet;

    if (run->block != channel->block && !send_packet(channel, error)) {
        return false;
    }
    channel->block = run->block;
    ram_run_map_in(run);
    for (size_t i = 0; i < run->count; i++) {
        const uint8_t *page = run->host + i * MIG_PAGE_SIZE;
        uint64_t offset = (run->first + i) * MIG_PAGE_SIZE;

        if (!run->data || (!tested && ram_page_is_zero(page))) {
            channel->zeroes[packet->n_zero++] = offset;
        } else {
            channel->pages[packet->n_normal] = page;
            packet->offsets[packet->n_normal++] = offset;
        }
        if (packet->n_normal + packet->n_zero == MULTIFD_PAGES && !send_packet(channel, error)) {
            return false;
        }
    }
    return true;
}

bool send_channel_job(SendChannel *channel, const MultifdJob *job, GError **error)
{
    set_state(channel, CHANNEL_STATE_ACTIVE);
    for (size_t i = 0; i < job->n_runs; i++) {
        if (!add_run(channel, &job->runs[i], job->tested, error)) {
            return false;
        }
    }
    return send_packet(channel, error);
}

/* A page may be sent again, by another channel, when no older content of it is on the way. */
static bool settle(SendChannel *channel, GError **error)
{
    bool copied;

    if (!channel->pool->config.settings.zero_copy) {
        return true;
    }
    if (!transport_settle(channel->transport, &copied, error)) {
        return false;
    }
    if (copied) {
        atomic_fetch_add(&channel->stats->copied_syncs, 1);
    }
    return true;
}

bool send_channel_sync(SendChannel *channel, GError **error)
{
    if (!at_fault(channel, "src-channel-sync", error) || !settle(channel, error)) {
        return false;
    }
    channel->packet = (MultifdPacket){ .sync = true };
    put_header(channel);
    channel->packet.sync = false;
    set_state(channel, CHANNEL_STATE_SYNC);
    return write_iov(channel, 1, sizeof channel->header, error);
}
