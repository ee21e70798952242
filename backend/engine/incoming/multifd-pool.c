/*
 * The pool of the destination's multifd channels. See multifd-pool.h.
 *
 * Sync point n of the main channel and the n-th SYNC of each channel belong together. The main
 * channel's thread waits there for all channels; a channel that is early waits until the main
 * channel has passed. So all pages of a pass are in place before any page of the next one, on
 * whichever channel they came.
 */
#include "backend/engine/incoming/multifd-internal.h"

#include "backend/base/error.h"
#include "backend/base/fault.h"

#define LOOK_US  (100 * 1000)
#define GRACE_US G_USEC_PER_SEC

MultifdRecv *multifd_recv_new(const MultifdRecvConfig *config)
{
    MultifdRecv *r = g_new0(MultifdRecv, 1);

    r->config = *config;
    r->begin_us = g_get_monotonic_time();
    pthread_mutex_init(&r->lock, NULL);
    mig_cond_init(&r->changed);
    r->channels = g_new0(RecvChannel, config->settings.channels);
    return r;
}

void multifd_recv_shutdown(MultifdRecv *r)
{
    MIG_LOCK(&r->lock);

    r->quit = true;
    for (unsigned i = 0; i < r->n_come; i++) {
        transport_shutdown(r->channels[i].transport);
    }
    pthread_cond_broadcast(&r->changed);
}

void multifd_recv_stop(MultifdRecv *r)
{
    multifd_recv_shutdown(r); /* after this none is added */
    for (unsigned i = 0; i < r->n_come; i++) {
        GThread *thread = g_steal_pointer(&r->channels[i].thread);

        if (thread != NULL) {
            g_thread_join(thread);
        }
    }
}

void multifd_recv_free(MultifdRecv *r)
{
    if (r == NULL) {
        return;
    }
    multifd_recv_stop(r);
    for (unsigned i = 0; i < r->n_come; i++) {
        RecvChannel *channel = &r->channels[i];

        transport_free(channel->transport);
        placer_free(channel->placer);
        multifd_unpacker_free(channel->unpacker);
        g_free(channel->buffer);
        g_free(channel->packed);
    }
    g_clear_error(&r->error);
    pthread_cond_destroy(&r->changed);
    pthread_mutex_destroy(&r->lock);
    g_free(r->channels);
    g_free(r);
}

/* ---- failures ---- */

/* Takes @error. The first error ends the attempt, unless the guest is complete already. False when
 * no more packets were wanted, so that the error does not matter. */
static bool fail(MultifdRecv *r, GError *error)
{
    bool matters, first;

    pthread_mutex_lock(&r->lock);
    matters = !r->finished && !r->quit;
    first = matters && r->error == NULL;
    if (first) {
        r->error = g_error_copy(error);
        pthread_cond_broadcast(&r->changed);
    }
    pthread_mutex_unlock(&r->lock);
    if (first) {
        r->config.failed(r->config.data, error);
    }
    g_error_free(error);
    return matters;
}

static void set_state(RecvChannel *channel, ChannelState state)
{
    if (channel->stats != NULL) {
        atomic_store(&channel->stats->state, (int)state);
    }
}

static void *channel_thread(void *data)
{
    RecvChannel *channel = data;
    MultifdRecv *r = channel->pool;
    GError *error = NULL;

    if (recv_channel_run(channel, &error)) {
        set_state(channel, CHANNEL_STATE_DONE);
        MIG_LOCK(&r->lock);
        channel->ended = true;
        pthread_cond_broadcast(&r->changed);
        return NULL;
    }
    if (channel->stats != NULL) {
        g_prefix_error(&error, "multifd channel %u: ", channel->id);
    }
    set_state(channel, fail(r, error) ? CHANNEL_STATE_FAILED : CHANNEL_STATE_DONE);
    return NULL;
}

/* ---- the list of channels ---- */

