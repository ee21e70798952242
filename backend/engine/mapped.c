/*
 * What capability mapped-ram asks of an address and of the parameters. Main thread.
 */
#include "backend/engine/engine-internal.h"

#include "backend/base/error.h"

unsigned engine_mapped_threads(const Engine *e)
{
    if (!capability_is_on(e->capabilities, CAPABILITY_MAPPED_RAM)) {
        return 0;
    }
    return capability_is_on(e->capabilities, CAPABILITY_MULTIFD)
               ? (unsigned)e->parameters.multifd_channels
               : 1;
}

bool engine_mapped_allows(const Engine *e, const Address *address, GError **error)
{
    if (!capability_is_on(e->capabilities, CAPABILITY_MAPPED_RAM)) {
        return true;
    }
    /* Whether a passed descriptor is a file shows when it is looked at. */
    if (address->kind != ADDRESS_FILE && address->kind != ADDRESS_FD) {
        g_set_error_literal(error, MIG_ERROR, MIG_ERROR_GENERIC,
                            "Migration requires seekable transport (e.g. file)");
        mig_error_hint(error, "file:PATH, or switch mapped-ram off");
        return false;
    }
    if (capability_is_on(e->capabilities, CAPABILITY_MULTIFD) &&
        e->parameters.multifd_compression != 0) {
        g_set_error_literal(
            error, MIG_ERROR, MIG_ERROR_GENERIC,
            "Mapped-ram only available for non-compressed non-TLS multifd migration");
        mig_error_hint(error, "migrate_set_parameter multifd-compression none");
        return false;
    }
    return true;
}
