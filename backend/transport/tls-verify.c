/*
 * Who is at the other end of a TLS session: the certificate's chain, its dates, its name, and the
 * authorization of the operator. The first line of an error has QEMU's text.
 */
#include "backend/transport/tls-private.h"

#include <arpa/inet.h>
#include <gnutls/x509.h>
#include <string.h>
#include <time.h>

#include "backend/base/error.h"

G_DEFINE_AUTO_CLEANUP_FREE_FUNC(gnutls_x509_crt_t, gnutls_x509_crt_deinit, NULL)

static const struct {
    unsigned status;
    const char *text;
} reasons[] = {
    /* GNUTLS_CERT_INVALID is set with each of them. */
    { GNUTLS_CERT_INSECURE_ALGORITHM, "The certificate uses an insecure algorithm" },
    { GNUTLS_CERT_REVOKED, "The certificate has been revoked" },
    { GNUTLS_CERT_SIGNER_NOT_FOUND, "The certificate hasn't got a known issuer" },
    { GNUTLS_CERT_EXPIRED, "The certificate has expired" },
    { GNUTLS_CERT_NOT_ACTIVATED, "The certificate is not yet activated" },
};

/* The names that @cert is valid for, for a message; caller frees. */
static char *names_of(gnutls_x509_crt_t cert)
{
    g_autoptr(GString) names = g_string_new(NULL);
    char name[256], address[INET6_ADDRSTRLEN];
    unsigned type;

    for (unsigned i = 0;; i++) {
        size_t size = sizeof name;
        int result = gnutls_x509_crt_get_subject_alt_name2(cert, i, name, &size, &type, NULL);

        if (result == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE) {
            break;
        }
        if (result < 0) {
            continue; /* too long to be shown */
        }
        if (names->len > 0) {
            g_string_append(names, ", ");
        }
        if (type == GNUTLS_SAN_IPADDRESS) {
            inet_ntop(size == 4 ? AF_INET : AF_INET6, name, address, sizeof address);
            g_string_append(names, address);
        } else {
            g_string_append_len(names, name, (gssize)size);
        }
    }
    if (names->len == 0) {
        size_t size = sizeof name;

        if (gnutls_x509_crt_get_dn_by_oid(cert, GNUTLS_OID_X520_COMMON_NAME, 0, 0, name, &size) >=
            0) {
            g_string_append_len(names, name, (gssize)size);
        }
    }
    return g_string_free(g_steal_pointer(&names), FALSE);
}

static void hint_date(GError **error, const char *what, time_t time)
{
    g_autoptr(GDateTime) date = g_date_time_new_from_unix_utc(time);
    g_autofree char *text = date != NULL ? g_date_time_format_iso8601(date) : NULL;

    mig_error_hint(error, "%s %s; this host's clock decides", what,
                   text != NULL ? text : "a date that cannot be read");
}

static bool check_dates(gnutls_x509_crt_t cert, GError **error)
{
    time_t now = time(NULL);
    time_t end = gnutls_x509_crt_get_expiration_time(cert);
    time_t begin = gnutls_x509_crt_get_activation_time(cert);

    if (end < now) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC, "The certificate has expired");
        hint_date(error, "the peer's certificate ended at", end);
        return false;
    }
    if (begin > now) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC, "The certificate is not yet activated");
        hint_date(error, "the peer's certificate begins at", begin);
        return false;
    }
    return true;
}

static bool set_peer(TlsSession *s, gnutls_x509_crt_t cert, GError **error)
{
    gnutls_datum_t name = { NULL, 0 };
    /* The order and the escapes of RFC 2253, as QEMU compares them. */
    int result = gnutls_x509_crt_get_dn3(cert, &name, GNUTLS_X509_DN_FLAG_COMPAT);

    if (result < 0) {
        return mig_fail(error, MIG_ERROR_GENERIC,
                        "Cannot get the certificate's distinguished name: %s",
                        gnutls_strerror(result));
    }
    s->peer = g_strndup((const char *)name.data, name.size);
    gnutls_free(name.data);
    return true;
}

static bool check_name(const TlsSession *s, gnutls_x509_crt_t cert, GError **error)
{
    if (s->credentials->side == TLS_SERVER) {
        return true; /* what it is called is for may_connect() to judge */
    }
    if (s->hostname == NULL) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC, "No hostname for certificate validation");
        mig_error_hint(error, "the address names no host: migrate_set_parameter tls-hostname NAME");
        return false;
    }
    if (gnutls_x509_crt_check_hostname(cert, s->hostname) == 0) {
        g_autofree char *names = names_of(cert);

        g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC,
                    "Certificate does not match the hostname %s", s->hostname);
        mig_error_hint(error,
                       "it is valid for %s; migrate_set_parameter tls-hostname NAME looks for "
                       "another name",
                       *names != '\0' ? names : "no name");
        return false;
    }
    return true;
}

const char *tls_chain_reason(unsigned status)
{
    for (size_t i = 0; i < G_N_ELEMENTS(reasons); i++) {
        if ((status & reasons[i].status) != 0) {
            return reasons[i].text;
        }
    }
    return "The certificate is not trusted";
}

static bool refuse_chain(const TlsSession *s, gnutls_x509_crt_t cert, unsigned status,
                         GError **error)
{
    gnutls_datum_t name = { NULL, 0 };

    g_set_error_literal(error, MIG_ERROR, MIG_ERROR_GENERIC, tls_chain_reason(status));
    if (gnutls_x509_crt_get_issuer_dn3(cert, &name, GNUTLS_X509_DN_FLAG_COMPAT) >= 0) {
        mig_error_hint(error,
                       "the peer's certificate is of %s, issued by %.*s; both sides need the same "
                       "ca-cert.pem",
                       s->peer, (int)name.size, (const char *)name.data);
        gnutls_free(name.data);
    }
    return false;
}

