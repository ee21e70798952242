/*
 * Type "secret": a password or a key that other objects name, given directly or in a file.
 */
#include "backend/objects/object-types.h"

#include <string.h>
#include <sys/stat.h>

#include "backend/base/error.h"

static const char *const formats[] = { "raw", "base64", NULL };

static const ObjectProperty properties[] = {
    { "data", "string" },
    { "file", "string" },
    { "format", "QCryptoSecretFormat", formats },
    { "keyid", "string" },
    { "iv", "string" },
    { "loaded", "bool" },
    { NULL },
};

/* The bytes as they are given; NULL with the error. */
static char *read_bytes(const ObjectParts *parts, gsize *ret_size, GError **error)
{
    json_object *data = json_member(parts->properties, "data");
    const char *file = json_text(parts->properties, "file");
    g_autoptr(GError) reason = NULL;
    char *bytes;

    if (data != NULL && *file != '\0') {
        g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC,
                    "'file' and 'data' are mutually exclusive");
        return NULL;
    }
    if (data != NULL) {
        *ret_size = strlen(json_string(data));
        return g_strdup(json_string(data));
    }
    if (*file == '\0') {
        g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC,
                    "Either 'file' or 'data' must be provided");
        return NULL;
    }
    if (!g_file_get_contents(file, &bytes, ret_size, &reason)) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC, "Unable to read %s: %s", file,
                    reason->message);
        return NULL;
    }
    return bytes;
}

static void *make(const ObjectParts *parts, GError **error)
{
    bool base64 = strcmp(json_text(parts->properties, "format"), "base64") == 0;
    gsize size = 0;

    if (json_member(parts->properties, "keyid") != NULL) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC,
                    "encrypted secrets are not supported by this build");
        mig_error_hint(error, "leave keyid and iv out; file=PATH reads a file that only its owner "
                              "may read");
        return NULL;
    }
    g_autofree char *bytes = read_bytes(parts, &size, error);
    if (bytes == NULL) {
        return NULL;
    }
    if (base64) {
        g_strchomp(bytes);
        size_t used = strspn(bytes, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                    "0123456789+/=\r\n");
        if (bytes[used] != '\0') {
            g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC,
                        "Base64 data contains invalid characters");
            return NULL;
        }
        guchar *decoded = g_base64_decode(bytes, &size);
        g_free(bytes);
        bytes = g_strndup((const char *)decoded, size);
        g_free(decoded);
    }
    if (strlen(bytes) != size || !g_utf8_validate(bytes, -1, NULL)) {
        g_set_error(error, MIG_ERROR, MIG_ERROR_GENERIC, "Data from secret is not valid UTF-8");
        return NULL;
    }
    return g_steal_pointer(&bytes);
}

const ObjectType secret_type = {
    .name = "secret",
    .properties = properties,
    .make = make,
    .free = g_free,
};
