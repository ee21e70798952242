/*
 * The checks that QEMU calls sanity-check: whether this side's own certificate can work at all. A
 * handshake would fail with a text that says less.
 */
#include "backend/objects/object-types.h"

#include <gnutls/x509.h>
#include <string.h>
#include <time.h>

#include "backend/base/error.h"

#define MAX_CA 64 /* certificates in one ca-cert.pem */

G_DEFINE_AUTO_CLEANUP_FREE_FUNC(gnutls_x509_crt_t, gnutls_x509_crt_deinit, NULL)

typedef enum { USE_CA, USE_SERVER, USE_CLIENT } CertificateUse;

static const char *const use_names[] = { "CA", "server", "client" };

static bool load_file(const char *path, gnutls_datum_t *ret, char **ret_text, const char *what,
                      GError **error)
{
    g_autoptr(GError) reason = NULL;
    gsize size;

    if (!g_file_get_contents(path, ret_text, &size, &reason)) {
        return mig_fail(error, MIG_ERROR_GENERIC, "%s %s: %s", what, path, reason->message);
    }
    *ret = (gnutls_datum_t){ (unsigned char *)*ret_text, (unsigned)size };
    return true;
}

static bool check_dates(gnutls_x509_crt_t cert, const char *file, CertificateUse use,
                        GError **error)
{
    time_t now = time(NULL);

    if (gnutls_x509_crt_get_expiration_time(cert) < now) {
        return mig_fail(error, MIG_ERROR_GENERIC, "The %s certificate %s has expired",
                        use_names[use], file);
    }
    if (gnutls_x509_crt_get_activation_time(cert) > now) {
        return mig_fail(error, MIG_ERROR_GENERIC, "The %s certificate %s is not yet active",
                        use_names[use], file);
    }
    return true;
}

static bool check_constraints(gnutls_x509_crt_t cert, const char *file, CertificateUse use,
                              GError **error)
{
    int result = gnutls_x509_crt_get_basic_constraints(cert, NULL, NULL, NULL);

    if (result > 0 && use != USE_CA) {
        return mig_fail(error, MIG_ERROR_GENERIC,
                        "The certificate %s basic constraints show a CA, but we need one for a "
                        "%s",
                        file, use_names[use]);
    }
    if (result == 0 && use == USE_CA) {
        return mig_fail(error, MIG_ERROR_GENERIC,
                        "The certificate %s basic constraints do not show a CA", file);
    }
    if (result == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE) {
        return use != USE_CA ||
               mig_fail(error, MIG_ERROR_GENERIC,
                        "The certificate %s is missing basic constraints for a CA", file);
    }
    return result >= 0 || mig_fail(error, MIG_ERROR_GENERIC,
                                   "Unable to query certificate %s basic constraints: %s", file,
                                   gnutls_strerror(result));
}

static bool check_usage(gnutls_x509_crt_t cert, const char *file, CertificateUse use,
                        GError **error)
{
    unsigned usage = 0, critical = 0;
    int result = gnutls_x509_crt_get_key_usage(cert, &usage, &critical);

    if (result == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE) {
        return true;
    }
    if (result < 0) {
        return mig_fail(error, MIG_ERROR_GENERIC, "Unable to query certificate %s key usage: %s",
                        file, gnutls_strerror(result));
    }
    if (use == USE_CA && (usage & GNUTLS_KEY_KEY_CERT_SIGN) == 0 && critical != 0) {
        return mig_fail(error, MIG_ERROR_GENERIC,
                        "Certificate %s usage does not permit certificate signing", file);
    }
    if (use != USE_CA && (usage & GNUTLS_KEY_DIGITAL_SIGNATURE) == 0 && critical != 0) {
        return mig_fail(error, MIG_ERROR_GENERIC,
                        "Certificate %s usage does not permit digital signature", file);
    }
    return true;
}

