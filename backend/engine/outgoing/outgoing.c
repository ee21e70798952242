/*
 * Life of an outgoing migration: connect, begin the stream, run the phases, clean up. See
 * outgoing.h; requests of other threads are in control.c.
 *
 * A failure before the commit leads to finish_failed(), which gives the guest back. What happens
 * after the commit is decided in switchover.c and postcopy.c.
 */
#include "backend/engine/outgoing/outgoing-internal.h"

#include <string.h>

#include "backend/base/error.h"
#include "backend/base/fault.h"
#include "backend/engine/attempt/pings.h"
#include "backend/engine/attempt/shared-ram.h"
#include "backend/guest/memory/missing-pages.h"
#include "backend/stream/postcopy.h"

/* ---- beginning ---- */

static bool connect_to_peer(Outgoing *o, GError **error)
{
    Transport *t = connector_open(o->config.connector, error);

    if (t == NULL) {
        return false;
    }
    pthread_mutex_lock(&o->lock);
    o->transport = t;
    pthread_mutex_unlock(&o->lock);
    migration_note_connected(o->migration);
    if (outgoing_is_cancelled(o)) {
        transport_shutdown(t); /* cancelled before there was a transport */
    }
    if (outgoing_has(o, CAPABILITY_POSTCOPY_PREEMPT)) {
        /* The second connection is opened at once: QEMU 7.2 reads nothing before it has both. */
        UrgentSender *urgent = urgent_sender_open(o->config.connector, outgoing_fault_on, o, error);

        pthread_mutex_lock(&o->lock);
        o->urgent = urgent;
        pthread_mutex_unlock(&o->lock);
        if (urgent == NULL) {
            return false;
        }
    }
    return outgoing_fault(o, "src-connected", error) && urgent_sender_at_open(o->urgent, error);
}

/* Called before the connection is made: if the host lacks something that the lane needs, the
 * destination does not see an attempt. */
static bool make_lane(Outgoing *o, GError **error)
{
    Lane *lane = outgoing_has(o, CAPABILITY_MAPPED_RAM) ? lane_file_new(o)
                 : outgoing_has(o, CAPABILITY_MULTIFD)  ? lane_multifd_new(o)
                                                        : lane_stream_new(o, error);
    MIG_LOCK(&o->lock);

    o->lane = lane;
    return lane != NULL;
}

/* Puts the capabilities that must be on at the destination too. */
static void put_configuration(Outgoing *o)
{
    const OutgoingConfig *config = &o->config;
    const char *on[3];
    size_t n = 0;
    uint8_t uuid[16];

    if (outgoing_has(o, CAPABILITY_X_IGNORE_SHARED)) {
        on[n++] = "x-ignore-shared";
    }
    if (outgoing_has(o, CAPABILITY_MAPPED_RAM)) {
        on[n++] = "mapped-ram";
    }
    if (outgoing_has(o, CAPABILITY_X_SPARSE_RAM)) {
        on[n++] = "x-sparse-ram";
    }
    guest_uuid_bytes(config->guest, uuid);
    stream_put_configuration(o->writer, &(StreamConfiguration){
                                            .machine = guest_machine_name(config->guest),
                                            .capabilities = on,
                                            .n_capabilities = n,
                                            .uuid = outgoing_has(o, CAPABILITY_VALIDATE_UUID) &&
                                                            guest_uuid_is_set(config->guest)
                                                        ? uuid
                                                        : NULL,
                                        });
}

