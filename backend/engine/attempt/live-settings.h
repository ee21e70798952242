/*
 * Parameters that take effect while a migration runs. The main loop writes them, the migration's
 * thread reads them; each stands for itself, so plain atomics are enough.
 */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

typedef struct {
    _Atomic uint64_t max_bandwidth;          /* bytes/s, 0 = no limit */
    _Atomic uint64_t max_postcopy_bandwidth; /* likewise */
    _Atomic uint64_t switchover_bandwidth;   /* bytes/s, 0 = estimate */
    _Atomic uint64_t xbzrle_cache_size;      /* bytes */
    _Atomic uint64_t compress_level;         /* 0 to 9 */
    _Atomic uint64_t compress_wait;          /* bool */
    _Atomic uint64_t downtime_limit;         /* ms */
    _Atomic uint64_t handover_timeout;       /* ms, 0 = wait for ever */
    _Atomic uint64_t switchover_timeout;     /* ms, 0 = no limit */
    _Atomic uint64_t throttle_threshold;     /* % of what is sent */
    _Atomic uint64_t throttle_initial;       /* % of the vCPUs' time; likewise the next two */
    _Atomic uint64_t throttle_increment;
    _Atomic uint64_t throttle_max;
    _Atomic uint64_t throttle_tailslow;       /* 0 or 1 */
    _Atomic uint64_t vcpu_dirty_limit;        /* bytes/s */
    _Atomic uint64_t vcpu_dirty_limit_period; /* ms */
} LiveSettings;