static bool check_purpose(gnutls_x509_crt_t cert, const char *file, CertificateUse use,
                          GError **error)
{
    bool any = false, fits = false, strict = false;

    if (use == USE_CA) {
        return true;
    }
    for (unsigned i = 0;; i++) {
        char oid[128];
        size_t size = sizeof oid;
        unsigned critical = 0;
        int result = gnutls_x509_crt_get_key_purpose_oid(cert, i, oid, &size, &critical);

        if (result == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE) {
            break;
        }
        if (result < 0) {
            return mig_fail(error, MIG_ERROR_GENERIC,
                            "Unable to query certificate %s key purpose: %s", file,
                            gnutls_strerror(result));
        }
        any = true;
        strict |= critical != 0;
        fits |= strcmp(oid, use == USE_SERVER ? GNUTLS_KP_TLS_WWW_SERVER
                                              : GNUTLS_KP_TLS_WWW_CLIENT) == 0 ||
                strcmp(oid, GNUTLS_KP_ANY) == 0;
    }
    return !any || fits || !strict ||
           mig_fail(error, MIG_ERROR_GENERIC,
                    "Certificate %s purpose does not allow use with a TLS %s", file,
                    use_names[use]);
}

static bool check_one(gnutls_x509_crt_t cert, const char *file, CertificateUse use, GError **error)
{
    return check_dates(cert, file, use, error) && check_constraints(cert, file, use, error) &&
           check_usage(cert, file, use, error) && check_purpose(cert, file, use, error);
}

static bool check_chain(gnutls_x509_crt_t cert, const char *file, gnutls_x509_crt_t *authorities,
                        unsigned n, const char *ca, GError **error)
{
    unsigned status = 0;
    int result = gnutls_x509_crt_list_verify(&cert, 1, authorities, (int)n, NULL, 0, 0, &status);

    if (result < 0) {
        return mig_fail(error, MIG_ERROR_GENERIC,
                        "Unable to verify certificate %s against CA certificate %s", file, ca);
    }
    return status == 0 || mig_fail(error, MIG_ERROR_GENERIC,
                                   "Our own certificate %s failed validation against %s: %s", file,
                                   ca, tls_chain_reason(status));
}

static bool check_own(TlsSide side, const char *file, gnutls_x509_crt_t *authorities, unsigned n,
                      const char *ca, GError **error)
{
    g_auto(gnutls_x509_crt_t) cert = NULL;
    g_autofree char *text = NULL;
    gnutls_datum_t data;

    if (!load_file(file, &data, &text, "Cannot load certificate", error)) {
        return false;
    }
    gnutls_x509_crt_init(&cert);
    int result = gnutls_x509_crt_import(cert, &data, GNUTLS_X509_FMT_PEM);
    if (result < 0) {
        return mig_fail(error, MIG_ERROR_GENERIC, "Unable to import %s certificate %s: %s",
                        side == TLS_SERVER ? "server" : "client", file, gnutls_strerror(result));
    }
    return check_one(cert, file, side == TLS_SERVER ? USE_SERVER : USE_CLIENT, error) &&
           check_chain(cert, file, authorities, n, ca, error);
}

bool tls_check_certificates(TlsSide side, const char *ca, const char *cert, GError **error)
{
    gnutls_x509_crt_t authorities[MAX_CA];
    unsigned n = MAX_CA;
    g_autofree char *text = NULL;
    gnutls_datum_t data;
    bool ok = true;

    if (!load_file(ca, &data, &text, "Cannot load CA cert list", error)) {
        return false;
    }
    if (gnutls_x509_crt_list_import(authorities, &n, &data, GNUTLS_X509_FMT_PEM, 0) < 0) {
        return mig_fail(error, MIG_ERROR_GENERIC, "Unable to import CA certificate list %s", ca);
    }
    for (unsigned i = 0; i < n && ok; i++) {
        ok = check_one(authorities[i], ca, USE_CA, error);
    }
    ok = ok && (cert == NULL || check_own(side, cert, authorities, n, ca, error));
    for (unsigned i = 0; i < n; i++) {
        gnutls_x509_crt_deinit(authorities[i]);
    }
    return ok;
}
