/*
 * Sends pages over separate connections (capability multifd); the main channel has the frame of the
 * stream. Runs on the outgoing thread, except the callbacks of the channels.
 *
 * A pass is one PART section on the main channel. At its end the destination waits for all
 * channels, whichever mark it uses: the end of a ram body, or a FLUSH record.
 */
#include "backend/engine/outgoing/outgoing-internal.h"

#include "backend/base/error.h"
#include "backend/engine/outgoing/multifd-pool.h"

/* Zero pages on the main channel: bytes that wait there before they are written. */
#define MAIN_BYTES ((size_t)16 * 1024)

typedef struct {
    Lane lane;
    MultifdSend *pool;
    bool zero_in_packets;
    struct {
        uint64_t bytes, normal, zero;
    } collected; /* of the bytes and pages sent by the channels: already in the pace */
} MultifdLane;

/* ---- callbacks of the channels ---- */

static bool check(void *data, GError **error)
{
    return outgoing_check(data, error);
}

/* Shuts down the main channel only: the thread that is blocked in it finds the error of the
 * multifd channel by itself. */
static void stuck(void *data)
{
    Outgoing *o = data;
    MIG_LOCK(&o->lock);

    if (o->transport != NULL) {
        transport_shutdown(o->transport);
    }
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
    if (!multifd_send_connect(l->pool, o->config.connector, error)) {
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

/* Puts zero pages of the run on the main channel and the other pages into the job. */
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

/* Fills the job with tested pages. @budget counts the pages looked at, so that this ends in a guest
 * of zeroes too. */
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
    pace_count_pages(&o->pace, batch);
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

/* Hands over about @max_bytes of dirty pages. */
static bool hand_over(MultifdLane *l, size_t max_bytes, GError **error)
{
    Outgoing *o = l->lane.o;
    uint64_t before = o->pace.window.bytes;
    size_t max_pages = max_bytes / MIG_PAGE_SIZE;
    MultifdJob *job = multifd_send_job(l->pool, max_pages, error);
    bool ok = true;

    if (job == NULL) {
        return false;
    }
    max_pages = MIN(max_pages, MULTIFD_JOB_PAGES);
    if (l->zero_in_packets) {
        fill(o, job, max_pages);
    } else {
        ok = fill_tested(o, job, max_pages, error);
    }
    multifd_send_submit(l->pool, job);
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
    bool ok = multifd_send_sync(l->pool, error);

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

static bool failed(Lane *lane, GError **error)
{
    return multifd_send_failed(((MultifdLane *)lane)->pool, error);
}

static void each(Lane *lane, void (*visit)(const Transport *transport, void *data), void *data)
{
    multifd_send_each(((MultifdLane *)lane)->pool, visit, data);
}

static void shut_down(Lane *lane)
{
    multifd_send_shutdown(((MultifdLane *)lane)->pool);
}

static void multifd_free(Lane *lane)
{
    multifd_send_free(((MultifdLane *)lane)->pool);
    g_free(lane);
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
    size_t n;
    MultifdSendConfig config = {
        .settings = settings_multifd(o->config.capabilities, &o->config.parameters),
        .blocks = guest_blocks(o->config.guest, &n),
        .stats = o->migration->channels.stats,
        .data = o,
        .check = check,
        .fault = outgoing_fault_on,
        .stuck = stuck,
    };

    guest_uuid_bytes(o->config.guest, config.uuid);
    l->lane = (Lane){ .ops = &multifd_lane, .o = o };
    l->pool = multifd_send_new(&config);
    return &l->lane;
}
