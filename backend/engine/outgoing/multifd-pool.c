/*
 * See multifd-pool.h. A channel is a thread that turns runs of pages into packets on its
 * connection.
 *
 * All channels take from one queue, so a faster channel takes more. A sync empties the queue before
 * anything of the next pass is put into it; apart from that the channels keep no order.
 *
 * Whether a page is zero is tested by the thread that sends it, while the page is in its cache.
 * Pages that were never touched are zero without being read.
 *
 * Each wait ends: a channel's with work or with the shutdown; the outgoing thread checks a few
 * times a second whether it was cancelled.
 */
#include "backend/engine/outgoing/multifd-pool.h"

#include <string.h>
#include <sys/uio.h>

#include "backend/base/error.h"
#include "backend/base/fault.h"
#include "backend/base/lock.h"
#include "backend/stream/multifd-codec.h"

#define LOOK_US   (100 * 1000)
#define NOTICE_US G_USEC_PER_SEC

typedef struct {
    MultifdSend *pool;
    unsigned id;
    GThread *thread;
    Transport *transport; /* the pointer under the pool's lock until the thread runs */

    /* The thread only. */
    ChannelStats *stats;
    MultifdPacker *packer; /* NULL = pages are sent plain */
    unsigned block;        /* of the packet that is being filled */
    MultifdPacket packet;
    const uint8_t *pages[MULTIFD_PAGES]; /* pages with content */
    uint64_t zeroes[MULTIFD_PAGES];      /* offsets of zero pages */
    uint8_t header[MULTIFD_HEADER_BYTES];
    struct iovec iov[1 + MULTIFD_PAGES];
} SendChannel;

struct MultifdSend {
    MultifdSendConfig config;
    _Atomic uint64_t packets; /* the number of the last packet */

    SendChannel *channels;
    MultifdJob *jobs;
    unsigned n_jobs;

    /* Under @lock. */
    pthread_mutex_t lock;
    pthread_cond_t work; /* wakes channels: jobs, a sync, the end */
    pthread_cond_t done; /* wakes the migration's thread */
    GQueue free_jobs;    /* of MultifdJob */
    GQueue queue;        /* handed over, not yet taken; the oldest first */
    size_t pages_out;    /* handed over, not yet written */
    uint64_t syncs;      /* number of syncs begun */
    unsigned synced;     /* channels that have sent the last of them */
    GError *error;       /* the first failure */
    bool noticed;        /* by the migration's thread */
    bool quit;
};

MultifdSend *multifd_send_new(const MultifdSendConfig *config)
{
    MultifdSend *s = g_new0(MultifdSend, 1);
    unsigned n = config->settings.channels;

    s->config = *config;
    pthread_mutex_init(&s->lock, NULL);
    mig_cond_init(&s->work);
    mig_cond_init(&s->done);
    g_queue_init(&s->free_jobs);
    g_queue_init(&s->queue);
    s->channels = g_new0(SendChannel, n);
    for (unsigned i = 0; i < n; i++) {
        s->channels[i].pool = s;
        s->channels[i].id = i;
        s->channels[i].stats = &config->stats[i];
    }
    /* For each channel one job at work and one waiting, and one that is being filled. */
    s->n_jobs = 2 * n + 1;
    s->jobs = g_new0(MultifdJob, s->n_jobs);
    for (unsigned i = 0; i < s->n_jobs; i++) {
        g_queue_push_tail(&s->free_jobs, &s->jobs[i]);
    }
    return s;
}

void multifd_send_free(MultifdSend *s)
{
    if (s == NULL) {
        return;
    }
    multifd_send_shutdown(s);
    for (unsigned i = 0; i < s->config.settings.channels; i++) {
        SendChannel *channel = &s->channels[i];

        if (channel->thread != NULL) {
            g_thread_join(channel->thread);
        }
        transport_free(channel->transport);
        multifd_packer_free(channel->packer);
    }
    g_queue_clear(&s->free_jobs);
    g_queue_clear(&s->queue);
    g_clear_error(&s->error);
    pthread_cond_destroy(&s->work);
    pthread_cond_destroy(&s->done);
    pthread_mutex_destroy(&s->lock);
    g_free(s->channels);
    g_free(s->jobs);
    g_free(s);
}

/* ---- one channel: packets ---- */

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

static bool send_channel_hello(SendChannel *channel, GError **error)
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

