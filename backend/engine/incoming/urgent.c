/*
 * The destination's end of the channel of requested pages (postcopy-preempt): a thread that reads
 * page records and places each at once. It ends with an EOS record (QEMU 7.2 and this program) or
 * with the connection (later QEMU).
 */
#include "backend/engine/incoming/incoming-internal.h"

#include "backend/base/error.h"
#include "backend/base/prompt-thread.h"
#include "backend/transport/transport-break.h"

struct UrgentReceiver {
    Incoming *in;
    Transport *transport;
    StreamReader *reader;
    GThread *thread;
    atomic_bool ended;
};

void incoming_note_placed(Incoming *in)
{
    uint64_t missing = page_faults_missing(in->faults);

    atomic_store(&in->migration->counters.remaining, missing * MIG_PAGE_SIZE);
    if (missing == 0) {
        MIG_LOCK(&in->lock);
        pthread_cond_broadcast(&in->wake);
    }
}

static bool place(UrgentReceiver *u, const StreamRecord *record, GError **error)
{
    static const uint8_t zeroes[MIG_PAGE_SIZE];
    Incoming *in = u->in;
    MigCounters *c = &in->migration->counters;
    size_t block = g_array_index(in->blocks, size_t, record->block_index);
    size_t page = record->offset / MIG_PAGE_SIZE;
    bool zero = record->type == RECORD_ZERO_PAGE;
    struct iovec iov = { (void *)(uintptr_t)(zero ? zeroes : record->data), MIG_PAGE_SIZE };

    if ((!zero && record->type != RECORD_PAGE) || (zero && record->fill != 0) ||
        record->n_pages > 1) {
        return mig_fail(error, MIG_ERROR_FORMAT,
                        "a record that has no place among requested pages");
    }
    atomic_fetch_add_explicit(zero ? &c->zero_pages : &c->normal_pages, 1, memory_order_relaxed);
    if (!page_faults_claim(in->faults, block, page)) {
        return true;
    }
    if (!page_faults_place(in->faults, block, page, &iov, 1, error)) {
        return false;
    }
    incoming_note_placed(in);
    return transport_fault(u->transport, "dst-urgent-page", error);
}

static bool read_more(UrgentReceiver *u, GError **error)
{
    size_t size;
    uint8_t *space = stream_reader_space(u->reader, &size);
    ssize_t n = transport_read(u->transport, space, size, error);

    if (n < 0) {
        return false;
    }
    if (n == 0) {
        stream_reader_end(u->reader);
    } else {
        stream_reader_filled(u->reader, (size_t)n);
        atomic_fetch_add(&u->in->migration->counters.transferred, (uint64_t)n);
    }
    return true;
}

/* True at a regular end. */
static bool read_pages(UrgentReceiver *u, GError **error)
{
    StreamRecord record;

    if (!transport_fault(u->transport, "dst-urgent-open", error)) {
        return false;
    }
    for (;;) {
        switch (stream_reader_next(u->reader, &record, error)) {
        case STREAM_RECORD:
            if (record.type != RECORD_RAM_EOS && !place(u, &record, error)) {
                return false;
            }
            break;
        case STREAM_MORE:
            if (!read_more(u, error)) {
                return false;
            }
            break;
        case STREAM_DONE:
            return transport_fault(u->transport, "dst-urgent-end", error);
        case STREAM_BAD:
            return false;
        }
    }
}

static void *urgent_thread(void *data)
{
    UrgentReceiver *u = data;
    Incoming *in = u->in;
    g_autoptr(GError) error = NULL;

    prompt_thread();
    bool ok = read_pages(u, &error);

    atomic_store(&u->ended, true);
    MIG_LOCK(&in->lock);
    if (!ok) {
        transport_shutdown(in->config.transport); /* postcopy needs both of its connections */
    }
    pthread_cond_broadcast(&in->wake);
    return NULL;
}

UrgentReceiver *urgent_receiver_new(Incoming *in, Transport *transport, GError **error)
{
    UrgentReceiver *u = g_new0(UrgentReceiver, 1);

    u->in = in;
    u->transport = transport;
    u->reader = stream_reader_new_channel(in->reader);
    u->thread = fault_thread_new("thread-dst-urgent", "mig/dst/urgent", urgent_thread, u, error);
    if (u->thread == NULL) {
        u->transport = NULL; /* stays the caller's */
        urgent_receiver_free(u);
        return NULL;
    }
    return u;
}

bool urgent_receiver_ended(const UrgentReceiver *u)
{
    return atomic_load(&u->ended);
}

void urgent_receiver_shutdown(UrgentReceiver *u)
{
    transport_shutdown(u->transport);
}

void incoming_drop_channel(Incoming *in)
{
    pthread_mutex_lock(&in->lock);
    UrgentReceiver *urgent = g_steal_pointer(&in->urgent);
    in->takes_channel = false;
    pthread_mutex_unlock(&in->lock);
    urgent_receiver_free(urgent); /* its thread takes the lock at its end */
}

void urgent_receiver_free(UrgentReceiver *u)
{
    if (u == NULL) {
        return;
    }
    if (u->thread != NULL) {
        transport_shutdown(u->transport);
        g_thread_join(u->thread);
    }
    transport_free(u->transport);
    stream_reader_free(u->reader);
    g_free(u);
}
