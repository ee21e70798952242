/*
 * Reads the return path. See return-path.h. The thread owns the bytes it reads; the results are
 * under the lock.
 */
#include "backend/engine/outgoing/return-path.h"

#include "backend/base/bytes.h"
#include "backend/base/error.h"
#include "backend/base/fault.h"
#include "backend/base/lock.h"
#include "backend/base/prompt-thread.h"
#include "backend/engine/attempt/pings.h"
#include "backend/stream/return-path.h"

struct SourceReturnPath {
    Transport *transport;
    PageRequests *requests; /* NULL = pages may not be requested */
    GThread *thread;
    _Atomic uint64_t received; /* bytes */

    pthread_mutex_t lock;
    pthread_cond_t changed;
    GArray *pongs; /* uint32_t; the values received, in the order of the pings */
    bool acked;    /* the destination is ready for the switchover */
    bool has_verdict;
    uint32_t verdict;
    bool resume_ack;
    char *bitmap_block; /* the block of the awaited bitmap; NULL = none */
    DirtyMap *bitmap;
    bool bitmap_begun; /* its message has come, its bits have not */
    GError *ended;     /* why nothing more can come; set once */
};

#define MAX_PONGS 64u /* a source sends only a few PINGs */

static bool refuse_message(const ReturnPathMessage *message, GError **error)
{
    return mig_fail(error, MIG_ERROR_FORMAT, "return path: message type %d has no place here",
                    message->type);
}

/* Takes a message under the lock; false ends the path with the error. */
static bool take_message(SourceReturnPath *rp, const ReturnPathMessage *message, GError **error)
{
    switch (message->type) {
    case RETURN_PONG:
        if (rp->pongs->len >= MAX_PONGS) {
            return mig_fail(error, MIG_ERROR_FORMAT, "return path: more answers than questions");
        }
        g_array_append_val(rp->pongs, message->value);
        return true;
    case RETURN_SHUT:
        if (!rp->has_verdict) { /* the first one counts */
            rp->has_verdict = true;
            rp->verdict = message->value;
        }
        return true;
    case RETURN_SWITCHOVER_ACK:
        rp->acked = true; /* an unrequested one does no harm */
        return true;
    case RETURN_REQ_PAGES:
    case RETURN_REQ_PAGES_ID:
        if (rp->requests != NULL) {
            return page_requests_add(rp->requests, message->block, message->start, message->length,
                                     error);
        }
        return refuse_message(message, error);
    case RETURN_RECV_BITMAP:
        rp->bitmap_begun = g_strcmp0(rp->bitmap_block, message->block) == 0;
        return rp->bitmap_begun || refuse_message(message, error);
    case RETURN_RESUME_ACK:
        rp->resume_ack = rp->requests != NULL && message->value == 1;
        return rp->resume_ack || refuse_message(message, error);
    default:
        return refuse_message(message, error);
    }
}

/* The next message, or the bits that belong to the one before. */
static ReturnPathResult take_next(SourceReturnPath *rp, MigCursor *in, GError **error)
{
    ReturnPathMessage message;
    ReturnPathResult result;

    if (rp->bitmap_begun) {
        result = return_path_decode_bitmap(in, rp->bitmap, error);
        if (result == RETURN_PATH_MESSAGE) {
            rp->bitmap_begun = false;
            g_clear_pointer(&rp->bitmap_block, g_free);
        }
        return result;
    }
    result = return_path_decode(in, &message, error);
    if (result == RETURN_PATH_MESSAGE && !take_message(rp, &message, error)) {
        return RETURN_PATH_BAD;
    }
    return result;
}

static bool take_bytes(SourceReturnPath *rp, GByteArray *buffer, GError **error)
{
    MigCursor in = { buffer->data, buffer->data + buffer->len };
    MIG_LOCK(&rp->lock);

    for (;;) {
        switch (take_next(rp, &in, error)) {
        case RETURN_PATH_MESSAGE:
            break;
        case RETURN_PATH_SHORT:
            g_byte_array_remove_range(buffer, 0, (guint)(in.at - buffer->data));
            pthread_cond_broadcast(&rp->changed);
            return true;
        case RETURN_PATH_BAD:
            mig_error_hint(error, "what answers there may be no migration destination");
            return false;
        }
    }
}

static void *read_return_path(void *data)
{
    SourceReturnPath *rp = data;
    g_autoptr(GByteArray) buffer = g_byte_array_new();
    g_autoptr(GError) error = NULL;

    prompt_thread();
    while (error == NULL) {
        uint8_t bytes[RETURN_PATH_MAX_LENGTH + 4];
        ssize_t n = transport_read(rp->transport, bytes, sizeof bytes, &error);

        if (n == 0 || (n < 0 && transport_was_reset(rp->transport) &&
                       !transport_is_shut_down(rp->transport))) {
            g_clear_error(&error);
            g_set_error_literal(&error, MIG_ERROR, MIG_ERROR_IO,
                                "the destination closed the connection");
        } else if (n > 0) {
            atomic_fetch_add(&rp->received, (uint64_t)n);
            g_byte_array_append(buffer, bytes, (guint)n);
            take_bytes(rp, buffer, &error);
        }
    }

    g_autofree char *cause =
        g_error_matches(error, MIG_ERROR, MIG_ERROR_CANCELLED) ? NULL : mig_error_first_line(error);
    pthread_mutex_lock(&rp->lock);
    rp->ended = g_steal_pointer(&error);
    pthread_cond_broadcast(&rp->changed);
    pthread_mutex_unlock(&rp->lock);
    /* Else a writer that waits for room in the peer's buffer would wait for ever. */
    transport_shutdown_because(rp->transport, cause);
    if (rp->requests != NULL) {
        page_requests_wake(rp->requests);
    }
    return NULL;
}