static void put_header(SendChannel *channel)
{
    MultifdSend *pool = channel->pool;

    channel->packet.number = atomic_fetch_add(&pool->packets, 1);
    multifd_packet_encode(&channel->packet, channel->header);
    channel->iov[0] = (struct iovec){ channel->header, sizeof channel->header };
}

/* Makes iovec entries for the pages, one for each run of pages that are consecutive in memory;
 * returns their number. */
static int point_at_pages(SendChannel *channel)
{
    int n = 0;

    for (uint32_t i = 0; i < channel->packet.n_normal; i++) {
        struct iovec *last = &channel->iov[n];
        /* iovec has no const; the pages are not written through it. */
        uint8_t *page = (uint8_t *)(uintptr_t)channel->pages[i];

        if (n > 0 && (uint8_t *)last->iov_base + last->iov_len == page) {
            last->iov_len += MIG_PAGE_SIZE;
        } else {
            channel->iov[++n] = (struct iovec){ page, MIG_PAGE_SIZE };
        }
    }
    return n;
}

/* Makes the entries for the bytes after the header; returns their number, -1 with an error. */
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

static bool send_channel_job(SendChannel *channel, const MultifdJob *job, GError **error)
{
    set_state(channel, CHANNEL_STATE_ACTIVE);
    for (size_t i = 0; i < job->n_runs; i++) {
        if (!add_run(channel, &job->runs[i], job->tested, error)) {
            return false;
        }
    }
    return send_packet(channel, error);
}

/* Waits for lent pages: another channel may send a page again only when no older content of it is
 * on the way. */
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

static bool send_channel_sync(SendChannel *channel, GError **error)
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

/* ---- the channels' threads ---- */

/* Stores the first failure and makes sure that the migration's thread notices it. */
static void note_failure(SendChannel *channel, GError *error)
{
    MultifdSend *s = channel->pool;
    gint64 until = g_get_monotonic_time() + NOTICE_US;
    bool stuck;

    atomic_store(&channel->stats->state, CHANNEL_STATE_FAILED);
    g_prefix_error(&error, "multifd channel %u: ", channel->id);
    pthread_mutex_lock(&s->lock);
    if (s->error == NULL && !s->quit) {
        s->error = g_steal_pointer(&error);
    }
    pthread_cond_broadcast(&s->done);
    while (!s->noticed && !s->quit && mig_cond_wait_until(&s->work, &s->lock, until)) {}
    stuck = !s->noticed && !s->quit;
    pthread_mutex_unlock(&s->lock);
    g_clear_error(&error);
    if (stuck) {
        s->config.stuck(s->config.data);
    }
}

typedef enum { TASK_JOB, TASK_SYNC, TASK_QUIT } Task;

static Task next_task(MultifdSend *s, uint64_t synced, MultifdJob **ret_job)
{
    MIG_LOCK(&s->lock);

    for (;;) {
        if (s->quit || s->error != NULL) {
            return TASK_QUIT;
        }
        *ret_job = g_queue_pop_head(&s->queue);
        if (*ret_job != NULL) {
            return TASK_JOB;
        }
        if (s->syncs != synced) {
            return TASK_SYNC;
        }
        pthread_cond_wait(&s->work, &s->lock);
    }
}

static void give_back(MultifdSend *s, MultifdJob *job)
{
    MIG_LOCK(&s->lock);

    s->pages_out -= job->n_pages;
    g_queue_push_tail(&s->free_jobs, job);
    pthread_cond_signal(&s->done);
}

static void has_synced(MultifdSend *s)
{
    MIG_LOCK(&s->lock);

    s->synced++;
    pthread_cond_signal(&s->done);
}

static void *channel_thread(void *data)
{
    SendChannel *channel = data;
    MultifdSend *s = channel->pool;
    GError *error = NULL;
    uint64_t synced = 0;
    MultifdJob *job = NULL;

    for (;;) {
        switch (next_task(s, synced, &job)) {
        case TASK_JOB:
            if (!send_channel_job(channel, job, &error)) {
                note_failure(channel, error);
                return NULL;
            }
            give_back(s, job);
            break;
        case TASK_SYNC:
            if (!send_channel_sync(channel, &error)) {
                note_failure(channel, error);
                return NULL;
            }
            synced++;
            has_synced(s);
            break;
        case TASK_QUIT:
            atomic_store(&channel->stats->state, CHANNEL_STATE_DONE);
            return NULL;
        }
    }
}

/* ---- connecting ---- */

