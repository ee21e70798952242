/*
 * Types tls-creds-x509, tls-creds-psk and tls-creds-anon: credentials of GnuTLS from the files of
 * one folder. The names of the files are QEMU's.
 */
#include "backend/objects/object-types.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "backend/base/error.h"

static const char *const endpoints[] = { "client", "server", NULL };

#define COMMON_PROPERTIES                                                                          \
    { "endpoint", "QCryptoTLSCredsEndpoint", endpoints }, { "dir", "string" },                     \
        { "verify-peer", "bool" }, { "priority", "string" },                                       \
    {                                                                                              \
        "loaded", "bool"                                                                           \
    }

static const ObjectProperty x509_properties[] = {
    COMMON_PROPERTIES,
    { "sanity-check", "bool" },
    { "passwordid", "string" },
    { NULL },
};
static const ObjectProperty psk_properties[] = { COMMON_PROPERTIES,
                                                 { "username", "string" },
                                                 { NULL } };
static const ObjectProperty anon_properties[] = { COMMON_PROPERTIES, { NULL } };

/* ---- what all of them have ---- */

static TlsSide side_of(const ObjectParts *parts)
{
    return strcmp(json_text(parts->properties, "endpoint"), "server") == 0 ? TLS_SERVER
                                                                           : TLS_CLIENT;
}

static bool flag_of(const ObjectParts *parts, const char *name)
{
    json_object *value = json_member(parts->properties, name);

    return value == NULL || json_object_get_boolean(value); /* all are on by default */
}

static const char *priority_of(const ObjectParts *parts)
{
    return json_string(json_member(parts->properties, "priority"))[0] != '\0'
               ? json_text(parts->properties, "priority")
               : NULL;
}

/* The path of a file in dir, the caller's; NULL when it does not exist: with the error when it is
 * @required. */
static char *find_file(const ObjectParts *parts, const char *name, bool required, GError **error)
{
    const char *dir = json_text(parts->properties, "dir");
    g_autofree char *path = g_build_filename(dir, name, NULL);
    struct stat info;

    if (*dir == '\0') {
        if (required) {
            g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC, "Missing 'dir' property value");
        }
        return NULL;
    }
    if (stat(path, &info) == 0) {
        return g_steal_pointer(&path);
    }
    if (required || errno != ENOENT) {
        mig_error_set_errno(error, errno, "Unable to access credentials %s", path);
    }
    return NULL;
}

static void warn_open_key(const ObjectParts *parts, const char *path)
{
    struct stat info;

    if (parts->warn != NULL && stat(path, &info) == 0 &&
        (info.st_mode & (S_IRGRP | S_IROTH)) != 0) {
        g_autofree char *text =
            g_strdup_printf("others can read the key %s: chmod 600 %s", path, path);
        parts->warn(parts->warn_data, text);
    }
}

/* Parameters of Diffie-Hellman from dh-params.pem, or those of GnuTLS. */
static bool load_dh(const ObjectParts *parts, gnutls_dh_params_t *ret, GError **error)
{
    g_autoptr(GError) missing = NULL;
    g_autofree char *path = find_file(parts, "dh-params.pem", false, &missing);
    g_autofree char *text = NULL;
    gsize size;

    *ret = NULL;
    if (path == NULL) {
        return true;
    }
    if (!g_file_get_contents(path, &text, &size, error)) {
        return false;
    }
    gnutls_datum_t data = { (unsigned char *)text, (unsigned)size };
    gnutls_dh_params_init(ret);
    int result = gnutls_dh_params_import_pkcs3(*ret, &data, GNUTLS_X509_FMT_PEM);
    if (result < 0) {
        gnutls_dh_params_deinit(*ret);
        *ret = NULL;
        return mig_fail(error, MIG_ERROR_GENERIC, "Unable to load DH parameters from %s: %s", path,
                        gnutls_strerror(result));
    }
    return true;
}

static void *finish(const ObjectParts *parts, gnutls_credentials_type_t type, void *credentials,
                    gnutls_dh_params_t dh, GError **error)
{
    return tls_credentials_new(side_of(parts), type, credentials, dh, priority_of(parts),
                               flag_of(parts, "verify-peer"), error);
}

static void free_credentials(void *object)
{
    tls_credentials_unref(object);
}