SourceReturnPath *source_return_path_new(Transport *transport, PageRequests *requests,
                                         GError **error)
{
    SourceReturnPath *rp = g_new0(SourceReturnPath, 1);

    rp->transport = transport;
    rp->requests = requests;
    pthread_mutex_init(&rp->lock, NULL);
    mig_cond_init(&rp->changed);
    rp->pongs = g_array_new(FALSE, FALSE, sizeof(uint32_t));
    rp->thread = fault_thread_new("thread-src-rp", "mig/src/rp", read_return_path, rp, error);
    if (rp->thread == NULL) {
        source_return_path_free(rp);
        return NULL;
    }
    return rp;
}

void source_return_path_free(SourceReturnPath *rp)
{
    if (rp == NULL) {
        return;
    }
    if (rp->thread != NULL) {
        g_thread_join(rp->thread);
    }
    g_array_unref(rp->pongs);
    g_free(rp->bitmap_block);
    g_clear_error(&rp->ended);
    pthread_cond_destroy(&rp->changed);
    pthread_mutex_destroy(&rp->lock);
    g_free(rp);
}

static void set_refused(uint32_t verdict, GError **error)
{
    g_set_error(error, MIG_ERROR, MIG_ERROR_IO, "%s (SHUT %u)",
                verdict == 0           ? "the destination ended the migration early"
                : verdict == SHUT_BUSY ? "the destination is busy with another source"
                                       : "the destination reported a failure",
                verdict);
    if (verdict != 0 && verdict != SHUT_BUSY) {
        mig_error_hint(error, "info migrate there says which");
    }
}

/* Under the lock: true with the error when the destination has ended the migration. */
static bool has_failed(SourceReturnPath *rp, GError **error)
{
    if (rp->has_verdict) {
        set_refused(rp->verdict, error);
        return true;
    }
    if (rp->ended != NULL) {
        g_propagate_error(error, g_error_copy(rp->ended));
        return true;
    }
    return false;
}

uint64_t source_return_path_received(const SourceReturnPath *rp)
{
    return atomic_load(&rp->received);
}

bool source_return_path_failed(SourceReturnPath *rp, GError **error)
{
    MIG_LOCK(&rp->lock);
    return has_failed(rp, error);
}

static bool has_pong(SourceReturnPath *rp, uint32_t value)
{
    for (guint i = 0; i < rp->pongs->len; i++) {
        if (g_array_index(rp->pongs, uint32_t, i) == value) {
            return true;
        }
    }
    return false;
}

bool source_return_path_wait_pong(SourceReturnPath *rp, uint32_t value, GError **error)
{
    MIG_LOCK(&rp->lock);

    while (!has_pong(rp, value)) {
        if (has_failed(rp, error)) {
            return false;
        }
        pthread_cond_wait(&rp->changed, &rp->lock);
    }
    return true;
}

bool source_return_path_wait_ack(SourceReturnPath *rp, int64_t timeout_us)
{
    gint64 deadline = g_get_monotonic_time() + timeout_us;
    MIG_LOCK(&rp->lock);

    while (!rp->acked && rp->ended == NULL && !rp->has_verdict &&
           mig_cond_wait_until(&rp->changed, &rp->lock, deadline)) {}
    return rp->acked;
}

bool source_return_path_has_pong(SourceReturnPath *rp, uint32_t value)
{
    MIG_LOCK(&rp->lock);
    return has_pong(rp, value);
}

bool source_return_path_refused(SourceReturnPath *rp)
{
    MIG_LOCK(&rp->lock);
    return rp->has_verdict && rp->verdict != 0;
}

void source_return_path_expect_bitmap(SourceReturnPath *rp, const char *idstr, DirtyMap *ret)
{
    MIG_LOCK(&rp->lock);
    rp->bitmap_block = g_strdup(idstr);
    rp->bitmap = ret;
}

bool source_return_path_wait_bitmap(SourceReturnPath *rp, GError **error)
{
    MIG_LOCK(&rp->lock);

    while (rp->bitmap_block != NULL) {
        if (has_failed(rp, error)) {
            return false;
        }
        pthread_cond_wait(&rp->changed, &rp->lock);
    }
    return true;
}

bool source_return_path_wait_resume_ack(SourceReturnPath *rp, GError **error)
{
    MIG_LOCK(&rp->lock);

    while (!rp->resume_ack) {
        if (has_failed(rp, error)) {
            return false;
        }
        pthread_cond_wait(&rp->changed, &rp->lock);
    }
    return true;
}

Verdict source_return_path_wait_verdict(SourceReturnPath *rp, int64_t timeout_us, GError **error)
{
    gint64 deadline = g_get_monotonic_time() + timeout_us;
    MIG_LOCK(&rp->lock);

    for (;;) {
        if (rp->has_verdict) {
            if (rp->verdict == 0) {
                return VERDICT_OK;
            }
            set_refused(rp->verdict, error);
            return VERDICT_REFUSED;
        }
        if (rp->ended != NULL) {
            g_propagate_error(error, g_error_copy(rp->ended));
            return VERDICT_LOST;
        }
        if (timeout_us == 0) {
            pthread_cond_wait(&rp->changed, &rp->lock);
        } else if (!mig_cond_wait_until(&rp->changed, &rp->lock, deadline)) {
            g_set_error(error, MIG_ERROR, MIG_ERROR_IO,
                        "no verdict from the destination within %" G_GINT64_FORMAT " ms",
                        timeout_us / 1000);
            return VERDICT_LOST;
        }
    }
}
