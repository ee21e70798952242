/*
 * A transport over a TLS session. The session's pull() and push() wait in poll(), so a shutdown
 * ends every call here as it does for a plain socket.
 *
 * A record has at most 16 KiB. Short pieces (a page and its header) are gathered into full records:
 * the copy costs less than the tag and the system call of a short record.
 */
#include "backend/transport/tls-private.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "backend/base/error.h"
#include "backend/transport/transport-private.h"

#define RECORD (16 << 10)

typedef struct {
    Transport base;
    TlsSession *session;
    bool broken; /* the writer's: a write has failed */
    uint8_t record[RECORD];
} TlsTransport;

static TlsTransport *tls_of(Transport *t)
{
    return (TlsTransport *)t;
}

/* Bytes that were looked at before. */
static ssize_t take_peeked(TlsSession *s, const struct iovec *iov)
{
    size_t n = MIN(s->n_peeked, iov->iov_len);

    memcpy(iov->iov_base, s->peeked, n);
    s->n_peeked -= n;
    memmove(s->peeked, s->peeked + n, s->n_peeked);
    return (ssize_t)n;
}

static ssize_t tls_readv(Transport *t, const struct iovec *iov, int n, GError **error)
{
    TlsTransport *tls = tls_of(t);
    TlsSession *s = tls->session;
    ssize_t total = 0;

    if (s->n_peeked > 0) {
        return take_peeked(s, iov);
    }
    for (int i = 0; i < n; i++) {
        size_t filled = 0;

        /* Waits for the first record only; others are taken if they are decrypted already. */
        while (filled < iov[i].iov_len) {
            if (total > 0 && gnutls_record_check_pending(s->session) == 0) {
                return total;
            }
            ssize_t got = gnutls_record_recv(s->session, (char *)iov[i].iov_base + filled,
                                             iov[i].iov_len - filled);
            if (got == GNUTLS_E_AGAIN || got == GNUTLS_E_INTERRUPTED) {
                continue; /* a message of TLS itself, such as a new session ticket */
            }
            if (got <= 0) {
                if (got < 0 && total == 0) {
                    tls_set_read_error(s, (int)got, error);
                }
                return total > 0 ? total : got == 0 ? 0 : -1;
            }
            filled += (size_t)got;
            total += got;
        }
    }
    return total;
}

/* The bytes for one record: where they lie if one piece has enough of them, else gathered. */
static const void *next_record(TlsTransport *t, const struct iovec *iov, int n, size_t *ret_size)
{
    size_t size = 0;

    if (n == 1 || iov[0].iov_len >= RECORD) {
        *ret_size = MIN(iov[0].iov_len, RECORD);
        return iov[0].iov_base;
    }
    for (int i = 0; i < n && size < RECORD; i++) {
        size_t part = MIN(iov[i].iov_len, RECORD - size);

        memcpy(t->record + size, iov[i].iov_base, part);
        size += part;
    }
    *ret_size = size;
    return t->record;
}

static ssize_t tls_writev(Transport *t, const struct iovec *iov, int n, GError **error)
{
    TlsTransport *tls = tls_of(t);
    size_t size;
    const void *bytes = next_record(tls, iov, n, &size);
    ssize_t put;

    do {
        put = gnutls_record_send(tls->session->session, bytes, size);
    } while (put == GNUTLS_E_INTERRUPTED || put == GNUTLS_E_AGAIN);
    if (put >= 0) {
        return put;
    }
    tls->broken = true;
    if (tls->session->write_error != NULL) {
        g_propagate_error(error, g_steal_pointer(&tls->session->write_error));
    } else {
        g_set_error(error, MIG_ERROR, MIG_ERROR_IO, "Cannot write to TLS channel: %s",
                    gnutls_strerror((int)put));
    }
    return -1;
}

static bool tls_has_input(const Transport *t)
{
    const TlsSession *s = ((const TlsTransport *)t)->session;

    return s->n_peeked > 0 || gnutls_record_check_pending(s->session) > 0;
}

/* Tells the peer that the stream ends here and was not cut. */
static void say_goodbye(TlsTransport *t)
{
    if (!t->broken && !transport_is_shut_down(&t->base)) {
        gnutls_bye(t->session->session, GNUTLS_SHUT_WR);
    }
    t->broken = true; /* nothing may follow it */
}

static bool tls_finish(Transport *t, GError **error)
{
    (void)error; /* every byte of the stream has been written already */
    say_goodbye(tls_of(t));
    return true;
}

static void tls_free(Transport *t)
{
    TlsTransport *tls = tls_of(t);

    tls->session->transport = NULL; /* a goodbye that would have to wait is left out */
    say_goodbye(tls);
    tls_session_free(tls->session);
    transport_destroy(t);
}

static const TransportOps tls_ops = {
    .kind = "tls",
    .readv = tls_readv,
    .writev = tls_writev,
    .free = tls_free,
    .finish = tls_finish,
    .interrupt = socket_interrupt,
    .receiver_limited_us = socket_receiver_limited_us,
    .is_reachable = socket_is_reachable,
    .has_input = tls_has_input,
};

Transport *tls_transport_new(TlsSession *session, const char *name, GError **error)
{
    TlsTransport *t = g_new0(TlsTransport, 1);

    if (!socket_transport_init(&t->base, &tls_ops, session->fd, name, error)) {
        g_free(t);
        return NULL;
    }
    t->session = session;
    session->transport = &t->base;
    return &t->base;
}
