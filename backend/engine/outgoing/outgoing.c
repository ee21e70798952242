/*
 * Life of an outgoing migration: connect, begin the stream, run the phases,
 * clean up. See outgoing.h; what other threads ask of it is control.c.
 *
 * A failure anywhere before the commit leads to finish_failed(), which gives the guest
 * back; what happens after the commit is decided in switchover.c.
 */
#include "backend/engine/outgoing/outgoing-internal.h"

#include <string.h>

#include "backend/base/clock.h"
#include "backend/base/error.h"
#include "backend/base/fault.h"
#include "backend/engine/outgoing/postcopy.h"
#include "backend/engine/attempt/pings.h"
#include "backend/engine/attempt/shared-ram.h"
#include "backend/guest/memory/missing-pages.h"
#include "backend/stream/postcopy.h"
#include "backend/transport/transport-break.h"

bool outgoing_is_cancelled(const Outgoing *o)
{
    return atomic_load(&o->decision) == DECISION_CANCELLED;
}

bool outgoing_check(Outgoing *o, GError **error)
{
    if (outgoing_is_cancelled(o)) {
        g_set_error_literal(error, MIG_ERROR, MIG_ERROR_CANCELLED, "the migration was cancelled");
        return false;
    }
    if (outgoing_gave_up(o, error)) {
        return false;
    }
    return (o->multifd == NULL || !multifd_send_failed(o->multifd, error)) &&
           (o->return_path == NULL || !source_return_path_failed(o->return_path, error));
}

static bool transport_is_gone(void *data)
{
    return transport_is_shut_down(data);
}

bool outgoing_fault_on(Outgoing *o, const char *point, Transport *transport, GError **error)
{
    FaultAction action = fault_fire(point);

    switch (action) {
    case FAULT_NONE:
    case FAULT_KILL:
    case FAULT_SLOW:
        return true;
    case FAULT_CANCEL:
        outgoing_cancel(o, NULL);
        return true;
    case FAULT_HOLD:
        fault_hold(point, transport_is_gone, transport);
        return true;
    case FAULT_FAIL:
        g_set_error(error, MIG_ERROR, MIG_ERROR_IO, "fault injected at %s", point);
        return false;
    case FAULT_CUT:
    case FAULT_GARBAGE:
    case FAULT_TRUNCATE:
    case FAULT_RESET:
        transport_break(transport, action);
        return true;
    }
    return true;
}

bool outgoing_fault(Outgoing *o, const char *point, GError **error)
{
    return outgoing_fault_on(o, point, o->transport, error);
}

bool outgoing_flush(Outgoing *o, GError **error)
{
    MigCounters *c = &o->migration->counters;
    size_t bytes = stream_writer_pending(o->writer);
    int n;
    struct iovec *iov = stream_writer_iov(o->writer, &n);
    bool ok = transport_write_all(o->transport, iov, n, NULL, error);

    stream_writer_reset(o->writer);
    if (!ok) {
        /* The return path often knows better than "broken pipe". */
        if (outgoing_is_cancelled(o)) {
            g_clear_error(error);
            return outgoing_check(o, error);
        }
        if (o->multifd != NULL && multifd_send_failed(o->multifd, NULL)) {
            g_clear_error(error);
            return !multifd_send_failed(o->multifd, error);
        }
        mig_error_hint(error, "while sending to %s", transport_name(o->transport));
        return false;
    }
    atomic_fetch_add(&c->transferred, bytes);
    atomic_fetch_add(o->postcopy  ? &c->postcopy_bytes
                     : o->stopped ? &c->downtime_bytes
                                  : &c->precopy_bytes,
                     bytes);
    o->window.bytes += bytes;
    o->pass.bytes += bytes;
    return true;
}

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
    if (outgoing_is_cancelled(o)) {
        transport_shutdown(t); /* the cancel came before there was something to shut down */
    }
    if (o->config.preempt) {
        /* At once, and second: QEMU 7.2 reads nothing before it has both, later ones do not mind.
         */
        struct UrgentSender *urgent = urgent_sender_open(o, o->config.connector, error);

        pthread_mutex_lock(&o->lock);
        o->urgent = urgent;
        pthread_mutex_unlock(&o->lock);
        if (urgent == NULL) {
            return false;
        }
    }
    return outgoing_fault(o, "src-connected", error) && urgent_sender_at_open(o->urgent, error);
}

