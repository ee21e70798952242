/*
 * TLS over a stream socket, by GnuTLS: credentials, a session, and the
 * handshake that does not wait. tls-transport.c makes a Transport of a session.
 *
 * Both sides use the format of QEMU: the session begins with the first byte of
 * each connection, the destination is the TLS server, and inside the session
 * the stream is as without TLS.
 */
#pragma once

#include <glib.h>
#include <gnutls/gnutls.h>
#include <stdbool.h>
#include <sys/types.h>

typedef enum { TLS_CLIENT, TLS_SERVER } TlsSide;

/* What a side proves itself with. Constant once made; counted by reference. Any thread. */
typedef struct {
    gatomicrefcount refs;
    TlsSide side;
    gnutls_credentials_type_t type;
    void *credentials; /* of GnuTLS, owned */
    void *dh_params;   /* of GnuTLS, owned; NULL = GnuTLS chooses */
    char *priority;    /* GnuTLS priority string */
    bool verify_peer;  /* the peer must have a certificate that can be verified */
} TlsCredentials;

/* Takes @credentials and @dh_params; copies @priority, NULL = the default. NULL with QEMU's text
 * when GnuTLS does not accept @priority. */
TlsCredentials *tls_credentials_new(TlsSide side, gnutls_credentials_type_t type, void *credentials,
                                    void *dh_params, const char *priority, bool verify_peer,
                                    GError **error);
TlsCredentials *tls_credentials_ref(TlsCredentials *credentials);
void tls_credentials_unref(TlsCredentials *credentials); /* NULL is ignored */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(TlsCredentials, tls_credentials_unref)

/* True while anything but the owner of the first reference uses them. */
bool tls_credentials_in_use(const TlsCredentials *credentials);

/* What the connections of one connector, or of one listener, need for TLS. */
typedef struct {
    TlsCredentials *credentials; /* NULL: @problem says why */
    GError *problem;             /* every connection fails with it */
    char *hostname;              /* client: the name that the certificate must have; NULL = none */
    /* Server, main thread: whether the peer with that distinguished name may connect. NULL =
     * every peer that the credentials accept. */
    bool (*may_connect)(const char *name, void *data, GError **error);
    void *data;
} TlsSetup;

TlsSetup *tls_setup_copy(const TlsSetup *setup); /* of NULL: NULL */
void tls_setup_free(TlsSetup *setup);            /* NULL is ignored */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(TlsSetup, tls_setup_free)

/* One connection. One thread may read while another one writes; see gnutls_record_send(3). */
typedef struct TlsSession TlsSession;

/* @fd stays the caller's and must be open as long as the session. */
TlsSession *tls_session_new(int fd, const TlsSetup *setup, GError **error);
void tls_session_free(TlsSession *session);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(TlsSession, tls_session_free)

typedef enum { TLS_DONE, TLS_WANTS_READ, TLS_WANTS_WRITE, TLS_FAILED } TlsStep;

/* Goes on with the handshake as far as possible without waiting. At its end the peer is verified,
 * and @setup of tls_session_new() decides whether it may connect. */
TlsStep tls_session_handshake(TlsSession *session, GError **error);

/* Copies the first bytes of the peer's data without removing them: their number, 0 at the end, -1
 * with errno EAGAIN, or -1 with EIO and the error when the session is broken. Does not wait. */
ssize_t tls_session_peek(TlsSession *session, void *buffer, size_t size, GError **error);

/* The error of a read that GnuTLS has refused with @result. */
void tls_set_read_error(TlsSession *session, int result, GError **error);

/* "TLS1.3 AES-256-GCM" and the like; caller frees. */
char *tls_session_describe(const TlsSession *session);

/* The distinguished name of the peer's certificate, or the user name of its key; NULL = it has
 * none. Owned by the session. */
const char *tls_session_peer(const TlsSession *session);
