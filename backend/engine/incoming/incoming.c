/*
 * The destination's thread. See incoming.h.
 *
 * The guest may run at EOF. A source that sent PING(HANDOVER_PING) waits for the answer and commits
 * by EOF, so nothing else is needed. A source with a return path but without that ping (QEMU)
 * decides by the SHUT it gets: then the guest runs only if SHUT(0) could be written. Without a
 * return path EOF alone decides.
 *
 * Before EOF a failure drops everything; the source still has the guest.
 */
#include "backend/engine/incoming/incoming-internal.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "backend/base/error.h"
#include "backend/base/fault.h"
#include "backend/base/lock.h"
#include "backend/engine/attempt/pings.h"

/* A QEMU 7.2 whose multifd channels were refused keeps its main channel open, although it has
 * failed. */
#define REFUSED_SILENT_US (10 * G_USEC_PER_SEC)

/* ---- the end ---- */

static void arrived(Incoming *in)
{
    Migration *m = in->migration;
    bool runs = guest_run_state(in->config.guest) == RUN_STATE_RUNNING;
    g_autofree char *text = g_strdup_printf("migration from %s completed: the guest %s", m->peer,
                                            runs ? "runs here" : "is here, paused");

    migration_set_outcome(m, text);
    migration_move(m, MIGRATION_ACTIVE, MIGRATION_COMPLETED);
}

/* The guest is loaded, but whether the source keeps it is unknown: it stays paused, with all its
 * memory. */
static void stand_unknown(Incoming *in, const GError *error)
{
    Migration *m = in->migration;
    g_autofree char *text = g_strdup_printf("migration from %s: the guest is loaded but the source "
                                            "could not be told (%s); it stands here. If it "
                                            "does not run at the source, cont -f runs it here",
                                            m->peer, error->message);

    guest_stop(in->config.guest, RUN_STATE_PAUSED);
    migration_set_owner(m, OWNER_UNKNOWN, "it is loaded here, the source could not be told");
    migration_set_error(m, error->message);
    migration_set_outcome(m, text);
    migration_move(m, MIGRATION_ACTIVE, MIGRATION_FAILED);
}

/* Adds to the sentence @text how the stream may have ended, and what this side does now. */
static char *advise(const Incoming *in, const GError *error, const char *text)
{
    g_autofree char *listens =
        in->config.listens == NULL
            ? g_strdup("")
            : g_strdup_printf(MIG_ERROR_HINT "this side still listens on %s: a source may connect",
                              in->config.listens);
    bool cut = g_str_has_prefix(error->message, "stream ended too early") ||
               strstr(error->message, g_strerror(EPIPE)) != NULL ||
               strstr(error->message, g_strerror(ECONNRESET)) != NULL;

    return g_strconcat(text,
                       cut ? MIG_ERROR_HINT "the source closed the connection before the guest was "
                                            "complete, as a cancel there does"
                           : "",
                       listens, NULL);
}

static void give_up(Incoming *in, const GError *error)
{
    Migration *m = in->migration;
    bool refused =
        atomic_load(&in->multifd_refused) && !g_str_has_prefix(error->message, INCOMING_NO_MULTIFD);
    const char *because = refused ? INCOMING_NO_MULTIFD ": " : "";
    g_autofree char *line = mig_error_first_line(error);
    g_autofree char *first_line = g_strconcat(because, line, NULL);
    g_autofree char *text =
        g_strdup_printf("load of migration from %s failed: %s%s", m->peer, because, error->message);
    g_autoptr(GError) reset_error = NULL;

    if (in->faults != NULL) {
        incoming_drop_channel(in); /* from here on no thread places pages */
        page_faults_stop(in->faults);
    }
    /* Also before the source has opened the return path: it reads the answer in any case, and one
     * that does not is not harmed by it. */
    incoming_answer(in, RETURN_SHUT, SHUT_FAILED, NULL);
    if (in->multifd != NULL) {
        multifd_recv_stop(in->multifd); /* from here on no channel places pages */
    }
    /* If nothing was dropped, the earlier guest in this memory stays: if its departure was never
     * confirmed, it may be the only copy. */
    if (atomic_load(&in->dropped)) {
        if (!guest_reset(in->config.guest, &reset_error)) {
            migration_post(m, ENGINE_EVENT_NOTICE, 0, reset_error->message);
        }
        migration_set_owner(m, OWNER_NONE,
                            "nothing has arrived here completely; nothing runs here");
    }
    migration_set_error(m, first_line);
    g_autofree char *advised = advise(in, error, text);
    migration_set_outcome(m, advised);
    migration_end(m, MIGRATION_FAILED);
}