void multifd_recv_add(MultifdRecv *r, Transport *transport)
{
    GError *error = NULL;
    RecvChannel *channel = NULL;

    pthread_mutex_lock(&r->lock);
    bool late = r->unused;
    if (!late && r->n_come < r->config.settings.channels && !r->quit) {
        channel = &r->channels[r->n_come++];
        channel->pool = r;
        channel->transport = transport;
        channel->thread =
            fault_thread_new("thread-dst-recv", "mig/dst/recv", channel_thread, channel, &error);
    }
    pthread_mutex_unlock(&r->lock);
    if (late) {
        g_set_error(&error, MIG_ERROR, MIG_ERROR_FORMAT,
                    "multifd: a channel comes behind pages of the main channel (%s)",
                    transport_name(transport));
        transport_free(transport);
    } else if (channel == NULL) {
        g_set_error(&error, MIG_ERROR, MIG_ERROR_FORMAT, "multifd: more than %u channels came (%s)",
                    r->config.settings.channels, transport_name(transport));
        mig_error_hint(&error, "multifd-channels must be the same on both sides");
        transport_free(transport);
    }
    if (error != NULL) {
        fail(r, error);
    }
}

/* ---- placing ---- */

void multifd_recv_start(MultifdRecv *r, Placer *placer)
{
    MIG_LOCK(&r->lock);

    r->placer = placer;
    pthread_cond_broadcast(&r->changed);
}

/* ---- sync points ---- */

static unsigned count_known(const MultifdRecv *r)
{
    unsigned n = 0;

    for (unsigned i = 0; i < r->n_come; i++) {
        n += r->channels[i].known;
    }
    return n;
}

/* Under the lock. */
static bool has_failed(MultifdRecv *r, GError **error)
{
    if (r->error != NULL) {
        g_propagate_error(error, g_error_copy(r->error));
        return true;
    }
    if (r->quit) {
        g_set_error_literal(error, MIG_ERROR, MIG_ERROR_CANCELLED,
                            "multifd: the channels were closed on this side");
        return true;
    }
    for (unsigned i = 0; i < r->n_come; i++) {
        const RecvChannel *channel = &r->channels[i];

        if (channel->ended && channel->reached < r->points) {
            g_set_error(error, MIG_ERROR, MIG_ERROR_IO,
                        "multifd channel %u ended in the middle of a pass", channel->id);
            return true;
        }
    }
    return false;
}

/* Under the lock. */
static bool all_are_there(MultifdRecv *r)
{
    if (count_known(r) < r->config.settings.channels) {
        return false;
    }
    for (unsigned i = 0; i < r->n_come; i++) {
        if (r->channels[i].reached < r->points) {
            return false;
        }
    }
    return true;
}

/* Under the lock. True when a channel that is @known, or one that is not, has bytes or its end that
 * its thread has not read yet. A channel at the sync point waits for the others and does not
 * read. */
static bool has_unread(const MultifdRecv *r, bool known)
{
    for (unsigned i = 0; i < r->n_come; i++) {
        const RecvChannel *channel = &r->channels[i];

        if (channel->known == known && channel->reached < r->points &&
            transport_may_be_readable(channel->transport)) {
            return true;
        }
    }
    return false;
}

static bool door_is_quiet(MultifdRecv *r, bool *asked)
{
    return r->config.door_is_quiet == NULL || r->config.door_is_quiet(r->config.data, asked);
}

/* Under the lock: waits up to LOOK_US for missing channels. A channel is not given up while it may
 * be among the connections that this process has not examined yet. */