static bool check_certificate(TlsSession *s, GError **error)
{
    g_auto(gnutls_x509_crt_t) cert = NULL;
    unsigned status = 0, n_certs = 0;
    int result = gnutls_certificate_verify_peers2(s->session, &status);
    const gnutls_datum_t *certs = gnutls_certificate_get_peers(s->session, &n_certs);

    if (certs == NULL || n_certs == 0 || gnutls_x509_crt_init(&cert) < 0) {
        return mig_fail(error, MIG_ERROR_GENERIC, "No certificate peers");
    }
    int imported = gnutls_x509_crt_import(cert, &certs[0], GNUTLS_X509_FMT_DER);
    if (result < 0 || imported < 0) {
        return mig_fail(error, MIG_ERROR_GENERIC, "Cannot import certificate: %s",
                        gnutls_strerror(result < 0 ? result : imported));
    }
    if (!set_peer(s, cert, error) || !check_dates(cert, error)) {
        return false;
    }
    if (status != 0) {
        return refuse_chain(s, cert, status, error);
    }
    return check_name(s, cert, error);
}

bool tls_verify(TlsSession *s, GError **error)
{
    const TlsCredentials *c = s->credentials;

    if (c->type == GNUTLS_CRD_CERTIFICATE && c->verify_peer && !check_certificate(s, error)) {
        return false;
    }
    if (c->type == GNUTLS_CRD_PSK && c->side == TLS_SERVER) {
        s->peer = g_strdup(gnutls_psk_server_get_username(s->session));
    }
    return s->may_connect == NULL || s->may_connect(s->peer, s->may_connect_data, error);
}

/* ---- errors of the handshake ---- */

/* What an alert of the peer says about the reason. */
static const char *explain_alert(const TlsSession *s)
{
    bool client = s->credentials->side == TLS_CLIENT;

    switch (gnutls_alert_get(s->session)) {
    case GNUTLS_A_CERTIFICATE_EXPIRED:
        return "the peer says that the certificate of this side has expired";
    case GNUTLS_A_UNKNOWN_CA:
        return "the peer does not know the CA that signed the certificate of this side";
    case GNUTLS_A_BAD_CERTIFICATE:
    case GNUTLS_A_UNSUPPORTED_CERTIFICATE:
    case GNUTLS_A_CERTIFICATE_REVOKED:
    case GNUTLS_A_CERTIFICATE_UNKNOWN:
        return "the peer does not accept the certificate of this side";
    case GNUTLS_A_CERTIFICATE_REQUIRED:
        return "the peer demands a certificate, and this side has none in its dir";
    case GNUTLS_A_UNKNOWN_PSK_IDENTITY:
        return "the peer does not know the user name of the pre-shared key";
    case GNUTLS_A_DECRYPT_ERROR:
        return "the two sides do not have the same key for that user name";
    case GNUTLS_A_ACCESS_DENIED:
        return client ? "the destination refuses this source: its tls-authz does not list it, or "
                        "its certificate was not accepted; its own message says which"
                      : "the source refuses this destination; its own message says why";
    case GNUTLS_A_PROTOCOL_VERSION:
        return "the peer does not speak TLS, or no version that this side allows";
    case GNUTLS_A_HANDSHAKE_FAILURE:
    case GNUTLS_A_INSUFFICIENT_SECURITY:
        return "the two sides have no cipher and no kind of credentials in common: both need "
               "tls-creds-x509, or both -psk, or both -anon, and a priority that fits";
    default:
        return NULL;
    }
}

const char *tls_explain(const TlsSession *s, int result)
{
    bool client = s->credentials->side == TLS_CLIENT;

    switch (result) {
    case GNUTLS_E_FATAL_ALERT_RECEIVED:
    case GNUTLS_E_WARNING_ALERT_RECEIVED:
        return explain_alert(s);
    case GNUTLS_E_PREMATURE_TERMINATION:
    case GNUTLS_E_PULL_ERROR:
    case GNUTLS_E_PUSH_ERROR:
        return client ? "the destination closed the connection during the handshake: perhaps it "
                        "has no tls-creds, or it refuses this side (its own message says why)"
                      : "the source closed the connection during the handshake; its own message "
                        "says why";
    case GNUTLS_E_UNEXPECTED_PACKET_LENGTH:
    case GNUTLS_E_UNEXPECTED_PACKET:
    case GNUTLS_E_UNSUPPORTED_VERSION_PACKET:
    case GNUTLS_E_RECORD_OVERFLOW:
        return "the peer does not speak TLS: tls-creds is not set there";
    case GNUTLS_E_NO_CERTIFICATE_FOUND:
    case GNUTLS_E_CERTIFICATE_REQUIRED:
        return "the peer sent no certificate; verify-peer=no accepts one without";
    case GNUTLS_E_NO_CIPHER_SUITES:
    case GNUTLS_E_UNKNOWN_CIPHER_SUITE:
        return "the two sides have no cipher and no kind of credentials in common: both need "
               "tls-creds-x509, or both -psk, or both -anon, and a priority that fits";
    case GNUTLS_E_INSUFFICIENT_CREDENTIALS:
        return client ? "tls-creds-psk needs the username that stands in keys.psk of both sides"
                      : "the user name of the source is not in keys.psk of this side";
    case GNUTLS_E_DECRYPTION_FAILED:
    case GNUTLS_E_RECEIVED_ILLEGAL_PARAMETER:
        return s->credentials->type == GNUTLS_CRD_PSK
                   ? "the two sides do not have the same key for that user name"
                   : NULL;
    default:
        return NULL;
    }
}
