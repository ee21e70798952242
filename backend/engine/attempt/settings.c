/*
 * See settings.h.
 */
#include "backend/engine/attempt/settings.h"

void live_settings_store(LiveSettings *live, const MigParameters *parameters)
{
#define STORE_LIVE(field) atomic_store(&live->field, parameters->field);
#define STORE_START(field)
#define MIG_PARAM(field, name, kind, when, ...) STORE_##when(field)
#include "backend/tables/parameters.def"
}

MultifdSettings settings_multifd(MigCapabilities capabilities, const MigParameters *p)
{
    MultifdSettings settings = {
        .compression = (MultifdCompression)p->multifd_compression,
        .sync = (MultifdSync)p->x_multifd_sync,
        .zero = (MultifdZero)p->x_multifd_zero,
        .wait_ms = (uint32_t)p->x_multifd_timeout,
    };

    /* The threads of mapped-ram share one file and need no connections. */
    if (capability_is_on(capabilities, CAPABILITY_MULTIFD) &&
        !capability_is_on(capabilities, CAPABILITY_MAPPED_RAM)) {
        settings.channels = (unsigned)p->multifd_channels;
        settings.zero_copy = capability_is_on(capabilities, CAPABILITY_ZERO_COPY_SEND);
        settings.level = (int)(settings.compression == MULTIFD_ZLIB ? p->multifd_zlib_level
                                                                    : p->multifd_zstd_level);
    }
    return settings;
}

unsigned settings_mapped_threads(MigCapabilities capabilities, const MigParameters *p)
{
    if (!capability_is_on(capabilities, CAPABILITY_MAPPED_RAM)) {
        return 0;
    }
    return capability_is_on(capabilities, CAPABILITY_MULTIFD) ? (unsigned)p->multifd_channels : 1;
}
