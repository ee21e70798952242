/*
 * Precopy with multifd: the main channel has the frame of the stream, the pages go over channels of
 * their own. Runs on the outgoing thread but for what the channels call back.
 *
 * All of a pass is one PART on the main channel; where it ends is a sync point for whoever reads
 * the stream, whatever it takes for one: every end of a ram body, or a FLUSH record.
 */
#include "backend/engine/outgoing/outgoing-internal.h"

#include "backend/base/error.h"

/* Zero pages on the main channel: what waits there before it is written. */
#define MAIN_BYTES ((size_t)16 * 1024)

/* ---- what the channels ask ---- */

static bool check(void *data, GError **error)
{
    return outgoing_check(data, error);
}

static bool fault(void *data, const char *point, Transport *transport, GError **error)
{
    return outgoing_fault_on(data, point, transport, error);
}

/* Only the transport: the thread that is stuck in it finds the channel's error by itself. */
static void stuck(void *data)
{
    Outgoing *o = data;
    MIG_LOCK(&o->lock);

    if (o->transport != NULL) {
        transport_shutdown(o->transport);
    }
}

void outgoing_multifd_init(Outgoing *o)
{
    Channels *channels = &o->migration->channels;
    MultifdSendConfig config = {
        .settings = o->config.multifd,
        .data = o,
        .check = check,
        .fault = fault,
        .stuck = stuck,
    };
    size_t n;

    if (config.settings.channels == 0) {
        return;
    }
    channels_init(channels, config.settings.channels);
    config.stats = channels->stats;
    config.blocks = guest_blocks(o->config.guest, &n);
    guest_uuid_bytes(o->config.guest, config.uuid);
    o->multifd = multifd_send_new(&config);
}

/* ---- beginning ---- */

static bool is_asked(const Outgoing *o)
{
    return o->return_path != NULL && o->config.multifd.zero == MULTIFD_ZERO_AUTO;
}

void outgoing_multifd_ask(Outgoing *o)
{
    if (o->multifd != NULL && is_asked(o)) {
        stream_put_ping(o->writer, MULTIFD_HELLO);
    }
}

/* A receiver that is not asked or is no migmon gets what all of them know. */
bool outgoing_multifd_connect(Outgoing *o, GError **error)
{
    bool knows = false;

    if (o->multifd == NULL) {
        return true;
    }
    if (!multifd_send_connect(o->multifd, o->config.connector, error)) {
        mig_error_hint(error, "is multifd on at the destination, with as many channels?");
        return false;
    }
    /* A receiver reads the main channel when it has all channels. */
    if (is_asked(o)) {
        if (!source_return_path_wait_pong(o->return_path, MULTIFD_HELLO, error)) {
            g_prefix_error(error, "waiting until the destination has all multifd channels: ");
            return false;
        }
        knows = source_return_path_has_pong(o->return_path, MULTIFD_HELLO_ANSWER);
    }
    o->zero_in_packets = o->config.multifd.zero == MULTIFD_ZERO_PACKETS || knows;
    return true;
}

/* ---- pages ---- */

/* What the channels have sent since the last look becomes part of all the figures; returns the
 * bytes.
 */
static size_t collect(Outgoing *o)
{
    const Channels *channels = &o->migration->channels;
    MigCounters *c = &o->migration->counters;
    uint64_t bytes = 0, normal = 0, zero = 0;

    for (unsigned i = 0; i < channels->count; i++) {
        bytes += atomic_load(&channels->stats[i].bytes);
        normal += atomic_load(&channels->stats[i].normal_pages);
        zero += atomic_load(&channels->stats[i].zero_pages);
    }
    outgoing_count_batch(o, (RamBatch){ normal - o->collected.normal, zero - o->collected.zero });
    bytes -= o->collected.bytes;
    o->collected.bytes += bytes;
    o->collected.normal = normal;
    o->collected.zero = zero;
    atomic_fetch_add(&c->transferred, bytes);
    o->window.bytes += bytes;
    o->pass.bytes += bytes;
    return (size_t)bytes;
}

static void add_run(MultifdJob *job, const RamRun *run)
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

/* Zero pages of the run go to the main channel, what lies between them into the job. */
static void sort_run(Outgoing *o, MultifdJob *job, const RamRun *run, RamBatch *batch)
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

/* Fills with tested pages; @budget is pages looked at, so that it comes to an end in a guest of
 * zeroes. */
static bool fill_tested(Outgoing *o, MultifdJob *job, size_t max_pages, GError **error)
{
    RamBatch batch = { 0 };
    size_t budget = max_pages;
    RamRun run;

    job->tested = true;
    while (budget > 0 && job->n_runs < MULTIFD_JOB_RUNS) {
        size_t room = stream_writer_room(o->writer);

        if (room == 0 || stream_writer_pending(o->writer) >= MAIN_BYTES) {
            if (!outgoing_flush(o, error)) {
                return false;
            }
            continue;
        }
        /* In the worst case every page of it becomes a run. */
        if (!ram_sender_take(o->ram, MIN(MIN(budget, room), MULTIFD_JOB_RUNS - job->n_runs),
                             &run)) {
            break;
        }
        sort_run(o, job, &run, &batch);
        budget -= run.count;
    }
    outgoing_count_batch(o, batch);
    return true;
}

static void fill(Outgoing *o, MultifdJob *job, size_t max_pages)
{
    RamRun run;

    while (job->n_pages < max_pages && job->n_runs < MULTIFD_JOB_RUNS &&
           ram_sender_take(o->ram, max_pages - job->n_pages, &run)) {
        add_run(job, &run);
    }
}

bool outgoing_multifd_pages(Outgoing *o, size_t max_bytes, size_t *ret_bytes, GError **error)
{
    size_t max_pages = max_bytes / MIG_PAGE_SIZE, main_bytes = o->window.bytes;
    MultifdJob *job = multifd_send_job(o->multifd, max_bytes == 0 ? SIZE_MAX : max_pages, error);
    bool ok = true;

    if (job == NULL) {
        return false;
    }
    max_pages = max_bytes == 0 ? MULTIFD_JOB_PAGES : MIN(max_pages, MULTIFD_JOB_PAGES);
    if (o->zero_in_packets) {
        fill(o, job, max_pages);
    } else {
        ok = fill_tested(o, job, max_pages, error);
    }
    multifd_send_submit(o->multifd, job);
    main_bytes = o->window.bytes - main_bytes;
    *ret_bytes = main_bytes + collect(o);
    return ok;
}

bool outgoing_multifd_sync(Outgoing *o, GError **error)
{
    bool ok = multifd_send_sync(o->multifd, error);

    collect(o);
    /* Where holes are left out nothing but this record tells a destination without multifd that
     * pages are missing; whoever knows x-sparse-ram knows it. */
    if (ok && (o->config.multifd.sync != MULTIFD_SYNC_SECTION || o->config.sparse)) {
        stream_put_multifd_flush(o->writer);
    }
    return ok;
}
