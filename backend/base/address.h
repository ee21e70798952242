/*
 * The address of a migration: QAPI's MigrationAddress, converted from and to a
 * URI and the MigrationChannel JSON. The formats are those of migration.json
 * and sockets.json of QEMU 8.2. The older forms of the first MigrateChannel
 * patch are read as deprecated aliases (channeltype, nested data).
 */
#pragma once

#include <glib.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

typedef enum {
#define MIG_ADDRESS(id, ...) ADDRESS_##id,
#include "backend/base/address.def"
#undef MIG_ADDRESS
    ADDRESS__COUNT,
} AddressKind;

/* What a kind of address can do. */
enum {
    TRAIT_MANY = 1 << 0,     /* several connections to one address; the destination listens */
    TRAIT_TWO_WAY = 1 << 1,  /* the destination can answer */
    TRAIT_STORABLE = 1 << 2, /* the stream can be stored; no destination has to read it */
    TRAIT_SEEKABLE = 1 << 3, /* data can be written and read at a given offset */
    TRAIT_LASTING = 1 << 4,  /* the stream certainly remains after both processes have ended */
    TRAIT_UNCOPIED = 1 << 5, /* the kernel can send pages without a copy */
    TRAIT_PATH = 1 << 6,     /* "path" is a name in the file system */
};

typedef struct {
    const char *name;        /* "tcp" */
    const char *scheme;      /* "tcp:" */
    const char *transport;   /* in JSON */
    const char *type;        /* in JSON, of transport "socket" only */
    unsigned traits;         /* TRAIT_... */
    const char *help_source; /* what follows the scheme; NULL = not offered */
    const char *help_destination;
} AddressTraits;

extern const AddressTraits address_traits[ADDRESS__COUNT];

typedef enum { FLAG_UNSET = -1, FLAG_OFF, FLAG_ON } AddressFlag;

typedef struct {
    AddressKind kind;
    char *host, *port; /* inet, rdma; vsock: cid and port as text */
    bool has_to;       /* inet */
    uint16_t to;
    AddressFlag numeric, ipv4, ipv6, keep_alive, mptcp; /* inet */
    char *path;                  /* unix: path or abstract name; file: name; fd: str */
    AddressFlag abstract, tight; /* unix */
    uint64_t offset;             /* file, bytes */
    char **args;                 /* exec: argv */
} Address;

void address_free(Address *address);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Address, address_free)
Address *address_copy(const Address *address);

/* Error texts as QEMU's ("unknown migration protocol: X", "error parsing address 'X'", ...);
 * numeric ports above 65535 and rdma: without a port are refused (QEMU wraps, crashes). */
Address *address_from_uri(const char *uri, GError **error);

/* Text that address_from_uri() reads back if a URI can express the address; IPv6 is bracketed.
 * Caller frees. */
char *address_to_uri(const Address *address);

/* MigrationAddress object ("addr" of a channel), already checked against the schema; also accepts
 * the deprecated nested form. */
Address *address_from_json(json_object *addr, GError **error);

/* MigrationAddress object; caller puts. */
json_object *address_to_json(const Address *address);

/* SocketAddress object as in MigrationInfo.socket-address ({"path","type"}); socket kinds only.
 * Caller puts. */
json_object *address_to_socket_address(const Address *address);

/* A complete list of channels: [{"channel-type": "main", "addr": {...}}]. Caller puts. */
json_object *address_to_channels(const Address *address);

/* True when @address has all of @traits. */
bool address_has(const Address *address, unsigned traits);

/* True for tcp, unix, vsock and fd: QAPI's transport "socket". */
bool address_is_socket(const Address *address);
