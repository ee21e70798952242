/*
 * TLS over a stream socket, by GnuTLS: what a side proves itself with, and what the connections of
 * a connector or of a listener need.
 *
 * Both sides use the format of QEMU: the session begins with the first byte of each connection, the
 * destination is the TLS server, and inside the session the stream is as without TLS.
 */
#pragma once

#include <glib.h>
#include <gnutls/gnutls.h>
#include <stdbool.h>

typedef enum { TLS_CLIENT, TLS_SERVER } TlsSide;

/* Constant once made; counted by reference. Any thread. */
typedef struct TlsCredentials TlsCredentials;

/* Takes @credentials and @dh_params (NULL = GnuTLS chooses), which are of GnuTLS; copies @priority,
 * NULL = the default. @verify_peer: the peer must have a certificate that can be verified. NULL
 * with QEMU's text when GnuTLS does not accept @priority. */
TlsCredentials *tls_credentials_new(TlsSide side, gnutls_credentials_type_t type, void *credentials,
                                    void *dh_params, const char *priority, bool verify_peer,
                                    GError **error);
TlsCredentials *tls_credentials_ref(TlsCredentials *credentials);
void tls_credentials_unref(TlsCredentials *credentials); /* NULL is ignored */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(TlsCredentials, tls_credentials_unref)

TlsSide tls_credentials_side(const TlsCredentials *credentials);
/* True while anything but the owner of the first reference uses them. */
bool tls_credentials_in_use(const TlsCredentials *credentials);

typedef struct {
    TlsCredentials *credentials; /* NULL: @problem says why */
    GError *problem;             /* every connection fails with it */
    char *hostname;              /* client: the name that the certificate must have; NULL = none */
    /* Server, main thread: whether the peer may connect. @name: the distinguished name of its
     * certificate, or the user name of its key; NULL = it proved none. NULL = every peer that the
     * credentials accept. */
    bool (*may_connect)(const char *name, void *data, GError **error);
    void *data;
} TlsSetup;

void tls_setup_free(TlsSetup *setup); /* NULL is ignored */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(TlsSetup, tls_setup_free)

/* QEMU's words for a chain of certificates that GnuTLS did not accept: @status as of
 * gnutls_x509_crt_list_verify(), not 0. */
const char *tls_chain_reason(unsigned status);