static bool wait_for_missing(MultifdRecv *r, bool *asked, GError **error)
{
    int64_t now = g_get_monotonic_time();
    uint32_t wait_ms = r->config.settings.wait_ms;
    bool late = wait_ms != 0 && now - r->begin_us > (int64_t)wait_ms * 1000;

    if (!r->config.source_left(r->config.data)) {
        r->left_us = now;
    }
    bool left = now - r->left_us > GRACE_US;
    if ((left || late) && door_is_quiet(r, asked) && !has_unread(r, false)) {
        if (left) {
            g_set_error(error, MIG_ERROR, MIG_ERROR_IO,
                        "the source left when %u of %u multifd channels had come", count_known(r),
                        r->config.settings.channels);
        } else {
            g_set_error(error, MIG_ERROR, MIG_ERROR_IO,
                        "%u of %u multifd channels came within %u ms", count_known(r),
                        r->config.settings.channels, wait_ms);
            mig_error_hint(error, "multifd and multifd-channels must be the same on both sides");
        }
        return false;
    }
    mig_cond_wait_until(&r->changed, &r->lock, now + LOOK_US);
    return true;
}

/* Under the lock: waits up to LOOK_US for the SYNCs of channels that have come. What they have sent
 * is read, whether the main channel is there or not; a source without a main channel sends nothing
 * new. */
static bool wait_for_syncs(MultifdRecv *r, uint64_t *received, GError **error)
{
    int64_t now = g_get_monotonic_time();
    uint64_t bytes = 0;

    for (unsigned i = 0; i < r->n_come; i++) {
        bytes += atomic_load(&r->channels[i].stats->bytes);
    }
    if (bytes != *received || !r->config.source_left(r->config.data) || has_unread(r, true)) {
        *received = bytes;
        r->left_us = now;
    }
    if (now - r->left_us > (int64_t)r->config.silent_ms * 1000) {
        return mig_fail(error, MIG_ERROR_IO,
                        "the source has closed the main channel in the middle of a pass, and "
                        "its multifd channels send nothing more");
    }
    mig_cond_wait_until(&r->changed, &r->lock,
                        now + LOOK_US); /* each SYNC and each end signals it */
    return true;
}

void multifd_recv_look_again(MultifdRecv *r)
{
    MIG_LOCK(&r->lock);
    pthread_cond_broadcast(&r->changed);
}

bool multifd_recv_none_came(MultifdRecv *r)
{
    bool asked = false;
    MIG_LOCK(&r->lock);

    while (r->n_come == 0 && !r->quit && r->error == NULL) {
        if (r->unused || door_is_quiet(r, &asked)) {
            r->unused = r->points > 0;
            r->passed = ++r->points;
            return true;
        }
        mig_cond_wait_until(&r->changed, &r->lock, g_get_monotonic_time() + LOOK_US);
    }
    return false;
}

bool multifd_recv_sync(MultifdRecv *r, GError **error)
{
    uint64_t received = 0;
    bool asked = false;
    MIG_LOCK(&r->lock);

    r->points++;
    r->left_us = g_get_monotonic_time(); /* start of the grace period */
    while (!all_are_there(r)) {
        if (has_failed(r, error)) {
            return false;
        }
        bool complete = count_known(r) == r->config.settings.channels;
        if (complete ? !wait_for_syncs(r, &received, error) : !wait_for_missing(r, &asked, error)) {
            return false;
        }
    }
    r->passed = r->points;
    pthread_cond_broadcast(&r->changed);
    return true;
}

bool multifd_recv_finish(MultifdRecv *r, GError **error)
{
    MIG_LOCK(&r->lock);

    if (r->finished) {
        return true;
    }
    if (has_failed(r, error)) {
        return false;
    }
    for (unsigned i = 0; i < r->n_come; i++) {
        const RecvChannel *channel = &r->channels[i];

        if (channel->reached > r->points) {
            return mig_fail(error, MIG_ERROR_FORMAT,
                            "multifd channel %u has more syncs than the main channel (%" PRIu64
                            ", %" PRIu64 ")",
                            channel->id, channel->reached, r->points);
        }
    }
    if (r->placing > 0) {
        return mig_fail(error, MIG_ERROR_FORMAT, "multifd: pages come behind the last sync");
    }
    r->finished = true;
    pthread_cond_broadcast(&r->changed);
    return true;
}
