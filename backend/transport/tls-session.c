/*
 * TLS credentials and sessions. See tls.h.
 *
 * GnuTLS moves its bytes through pull() and push(). Before the session belongs to a transport these
 * do not wait, so that a handshake can be done on the main loop; afterwards they wait in poll() as
 * a plain socket does, and a shutdown of the transport ends the wait.
 */
#include "backend/transport/tls-private.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "backend/base/error.h"
#include "backend/transport/transport-private.h"

#define DEFAULT_PRIORITY "NORMAL"

/* ---- credentials ---- */

static void free_credentials(gnutls_credentials_type_t type, TlsSide side, void *credentials)
{
    bool server = side == TLS_SERVER;

    switch (type) {
    case GNUTLS_CRD_CERTIFICATE:
        gnutls_certificate_free_credentials(credentials);
        break;
    case GNUTLS_CRD_ANON:
        (server ? gnutls_anon_free_server_credentials(credentials)
                : gnutls_anon_free_client_credentials(credentials));
        break;
    case GNUTLS_CRD_PSK:
        (server ? gnutls_psk_free_server_credentials(credentials)
                : gnutls_psk_free_client_credentials(credentials));
        break;
    default:
        g_assert_not_reached();
    }
}

/* The key exchanges that these credentials need and that a priority string seldom names. */
static const char *more_priority(gnutls_credentials_type_t type)
{
    return type == GNUTLS_CRD_ANON  ? ":+ANON-ECDH:+ANON-DH"
           : type == GNUTLS_CRD_PSK ? ":+ECDHE-PSK:+DHE-PSK:+PSK"
                                    : "";
}

TlsCredentials *tls_credentials_new(TlsSide side, gnutls_credentials_type_t type, void *credentials,
                                    void *dh_params, const char *priority, bool verify_peer,
                                    GError **error)
{
    g_autoptr(TlsCredentials) c = g_new0(TlsCredentials, 1);
    gnutls_priority_t tried;
    const char *at;

    g_atomic_ref_count_init(&c->refs);
    c->side = side;
    c->type = type;
    c->credentials = credentials;
    c->dh_params = dh_params;
    c->verify_peer = verify_peer;
    c->priority =
        g_strconcat(priority != NULL ? priority : DEFAULT_PRIORITY, more_priority(type), NULL);
    at = c->priority;

    int result = gnutls_priority_init(&tried, c->priority, &at);
    if (result < 0) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC,
                    "Unable to set TLS session priority %s: %s", c->priority,
                    gnutls_strerror(result));
        mig_error_hint(error, "GnuTLS does not understand it from '%s' on", at);
        return NULL;
    }
    gnutls_priority_deinit(tried);
    return g_steal_pointer(&c);
}

TlsCredentials *tls_credentials_ref(TlsCredentials *credentials)
{
    g_atomic_ref_count_inc(&credentials->refs);
    return credentials;
}

void tls_credentials_unref(TlsCredentials *credentials)
{
    if (credentials == NULL || !g_atomic_ref_count_dec(&credentials->refs)) {
        return;
    }
    free_credentials(credentials->type, credentials->side, credentials->credentials);
    if (credentials->dh_params != NULL) {
        gnutls_dh_params_deinit(credentials->dh_params);
    }
    g_free(credentials->priority);
    g_free(credentials);
}

TlsSide tls_credentials_side(const TlsCredentials *credentials)
{
    return credentials->side;
}

bool tls_credentials_in_use(const TlsCredentials *credentials)
{
    return !g_atomic_ref_count_compare((gatomicrefcount *)&credentials->refs, 1);
}

void tls_setup_free(TlsSetup *setup)
{
    if (setup == NULL) {
        return;
    }
    tls_credentials_unref(setup->credentials);
    g_clear_error(&setup->problem);
    g_free(setup->hostname);
    g_free(setup);
}

/* ---- bytes ---- */

/* The result of a system call for GnuTLS, which reads errno through the session. */
static ssize_t done(TlsSession *s, ssize_t result)
{
    if (result < 0) {
        gnutls_transport_set_errno(s->session, s->transport != NULL ? EIO : errno);
    }
    return result;
}

static ssize_t pull(gnutls_transport_ptr_t ptr, void *buffer, size_t size)
{
    TlsSession *s = ptr;
    const struct iovec iov = { .iov_base = buffer, .iov_len = size };

    if (s->transport == NULL) {
        return done(s, recv(s->fd, buffer, size, MSG_DONTWAIT));
    }
    g_clear_error(&s->read_error);
    return done(s, socket_readv(s->transport, &iov, 1, &s->read_error));
}

static ssize_t push(gnutls_transport_ptr_t ptr, const giovec_t *iov, int n)
{
    TlsSession *s = ptr;
    const struct msghdr message = { .msg_iov = (struct iovec *)iov, .msg_iovlen = (size_t)n };

    if (s->transport == NULL) {
        return done(s, sendmsg(s->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL));
    }
    g_clear_error(&s->write_error);
    return done(s, socket_writev(s->transport, (const struct iovec *)iov, n, &s->write_error));
}

/* ---- life ---- */

