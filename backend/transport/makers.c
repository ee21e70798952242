/*
 * Maps each kind of address to the file of this room that implements it. A new kind is a row in
 * address.def, a file with its maker, and a line in meson.build.
 */
#include "backend/transport/transport-private.h"

#include "backend/base/error.h"

/* For kinds that are not built in. */
const AddressMaker no_maker = { 0 };

const AddressMaker *maker_of(const Address *address)
{
    static const AddressMaker *const makers[] = {
#define MIG_ADDRESS(id, form, maker, ...) [ADDRESS_##id] = &maker##_maker,
#include "backend/base/address.def"
#undef MIG_ADDRESS
    };

    return makers[address->kind];
}

bool maker_exists(const Address *address)
{
    return maker_of(address) != &no_maker;
}

static bool refuse(GError **error, const char *text)
{
    return mig_fail(error, MIG_ERROR_GENERIC, "%s", text);
}

bool maker_check(const Address *address, GError **error)
{
    const AddressMaker *maker = maker_of(address);
    SocketAddr ignored;

    g_assert(address_has(address, TRAIT_MANY));
    if (maker->to_socket != NULL) {
        return maker->to_socket(address, &ignored, error);
    }
    if (address->ipv4 == FLAG_OFF && address->ipv6 == FLAG_OFF) {
        return refuse(error, "Cannot disable IPv4 and IPv6 at same time");
    }
    if (*address->port == '\0') {
        return refuse(error, "port not specified");
    }
    return true;
}
