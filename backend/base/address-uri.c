/*
 * Parses URIs. The grammar and the error texts are QEMU's, but three cases that
 * QEMU accepts and misreads are refused: a port above 65535 (QEMU wraps it), an
 * unknown option (QEMU ignores it), and an IPv6 address without brackets. Pure,
 * any thread.
 */
#include "backend/base/address-private.h"

#include <errno.h>
#include <string.h>

#include "backend/base/error.h"
#include "backend/base/size.h"

#define HOST_MAX 64
#define PORT_MAX 32

static void set_error(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);

static void set_error(GError **error, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    g_set_error_literal(error, MIG_ERROR, MIG_ERROR_GENERIC, text);
}

/* Copies @length bytes, 1 to @max, from *@at and advances it. */
static bool take(const char **at, size_t length, size_t max, char **ret)
{
    if (length == 0 || length > max) {
        return false;
    }
    *ret = g_strndup(*at, length);
    *at += length;
    return true;
}

/* Takes ":PORT" up to a comma or the end. */
static bool take_port(const char **at, char **ret)
{
    if (**at != ':') {
        return false;
    }
    (*at)++;
    return take(at, strcspn(*at, ","), PORT_MAX, ret);
}

/* Takes HOST:PORT, [HOST]:PORT or :PORT. */
static bool take_host_port(Address *address, const char **at, GError **error)
{
    const char *text = *at;

    if (*text == ':') {
        address->host = g_strdup("");
        if (!take_port(at, &address->port)) {
            set_error(error, "error parsing port in address '%s'", text);
            return false;
        }
    } else if (*text == '[') {
        (*at)++;
        if (!take(at, strcspn(*at, "]"), HOST_MAX, &address->host) || *(*at)++ != ']' ||
            !take_port(at, &address->port)) {
            set_error(error, "error parsing IPv6 address '%s'", text);
            return false;
        }
    } else if (!take(at, strcspn(*at, ":"), HOST_MAX, &address->host) ||
               !take_port(at, &address->port)) {
        set_error(error, "error parsing address '%s'", text);
        return false;
    }

    if (strchr(address->port, ':') != NULL) {
        /* QEMU fails with this text when it looks up the port. */
        set_error(error,
                  "address resolution failed for %s:%s: Servname not supported for ai_socktype",
                  address->host, address->port);
        mig_error_hint(error, "an IPv6 address stands in brackets: [::1]:4444");
        return false;
    }
    if (!address_port_in_range(address->port)) {
        set_error(error, "error parsing port in address '%s'", text);
        mig_error_hint(error, "the port must be 0 to 65535");
        return false;
    }
    return true;
}

/* Reads the flag of an option: "" or "=on" or "=off". */
static bool read_flag(const char *name, const char *value, AddressFlag *ret, GError **error)
{
    if (*value == '\0' || strcmp(value, "=on") == 0) {
        *ret = FLAG_ON;
    } else if (strcmp(value, "=off") == 0) {
        *ret = FLAG_OFF;
    } else {
        set_error(error, "error parsing '%s' flag '%s'", name, value);
        return false;
    }
    return true;
}

static bool read_to(Address *address, const char *value, GError **error)
{
    guint64 to;

    if (*value != '=' || !g_ascii_string_to_unsigned(value + 1, 10, 0, 65535, &to, NULL)) {
        set_error(error, "error parsing to= argument");
        return false;
    }
    address->has_to = true;
    address->to = (uint16_t)to;
    return true;
}

/* Reads one option without its comma. @text is the whole address, for messages. */
static bool read_inet_option(Address *address, const char *option, const char *text, GError **error)
{
    const struct {
        const char *name;
        AddressFlag *flag;
    } flags[] = {
        { "ipv4", &address->ipv4 },
        { "ipv6", &address->ipv6 },
        { "keep-alive", &address->keep_alive },
        { "mptcp", &address->mptcp },
    };
    size_t length = strcspn(option, "=");
    bool twice = false;

    if (length == 2 && strncmp(option, "to", 2) == 0) {
        twice = address->has_to;
        if (!twice) {
            return read_to(address, option + length, error);
        }
    }
    for (size_t i = 0; i < G_N_ELEMENTS(flags); i++) {
        if (length == strlen(flags[i].name) && strncmp(option, flags[i].name, length) == 0) {
            twice = *flags[i].flag != FLAG_UNSET;
            if (!twice) {
                return read_flag(flags[i].name, option + length, flags[i].flag, error);
            }
        }
    }
    set_error(error, "error parsing address '%s'", text);
    mig_error_hint(error, twice ? "option '%.*s' is given twice" : "there is no option '%.*s'",
                   (int)length, option);
    return false;
}

static bool parse_inet(Address *address, const char *text, GError **error)
{
    const char *at = text;

    if (!take_host_port(address, &at, error)) {
        return false;
    }
    if (*at == '\0') {
        return true;
    }
    do {
        size_t length = strcspn(++at, ",");
        g_autofree char *option = g_strndup(at, length);

        if (!read_inet_option(address, option, text, error)) {
            return false;
        }
        at += length;
    } while (*at != '\0');
    return true;
}

static bool parse_unix(Address *address, const char *text, GError **error)
{
    if (*text == '\0') {
        set_error(error, "invalid Unix socket address");
        return false;
    }
    address->path = g_strdup(text);
    return true;
}

/* CID and port stay text; the code that uses them checks that they are numbers. */
static bool parse_vsock(Address *address, const char *text, GError **error)
{
    const char *at = text;

    if (!take(&at, strcspn(at, ":"), PORT_MAX, &address->host) || !take_port(&at, &address->port)) {
        set_error(error, "error parsing address '%s'", text);
        return false;
    }
    if (*at != '\0') {
        set_error(error, "trailing characters in address '%s'", text);
        return false;
    }
    return true;
}

static bool parse_fd(Address *address, const char *text, GError **error)
{
    if (*text == '\0') {
        set_error(error, "invalid file descriptor address");
        return false;
    }
    address->path = g_strdup(text);
    return true;
}

static bool parse_exec(Address *address, const char *text, GError **error)
{
    const char *const args[] = { "/bin/sh", "-c", text, NULL };

    (void)error;
    address->args = g_strdupv((char **)args);
    return true;
}

static bool parse_file(Address *address, const char *text, GError **error)
{
    static const char option[] = ",offset=";
    const char *found = strstr(text, option);
    bool range;

    if (found == NULL) {
        address->path = g_strdup(text);
        return true;
    }
    address->path = g_strndup(text, (gsize)(found - text));
    found += strlen(option);
    if (!size_parse(found, 1, &address->offset, &range)) {
        set_error(error, "file URI has bad offset %s: %s", found,
                  g_strerror(range ? ERANGE : EINVAL));
        return false;
    }
    return true;
}

Address *address_from_uri(const char *uri, GError **error)
{
    static bool (*const parse[])(Address * address, const char *text, GError **error) = {
#define MIG_ADDRESS(id, form, ...) [ADDRESS_##id] = parse_##form,
#include "backend/base/address.def"
#undef MIG_ADDRESS
    };

    for (size_t i = 0; i < ADDRESS__COUNT; i++) {
        if (g_str_has_prefix(uri, address_traits[i].scheme)) {
            g_autoptr(Address) address = address_new((AddressKind)i);

            if (!parse[i](address, uri + strlen(address_traits[i].scheme), error)) {
                return NULL;
            }
            return g_steal_pointer(&address);
        }
    }
    set_error(error, "unknown migration protocol: %s", uri);
    return NULL;
}