static bool begin_stream(Outgoing *o, GError **error)
{
    const OutgoingConfig *config = &o->config;

    stream_put_header(o->writer);
    put_configuration(o);
    if (transport_is_two_way(o->transport) && !outgoing_has(o, CAPABILITY_BACKGROUND_SNAPSHOT) &&
        (outgoing_has(o, CAPABILITY_RETURN_PATH) || config->parameters.x_handover ||
         outgoing_has(o, CAPABILITY_POSTCOPY_RAM))) {
        stream_put_command(o->writer, COMMAND_OPEN_RETURN_PATH, NULL, 0);
        stream_put_ping(o->writer, 1);
        o->return_path = source_return_path_new(o->transport, o->requests, error);
        if (o->return_path == NULL) {
            return false;
        }
    } else if (outgoing_has(o, CAPABILITY_RETURN_PATH) ||
               outgoing_has(o, CAPABILITY_POSTCOPY_RAM)) {
        return mig_fail(error, MIG_ERROR_UNSUPPORTED,
                        "capability %s is on, but %s goes one way only",
                        outgoing_has(o, CAPABILITY_POSTCOPY_RAM) ? "postcopy-ram" : "return-path",
                        transport_name(o->transport));
    }
    if (outgoing_has(o, CAPABILITY_POSTCOPY_RAM)) {
        postcopy_put_advise(o->writer, page_faults_page_sizes(config->guest));
        stream_put_ping(o->writer, o->attempt);
    }
    return outgoing_flush(o, error) && outgoing_fault(o, "src-setup", error) &&
           LANE_CALL(o->lane, connect, error);
}

/* ---- ending ---- */

/* An error that the destination reported replaces the error of the broken connection. The
 * connection is usually gone, so the return path ends at once; the timeout is for a peer that only
 * stopped reading. The guest does not wait for this. */
static void prefer_peer_error(Outgoing *o, GError **error)
{
    GError *better = NULL;

    if (o->return_path == NULL || (!g_error_matches(*error, MIG_ERROR, MIG_ERROR_IO) &&
                                   !g_error_matches(*error, MIG_ERROR, MIG_ERROR_CANCELLED))) {
        return;
    }
    source_return_path_wait_verdict(o->return_path, G_USEC_PER_SEC, NULL);
    if (source_return_path_failed(o->return_path, &better)) {
        g_clear_error(error);
        *error = better;
    }
}

/* What an attempt that failed has done to its file. */
static const char *file_lost(const Outgoing *o)
{
    return outgoing_to_file(o) ? "; the file is not whole, and what it held before is lost" : "";
}

static void finish_cancelled(Outgoing *o, const char *where)
{
    Migration *m = o->migration;
    g_autofree char *text =
        g_strdup_printf("migration to %s cancelled; %s%s", m->peer, where, file_lost(o));

    migration_set_outcome(m, text);
    migration_move(m, MIGRATION_CANCELLING, MIGRATION_CANCELLED);
}

/* Ends an attempt that failed before the commit. The guest is restored before the final status is
 * set. */
static void finish_failed(Outgoing *o, GError **error)
{
    Migration *m = o->migration;
    const char *where = o->ran || !o->stopped ? "the guest goes on here" : "the guest stays here";

    /* A cancel sets the decision before the status. This thread may come in between, so both set
     * the status; the second call has no effect. */
    if (outgoing_is_cancelled(o)) {
        migration_end(m, MIGRATION_CANCELLING);
    }
    auto_converge_end(&o->converge);
    outgoing_resume_guest(o);
    migration_set_owner(m, OWNER_HERE, "the migration ended before the guest was handed over");
    if (outgoing_is_cancelled(o)) {
        migration_end(m, MIGRATION_CANCELLING);
        finish_cancelled(o, where);
        return;
    }

    if (!outgoing_prefer_stall(o, error)) {
        prefer_peer_error(o, error);
    }
    g_autofree char *first_line = mig_error_first_line(*error);
    g_autofree char *text =
        g_strdup_printf("migration to %s failed: %s; %s%s%s", m->peer, first_line, where,
                        file_lost(o), (*error)->message + strlen(first_line));
    migration_set_error(m, first_line);
    migration_set_outcome(m, text);
    if (!migration_end(m, MIGRATION_FAILED)) {
        /* A cancel came in between: report it as cancelled. */
        finish_cancelled(o, where);
    }
}

/* Hands the guest over: with all of its RAM, or by postcopy before the rest of it. */
static bool leave(Outgoing *o, GError **error)
{
    return atomic_load(&o->start_postcopy) ? outgoing_postcopy(o, error)
                                           : outgoing_switchover(o, error);
}

