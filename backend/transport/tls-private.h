/*
 * TLS sessions, for this room. A session does not wait until tls_transport_new() makes a transport
 * of it; so the lobby does its handshakes on the main loop.
 */
#pragma once

#include <sys/types.h>

#include "backend/transport/tls.h"
#include "backend/transport/transport.h"

struct TlsCredentials {
    gatomicrefcount refs;
    TlsSide side;
    gnutls_credentials_type_t type;
    void *credentials; /* of GnuTLS, owned */
    void *dh_params;   /* likewise; NULL = GnuTLS chooses */
    char *priority;
    bool verify_peer;
};

#define TLS_PEEKED 16 /* most that tls_session_peek() keeps */

/* One connection. One thread may read while another one writes; see gnutls_record_send(3). */
typedef struct {
    gnutls_session_t session;
    int fd;               /* not owned */
    Transport *transport; /* NULL: calls do not wait */
    TlsCredentials *credentials;
    char *hostname;
    bool (*may_connect)(const char *name, void *data, GError **error);
    void *may_connect_data;

    char *peer;                       /* after the handshake, as @name of may_connect() */
    GError *read_error, *write_error; /* of the socket; each by its own thread */

    uint8_t peeked[TLS_PEEKED]; /* bytes that were looked at and that the next read gives */
    _Atomic size_t n_peeked;
} TlsSession;

/* @fd stays the caller's and must be open as long as the session. */
TlsSession *tls_session_new(int fd, const TlsSetup *setup, GError **error);
void tls_session_free(TlsSession *session);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(TlsSession, tls_session_free)

typedef enum { TLS_DONE, TLS_WANTS_READ, TLS_WANTS_WRITE, TLS_FAILED } TlsStep;

/* Goes on with the handshake as far as possible without waiting. At its end the peer is verified.
 */
TlsStep tls_session_handshake(TlsSession *session, GError **error);

/* Copies the first bytes of the peer's data without removing them: their number, 0 at the end, -1
 * with errno EAGAIN, or -1 with EIO and the error when the session is broken. Does not wait. */
ssize_t tls_session_peek(TlsSession *session, void *buffer, size_t size, GError **error);

/* The error of a read that GnuTLS has refused with @result. */
void tls_set_read_error(TlsSession *session, int result, GError **error);

/* After the handshake of GnuTLS: checks the peer's certificate and whether the peer may connect,
 * and sets @peer. QEMU's texts. */
bool tls_verify(TlsSession *session, GError **error);

/* What an error of the handshake means; NULL = nothing more than GnuTLS says. Static string. */
const char *tls_explain(const TlsSession *session, int result);

/* Takes @session and its descriptor on success. */
Transport *tls_transport_new(TlsSession *session, const char *name, GError **error);
