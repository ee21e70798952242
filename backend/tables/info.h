/*
 * MigrationInfo: each field once in info.def. The engine fills the struct, JSON and the lines of
 * HMP's info migrate grow from the same rows.
 */
#pragma once

#include <glib.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

/* MigrationStatus; names in info.c. */
typedef enum {
    MIGRATION_NONE,
    MIGRATION_SETUP,
    MIGRATION_CANCELLING,
    MIGRATION_CANCELLED,
    MIGRATION_ACTIVE,
    MIGRATION_POSTCOPY_ACTIVE,
    MIGRATION_POSTCOPY_PAUSED,
    MIGRATION_POSTCOPY_RECOVER,
    MIGRATION_COMPLETED,
    MIGRATION_FAILED,
    MIGRATION_COLO,
    MIGRATION_PRE_SWITCHOVER,
    MIGRATION_DEVICE,
    MIGRATION_WAIT_UNPLUG,
    MIGRATION__COUNT,
} MigrationStatus;

extern const char *const migration_status_names[]; /* MIGRATION__COUNT entries, then NULL */
const char *migration_status_name(MigrationStatus status);
bool migration_status_from_name(const char *name, MigrationStatus *ret);
/* completed, failed, cancelled (and none): nothing is going on. */
bool migration_status_is_over(MigrationStatus status);

typedef struct {
    uint64_t transferred, remaining, total, duplicate, skipped, normal, normal_bytes;
    uint64_t dirty_pages_rate;
    double mbps;
    uint64_t dirty_sync_count, postcopy_requests, page_size, multifd_bytes, pages_per_second;
    uint64_t precopy_bytes, downtime_bytes, postcopy_bytes, dirty_sync_missed_zero_copy;
} MigrationStats;

typedef struct {
    uint64_t cache_size, bytes, pages, cache_miss, overflow;
    double cache_miss_rate, encoding_rate;
} XbzrleStats;

typedef struct {
    uint64_t pages, busy, compressed_size;
    double busy_rate, compression_rate;
} CompressionStats;

typedef struct {
    MigrationStatus status;
    bool has_ram;
    MigrationStats ram;
    bool has_xbzrle;
    XbzrleStats xbzrle;
    bool has_compression;
    CompressionStats compression;
    bool has_total_time, has_expected_downtime, has_downtime, has_setup_time;
    int64_t total_time, expected_downtime, downtime, setup_time; /* ms */
    bool has_blocktime;
    uint64_t blocktime;       /* ms in which all vCPUs waited for pages */
    uint64_t *vcpu_blocktime; /* n_vcpus times, ms; not owned */
    unsigned n_vcpus;
    uint64_t cpu_throttle; /* %, 0 = the guest is not slowed down */
    bool has_dirty_limit;
    uint64_t dirty_limit_throttle, dirty_limit_ring_full; /* us */
    const char *error_desc;                               /* NULL = none; not owned */
    json_object *socket_address;                          /* list, NULL = none; not owned */
    json_object *blocked_reasons;                         /* list, NULL = none; not owned */
} MigInfo;

/* query-migrate's reply: {} when nothing ever happened. Caller puts. */
json_object *mig_info_to_json(const MigInfo *info);

/* HMP's info migrate from the JSON reply of query-migrate: every line that 8.2 prints, byte for
 * byte (the globals block included), nothing else. Appends to @out. */
void mig_info_format_hmp(json_object *reply, GString *out);
