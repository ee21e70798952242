/*
 * Multifd at the destination, on the thread of the main channel.
 *
 * The stream shows how the source marks the end of a pass. A source that writes FLUSH records
 * writes the first one in the section with the block list, before any page. A source that writes
 * none there ends a pass with every ram body.
 */
#include "backend/engine/incoming/incoming-internal.h"

#include "backend/base/error.h"

/* ---- callbacks of the channels, on their threads ---- */

static void failed(void *data, const GError *error)
{
    Incoming *in = data;
    MIG_LOCK(&in->lock);

    if (in->prefetch != NULL) {
        prefetch_fail(in->prefetch, error);
    } else {
        g_clear_error(&in->channel_error);
        in->channel_error = g_error_copy(error);
    }
}

/* A source that has closed the main channel opens no new connections; only those under way can
 * still come. */
static bool source_left(void *data)
{
    Incoming *in = data;

    return transport_peer_has_left(in->config.transport);
}

/* ---- connections that are not identified yet ---- */

#define DOOR_LOOK_MS 100

/* Main thread. At this priority it runs only when no connection waits to be accepted or
 * identified. */
static gboolean on_quiet(void *data)
{
    Incoming *in = data;

    if (in->config.door_is_open != NULL && !in->config.door_is_open(in->config.door_data)) {
        g_timeout_add_full(G_PRIORITY_LOW, DOOR_LOOK_MS, on_quiet, in, NULL);
        return G_SOURCE_REMOVE;
    }
    atomic_store(&in->door_quiet, true);
    multifd_recv_look_again(in->multifd);
    return G_SOURCE_REMOVE;
}

/* A connection that has come is in the kernel's queue, in the lobby or here. The main loop works
 * off the first two before it runs on_quiet(). */
static bool door_is_quiet(void *data, bool *asked)
{
    Incoming *in = data;

    if (!*asked) {
        *asked = true;
        atomic_store(&in->door_quiet, false);
        g_idle_add_full(G_PRIORITY_LOW, on_quiet, in, NULL);
    }
    return atomic_load(&in->door_quiet);
}

/* ---- life ---- */

void incoming_multifd_init(Incoming *in)
{
    Channels *channels = &in->migration->channels;
    MultifdSettings settings = settings_multifd(in->config.capabilities, &in->config.parameters);

    if (settings.channels == 0) {
        return;
    }
    channels_init(channels, settings.channels);
    in->multifd = multifd_recv_new(&(MultifdRecvConfig){
        .settings = settings,
        .ignore_shared = incoming_has(in, CAPABILITY_X_IGNORE_SHARED),
        .guest = in->config.guest,
        .counters = &in->migration->counters,
        .stats = channels->stats,
        .data = in,
        .failed = failed,
        .source_left = source_left,
        .door_is_quiet = door_is_quiet,
        .silent_ms = in->config.silent_ms != 0 ? in->config.silent_ms : INCOMING_SILENT_MS,
    });
}

void incoming_add_multifd(Incoming *in, Transport *transport)
{
    if (in->multifd != NULL) {
        multifd_recv_add(in->multifd, transport);
    } else {
        transport_free(transport); /* multifd was enabled after this attempt had begun */
    }
}

void incoming_multifd_start(Incoming *in)
{
    if (in->multifd != NULL) {
        multifd_recv_start(in->multifd, in->placer);
    }
}

/* ---- sync points ---- */

static bool sync_point(Incoming *in, GError **error)
{
    if (in->placer == NULL) {
        return true; /* no block list yet: no page can have come */
    }
    return placer_flush(in->placer, error) && multifd_recv_sync(in->multifd, error);
}

bool incoming_multifd_eos(Incoming *in, GError **error)
{
    if (in->multifd == NULL || in->flush_seen || in->placer == NULL) {
        return true; /* without a block list no page can have come */
    }
    return multifd_recv_none_came(in->multifd) || sync_point(in, error);
}

bool incoming_multifd_flush(Incoming *in, GError **error)
{
    if (in->multifd == NULL) {
        return mig_fail(error, MIG_ERROR_FORMAT, "%s", INCOMING_NO_MULTIFD);
    }
    in->flush_seen = true;
    return sync_point(in, error);
}

bool incoming_multifd_finish(Incoming *in, GError **error)
{
    return in->multifd == NULL || multifd_recv_finish(in->multifd, error);
}
