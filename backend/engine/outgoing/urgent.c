/*
 * See urgent.h.
 *
 * A destination that requests pages and does not read them blocks the thread of the return path,
 * which delays only its own requests. A shutdown of the connection ends the wait.
 */
#include "backend/engine/outgoing/urgent.h"

#include "backend/base/error.h"
#include "backend/base/lock.h"

struct UrgentSender {
    UrgentFault fault;
    void *data; /* of @fault */
    Transport *transport;
    RamSender *ram;
    PageRequests *requests; /* NULL before the start */
    MigCounters *counters;

    pthread_mutex_t lock; /* guards the writer; a page is taken and written under it */
    StreamWriter *writer;
};

/* Under the lock. */
static bool flush(UrgentSender *u, GError **error)
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

static bool serve(void *data, size_t block, size_t page, GError **error)
{
    UrgentSender *u = data;
    RamBatch batch = { 0 };
    RamRun run;
    MIG_LOCK(&u->lock);

    /* Counted here, because the outgoing thread may be waiting for its limit. */
    atomic_store(&u->counters->postcopy_requests, page_requests_count(u->requests));
    if (!ram_sender_take_at(u->ram, block, page, 1, &run)) {
        return true; /* it was sent already */
    }
    ram_sender_put(u->ram, u->writer, &run, &batch);
    atomic_fetch_add(&u->counters->normal_pages, batch.normal);
    atomic_fetch_add(&u->counters->zero_pages, batch.zero);
    return flush(u, error) && u->fault(u->data, "src-urgent-page", u->transport, error);
}

UrgentSender *urgent_sender_open(Connector *connector, UrgentFault fault, void *data,
                                 GError **error)
{
    Transport *transport = connector_open(connector, error);

    if (transport == NULL) {
        g_prefix_error(error, "opening the channel of requested pages: ");
        return NULL;
    }
    UrgentSender *u = g_new0(UrgentSender, 1);
    pthread_mutex_init(&u->lock, NULL);
    u->fault = fault;
    u->data = data;
    u->transport = transport;
    u->writer = stream_writer_new();
    return u;
}

bool urgent_sender_start(UrgentSender *u, Guest *guest, RamSender *ram, PageRequests *requests,
                         MigCounters *counters, GError **error)
{
    size_t n, block, page;
    RamBlock *const *blocks = guest_blocks(guest, &n);

    for (size_t i = 0; i < n; i++) {
        stream_writer_add_block(u->writer, blocks[i]->idstr);
    }
    u->ram = ram;
    u->counters = counters;
    u->requests = requests;
    page_requests_set_server(requests, serve, u);
    while (page_requests_take(requests, &block, &page)) { /* requests from before the start */
        if (!serve(u, block, page, error)) {
            return false;
        }
    }
    return true;
}

bool urgent_sender_finish(UrgentSender *u, GError **error)
{
    MIG_LOCK(&u->lock);

    if (!u->fault(u->data, "src-urgent-end", u->transport, error)) {
        return false;
    }
    stream_put_ram_eos(u->writer);
    return flush(u, error);
}

bool urgent_sender_at_open(UrgentSender *u, GError **error)
{
    return u == NULL || u->fault(u->data, "src-urgent-open", u->transport, error);
}

void urgent_sender_shutdown(UrgentSender *u)
{
    transport_shutdown(u->transport);
}

void urgent_sender_free(UrgentSender *u)
{
    if (u == NULL) {
        return;
    }
    transport_free(u->transport);
    stream_writer_free(u->writer);
    pthread_mutex_destroy(&u->lock);
    g_free(u);
}
