/*
 * The one error domain of migmon.
 *
 * A function that can fail takes a GError ** as its last argument. The first
 * line of a message is QEMU's text if QEMU has one, because scripts match it;
 * the other lines are hints for people (mig_error_hint). QMP sends only the
 * first line, HMP prints all.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

#define MIG_ERROR (mig_error_quark())
GQuark mig_error_quark(void);

typedef enum {
    MIG_ERROR_GENERIC,           /* QMP class GenericError, as all others without a note */
    MIG_ERROR_COMMAND_NOT_FOUND, /* QMP class CommandNotFound */
    MIG_ERROR_DEVICE_NOT_ACTIVE, /* QMP class DeviceNotActive */
    MIG_ERROR_DEVICE_NOT_FOUND,  /* QMP class DeviceNotFound */
    MIG_ERROR_FORMAT,            /* bytes from a peer or a file violate the format */
    MIG_ERROR_IO,                /* a transport failed or the peer closed it */
    MIG_ERROR_CUT,               /* like MIG_ERROR_IO: a TLS session ended without close_notify */
    MIG_ERROR_CANCELLED,         /* the operation was cancelled on this side */
    MIG_ERROR_UNSUPPORTED,       /* this build or this machine cannot do it */
} MigErrorCode;

/* What separates the hints of a message, and the message from the first of them. */
#define MIG_ERROR_HINT "\nhint: "
/* QEMU's own hints, after a size and after a name that it does not understand. */
#define MIG_ERROR_SIZE_HINT                                                                        \
    "\nOptional suffix k, M, G, T, P or E means kilo-, mega-, giga-, tera-, peta-"                 \
    "\nand exabytes, respectively."
#define MIG_ERROR_ID_HINT                                                                          \
    "\nIdentifiers consist of letters, digits, '-', '.', '_', starting with a letter."

/* The length of the hint of QEMU's own that @text begins with; 0 = none. */
size_t mig_error_qemu_hint(const char *text);

/* The QMP error class name of @error; static string. */
const char *mig_error_class(const GError *error);
/* The code of a QMP error class; MIG_ERROR_GENERIC for one that is not in the list. */
MigErrorCode mig_error_code_of(const char *class);

/* Sets *@error from a code, a format and its arguments; false, which most callers return. */
#define mig_fail(error, code, ...) (g_set_error((error), MIG_ERROR, (code), __VA_ARGS__), false)

/* Appends one hint line to *@error ("hint: " is put in front); no effect when
 * @error or *@error is NULL. */
void mig_error_hint(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* Where the hints of @message begin: a newline, or its end. Other newlines are not ours. */
const char *mig_error_hints(const char *message);

/* The message without its hints: QEMU's text. It is a line unless another program wrote a newline.
 * Caller frees. */
char *mig_error_first_line(const GError *error);

/* What getaddrinfo() means by @code; call it at once, since errno is part of the answer. Static
 * string. */
const char *mig_error_of_lookup(int code);

/* Sets "TEXT: strerror(errnum)" with code MIG_ERROR_IO. */
void mig_error_set_errno(GError **error, int errnum, const char *format, ...) G_GNUC_PRINTF(3, 4);
