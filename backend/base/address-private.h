/*
 * Shared by the files that implement address.h.
 */
#pragma once

#include "backend/base/address.h"

/* All flags unset, everything else empty. */
Address *address_new(AddressKind kind);

/* False for a number above 65535; true for service names. */
bool address_port_in_range(const char *port);
