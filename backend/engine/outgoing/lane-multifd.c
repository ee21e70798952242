/*
 * Sends pages over separate connections (capability multifd); the main channel has the frame of the
 * stream.
 *
 * A pass is one PART section on the main channel. At its end the destination waits for all
 * channels, whichever mark it uses: the end of a ram body, or a FLUSH record.
 *
 * A channel is a thread that turns runs of pages into packets on its connection. It writes them
 * from guest memory straight to the connection, so pages are not copied in user space unless they
 * are packed. The outgoing thread fills jobs; all channels take from one queue, so a faster channel
 * takes more. A sync empties the queue before anything of the next pass is put into it; apart from
 * that the channels keep no order.
 *
 * Whether a page is zero is tested by the thread that sends it, while the page is in its cache.
 * Pages that were never touched are zero without being read.
 *
 * Each wait ends: a channel's with work or with the shutdown; the outgoing thread checks a few
 * times a second whether it was cancelled.
 */
#include "backend/engine/outgoing/outgoing-internal.h"

#include <string.h>
#include <sys/uio.h>

#include "backend/base/error.h"
#include "backend/base/fault.h"
#include "backend/base/lock.h"
#include "backend/engine/attempt/multifd.h"
#include "backend/stream/multifd-codec.h"

/* Zero pages on the main channel: bytes that wait there before they are written. */
#define MAIN_BYTES ((size_t)16 * 1024)
#define JOB_PAGES  512u /* most pages in one job */
#define JOB_RUNS   64u
#define LOOK_US    (100 * 1000)
#define NOTICE_US  G_USEC_PER_SEC

typedef struct MultifdLane MultifdLane;

/* Runs of pages of any blocks. */
typedef struct {
    size_t n_runs;
    size_t n_pages;
    bool tested; /* no page of it is zero */
    RamRun runs[JOB_RUNS];
} Job;