static bool prepare_ram(Outgoing *o, GError **error)
{
    const OutgoingConfig *config = &o->config;

    CodecCounters *counters = &o->migration->counters.codec;

    if (config->xbzrle) {
        o->encoder = xbzrle_encoder_new(config->settings, counters,
                                        guest_ram_size(config->guest) / MIG_PAGE_SIZE, error);
    } else if (config->compress_threads > 0) {
        o->encoder =
            compress_encoder_new(config->settings, counters, config->compress_threads, error);
    }
    if (o->encoder == NULL && (config->xbzrle || config->compress_threads > 0)) {
        return false;
    }
    ram_sender_set_encoder(o->ram, o->encoder);
    if (config->sparse) {
        ram_sender_leave_holes_out(o->ram);
    }
    return true;
}

/* The capabilities that must be on over there too. */
static void put_configuration(Outgoing *o)
{
    const OutgoingConfig *config = &o->config;
    const char *on[3];
    size_t n = 0;
    uint8_t uuid[16];

    if (config->ignore_shared) {
        on[n++] = "x-ignore-shared";
    }
    if (config->mapped_threads > 0) {
        on[n++] = "mapped-ram";
    }
    if (config->sparse) {
        on[n++] = "x-sparse-ram";
    }
    guest_uuid_bytes(config->guest, uuid);
    stream_put_configuration(
        o->writer,
        &(StreamConfiguration){
            .machine = guest_machine_name(config->guest),
            .capabilities = on,
            .n_capabilities = n,
            .uuid = config->validate_uuid && guest_uuid_is_set(config->guest) ? uuid : NULL,
        });
}

static bool begin_stream(Outgoing *o, GError **error)
{
    const OutgoingConfig *config = &o->config;

    stream_put_header(o->writer);
    put_configuration(o);
    if (transport_is_two_way(o->transport) && !config->background_snapshot &&
        (config->return_path || config->handover || config->postcopy)) {
        stream_put_command(o->writer, COMMAND_OPEN_RETURN_PATH, NULL, 0);
        stream_put_ping(o->writer, 1);
        o->return_path = source_return_path_new(o->transport, o->requests, error);
        if (o->return_path == NULL) {
            return false;
        }
    } else if (config->return_path || config->postcopy) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_UNSUPPORTED,
                    "capability %s is on, but %s goes one way only",
                    config->postcopy ? "postcopy-ram" : "return-path",
                    transport_name(o->transport));
        return false;
    }
    if (config->postcopy) {
        postcopy_put_advise(o->writer, page_faults_page_sizes(config->guest));
        stream_put_ping(o->writer, o->attempt);
    }
    outgoing_multifd_ask(o);
    return outgoing_flush(o, error) && outgoing_fault(o, "src-setup", error) &&
           outgoing_multifd_connect(o, error);
}

/* ---- ending ---- */

void outgoing_resume_guest(Outgoing *o)
{
    g_autoptr(GError) error = NULL;

    if (!o->stopped) {
        return;
    }
    if (!o->ran) {
        guest_stop(o->config.guest, o->state_before);
    } else if (!guest_claim_ram(o->config.guest, &error)) {
        /* It was offered to the other side, and a stranger was faster. */
        guest_stop(o->config.guest, RUN_STATE_PAUSED);
        event_post(o->migration->events, ENGINE_EVENT_NOTICE, o->migration, 0, error->message);
    } else if (atomic_load(&o->keep_stopped)) {
        guest_stop(o->config.guest, RUN_STATE_PAUSED);
    } else {
        guest_start(o->config.guest);
        event_post(o->migration->events, ENGINE_EVENT_RESUME, o->migration, 0, NULL);
        /* The wish came between the look at it and the start: whoever made it saw a guest that
         * stood.
         */
        if (atomic_load(&o->keep_stopped) &&
            guest_change(o->config.guest, RUN_STATE_RUNNING, RUN_STATE_PAUSED)) {
            event_post(o->migration->events, ENGINE_EVENT_STOP, o->migration, 0, NULL);
        }
    }
}