static bool in_use(const void *object)
{
    return tls_credentials_in_use(object);
}

/* ---- tls-creds-x509 ---- */

typedef struct {
    char *ca, *crl, *cert, *key;
} CertificateFiles;

static void certificate_files_clear(CertificateFiles *files)
{
    g_free(files->ca);
    g_free(files->crl);
    g_free(files->cert);
    g_free(files->key);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(CertificateFiles, certificate_files_clear)

static bool find_certificates(const ObjectParts *parts, TlsSide side, CertificateFiles *ret,
                              GError **error)
{
    bool server = side == TLS_SERVER;
    GError *reason = NULL;

    ret->ca = find_file(parts, "ca-cert.pem", true, &reason);
    if (reason == NULL) {
        ret->crl = find_file(parts, "ca-crl.pem", false, &reason);
    }
    if (reason == NULL) {
        ret->cert =
            find_file(parts, server ? "server-cert.pem" : "client-cert.pem", server, &reason);
    }
    if (reason == NULL) {
        ret->key = find_file(parts, server ? "server-key.pem" : "client-key.pem", server, &reason);
    }
    if (reason != NULL) {
        g_propagate_error(error, reason);
        return false;
    }
    return true;
}

static bool load_certificates(const ObjectParts *parts,
                              gnutls_certificate_credentials_t credentials,
                              const CertificateFiles *files, GError **error)
{
    g_autofree char *password = NULL;
    const char *password_id = json_text(parts->properties, "passwordid");
    int result =
        gnutls_certificate_set_x509_trust_file(credentials, files->ca, GNUTLS_X509_FMT_PEM);

    if (result < 0) {
        return mig_fail(error, MIG_ERROR_GENERIC, "Cannot load CA certificate '%s': %s", files->ca,
                        gnutls_strerror(result));
    }
    if (*password_id != '\0') {
        password = parts->secret(parts->data, password_id, error);
        if (password == NULL) {
            return false;
        }
    }
    if (files->cert != NULL && files->key != NULL) {
        result = gnutls_certificate_set_x509_key_file2(credentials, files->cert, files->key,
                                                       GNUTLS_X509_FMT_PEM, password, 0);
        if (result < 0) {
            return mig_fail(error, MIG_ERROR_GENERIC, "Cannot load certificate '%s' & key '%s': %s",
                            files->cert, files->key, gnutls_strerror(result));
        }
        warn_open_key(parts, files->key);
    }
    if (files->crl != NULL) {
        result = gnutls_certificate_set_x509_crl_file(credentials, files->crl, GNUTLS_X509_FMT_PEM);
        if (result < 0) {
            return mig_fail(error, MIG_ERROR_GENERIC, "Cannot load CRL '%s': %s", files->crl,
                            gnutls_strerror(result));
        }
    }
    return true;
}

static void *make_x509(const ObjectParts *parts, GError **error)
{
    TlsSide side = side_of(parts);
    g_auto(CertificateFiles) files = { NULL };
    gnutls_certificate_credentials_t credentials;
    gnutls_dh_params_t dh = NULL;

    if (!find_certificates(parts, side, &files, error) ||
        (flag_of(parts, "sanity-check") &&
         !tls_check_certificates(side, files.ca, files.cert, error))) {
        return NULL;
    }
    int result = gnutls_certificate_allocate_credentials(&credentials);
    if (result < 0) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC, "Cannot allocate credentials: '%s'",
                    gnutls_strerror(result));
        return NULL;
    }
    if (!load_certificates(parts, credentials, &files, error) ||
        (side == TLS_SERVER && !load_dh(parts, &dh, error))) {
        gnutls_certificate_free_credentials(credentials);
        return NULL;
    }
    if (dh != NULL) {
        gnutls_certificate_set_dh_params(credentials, dh);
    } else if (side == TLS_SERVER) {
        gnutls_certificate_set_known_dh_params(credentials, GNUTLS_SEC_PARAM_MEDIUM);
    }
    return finish(parts, GNUTLS_CRD_CERTIFICATE, credentials, dh, error);
}

const ObjectType tls_x509_type = {
    .name = "tls-creds-x509",
    .properties = x509_properties,
    .make = make_x509,
    .free = free_credentials,
    .in_use = in_use,
};

/* ---- tls-creds-psk ---- */