/* The guest ran here and part of its RAM will never come. Only an ending process gets here. */
static void lose(Incoming *in)
{
    Migration *m = in->migration;

    guest_stop(in->config.guest, RUN_STATE_PAUSED);
    page_faults_stop(in->faults);
    guest_settle(in->config.guest);
    migration_set_owner(m, OWNER_NONE, "the rest of its RAM never came");
    migration_end(m, MIGRATION_FAILED);
}

/* A stream without END of the ram section is a background snapshot: its guest never left. From a
 * file it is started, which is what the snapshot is for; on a connection it would be a second
 * copy. */
static void keep_snapshot(Incoming *in)
{
    Migration *m = in->migration;
    g_autofree char *text = g_strdup_printf(
        "migration from %s completed: it is a background snapshot, and its guest runs on at the "
        "source; this copy stays paused. cont -f runs it",
        m->peer);

    guest_fill(in->config.guest);
    guest_stop(in->config.guest, RUN_STATE_PAUSED);
    migration_set_owner(m, OWNER_UNKNOWN,
                        "a background snapshot came over a connection: its guest runs on at the "
                        "source");
    if (in->return_path) {
        incoming_answer(in, RETURN_SHUT, 0, NULL);
    }
    migration_set_outcome(m, text);
    migration_move(m, MIGRATION_ACTIVE, MIGRATION_COMPLETED);
    incoming_drain(in, NULL);
}

/* After EOF: takes the guest over. "completed" is set after the answer: a client that sees it may
 * migrate the guest again, which ends this connection. */
static void take_over(Incoming *in)
{
    static const char evidence[] = "it arrived here complete and the source let it go";
    bool two_way = transport_is_two_way(in->config.transport);
    g_autoptr(GError) error = NULL;

    if (transport_end_matters(in->config.transport) && !incoming_drain(in, &error)) {
        give_up(in, error); /* the child failed */
        return;
    }
    incoming_fault(in, "dst-eof", NULL);
    if (two_way && !in->ram_ended) {
        keep_snapshot(in);
        return;
    }
    if (!guest_claim_ram(in->config.guest, &error)) {
        give_up(in, error); /* shared RAM that another process, maybe the source, still owns */
        return;
    }
    guest_fill(in->config.guest);
    if (in->return_path && two_way && !in->handover) {
        if (!incoming_answer(in, RETURN_SHUT, 0, &error)) {
            stand_unknown(in, error);
            return;
        }
        incoming_start_guest(in, evidence);
    } else {
        incoming_start_guest(in, evidence);
        incoming_fault(in, "dst-started", NULL);
        if (in->return_path) {
            incoming_answer(in, RETURN_SHUT, 0,
                            NULL); /* the source has committed: a lost answer changes nothing */
        }
    }
    arrived(in);
    incoming_fault(in, "dst-shut", NULL);
    if (!transport_end_matters(in->config.transport)) {
        incoming_drain(in, NULL);
    }
}

static bool load_all(Incoming *in, GError **error)
{
    return incoming_load(in, error) &&
           (in->runs ? postcopy_finish(in, error) : incoming_check_complete(in, error));
}

static bool begin_reading(Incoming *in, GError **error)
{
    if (incoming_has(in, CAPABILITY_MAPPED_RAM)) {
        return incoming_mapped_init(in, error);
    }
    Prefetch *prefetch = prefetch_new(in->config.transport, error);
    if (prefetch != NULL && in->config.silent_ms != 0) {
        prefetch_set_deadline(prefetch,
                              g_get_monotonic_time() + (int64_t)in->config.silent_ms * 1000);
    }
    MIG_LOCK(&in->lock);

    if (prefetch != NULL && atomic_load(&in->multifd_refused)) {
        prefetch_limit_silence(prefetch, REFUSED_SILENT_US);
    }
    in->prefetch = prefetch; /* from here on a failed multifd channel can wake this thread */
    if (prefetch != NULL && in->channel_error != NULL) {
        prefetch_fail(prefetch, in->channel_error);
    }
    return prefetch != NULL;
}