/* The destination's own words, if it had any, beat what the broken connection made of them. It is
 * gone or we would not be here, so the return path ends at once; the limit is for a peer that only
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

static void finish_cancelled(Outgoing *o, const char *where)
{
    Migration *m = o->migration;
    g_autofree char *text = g_strdup_printf("migration to %s cancelled; %s", m->peer, where);

    migration_set_outcome(m, text);
    migration_move(m, MIGRATION_CANCELLING, MIGRATION_CANCELLED);
}

/* Ends an attempt that did not get as far as the commit; the guest first. Whoever sees the status
 * at the end finds the guest where it belongs. */
static void finish_failed(Outgoing *o, GError **error)
{
    Migration *m = o->migration;
    const char *where = o->ran || !o->stopped ? "the guest goes on here" : "the guest stays here";

    /* The decision comes first and the status after it, so both the one who cancels and this thread
     * make sure of the status; the second finds nothing to do. */
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

    GError *silence = NULL;
    if (outgoing_gave_up(o, &silence)) {
        g_clear_error(error);
        *error = silence;
    } else {
        prefer_peer_error(o, error);
    }
    g_autofree char *first_line = mig_error_first_line(*error);
    g_autofree char *text = g_strdup_printf("migration to %s failed: %s; %s%s", m->peer, first_line,
                                            where, (*error)->message + strlen(first_line));
    migration_set_error(m, first_line);
    migration_set_outcome(m, text);
    if (!migration_end(m, MIGRATION_FAILED)) {
        /* A cancel came in between: both are true, the operator asked for the second. */
        finish_cancelled(o, where);
    }
}

/* With all of its RAM, or ahead of the rest of it. */
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
    if (!prepare_ram(o, &error) || !connect_to_peer(o, &error) ||
        !outgoing_mapped_init(o, &error) || !begin_stream(o, &error) ||
        !(o->config.background_snapshot ? outgoing_background_snapshot(o, &error)
                                        : outgoing_precopy(o, &error) && leave(o, &error))) {
        finish_failed(o, &error);
    }
    auto_converge_end(&o->converge);
    outgoing_watch_free(o);

    if (o->multifd != NULL) {
        multifd_send_shutdown(o->multifd);
    }
    if (o->transport != NULL) {
        transport_shutdown(o->transport); /* also ends the return path's thread */
    }
    g_clear_pointer(&o->snapshot, ram_snapshot_free);
    /* Takes about 20 ms a GiB, so it comes when everybody has heard of the end. */
    g_clear_pointer(&o->config.tracker, dirty_tracker_free);
    event_post(o->migration->events, ENGINE_EVENT_ENDED, o->migration, 0, NULL);
    return NULL;
}

Outgoing *outgoing_new(const OutgoingConfig *config, GError **error)
{
    Outgoing *o = g_new0(Outgoing, 1);
    int64_t now = mig_clock_now_us();

    o->config = *config;
    o->migration = migration_ref(config->migration);
    pthread_mutex_init(&o->lock, NULL);
    mig_cond_init(&o->wake);
    atomic_store(&o->migration->counters.expected_downtime,
                 (int64_t)atomic_load(&config->settings->downtime_limit));
    o->writer = stream_writer_new();
    o->ram = ram_sender_new(config->guest, config->tracker, &config->migration->ram_map);
    o->converge = (AutoConverge){
        .means = config->converge,
        .guest = config->guest,
        .limit = config->limit,
        .settings = config->settings,
        .percentage = &o->migration->counters.cpu_throttle,
    };
    if (config->ignore_shared) {
        shared_ram_leave_out(config->guest, o->ram);
    }
    if (config->postcopy) {
        o->requests = page_requests_new(config->guest);
        o->attempt = ATTEMPT_PING_BIT | g_random_int();
    }
    outgoing_multifd_init(o);
    o->window.start_us = now;
    rate_limiter_init(&o->limiter, atomic_load(&config->settings->max_bandwidth), now);
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
    multifd_send_free(o->multifd);
    transport_free(o->transport);
    connector_free(o->config.connector);
    connector_free(o->recovery);
    page_requests_free(o->requests);
    ram_sender_free(o->ram);
    page_encoder_free(o->encoder);
    mapped_writer_free(o->mapped);
    ram_snapshot_free(o->snapshot);
    stream_writer_free(o->writer);
    migration_unref(o->migration);
    pthread_cond_destroy(&o->wake);
    pthread_mutex_destroy(&o->lock);
    g_free(o);
}
