/*
 * Reading ahead. See read-ahead.h. The buffers form a ring: the thread fills them in order, the
 * consumer takes them in order. Only the counters are shared, under the lock; a buffer belongs to
 * one side at a time.
 */
#include "backend/engine/incoming/read-ahead.h"

#include "backend/base/error.h"
#include "backend/base/fault.h"
#include "backend/base/lock.h"

#define N_BUFFERS   4u
#define BUFFER_SIZE ((size_t)1024 * 1024)

typedef struct {
    uint8_t *memory; /* headroom, then BUFFER_SIZE */
    size_t count;    /* bytes of data; written by the thread before it hands over */
} Buffer;

struct Prefetch {
    Transport *transport;
    GThread *thread;
    Buffer buffers[N_BUFFERS];

    /* Under @lock. */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    uint64_t filled;   /* buffers handed over by the thread so far */
    uint64_t released; /* buffers given back by the consumer so far */
    bool hungry;       /* the consumer waits */
    bool quit;
    bool ended;      /* nothing more comes after the filled ones */
    GError *error;   /* the reason, NULL = the end of the stream */
    GError *failure; /* set by prefetch_fail() */
    int64_t silence_us;

    /* The consumer only. */
    uint64_t taken;
    int64_t deadline_us;
};

/* Waits for a free buffer; NULL when the consumer has ended. */
static Buffer *free_buffer(Prefetch *p)
{
    MIG_LOCK(&p->lock);

    while (!p->quit && p->filled - p->released == N_BUFFERS) {
        pthread_cond_wait(&p->changed, &p->lock);
    }
    return p->quit ? NULL : &p->buffers[p->filled % N_BUFFERS];
}

static void hand_over(Prefetch *p)
{
    MIG_LOCK(&p->lock);

    p->filled++;
    pthread_cond_broadcast(&p->changed);
}

static bool consumer_waits(Prefetch *p)
{
    MIG_LOCK(&p->lock);
    return p->hungry && p->filled == p->taken;
}

/* Fills @buffer until it is full, the consumer waits, or no more bytes are available. False at the
 * end of the stream or on an error; the bytes before it are in the buffer. */
static bool fill(Prefetch *p, Buffer *buffer, GError **error)
{
    buffer->count = 0;
    do {
        ssize_t n = transport_read(p->transport, buffer->memory + PREFETCH_HEADROOM + buffer->count,
                                   BUFFER_SIZE - buffer->count, error);
        if (n <= 0) {
            return false;
        }
        buffer->count += (size_t)n;
    } while (buffer->count < BUFFER_SIZE && !consumer_waits(p) &&
             transport_is_readable(p->transport));
    return true;
}

static void *read_ahead(void *data)
{
    Prefetch *p = data;
    GError *error = NULL;
    Buffer *buffer;

    while ((buffer = free_buffer(p)) != NULL) {
        bool more = fill(p, buffer, &error);

        if (buffer->count > 0) {
            hand_over(p);
        }
        if (!more) {
            break;
        }
    }

    MIG_LOCK(&p->lock);
    p->ended = true;
    p->error = error;
    pthread_cond_broadcast(&p->changed);
    return NULL;
}

Prefetch *prefetch_new(Transport *transport, GError **error)
{
    Prefetch *p = g_new0(Prefetch, 1);

    p->transport = transport;
    pthread_mutex_init(&p->lock, NULL);
    mig_cond_init(&p->changed);
    for (size_t i = 0; i < N_BUFFERS; i++) {
        p->buffers[i].memory = g_malloc(PREFETCH_HEADROOM + BUFFER_SIZE);
    }
    p->thread = fault_thread_new("thread-dst-read", "mig/dst/read", read_ahead, p, error);
    if (p->thread == NULL) {
        prefetch_free(p);
        return NULL;
    }
    return p;
}

void prefetch_free(Prefetch *p)
{
    if (p == NULL) {
        return;
    }
    pthread_mutex_lock(&p->lock);
    p->quit = true;
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->lock);
    if (p->thread != NULL) {
        g_thread_join(p->thread);
    }
    for (size_t i = 0; i < N_BUFFERS; i++) {
        g_free(p->buffers[i].memory);
    }
    g_clear_error(&p->error);
    g_clear_error(&p->failure);
    pthread_cond_destroy(&p->changed);
    pthread_mutex_destroy(&p->lock);
    g_free(p);
}

void prefetch_fail(Prefetch *p, const GError *error)
{
    MIG_LOCK(&p->lock);

    if (p->failure == NULL) {
        p->failure = g_error_copy(error);
    }
    pthread_cond_broadcast(&p->changed);
}

void prefetch_set_deadline(Prefetch *p, int64_t deadline_us)
{
    p->deadline_us = deadline_us;
}

void prefetch_limit_silence(Prefetch *p, int64_t limit_us)
{
    MIG_LOCK(&p->lock);

    p->silence_us = limit_us;
    pthread_cond_broadcast(&p->changed);
}

/* Under the lock: when a wait that began at @begin_us has to end; 0 = never. */
static int64_t end_of_wait(const Prefetch *p, int64_t begin_us)
{
    int64_t silence = p->silence_us != 0 ? begin_us + p->silence_us : 0;

    return p->deadline_us == 0 || silence == 0 ? MAX(p->deadline_us, silence)
                                               : MIN(p->deadline_us, silence);
}

uint8_t *prefetch_next(Prefetch *p, size_t *ret_count, GError **error)
{
    MIG_LOCK(&p->lock);

    /* The consumer moves unread bytes of a buffer in front of the next one, so a buffer is free one
     * call later. */
    p->released = p->taken > 0 ? p->taken - 1 : 0;
    p->hungry = true;
    pthread_cond_broadcast(&p->changed);
    int64_t begin_us = g_get_monotonic_time();
    while (p->filled == p->taken && !p->ended && p->failure == NULL) {
        int64_t end_us = end_of_wait(p, begin_us);

        if (end_us == 0) {
            pthread_cond_wait(&p->changed, &p->lock);
        } else if (!mig_cond_wait_until(&p->changed, &p->lock, end_us) && p->filled == p->taken &&
                   !p->ended && p->failure == NULL) {
            if (transport_may_be_readable(p->transport)) {
                begin_us += G_USEC_PER_SEC; /* this process was stopped meanwhile */
                p->deadline_us += p->deadline_us != 0 ? G_USEC_PER_SEC : 0;
                continue;
            }
            *ret_count = 0;
            p->hungry = false;
            g_set_error_literal(error, MIG_ERROR, MIG_ERROR_IO,
                                p->deadline_us != 0
                                    ? "the source said too little to be one, and sends nothing more"
                                    : "the source sends nothing more");
            return NULL;
        }
    }
    p->hungry = false;
    if (p->failure != NULL) {
        *ret_count = 0;
        g_propagate_error(error, g_error_copy(p->failure));
        return NULL;
    }
    if (p->filled == p->taken) {
        *ret_count = 0;
        if (p->error != NULL) {
            g_propagate_error(error, g_error_copy(p->error));
            return NULL;
        }
        return p->buffers[0].memory + PREFETCH_HEADROOM;
    }
    Buffer *buffer = &p->buffers[p->taken++ % N_BUFFERS];
    *ret_count = buffer->count;
    return buffer->memory + PREFETCH_HEADROOM;
}