/* False when everything was shut down meanwhile. */
static bool keep_transport(SendChannel *channel, Transport *transport)
{
    MIG_LOCK(&channel->pool->lock);

    channel->transport = transport;
    return !channel->pool->quit;
}

static bool connect_channel(SendChannel *channel, Connector *connector, GError **error)
{
    const MultifdSettings *settings = &channel->pool->config.settings;
    g_autofree char *name = g_strdup_printf("mig/src/send_%u", channel->id);
    Transport *transport = connector_open(connector, error);

    if (transport == NULL) {
        return false;
    }
    if (!keep_transport(channel, transport)) {
        transport_shutdown(transport); /* and the write below fails */
    }
    if (settings->zero_copy && !transport_prepare_lending(transport, error)) {
        return false;
    }
    if (!send_channel_hello(channel, error)) {
        return false;
    }
    if (settings->compression != MULTIFD_PLAIN) {
        channel->packer = multifd_packer_new(settings->compression, settings->level, error);
        if (channel->packer == NULL) {
            return false;
        }
    }
    channel->thread = fault_thread_new("thread-src-send", name, channel_thread, channel, error);
    return channel->thread != NULL;
}

bool multifd_send_connect(MultifdSend *s, Connector *connector, GError **error)
{
    for (unsigned i = 0; i < s->config.settings.channels; i++) {
        if (!connect_channel(&s->channels[i], connector, error)) {
            g_prefix_error(error, "multifd channel %u: ", i);
            return false;
        }
    }
    return true;
}

/* ---- the migration's thread ---- */

/* Under the lock. */
static bool has_failed(MultifdSend *s, GError **error)
{
    if (s->error == NULL) {
        return false;
    }
    s->noticed = true;
    pthread_cond_broadcast(&s->work);
    g_propagate_error(error, g_error_copy(s->error));
    mig_error_hint(error, "is multifd on at the destination, with as many channels?");
    return true;
}

bool multifd_send_failed(MultifdSend *s, GError **error)
{
    MIG_LOCK(&s->lock);
    return has_failed(s, error);
}

/* Under the lock, which is released meanwhile: waits a short time for a change. False with the
 * error: the attempt has ended. */
static bool wait_done(MultifdSend *s, GError **error)
{
    if (has_failed(s, error)) {
        return false;
    }
    if (!mig_cond_wait_until(&s->done, &s->lock, g_get_monotonic_time() + LOOK_US)) {
        pthread_mutex_unlock(&s->lock);
        bool ok = s->config.check(s->config.data, error);
        pthread_mutex_lock(&s->lock);
        return ok;
    }
    return true;
}

MultifdJob *multifd_send_job(MultifdSend *s, size_t max_pages, GError **error)
{
    MIG_LOCK(&s->lock);

    while (s->pages_out > max_pages || g_queue_is_empty(&s->free_jobs) || s->error != NULL) {
        if (!wait_done(s, error)) {
            return NULL;
        }
    }
    MultifdJob *job = g_queue_pop_head(&s->free_jobs);
    job->n_runs = 0;
    job->n_pages = 0;
    job->tested = false;
    return job;
}

void multifd_send_submit(MultifdSend *s, MultifdJob *job)
{
    MIG_LOCK(&s->lock);

    if (job->n_pages == 0) {
        g_queue_push_head(&s->free_jobs, job);
        return;
    }
    s->pages_out += job->n_pages;
    g_queue_push_tail(&s->queue, job);
    pthread_cond_signal(&s->work);
}

bool multifd_send_sync(MultifdSend *s, GError **error)
{
    MIG_LOCK(&s->lock);

    s->syncs++;
    s->synced = 0;
    pthread_cond_broadcast(&s->work);
    while (s->synced < s->config.settings.channels) {
        if (!wait_done(s, error)) {
            return false;
        }
    }
    return true;
}

void multifd_send_each(MultifdSend *s, void (*visit)(const Transport *transport, void *data),
                       void *data)
{
    MIG_LOCK(&s->lock);

    for (unsigned i = 0; i < s->config.settings.channels; i++) {
        visit(s->channels[i].transport, data);
    }
}

void multifd_send_shutdown(MultifdSend *s)
{
    MIG_LOCK(&s->lock);

    s->quit = true;
    for (unsigned i = 0; i < s->config.settings.channels; i++) {
        if (s->channels[i].transport != NULL) {
            transport_shutdown(s->channels[i].transport);
        }
    }
    pthread_cond_broadcast(&s->work);
    pthread_cond_broadcast(&s->done);
}