TlsSession *tls_session_new(int fd, const TlsSetup *setup, GError **error)
{
    const TlsCredentials *c = setup->credentials;

    if (c == NULL) {
        g_propagate_error(error, g_error_copy(setup->problem));
        return NULL;
    }

    g_autoptr(TlsSession) s = g_new0(TlsSession, 1);
    bool server = c->side == TLS_SERVER;

    s->fd = fd;
    s->credentials = tls_credentials_ref(setup->credentials);
    s->hostname = g_strdup(setup->hostname);
    s->may_connect = setup->may_connect;
    s->may_connect_data = setup->data;

    int result = gnutls_init(&s->session, server ? GNUTLS_SERVER : GNUTLS_CLIENT);
    if (result >= 0) {
        result = gnutls_priority_set_direct(s->session, c->priority, NULL);
    }
    if (result >= 0) {
        result = gnutls_credentials_set(s->session, c->type, c->credentials);
    }
    if (result < 0) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC, "Cannot initialize TLS session: %s",
                    gnutls_strerror(result));
        return NULL;
    }
    if (c->type == GNUTLS_CRD_CERTIFICATE && server) {
        gnutls_certificate_server_set_request(s->session, c->verify_peer ? GNUTLS_CERT_REQUIRE
                                                                         : GNUTLS_CERT_IGNORE);
    }
    if (!server && s->hostname != NULL && !g_hostname_is_ip_address(s->hostname)) {
        gnutls_server_name_set(s->session, GNUTLS_NAME_DNS, s->hostname, strlen(s->hostname));
    }
    gnutls_transport_set_ptr(s->session, s);
    gnutls_transport_set_pull_function(s->session, pull);
    gnutls_transport_set_vec_push_function(s->session, push);
    gnutls_handshake_set_timeout(s->session, GNUTLS_INDEFINITE_TIMEOUT); /* the caller counts */
    return g_steal_pointer(&s);
}

void tls_session_free(TlsSession *session)
{
    if (session == NULL) {
        return;
    }
    if (session->session != NULL) {
        gnutls_deinit(session->session);
    }
    tls_credentials_unref(session->credentials);
    g_clear_error(&session->read_error);
    g_clear_error(&session->write_error);
    g_free(session->hostname);
    g_free(session->peer);
    g_free(session);
}

/* ---- handshake ---- */

static TlsStep fail_handshake(TlsSession *s, int result, GError **error)
{
    const char *why = tls_explain(s, result);

    g_set_error(error, MIG_ERROR, MIG_ERROR_IO, "TLS handshake failed: %s",
                gnutls_strerror(result));
    if (why != NULL) {
        mig_error_hint(error, "%s", why);
    }
    gnutls_alert_send_appropriate(s->session, result); /* the peer learns the reason too */
    return TLS_FAILED;
}

TlsStep tls_session_handshake(TlsSession *s, GError **error)
{
    int result;

    do {
        result = gnutls_handshake(s->session);
    } while (result == GNUTLS_E_INTERRUPTED ||
             (result == GNUTLS_E_WARNING_ALERT_RECEIVED && !gnutls_error_is_fatal(result)));
    if (result == GNUTLS_E_AGAIN) {
        return gnutls_record_get_direction(s->session) != 0 ? TLS_WANTS_WRITE : TLS_WANTS_READ;
    }
    if (result < 0) {
        return fail_handshake(s, result, error);
    }
    if (!tls_verify(s, error)) {
        gnutls_alert_send(s->session, GNUTLS_AL_FATAL, GNUTLS_A_ACCESS_DENIED);
        return TLS_FAILED;
    }
    return TLS_DONE;
}

void tls_set_read_error(TlsSession *s, int result, GError **error)
{
    if (result == GNUTLS_E_PREMATURE_TERMINATION) {
        g_set_error_literal(error, MIG_ERROR, MIG_ERROR_CUT,
                            "the TLS connection was cut: it ended without close_notify");
    } else if (s->read_error != NULL) {
        g_propagate_error(error, g_steal_pointer(&s->read_error));
    } else if (result == GNUTLS_E_FATAL_ALERT_RECEIVED) {
        const char *why = tls_explain(s, result);

        g_set_error(error, MIG_ERROR, MIG_ERROR_IO, "Cannot read from TLS channel: %s",
                    gnutls_alert_get_name(gnutls_alert_get(s->session)));
        if (why != NULL) {
            mig_error_hint(error, "%s", why);
        }
    } else {
        g_set_error(error, MIG_ERROR, MIG_ERROR_IO, "Cannot read from TLS channel: %s",
                    gnutls_strerror(result));
    }
}

ssize_t tls_session_peek(TlsSession *s, void *buffer, size_t size, GError **error)
{
    ssize_t got = 1;

    size = MIN(size, sizeof s->peeked);
    while (s->n_peeked < size && got > 0) {
        got = gnutls_record_recv(s->session, s->peeked + s->n_peeked, size - s->n_peeked);
        if (got == GNUTLS_E_INTERRUPTED) {
            got = 1;
        } else if (got > 0) {
            s->n_peeked += (size_t)got;
        }
    }
    if (s->n_peeked > 0) {
        size_t n = MIN(size, s->n_peeked);
        memcpy(buffer, s->peeked, n);
        return (ssize_t)n;
    }
    if (got < 0) {
        if (got != GNUTLS_E_AGAIN) {
            tls_set_read_error(s, (int)got, error);
        }
        errno = got == GNUTLS_E_AGAIN ? EAGAIN : EIO;
        return -1;
    }
    return 0;
}
