/*
 * The source's multifd channels: a thread and a connection each. The outgoing thread fills jobs
 * (runs of pages of any blocks); the next free channel takes the next one.
 *
 * A channel writes a job from guest memory straight to the connection, so pages are not copied in
 * user space unless they are packed.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "backend/engine/attempt/multifd.h"
#include "backend/engine/attempt/statistics.h"
#include "backend/engine/outgoing/dirty-queue.h"
#include "backend/transport/transport.h"

#define MULTIFD_JOB_PAGES 512u /* most pages in one job */
#define MULTIFD_JOB_RUNS  64u

typedef struct MultifdSend MultifdSend;

typedef struct {
    MultifdSettings settings;
    RamBlock *const *blocks; /* indexed by RamRun.block; outlive the channels */
    uint8_t uuid[16];
    ChannelStats *stats; /* one for each channel; outlives them */
    void *data;
    /* Called during a wait; false ends the wait with the error. The outgoing thread. */
    bool (*check)(void *data, GError **error);
    /* Called at a fault point of the channel with @transport. Channel's thread, or the thread that
     * connects. */
    bool (*fault)(void *data, const char *point, Transport *transport, GError **error);
    /* Called when a channel has failed and the outgoing thread did not notice for a second: it is
     * blocked in a write and must be woken. Channel's thread. */
    void (*stuck)(void *data);
} MultifdSendConfig;

typedef struct {
    size_t n_runs;
    size_t n_pages;
    bool tested; /* no page of it is zero */
    RamRun runs[MULTIFD_JOB_RUNS];
} MultifdJob;

MultifdSend *multifd_send_new(const MultifdSendConfig *config);

/* Joins the threads and frees. Must be shut down before, unless it never connected. */
void multifd_send_free(MultifdSend *send);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MultifdSend, multifd_send_free)

/* Connects one channel after another, sends the first packet of each, starts the threads. */
bool multifd_send_connect(MultifdSend *send, Connector *connector, GError **error);

/* Waits until at most @max_pages are with the channels; returns an empty job, or NULL with the
 * error. It belongs to the caller until multifd_send_submit(). */
MultifdJob *multifd_send_job(MultifdSend *send, size_t max_pages, GError **error);
void multifd_send_submit(MultifdSend *send, MultifdJob *job);

/* The end of a pass: waits until all jobs and then a SYNC packet on each channel are written. */
bool multifd_send_sync(MultifdSend *send, GError **error);

/* Calls @visit for the connection of each channel; NULL = not open yet. Any thread. */
void multifd_send_each(MultifdSend *send, void (*visit)(const Transport *transport, void *data),
                       void *data);

/* Any thread; idempotent: ends every channel and every wait. */
void multifd_send_shutdown(MultifdSend *send);

/* True with the error when a channel has failed. Any thread. */
bool multifd_send_failed(MultifdSend *send, GError **error);