typedef struct {
    MultifdLane *lane;
    unsigned id;
    GThread *thread;
    Transport *transport; /* the pointer under the lane's lock until the thread runs */

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

struct MultifdLane {
    Lane lane;
    MultifdSettings settings;
    RamBlock *const *blocks; /* indexed by RamRun.block */
    bool zero_in_packets;
    struct {
        uint64_t bytes, normal, zero;
    } collected;              /* of the bytes and pages sent by the channels: already in the pace */
    _Atomic uint64_t packets; /* the number of the last packet */

    SendChannel *channels;
    Job *jobs;

    /* Under @lock. */
    pthread_mutex_t lock;
    pthread_cond_t work; /* wakes channels: jobs, a sync, the end */
    pthread_cond_t done; /* wakes the outgoing thread */
    GQueue free_jobs;    /* of Job */
    GQueue queue;        /* handed over, not yet taken; the oldest first */
    size_t pages_out;    /* handed over, not yet written */
    uint64_t syncs;      /* number of syncs begun */
    unsigned synced;     /* channels that have sent the last of them */
    GError *error;       /* the first failure */
    bool noticed;        /* by the outgoing thread */
    bool quit;
};

/* ---- one channel: packets ---- */

static void set_state(SendChannel *channel, ChannelState state)
{
    atomic_store(&channel->stats->state, (int)state);
}

/* The header comes first and is used again for the next packet, so it is copied in any case. */
static bool write_iov(SendChannel *channel, int n, size_t bytes, GError **error)
{
    bool lend = channel->lane->settings.zero_copy && n > 1;

    if (!transport_write_all(channel->transport, channel->iov, lend ? 1 : n, NULL, error) ||
        (lend && !transport_lend_all(channel->transport, channel->iov + 1, n - 1, error))) {
        return false;
    }
    atomic_fetch_add(&channel->stats->bytes, bytes);
    return true;
}

static bool at_fault(SendChannel *channel, const char *point, GError **error)
{
    return outgoing_fault_on(channel->lane->lane.o, point, channel->transport, error);
}

static bool send_channel_hello(SendChannel *channel, GError **error)
{
    MultifdInit init = { .id = (uint8_t)channel->id };
    uint8_t bytes[MULTIFD_INIT_BYTES];

    guest_uuid_bytes(channel->lane->lane.o->config.guest, init.uuid);
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
    channel->packet.number = atomic_fetch_add(&channel->lane->packets, 1);
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
    packet->compression = channel->lane->settings.compression;
    g_strlcpy(packet->block, channel->lane->blocks[channel->block]->idstr, sizeof packet->block);
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

static bool pack_run(SendChannel *channel, const RamRun *run, bool tested, GError **error)
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

static bool send_channel_job(SendChannel *channel, const Job *job, GError **error)
{
    set_state(channel, CHANNEL_STATE_ACTIVE);
    for (size_t i = 0; i < job->n_runs; i++) {
        if (!pack_run(channel, &job->runs[i], job->tested, error)) {
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

    if (!channel->lane->settings.zero_copy) {
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

/* Shuts down the main channel only: the thread that is blocked in it finds the error of the
 * multifd channel by itself. */
static void wake_main_channel(Outgoing *o)
{
    MIG_LOCK(&o->lock);

    if (o->transport != NULL) {
        transport_shutdown(o->transport);
    }
}

/* Stores the first failure and makes sure that the outgoing thread notices it. */
static void note_failure(SendChannel *channel, GError *error)
{
    MultifdLane *l = channel->lane;
    gint64 until = g_get_monotonic_time() + NOTICE_US;
    bool stuck;

    atomic_store(&channel->stats->state, CHANNEL_STATE_FAILED);
    g_prefix_error(&error, "multifd channel %u: ", channel->id);
    pthread_mutex_lock(&l->lock);
    if (l->error == NULL && !l->quit) {
        l->error = g_steal_pointer(&error);
    }
    pthread_cond_broadcast(&l->done);
    while (!l->noticed && !l->quit && mig_cond_wait_until(&l->work, &l->lock, until)) {}
    stuck = !l->noticed && !l->quit;
    pthread_mutex_unlock(&l->lock);
    g_clear_error(&error);
    if (stuck) {
        wake_main_channel(l->lane.o);
    }
}

typedef enum { TASK_JOB, TASK_SYNC, TASK_QUIT } Task;

static Task next_task(MultifdLane *l, uint64_t synced, Job **ret_job)
{
    MIG_LOCK(&l->lock);

    for (;;) {
        if (l->quit || l->error != NULL) {
            return TASK_QUIT;
        }
        *ret_job = g_queue_pop_head(&l->queue);
        if (*ret_job != NULL) {
            return TASK_JOB;
        }
        if (l->syncs != synced) {
            return TASK_SYNC;
        }
        pthread_cond_wait(&l->work, &l->lock);
    }
}

static void give_back(MultifdLane *l, Job *job)
{
    MIG_LOCK(&l->lock);

    l->pages_out -= job->n_pages;
    g_queue_push_tail(&l->free_jobs, job);
    pthread_cond_signal(&l->done);
}

static void has_synced(MultifdLane *l)
{
    MIG_LOCK(&l->lock);

    l->synced++;
    pthread_cond_signal(&l->done);
}

static void *channel_thread(void *data)
{
    SendChannel *channel = data;
    MultifdLane *l = channel->lane;
    GError *error = NULL;
    uint64_t synced = 0;
    Job *job = NULL;

    for (;;) {
        switch (next_task(l, synced, &job)) {
        case TASK_JOB:
            if (!send_channel_job(channel, job, &error)) {
                note_failure(channel, error);
                return NULL;
            }
            give_back(l, job);
            break;
        case TASK_SYNC:
            if (!send_channel_sync(channel, &error)) {
                note_failure(channel, error);
                return NULL;
            }
            synced++;
            has_synced(l);
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
    MIG_LOCK(&channel->lane->lock);

    channel->transport = transport;
    return !channel->lane->quit;
}

static bool connect_channel(SendChannel *channel, Connector *connector, GError **error)
{
    const MultifdSettings *settings = &channel->lane->settings;
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

static bool connect_all(MultifdLane *l, Connector *connector, GError **error)
{
    for (unsigned i = 0; i < l->settings.channels; i++) {
        if (!connect_channel(&l->channels[i], connector, error)) {
            g_prefix_error(error, "multifd channel %u: ", i);
            return false;
        }
    }
    return true;
}

/* ---- the outgoing thread ---- */

/* Under the lock. */
static bool has_failed(MultifdLane *l, GError **error)
{
    if (l->error == NULL) {
        return false;
    }
    l->noticed = true;
    pthread_cond_broadcast(&l->work);
    g_propagate_error(error, g_error_copy(l->error));
    mig_error_hint(error, "is multifd on at the destination, with as many channels?");
    return true;
}

static bool failed(Lane *lane, GError **error)
{
    MultifdLane *l = (MultifdLane *)lane;
    MIG_LOCK(&l->lock);

    return has_failed(l, error);
}

/* Under the lock, which is released meanwhile: waits a short time for a change. False with the
 * error: the attempt has ended. */
static bool wait_done(MultifdLane *l, GError **error)
{
    if (has_failed(l, error)) {
        return false;
    }
    if (!mig_cond_wait_until(&l->done, &l->lock, g_get_monotonic_time() + LOOK_US)) {
        pthread_mutex_unlock(&l->lock);
        bool ok = outgoing_check(l->lane.o, error);
        pthread_mutex_lock(&l->lock);
        return ok;
    }
    return true;
}

/* Waits until at most @max_pages are with the channels; returns an empty job, or NULL with the
 * error. */
static Job *begin_job(MultifdLane *l, size_t max_pages, GError **error)
{
    MIG_LOCK(&l->lock);

    while (l->pages_out > max_pages || g_queue_is_empty(&l->free_jobs) || l->error != NULL) {
        if (!wait_done(l, error)) {
            return NULL;
        }
    }
    Job *job = g_queue_pop_head(&l->free_jobs);
    job->n_runs = 0;
    job->n_pages = 0;
    job->tested = false;
    return job;
}

static void submit(MultifdLane *l, Job *job)
{
    MIG_LOCK(&l->lock);

    if (job->n_pages == 0) {
        g_queue_push_head(&l->free_jobs, job);
        return;
    }
    l->pages_out += job->n_pages;
    g_queue_push_tail(&l->queue, job);
    pthread_cond_signal(&l->work);
}

/* The end of a pass: waits until all jobs and then a SYNC packet on each channel are written. */
static bool sync_all(MultifdLane *l, GError **error)
{
    MIG_LOCK(&l->lock);

    l->syncs++;
    l->synced = 0;
    pthread_cond_broadcast(&l->work);
    while (l->synced < l->settings.channels) {
        if (!wait_done(l, error)) {
            return false;
        }
    }
    return true;
}

/* ---- beginning ---- */

/* A destination that was not asked, or is not migmon, gets zero pages on the main channel, which
 * every receiver supports. */
static bool multifd_connect(Lane *lane, GError **error)
{
    MultifdLane *l = (MultifdLane *)lane;
    Outgoing *o = lane->o;
    MultifdZero zero = (MultifdZero)o->config.parameters.x_multifd_zero;
    bool ask = o->return_path != NULL && zero == MULTIFD_ZERO_AUTO;

    if (ask) {
        stream_put_ping(o->writer, MULTIFD_HELLO);
        if (!outgoing_flush(o, error)) {
            return false;
        }
    }
    if (!connect_all(l, o->config.connector, error)) {
        mig_error_hint(error, "is multifd on at the destination, with as many channels?");
        return false;
    }
    /* The destination reads the main channel only when it has all channels. */
    if (ask && !source_return_path_wait_pong(o->return_path, MULTIFD_HELLO, error)) {
        g_prefix_error(error, "waiting until the destination has all multifd channels: ");
        return false;
    }
    l->zero_in_packets = zero == MULTIFD_ZERO_PACKETS ||
                         (ask && source_return_path_has_pong(o->return_path, MULTIFD_HELLO_ANSWER));
    return true;
}

/* ---- pages ---- */

/* Adds the bytes and pages that the channels have sent since the last call to all figures. */
static void collect(MultifdLane *l)
{
    Pace *pace = &l->lane.o->pace;
    const Channels *channels = &pace->migration->channels;
    uint64_t bytes = 0, normal = 0, zero = 0;

    for (unsigned i = 0; i < channels->count; i++) {
        bytes += atomic_load(&channels->stats[i].bytes);
        normal += atomic_load(&channels->stats[i].normal_pages);
        zero += atomic_load(&channels->stats[i].zero_pages);
    }
    pace_count_pages(pace, (RamBatch){ normal - l->collected.normal, zero - l->collected.zero });
    pace_count_beside(pace, bytes - l->collected.bytes);
    l->collected.bytes = bytes;
    l->collected.normal = normal;
    l->collected.zero = zero;
}

static void add_run(Job *job, const RamRun *run)
{
    RamRun *last = job->n_runs > 0 ? &job->runs[job->n_runs - 1] : NULL;

    if (last != NULL && last->block == run->block && last->data == run->data &&
        last->first + last->count == run->first) {
        last->count += run->count;
    } else {
        job->runs[job->n_runs++] = *run;
    }
    job->n_pages += run->count;
}

/* Puts zero pages of the run on the main channel and the other pages into the job. */
static void sort_run(Outgoing *o, Job *job, const RamRun *run, RamBatch *batch)
{
    for (size_t i = 0; i < run->count; i++) {
        RamRun page = {
            .block = run->block,
            .first = run->first + i,
            .count = 1,
            .host = run->host + i * MIG_PAGE_SIZE,
            .data = true,
        };

        if (!run->data || ram_page_is_zero(page.host)) {
            stream_put_zero_page(o->writer, run->block, page.first * MIG_PAGE_SIZE);
            batch->zero++;
        } else {
            add_run(job, &page);
        }
    }
}

/* Fills the job with tested pages. @budget counts the pages looked at, so that this ends in a guest
 * of zeroes too. */
static bool fill_tested(Outgoing *o, Job *job, size_t max_pages, GError **error)
{
    RamBatch batch = { 0 };
    size_t budget = max_pages;
    RamRun run;

    job->tested = true;
    while (budget > 0 && job->n_runs < JOB_RUNS) {
        size_t room = stream_writer_room(o->writer);

        if (room == 0 || stream_writer_pending(o->writer) >= MAIN_BYTES) {
            if (!outgoing_flush(o, error)) {
                return false;
            }
            continue;
        }
        /* In the worst case every page of it becomes a run. */
        if (!ram_sender_take(o->ram, MIN(MIN(budget, room), JOB_RUNS - job->n_runs), &run)) {
            break;
        }
        sort_run(o, job, &run, &batch);
        budget -= run.count;
    }
    pace_count_pages(&o->pace, batch);
    return true;
}

static void fill(Outgoing *o, Job *job, size_t max_pages)
{
    RamRun run;

    while (job->n_pages < max_pages && job->n_runs < JOB_RUNS &&
           ram_sender_take(o->ram, max_pages - job->n_pages, &run)) {
        add_run(job, &run);
    }
}

/* Hands over about @max_bytes of dirty pages. */
static bool hand_over(MultifdLane *l, size_t max_bytes, GError **error)
{
    Outgoing *o = l->lane.o;
    uint64_t before = o->pace.window.bytes;
    size_t max_pages = max_bytes / MIG_PAGE_SIZE;
    Job *job = begin_job(l, max_pages, error);
    bool ok = true;

    if (job == NULL) {
        return false;
    }
    max_pages = MIN(max_pages, JOB_PAGES);
    if (l->zero_in_packets) {
        fill(o, job, max_pages);
    } else {
        ok = fill_tested(o, job, max_pages, error);
    }
    submit(l, job);
    collect(l);
    pace_spend(&o->pace, o->pace.window.bytes - before);
    return ok;
}

static bool part(Lane *lane, GError **error)
{
    if (!lane->part_is_open) {
        outgoing_begin_part(lane->o);
        lane->part_is_open = true;
    }
    return hand_over((MultifdLane *)lane, pace_batch(&lane->o->pace, SIZE_MAX), error);
}

static bool last(Lane *lane, GError **error)
{
    return hand_over((MultifdLane *)lane, SIZE_MAX, error);
}

static bool multifd_sync(Lane *lane, GError **error)
{
    MultifdLane *l = (MultifdLane *)lane;
    const Outgoing *o = lane->o;
    bool ok = sync_all(l, error);

    collect(l);
    /* Where holes are left out, only this record shows a destination without multifd that pages are
     * missing. A destination with x-sparse-ram knows the record. */
    if (ok && (o->config.parameters.x_multifd_sync != MULTIFD_SYNC_SECTION ||
               outgoing_has(o, CAPABILITY_X_SPARSE_RAM))) {
        stream_put_multifd_flush(o->writer);
    }
    return ok;
}

/* ---- the lane ---- */

static void each(Lane *lane, void (*visit)(const Transport *transport, void *data), void *data)
{
    MultifdLane *l = (MultifdLane *)lane;
    MIG_LOCK(&l->lock);

    for (unsigned i = 0; i < l->settings.channels; i++) {
        visit(l->channels[i].transport, data);
    }
}

static void shut_down(Lane *lane)
{
    MultifdLane *l = (MultifdLane *)lane;
    MIG_LOCK(&l->lock);

    l->quit = true;
    for (unsigned i = 0; i < l->settings.channels; i++) {
        if (l->channels[i].transport != NULL) {
            transport_shutdown(l->channels[i].transport);
        }
    }
    pthread_cond_broadcast(&l->work);
    pthread_cond_broadcast(&l->done);
}

static void multifd_free(Lane *lane)
{
    MultifdLane *l = (MultifdLane *)lane;

    shut_down(lane);
    for (unsigned i = 0; i < l->settings.channels; i++) {
        SendChannel *channel = &l->channels[i];

        if (channel->thread != NULL) {
            g_thread_join(channel->thread);
        }
        transport_free(channel->transport);
        multifd_packer_free(channel->packer);
    }
    g_queue_clear(&l->free_jobs);
    g_queue_clear(&l->queue);
    g_clear_error(&l->error);
    pthread_cond_destroy(&l->work);
    pthread_cond_destroy(&l->done);
    pthread_mutex_destroy(&l->lock);
    g_free(l->channels);
    g_free(l->jobs);
    g_free(l);
}

static const LaneOps multifd_lane = {
    .connect = multifd_connect,
    .part = part,
    .last = last,
    .sync = multifd_sync,
    .failed = failed,
    .each = each,
    .shutdown = shut_down,
    .free = multifd_free,
};

Lane *lane_multifd_new(Outgoing *o)
{
    MultifdLane *l = g_new0(MultifdLane, 1);
    unsigned n_jobs;
    size_t n;

    l->lane = (Lane){ .ops = &multifd_lane, .o = o };
    l->settings = settings_multifd(o->config.capabilities, &o->config.parameters);
    l->blocks = guest_blocks(o->config.guest, &n);
    pthread_mutex_init(&l->lock, NULL);
    mig_cond_init(&l->work);
    mig_cond_init(&l->done);
    g_queue_init(&l->free_jobs);
    g_queue_init(&l->queue);
    l->channels = g_new0(SendChannel, l->settings.channels);
    for (unsigned i = 0; i < l->settings.channels; i++) {
        l->channels[i].lane = l;
        l->channels[i].id = i;
        l->channels[i].stats = &o->migration->channels.stats[i];
    }
    /* For each channel one job at work and one waiting, and one that is being filled. */
    n_jobs = 2 * l->settings.channels + 1;
    l->jobs = g_new0(Job, n_jobs);
    for (unsigned i = 0; i < n_jobs; i++) {
        g_queue_push_tail(&l->free_jobs, &l->jobs[i]);
    }
    return &l->lane;
}