static void *outgoing_thread(void *data)
{
    Outgoing *o = data;
    g_autoptr(GError) error = NULL;

    outgoing_free(g_steal_pointer(&o->config.predecessor));
    if (!make_lane(o, &error) || !connect_to_peer(o, &error) || !outgoing_watch_new(o, &error) ||
        !LANE_CALL(o->lane, begin, &error) || !begin_stream(o, &error) ||
        !(outgoing_has(o, CAPABILITY_BACKGROUND_SNAPSHOT)
              ? outgoing_background_snapshot(o, &error)
              : outgoing_precopy(o, &error) && leave(o, &error))) {
        finish_failed(o, &error);
    }
    auto_converge_end(&o->converge);
    outgoing_watch_free(o);

    lane_shutdown(o->lane);
    if (o->transport != NULL) {
        transport_shutdown(o->transport); /* also ends the return path's thread */
    }
    /* Takes about 20 ms a GiB, so it comes after the final status. */
    g_clear_pointer(&o->config.tracker, dirty_tracker_free);
    migration_post(o->migration, ENGINE_EVENT_ENDED, 0, NULL);
    return NULL;
}

Outgoing *outgoing_new(const OutgoingConfig *config, GError **error)
{
    Outgoing *o = g_new0(Outgoing, 1);
    size_t n;
    RamBlock *const *blocks = guest_blocks(config->guest, &n);
    unsigned n_channels = settings_multifd(config->capabilities, &config->parameters).channels;

    o->config = *config;
    parameters_copy(&o->config.parameters, &config->parameters);
    o->migration = migration_ref(config->migration);
    pthread_mutex_init(&o->lock, NULL);
    mig_cond_init(&o->wake);
    atomic_store(&o->migration->counters.expected_downtime,
                 (int64_t)atomic_load(&config->settings->downtime_limit));
    o->writer = stream_writer_new();
    o->ram = ram_sender_new(config->guest, config->tracker, &config->migration->ram_map);
    o->converge = (AutoConverge){
        .means = outgoing_has(o, CAPABILITY_AUTO_CONVERGE) ? CONVERGE_BY_THROTTLE
                 : outgoing_has(o, CAPABILITY_DIRTY_LIMIT) ? CONVERGE_BY_LIMIT
                                                           : CONVERGE_BY_NOTHING,
        .guest = config->guest,
        .limit = config->limit,
        .settings = config->settings,
        .percentage = &o->migration->counters.cpu_throttle,
    };
    for (size_t i = 0; outgoing_has(o, CAPABILITY_X_IGNORE_SHARED) && i < n; i++) {
        if (ram_is_shared(blocks[i])) {
            ram_sender_leave_out(o->ram, i);
        }
    }
    if (outgoing_has(o, CAPABILITY_POSTCOPY_RAM)) {
        o->requests = page_requests_new(config->guest);
        o->attempt = ATTEMPT_PING_BIT | g_random_int();
    }
    if (n_channels > 0) {
        channels_init(&o->migration->channels, n_channels);
    }
    if (outgoing_has(o, CAPABILITY_X_SPARSE_RAM)) {
        ram_sender_leave_holes_out(o->ram);
    }
    pace_init(&o->pace, o->migration, config->settings);
    o->pace.unread = outgoing_unread;
    o->pace.unread_data = o;
    o->thread = fault_thread_new("thread-src-main", "mig/src/main", outgoing_thread, o, error);
    if (o->thread == NULL) {
        o->config.predecessor = NULL; /* stays the caller's */
        outgoing_free(o);
        return NULL;
    }
    return o;
}

void outgoing_free(Outgoing *o)
{
    if (o == NULL) {
        return;
    }
    if (o->thread != NULL) {
        g_thread_join(o->thread);
    }
    dirty_tracker_free(o->config.tracker);
    if (o->urgent != NULL) {
        urgent_sender_shutdown(o->urgent);
    }
    source_return_path_free(o->return_path);
    urgent_sender_free(o->urgent);
    lane_free(o->lane);
    transport_free(o->transport);
    connector_free(o->config.connector);
    connector_free(o->recovery);
    page_requests_free(o->requests);
    ram_sender_free(o->ram);
    stream_writer_free(o->writer);
    parameters_clear(&o->config.parameters);
    migration_unref(o->migration);
    pthread_cond_destroy(&o->wake);
    pthread_mutex_destroy(&o->lock);
    g_free(o);
}