/* The hexadecimal key of @user in a file of lines USER:KEY; the caller's. */
static char *find_key(const char *path, const char *user, GError **error)
{
    g_autofree char *text = NULL;
    g_autoptr(GError) reason = NULL;
    g_auto(GStrv) lines = NULL;
    size_t length = strlen(user);

    if (!g_file_get_contents(path, &text, NULL, &reason)) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC, "Cannot read PSK file %s: %s", path,
                    reason->message);
        return NULL;
    }
    lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; *line != NULL; line++) {
        if (strncmp(*line, user, length) == 0 && (*line)[length] == ':') {
            return g_strdup(g_strchomp(*line + length + 1));
        }
    }
    g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC, "Username %s not found in PSK file %s", user,
                path);
    return NULL;
}

static void *make_psk_server(const ObjectParts *parts, const char *path, GError **error)
{
    gnutls_psk_server_credentials_t credentials;
    gnutls_dh_params_t dh;

    gnutls_psk_allocate_server_credentials(&credentials);
    int result = gnutls_psk_set_server_credentials_file(credentials, path);
    if (result < 0) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC, "Cannot set PSK server credentials: %s",
                    gnutls_strerror(result));
    }
    if (result < 0 || !load_dh(parts, &dh, error)) {
        gnutls_psk_free_server_credentials(credentials);
        return NULL;
    }
    if (dh != NULL) {
        gnutls_psk_set_server_dh_params(credentials, dh);
    } else {
        gnutls_psk_set_server_known_dh_params(credentials, GNUTLS_SEC_PARAM_MEDIUM);
    }
    return finish(parts, GNUTLS_CRD_PSK, credentials, dh, error);
}

static void *make_psk_client(const ObjectParts *parts, const char *path, GError **error)
{
    json_object *name = json_member(parts->properties, "username");
    const char *user = name != NULL ? json_string(name) : "qemu";
    g_autofree char *key = find_key(path, user, error);
    gnutls_psk_client_credentials_t credentials;

    if (key == NULL) {
        return NULL;
    }
    gnutls_datum_t data = { (unsigned char *)key, (unsigned)strlen(key) };
    gnutls_psk_allocate_client_credentials(&credentials);
    int result = gnutls_psk_set_client_credentials(credentials, user, &data, GNUTLS_PSK_KEY_HEX);
    if (result < 0) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC, "Cannot set PSK client credentials: %s",
                    gnutls_strerror(result));
        gnutls_psk_free_client_credentials(credentials);
        return NULL;
    }
    return finish(parts, GNUTLS_CRD_PSK, credentials, NULL, error);
}

static void *make_psk(const ObjectParts *parts, GError **error)
{
    g_autofree char *path = find_file(parts, "keys.psk", true, error);

    if (path == NULL) {
        return NULL;
    }
    warn_open_key(parts, path);
    return side_of(parts) == TLS_SERVER ? make_psk_server(parts, path, error)
                                        : make_psk_client(parts, path, error);
}

const ObjectType tls_psk_type = {
    .name = "tls-creds-psk",
    .properties = psk_properties,
    .make = make_psk,
    .free = free_credentials,
    .in_use = in_use,
};

/* ---- tls-creds-anon ---- */

static void *make_anon(const ObjectParts *parts, GError **error)
{
    gnutls_anon_server_credentials_t server;
    gnutls_anon_client_credentials_t client;
    gnutls_dh_params_t dh;

    if (side_of(parts) == TLS_CLIENT) {
        gnutls_anon_allocate_client_credentials(&client);
        return finish(parts, GNUTLS_CRD_ANON, client, NULL, error);
    }
    if (!load_dh(parts, &dh, error)) {
        return NULL;
    }
    gnutls_anon_allocate_server_credentials(&server);
    if (dh != NULL) {
        gnutls_anon_set_server_dh_params(server, dh);
    } else {
        gnutls_anon_set_server_known_dh_params(server, GNUTLS_SEC_PARAM_MEDIUM);
    }
    return finish(parts, GNUTLS_CRD_ANON, server, dh, error);
}

const ObjectType tls_anon_type = {
    .name = "tls-creds-anon",
    .properties = anon_properties,
    .make = make_anon,
    .free = free_credentials,
    .in_use = in_use,
};
