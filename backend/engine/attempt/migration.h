/*
 * One attempt to migrate, outgoing or incoming: its status with the legal
 * moves, its counters, its history. The record outlives the threads of the
 * attempt, so that info migrate can answer afterwards.
 *
 * Reference counted; every function may be called from any thread.
 */
#pragma once

#include <glib.h>
#include <json-c/json.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "backend/base/lock.h"
#include "backend/engine/attempt/events.h"
#include "backend/engine/attempt/ram-map.h"
#include "backend/engine/attempt/series.h"
#include "backend/engine/attempt/statistics.h"
#include "backend/guest/memory/missing-pages.h"
#include "backend/tables/info.h"

/* Which side may run the guest, as far as this process knows. */
typedef enum {
    OWNER_HERE,
    OWNER_PEER,    /* the destination confirmed */
    OWNER_UNKNOWN, /* the commit was sent and no answer has come */
    OWNER_NONE,
} Owner;

const char *owner_name(Owner owner);

/* Written by the thread of the migration, read by any thread at any time. */
struct MigCounters {
    /* The COUNTED rows of info.def. @transferred: all bytes of the stream. @precopy_bytes,
     * @downtime_bytes, @postcopy_bytes: RAM on the main channel, sent while the guest ran here,
     * while it was paused, while it ran at the destination. @total: bytes of RAM. */
#define COUNTER_COUNTED(field) _Atomic uint64_t field;
#define COUNTER_FILLED(field)
#define COUNTER_ENCODED(field)
#define MIG_STAT(name, object, field, member, type, label, form, suffix, when, source)             \
    COUNTER_##source(field)
#include "backend/tables/info.def"
    _Atomic uint64_t zero_pages;
    _Atomic uint64_t normal_pages;
    _Atomic uint64_t remaining; /* bytes of dirty pages not yet sent */
    _Atomic uint64_t sync_count;
    _Atomic uint64_t dirty_rate; /* pages/s over the last second or more */
    _Atomic uint64_t bandwidth;  /* bytes/s over the last window */
    /* Microseconds of an outgoing attempt since its first page; their sum is the elapsed time. See
     * outgoing/waits.c. */
    _Atomic uint64_t link_us, receiver_us, limiter_us, busy_us;
    _Atomic uint64_t downtime_limit;   /* ms; @threshold was computed from it */
    _Atomic uint64_t threshold;        /* bytes that fit into the downtime limit */
    _Atomic int64_t expected_downtime; /* ms, -1 = not known yet */
    _Atomic uint64_t cpu_throttle;     /* % of vCPU time taken by auto-converge, 0 = none */
    CodecCounters codec;
};

/* Moments of the switchover, in order. The pause is the time from the first to the last. */
typedef enum {
    MARK_STOP, /* the vCPUs are asked to stop */
    MARK_STOPPED,
    MARK_SYNCED,  /* the last dirty sync is made */
    MARK_RAM,     /* the last page is sent */
    MARK_DEVICES, /* device state is sent */
    MARK_LOADED,  /* the destination has loaded everything */
    MARK_OVER,    /* the destination has confirmed, or the attempt is over */
    MARK__COUNT,
} SwitchoverMark;

struct Migration {
    atomic_int refs;
    /* Constant. */
    bool outgoing;
    char *peer;
    EventQueue *events;

    MigCounters counters;
    RamMap ram_map;
    Channels channels; /* those beside the main channel */

    /* Under @lock. */
    pthread_mutex_t lock;
    MigrationStatus status;
    GArray *moves;  /* MigMove */
    GArray *passes; /* MigPass, the newest */
    MigSeries series;
    bool connected;        /* there was a connection to the peer */
    bool postcopy;         /* the guest moves before all of its RAM is sent */
    PageFaultStats faults; /* of the destination's vCPUs; .vcpu_us NULL = none */
    char *error;
    char *outcome;
    Owner owner;
    char *evidence;
    int64_t start_us;           /* monotonic */
    int64_t setup_us, end_us;   /* monotonic, 0 = not yet */
    int64_t marks[MARK__COUNT]; /* like @setup_us */
};

Migration *migration_new(EventQueue *events, bool outgoing, const char *peer);
Migration *migration_ref(Migration *m);
void migration_unref(Migration *m);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Migration, migration_unref)

/* Posts an event of this migration, which holds a reference to it. Any thread. @text is copied. */
void migration_post(Migration *m, EngineEventType type, uint64_t number, const char *text);

MigrationStatus migration_get_status(Migration *m);

/* Moves @from -> @to, posts the MIGRATION event and records the time. False when another thread
 * moved the status first; the caller then reads it again. A move that is not in the table is a bug
 * of the caller. */
bool migration_move(Migration *m, MigrationStatus from, MigrationStatus to);

/* Moves to @to from the present status. False when the table does not have that move, because the
 * attempt has ended in another way. */
bool migration_end(Migration *m, MigrationStatus to);

/* postcopy-active, -paused or -recover. */
bool migration_is_in_postcopy(Migration *m);

/* Stores the first error for error-desc; later ones are ignored. */
void migration_set_error(Migration *m, const char *text);
char *migration_dup_error(Migration *m);

/* Sets a sentence for people about the state or the end of the attempt, and posts it as a
 * notice. */
void migration_set_outcome(Migration *m, const char *text);

void migration_set_owner(Migration *m, Owner owner, const char *evidence);
Owner migration_get_owner(Migration *m, char **ret_evidence);

void migration_note_begin(Migration *m); /* the source has connected: times are counted from here */
void migration_note_connected(Migration *m); /* the peer can be reached, or the file written */
void migration_note_setup(Migration *m);     /* setup is over */
void migration_mark(Migration *m, SwitchoverMark mark);
void migration_set_faults(Migration *m, PageFaultStats *stats); /* takes over its memory */
void migration_note_postcopy(Migration *m);                     /* the pause ends there */
void migration_add_pass(Migration *m, const MigPass *pass);

/* True while precopy sends: the guest runs and is not yet paused for the switchover. */
bool migration_is_in_precopy(Migration *m);
/* Copies the passes after number @after; caller unrefs. */
GArray *migration_passes_after(Migration *m, uint64_t after);
/* Called often while the attempt runs; adds a sample to the series when one is due. The first and
 * the last sample need no call. */
void migration_sample(Migration *m);

/* The reply of query-migrate. The caller frees *@ret_error, to which @ret->error_desc points, and
 * puts @ret->vcpu_blocktime. */
void migration_fill_info(Migration *m, MigInfo *ret, char **ret_error);

/* x-query-migrate-history. Caller puts. */
json_object *migration_history_to_json(Migration *m, bool with_samples);
