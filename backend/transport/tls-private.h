/*
 * What the files of TLS share: the session.
 */
#pragma once

#include "backend/transport/tls.h"
#include "backend/transport/transport.h"

#define TLS_PEEKED 16 /* most that tls_session_peek() keeps */

struct TlsSession {
    gnutls_session_t session;
    int fd;               /* not owned */
    Transport *transport; /* NULL: calls do not wait */
    TlsCredentials *credentials;
    char *hostname;
    bool (*may_connect)(const char *name, void *data, GError **error);
    void *may_connect_data;

    char *peer; /* distinguished name, after the handshake; NULL = no certificate */
    GError *read_error, *write_error; /* of the socket; each by its own thread */

    uint8_t peeked[TLS_PEEKED]; /* bytes that were looked at and that the next read gives */
    _Atomic size_t n_peeked;
};

/* After the handshake of GnuTLS: checks the peer's certificate and whether it may connect, and sets
 * @peer. QEMU's texts. */
bool tls_verify(TlsSession *session, GError **error);

/* For errors of the handshake: what the peer's alert, or its silence, means. NULL = nothing is
 * known. */
const char *tls_explain(TlsSession *session, int result);
