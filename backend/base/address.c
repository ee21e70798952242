/*
 * The address itself: new, copy, free, and the conversion to a URI. Parsing is
 * in address-uri.c, JSON in address-json.c. Pure, any thread.
 */
#include "backend/base/address-private.h"

#include <string.h>

const AddressTraits address_traits[ADDRESS__COUNT] = {
#define MIG_ADDRESS(id, form, maker, name_, transport_, type_, traits_, source, destination)       \
    [ADDRESS_##id] = { .name = name_,                                                              \
                       .scheme = name_ ":",                                                        \
                       .transport = transport_,                                                    \
                       .type = type_,                                                              \
                       .traits = traits_,                                                          \
                       .help_source = source,                                                      \
                       .help_destination = destination },
#include "backend/base/address.def"
#undef MIG_ADDRESS
};

Address *address_new(AddressKind kind)
{
    Address *address = g_new0(Address, 1);

    address->kind = kind;
    address->numeric = address->ipv4 = address->ipv6 = FLAG_UNSET;
    address->keep_alive = address->mptcp = FLAG_UNSET;
    address->abstract = address->tight = FLAG_UNSET;
    return address;
}

void address_free(Address *address)
{
    if (address == NULL) {
        return;
    }
    g_free(address->host);
    g_free(address->port);
    g_free(address->path);
    g_strfreev(address->args);
    g_free(address);
}

Address *address_copy(const Address *address)
{
    Address *copy = g_memdup2(address, sizeof *address);

    copy->host = g_strdup(address->host);
    copy->port = g_strdup(address->port);
    copy->path = g_strdup(address->path);
    copy->args = g_strdupv(address->args);
    return copy;
}

bool address_port_in_range(const char *port)
{
    while (g_ascii_isspace(*port)) {
        port++;
    }
    if (strspn(port, "0123456789") != strlen(port)) {
        return true;
    }
    return g_ascii_strtoull(port, NULL, 10) <= 65535;
}

bool address_is_socket(const Address *address)
{
    return strcmp(address_traits[address->kind].transport, "socket") == 0;
}

bool address_has(const Address *address, unsigned traits)
{
    return (address_traits[address->kind].traits & traits) == traits;
}

/* ---- text ---- */

static void append_flag(GString *uri, const char *name, AddressFlag flag)
{
    if (flag != FLAG_UNSET) {
        g_string_append_printf(uri, ",%s=%s", name, flag == FLAG_ON ? "on" : "off");
    }
}

static void append_inet(GString *uri, const Address *address)
{
    /* A colon in a host can only be an IPv6 address. */
    bool bracket = strchr(address->host, ':') != NULL;

    g_string_append_printf(uri, "%s%s%s:%s", bracket ? "[" : "", address->host, bracket ? "]" : "",
                           address->port);
    if (address->has_to) {
        g_string_append_printf(uri, ",to=%u", address->to);
    }
    append_flag(uri, "ipv4", address->ipv4);
    append_flag(uri, "ipv6", address->ipv6);
    append_flag(uri, "keep-alive", address->keep_alive);
    append_flag(uri, "mptcp", address->mptcp);
}

/* Quotes @arg for the shell if necessary. */
static char *shell_word(const char *arg)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "%+,-./:=@_";

    if (*arg != '\0' && strspn(arg, plain) == strlen(arg)) {
        return g_strdup(arg);
    }
    return g_shell_quote(arg);
}

static void append_vsock(GString *uri, const Address *address)
{
    g_string_append_printf(uri, "%s:%s", address->host, address->port);
}

static void append_unix(GString *uri, const Address *address)
{
    g_string_append(uri, address->path);
}

static void append_fd(GString *uri, const Address *address)
{
    g_string_append(uri, address->path);
}

static void append_file(GString *uri, const Address *address)
{
    g_string_append(uri, address->path);
    if (address->offset != 0) {
        g_string_append_printf(uri, ",offset=%" G_GUINT64_FORMAT, address->offset);
    }
}

static void append_exec(GString *uri, const Address *address)
{
    char **args = address->args;

    if (g_strv_length(args) == 3 && strcmp(args[0], "/bin/sh") == 0 && strcmp(args[1], "-c") == 0) {
        g_string_append(uri, args[2]);
        return;
    }
    for (size_t i = 0; args[i] != NULL; i++) {
        g_autofree char *word = shell_word(args[i]);
        g_string_append_printf(uri, "%s%s", i == 0 ? "" : " ", word);
    }
}

char *address_to_uri(const Address *address)
{
    static void (*const append[])(GString * uri, const Address *address) = {
#define MIG_ADDRESS(id, form, ...) [ADDRESS_##id] = append_##form,
#include "backend/base/address.def"
#undef MIG_ADDRESS
    };
    GString *uri = g_string_new(address_traits[address->kind].scheme);

    append[address->kind](uri, address);
    return g_string_free(uri, FALSE);
}
