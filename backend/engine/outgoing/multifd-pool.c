/*
 * The pool of the source's multifd channels. See multifd-pool.h.
 *
 * One queue for all: a channel that is faster takes more. A sync empties the queue before anything
 * of the next pass comes into it, so no order among the channels has to be kept beyond that.
 *
 * Nobody waits in here for ever: a channel's wait ends with work or with the shutdown, the
 * migration's thread looks a few times a second whether it was cancelled.
 */
#include "backend/engine/outgoing/multifd-internal.h"

#include "backend/base/error.h"
#include "backend/base/fault.h"

#define LOOK_US   (100 * 1000)
#define NOTICE_US G_USEC_PER_SEC

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
    /* One at work and one waiting for each, and the one that is being filled. */
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

/* ---- the channels' threads ---- */

/* Remembers the first failure and sees to it that the migration's thread hears of it. */
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
        transport_shutdown(transport); /* and the write below says so */
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

/* Under the lock, which is let go meanwhile: waits for a change, a little. False: do not wait on.
 */
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

void multifd_send_get_waits(MultifdSend *s, TransportWaits *ret)
{
    unsigned n = s->config.settings.channels;
    MIG_LOCK(&s->lock);

    *ret = (TransportWaits){ 0 };
    for (unsigned i = 0; i < n; i++) {
        TransportWaits waits = { 0 };

        if (s->channels[i].transport != NULL) {
            transport_get_waits(s->channels[i].transport, &waits);
        }
        ret->link_us += waits.link_us / n;
        ret->receiver_us += waits.receiver_us / n;
    }
}

void multifd_send_look(MultifdSend *s, void (*look_at)(const Transport *t, PeerLook *look),
                       PeerLook *look)
{
    MIG_LOCK(&s->lock);

    for (unsigned i = 0; i < s->config.settings.channels; i++) {
        look_at(s->channels[i].transport, look);
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
