/*
 * The error domain: maps codes to QMP classes, adds hints, formats errno. Any
 * thread.
 */
#include "backend/base/error.h"

#include <errno.h>
#include <netdb.h>
#include <string.h>

/* Not G_DEFINE_QUARK: the first thread with an error would write its cache, a data race. */
GQuark mig_error_quark(void)
{
    return g_quark_from_static_string("mig-error");
}

static const struct {
    MigErrorCode code;
    const char *name;
} classes[] = {
    { MIG_ERROR_COMMAND_NOT_FOUND, "CommandNotFound" },
    { MIG_ERROR_DEVICE_NOT_ACTIVE, "DeviceNotActive" },
    { MIG_ERROR_DEVICE_NOT_FOUND, "DeviceNotFound" },
};

const char *mig_error_class(const GError *error)
{
    for (size_t i = 0; i < G_N_ELEMENTS(classes) && error->domain == MIG_ERROR; i++) {
        if (classes[i].code == (MigErrorCode)error->code) {
            return classes[i].name;
        }
    }
    return "GenericError";
}

MigErrorCode mig_error_code_of(const char *class)
{
    for (size_t i = 0; i < G_N_ELEMENTS(classes); i++) {
        if (strcmp(classes[i].name, class) == 0) {
            return classes[i].code;
        }
    }
    return MIG_ERROR_GENERIC;
}

void mig_error_hint(GError **error, const char *format, ...)
{
    if (error == NULL || *error == NULL) {
        return;
    }

    va_list args;
    va_start(args, format);
    g_autofree char *hint = g_strdup_vprintf(format, args);
    va_end(args);

    char *longer = g_strconcat((*error)->message, MIG_ERROR_HINT, hint, NULL);
    g_free((*error)->message);
    (*error)->message = longer;
}

size_t mig_error_qemu_hint(const char *text)
{
    static const char *const hints[] = { MIG_ERROR_SIZE_HINT, MIG_ERROR_ID_HINT };

    for (size_t i = 0; i < G_N_ELEMENTS(hints); i++) {
        if (g_str_has_prefix(text, hints[i])) {
            return strlen(hints[i]);
        }
    }
    return 0;
}

const char *mig_error_hints(const char *message)
{
    const char *at = message;

    while (*at != '\0' && !g_str_has_prefix(at, MIG_ERROR_HINT) && mig_error_qemu_hint(at) == 0) {
        at++;
    }
    return at;
}

char *mig_error_first_line(const GError *error)
{
    return g_strndup(error->message, (gsize)(mig_error_hints(error->message) - error->message));
}

void mig_error_set_errno(GError **error, int errnum, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    g_set_error(error, MIG_ERROR, MIG_ERROR_IO, "%s: %s", text, g_strerror(errnum));
}

const char *mig_error_of_lookup(int code)
{
    return code == EAI_SYSTEM ? g_strerror(errno) : gai_strerror(code);
}