static void *incoming_thread(void *data)
{
    Incoming *in = data;
    g_autoptr(GError) error = NULL;

    bool complete = begin_reading(in, &error) && incoming_fault(in, "dst-connected", &error) &&
                    load_all(in, &error);
    complete = complete || postcopy_has_all(in);
    while (!complete && in->runs && postcopy_await_connection(in, error)) {
        g_clear_error(&error);
        complete = load_all(in, &error) || postcopy_has_all(in);
    }
    if (!complete && in->runs) {
        lose(in);
    } else if (!complete) {
        give_up(in, error);
    } else if (in->runs) {
        postcopy_complete(in);
        incoming_drain(in, NULL);
    } else {
        take_over(in);
    }
    if (in->multifd != NULL) {
        multifd_recv_stop(in->multifd);
    }
    transport_shutdown(in->config.transport);
    migration_post(in->migration, ENGINE_EVENT_ENDED, 0, NULL);
    return NULL;
}

/* The position of the stream in a file; -1 for other transports. */
static off_t file_position(const Transport *t)
{
    int fd = transport_file(t);

    return fd >= 0 ? lseek(fd, 0, SEEK_CUR) : -1;
}

Incoming *incoming_new(const IncomingConfig *config, bool autostart, GError **error)
{
    Incoming *in = g_new0(Incoming, 1);

    in->config = *config;
    parameters_copy(&in->config.parameters, &config->parameters);
    in->config.listens = g_strdup(config->listens);
    pthread_mutex_init(&in->lock, NULL);
    pthread_mutex_init(&in->answer_lock, NULL);
    mig_cond_init(&in->wake);
    in->migration = migration_ref(config->migration);
    atomic_store(&in->autostart, autostart);
    incoming_multifd_init(in);
    in->devices = device_loader_new(config->guest, config->timer);
    in->blocks = g_array_new(FALSE, FALSE, sizeof(size_t));
    in->mapped = g_array_new(FALSE, FALSE, sizeof(MappedRam));
    in->reader = stream_reader_new(&(StreamReaderConfig){
        .find_device = device_loader_find,
        .data = in->devices,
        .zero_runs = true,
        .file_offset = MAX(file_position(config->transport), 0),
        .max_list = device_loader_max_list(config->guest),
    });
    in->thread = fault_thread_new("thread-dst-main", "mig/dst/main", incoming_thread, in, error);
    if (in->thread == NULL) {
        incoming_free(in);
        return NULL;
    }
    return in;
}

void incoming_free(Incoming *in)
{
    if (in == NULL) {
        return;
    }
    pthread_mutex_lock(&in->lock);
    in->quit = true;
    transport_shutdown(in->config.transport);
    if (in->urgent != NULL) {
        urgent_receiver_shutdown(in->urgent);
    }
    if (in->multifd != NULL) {
        multifd_recv_shutdown(in->multifd);
    }
    pthread_cond_broadcast(&in->wake);
    pthread_mutex_unlock(&in->lock);
    if (in->thread != NULL) {
        g_thread_join(in->thread);
    }
    while (g_source_remove_by_user_data(in)) {} /* timers of multifd.c */
    urgent_receiver_free(in->urgent);
    page_faults_free(in->faults);
    multifd_recv_free(in->multifd);
    prefetch_free(in->prefetch);
    g_clear_error(&in->channel_error);
    transport_free(in->config.transport);
    transport_free(in->next);
    stream_reader_free(in->reader);
    device_loader_free(in->devices);
    page_decoder_free(in->decoder);
    placer_free(in->placer);
    g_array_unref(in->blocks);
    g_array_unref(in->mapped);
    parameters_clear(&in->config.parameters);
    g_free((char *)in->config.listens);
    migration_unref(in->migration);
    pthread_cond_destroy(&in->wake);
    pthread_mutex_destroy(&in->answer_lock);
    pthread_mutex_destroy(&in->lock);
    g_free(in);
}

Migration *incoming_record(const Incoming *in)
{
    return in->migration;
}

void incoming_set_autostart(Incoming *in, bool autostart)
{
    atomic_store(&in->autostart, autostart);
}

bool incoming_has_dropped(const Incoming *in)
{
    return atomic_load(&in->dropped);
}

bool incoming_in_postcopy(const Incoming *in)
{
    return in->faults != NULL && !migration_status_is_over(migration_get_status(in->migration));
}

void incoming_note_multifd(Incoming *in)
{
    MIG_LOCK(&in->lock);

    atomic_store(&in->multifd_refused, true);
    if (in->prefetch != NULL) {
        prefetch_limit_silence(in->prefetch, REFUSED_SILENT_US);
    }
}

void incoming_shutdown(Incoming *in)
{
    if (in->multifd != NULL) {
        multifd_recv_shutdown(in->multifd);
    }
    incoming_pause(in);
}
