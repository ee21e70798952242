/*
 * What the files of address.h share among themselves.
 */
#pragma once

#include "backend/base/address.h"

/* All flags unset, everything else empty. */
Address *address_new(AddressKind kind);

/* False for a number above 65535; names of services pass. */
bool address_port_in_range(const char *port);
