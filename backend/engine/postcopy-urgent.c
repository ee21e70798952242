/*
 * The channel of requested pages: a thread that waits for requests and writes the pages asked for,
 * each at once, beside the main channel and its queue of bytes.
 */
#include "backend/engine/postcopy-source.h"

#include "backend/base/error.h"

struct UrgentSender {
    Transport *transport;
    GThread *thread;
    StreamWriter *writer;

    /* Constant while the thread runs. */
    RamSender *ram;
    PageRequests *requests;
    Transport *main;
    MigCounters *counters;

    atomic_bool finish;
    GError *error; /* the thread's, after the join */
};

static bool send(UrgentSender *u, GError **error)
{
    size_t bytes = stream_writer_pending(u->writer);
    int n;
    struct iovec *iov = stream_writer_iov(u->writer, &n);
    bool ok = transport_write_all(u->transport, iov, n, NULL, error);

    stream_writer_reset(u->writer);
    if (!ok) {
        g_prefix_error(error, "sending requested pages: ");
        return false;
    }
    atomic_fetch_add(&u->counters->transferred, bytes);
    atomic_fetch_add(&u->counters->postcopy_bytes, bytes);
    return true;
}

static bool send_page(UrgentSender *u, size_t block, size_t page, GError **error)
{
    RamBatch batch = { 0 };
    RamRun run;

    if (!ram_sender_take_at(u->ram, block, page, 1, &run)) {
        return true; /* it is on its way already */
    }
    ram_sender_put(u->ram, u->writer, &run, &batch);
    atomic_fetch_add(&u->counters->normal_pages, batch.normal);
    atomic_fetch_add(&u->counters->zero_pages, batch.zero);
    return send(u, error);
}

static void *urgent_thread(void *data)
{
    UrgentSender *u = data;
    size_t block, page;

    while (u->error == NULL && !transport_is_shut_down(u->transport)) {
        if (page_requests_take(u->requests, &block, &page)) {
            send_page(u, block, page, &u->error);
        } else if (atomic_load(&u->finish)) {
            return NULL;
        } else {
            page_requests_wait(u->requests, -1);
        }
    }
    transport_shutdown(u->main);
    return NULL;
}

UrgentSender *urgent_sender_open(Connector *connector, GError **error)
{
    Transport *transport = connector_open(connector, error);

    if (transport == NULL) {
        g_prefix_error(error, "opening the channel of requested pages: ");
        return NULL;
    }
    UrgentSender *u = g_new0(UrgentSender, 1);
    u->transport = transport;
    u->writer = stream_writer_new();
    return u;
}

bool urgent_sender_start(UrgentSender *u, Guest *guest, RamSender *ram, PageRequests *requests,
                         Transport *main, MigCounters *counters, GError **error)
{
    size_t n;
    RamBlock *const *blocks = guest_blocks(guest, &n);

    for (size_t i = 0; i < n; i++) {
        stream_writer_add_block(u->writer, blocks[i]->idstr);
    }
    u->ram = ram;
    u->requests = requests;
    u->main = main;
    u->counters = counters;
    u->thread = g_thread_try_new("mig/src/urgent", urgent_thread, u, error);
    return u->thread != NULL;
}

static void join(UrgentSender *u)
{
    if (u->thread != NULL) {
        page_requests_wake(u->requests);
        g_thread_join(g_steal_pointer(&u->thread));
    }
}

bool urgent_sender_finish(UrgentSender *u, GError **error)
{
    atomic_store(&u->finish, true);
    join(u);
    if (u->error != NULL) {
        g_propagate_error(error, g_steal_pointer(&u->error));
        return false;
    }
    stream_put_ram_eos(u->writer);
    return send(u, error);
}

void urgent_sender_shutdown(UrgentSender *u)
{
    transport_shutdown(u->transport);
    if (u->requests != NULL) {
        page_requests_wake(u->requests);
    }
}

void urgent_sender_free(UrgentSender *u)
{
    if (u == NULL) {
        return;
    }
    urgent_sender_shutdown(u);
    join(u);
    transport_free(u->transport);
    stream_writer_free(u->writer);
    g_clear_error(&u->error);
    g_free(u);
}
