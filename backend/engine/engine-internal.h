/*
 * The engine behind the backend contract; main thread only. engine.c: life and dispatch. facts.c:
 * what is known before a request is allowed. migrate.c, migrate-incoming.c: commands of the source
 * and of the destination. history.c: queries about both. run-control.c: run control and plain
 * queries. descriptors.c: descriptors. guest.c: what only migmon's guest can do. unsupported.c:
 * what this build refuses.
 */
#pragma once

#include "backend/engine/course.h"
#include "backend/engine/engine.h"
#include "backend/engine/incoming/incoming.h"
#include "backend/engine/outgoing/outgoing.h"
#include "backend/guest/dirty/limit.h"
#include "backend/guest/dirty/rate.h"
#include "backend/objects/objects.h"
#include "backend/tables/capabilities.h"
#include "backend/tables/parameters.h"
#include "backend/tables/rules.h"

/* Prefix of the names of all migration threads. */
#define ENGINE_THREAD_PREFIX "mig/"

typedef struct VerifyJob VerifyJob;
typedef struct FdSets FdSets;

typedef struct {
    Backend base;
    Guest *guest;
    EventQueue *events;
    TimerState timer;

    MigParameters parameters;
    LiveSettings settings; /* the parameters that running threads read */
    MigCapabilities capabilities;
    FdSets *fdsets;   /* descriptors added by add-fd */
    Objects *objects; /* made by object-add */

    Migration *last;           /* the newest attempt of either direction, NULL = none yet */
    Outgoing *outgoing;        /* NULL once its thread is joined */
    Incoming *incoming;        /* like @outgoing */
    Address *incoming_address; /* address of migrate-incoming, NULL = not waiting */
    Listener *listener;
    BackendReply *incoming_reply; /* of migrate-incoming, until the listener is ready */
    BackendReply *cont_reply;     /* of cont -f, until the outgoing thread releases the guest */
    GPtrArray *early_channels;    /* Transport: multifd before their main channel, NULL = none */
    guint early_timer;
    int64_t multifd_refused_us; /* when a multifd channel last came although multifd is off */
    guint drain_timer;
    guint sample_timer;
    Course *course;      /* of @last when that is outgoing, else NULL */
    bool holds_departed; /* in inmigrate: RAM still holds all of the guest that left */
    bool autostart;      /* run the guest when it has arrived */

    DirtyShare *dirty; /* shared by all users of the dirty tracker */
    DirtyRate *rate;
    DirtyLimit *limit;
    BackendReply *rate_reply; /* of calc-dirty-rate, until the window has begun */

    GThread *verify_thread;
    VerifyJob *verify_job;
    BackendReply *verify_reply;
} Engine;

/* A command: answers @reply now or later. */
typedef void EngineCommand(Engine *e, BackendSession *session, json_object *args,
                           BackendReply *reply);

/* ---- facts.c ---- */
/* Makes @m (NULL = none) the attempt that queries report. */
void engine_set_last(Engine *e, Migration *m);
/* True while the newest attempt is neither over nor only waiting for a source. */
bool engine_migration_runs(const Engine *e);
/* The owner of the guest according to the newest attempt. */
Owner engine_last_owner(const Engine *e);
/* The status of the newest attempt if it has that direction, else none. */
MigrationStatus engine_status_of(const Engine *e, bool outgoing);
/* True while a guest arrives in postcopy and part of its RAM is still missing. */
bool engine_in_postcopy(const Engine *e);
/* True while a postcopy in that direction waits for the operator. */
bool engine_is_paused(const Engine *e, bool outgoing);
/* False with the error while part of the RAM is still at the source and must not be read. */
bool engine_ram_is_whole(const Engine *e, GError **error);
/* This side's facts for the rules (backend/tables/rules.h); the caller adds its request. */
Facts engine_facts(Engine *e);
/* The address in "uri" or "channels" of @command. */
Address *engine_address_from_arguments(json_object *args, const char *command, GError **error);
/* Takes a descriptor that getfd gave to this session; *@ret_fd is unchanged for other kinds of
 * address. */
bool engine_take_named_fd(BackendSession *session, const Address *address, int *ret_fd,
                          GError **error);

/* ---- migrate.c ---- */
EngineCommand engine_migrate, engine_migrate_cancel, engine_query_migrate;
/* Called when the thread of @m is about to end. */
void engine_migration_ended(Engine *e, Migration *m);
void engine_migrate_clear(Engine *e);

/* ---- migrate-incoming.c ---- */
EngineCommand engine_migrate_incoming;
/* Listens for --incoming of the command line; @reply gets the outcome, as for migrate-incoming. */
void engine_listen(Engine *e, const Address *address, int fd, BackendReply *reply);
/* Called when @m has completed: the hand-over is done, but its thread may still be cleaning up. */
void engine_migration_completed(Engine *e, Migration *m);
/* Stops waiting for a source and keeps the guest that was here before. False when there is no such
 * guest, or when a source has connected. */
bool engine_stop_waiting(Engine *e);
void engine_stop_listening(Engine *e);
/* Sets which channels the listener accepts beside main channels. */
void engine_want_channels(Engine *e);
void engine_reap_incoming(Engine *e);
/* Ends a completed incoming attempt whose thread still waits for the source to close, so that the
 * guest may leave again. */
void engine_reap_arrived(Engine *e);
/* For query-migrate; NULL when nothing listens. Caller puts. */
json_object *engine_listening_addresses(const Engine *e);

/* ---- history.c ---- */
EngineCommand engine_query_owner, engine_query_history, engine_query_ram_map;
/* The status of the newest attempt has changed: samples its counters while it runs. */
void engine_watch_course(Engine *e);
void engine_history_clear(Engine *e);

/* ---- postcopy.c ---- */
EngineCommand engine_start_postcopy, engine_pause, engine_recover;
/* migrate with "resume": resumes a paused postcopy. */
EngineCommand engine_resume;

/* ---- multifd.c ---- */
/* A connection that began as a multifd channel; @transport is taken. */
void engine_multifd_channel(Engine *e, Transport *transport);
/* The main channel has connected: hands over the multifd channels that connected before it. */
void engine_multifd_hand_over_early(Engine *e);
void engine_multifd_drop_early(Engine *e);

/* ---- run-control.c ---- */
EngineCommand engine_stop, engine_cont, engine_quit, engine_query_status, engine_query_name,
    engine_query_uuid, engine_query_version;
/* Answers a cont -f that waited for the outgoing thread to release the guest. */
void engine_settle_cont(Engine *e);

/* ---- dirty-rate.c ---- */
EngineCommand engine_calc_dirty_rate, engine_query_dirty_rate, engine_query_dirty_pages;
/* The guest is paused and an incoming migration needs its memory: ends measurements and limits. */
void engine_dirty_let_go(Engine *e);
void engine_dirty_clear(Engine *e); /* when no migration is left */

/* ---- dirty-limit.c ---- */
EngineCommand engine_set_dirty_limit, engine_cancel_dirty_limit, engine_query_dirty_limit;
/* For query-migrate: the dirty limit of the running migration. */
void engine_fill_dirty_limit(const Engine *e, MigInfo *info);
/* False, with QEMU's text, when the machine does not support capability dirty-limit. */
bool engine_can_limit(const Engine *e, GError **error);
void engine_limit_notice(void *engine, const char *text); /* any thread */

/* ---- descriptors.c ---- */
EngineCommand engine_getfd, engine_closefd, engine_add_fd, engine_remove_fd, engine_query_fdsets;

/* ---- objects.c ---- */
EngineCommand engine_object_add, engine_object_del, engine_qom_list, engine_qom_list_properties;
/* What tls-creds demands of connections to @address, which the caller frees; NULL = no TLS. */
TlsSetup *engine_tls_client(Engine *e, const Address *address);
/* The same for connections from sources. */
TlsSetup *engine_tls_server(void *engine);

/* ---- trivial-answers.c ---- */
EngineCommand engine_announce_self, engine_delvm, engine_job_verb, engine_migrate_continue,
    engine_query_colo, engine_query_jobs, engine_query_replication, engine_query_threads;

/* ---- unsupported.c ---- */
/* Answers a command that the engine does not have. */
void engine_refuse(Engine *e, const SchemaCommand *command, json_object *args, BackendReply *reply);
/* Warns of blk and inc of migrate; true when one of them is set. */
bool engine_warn_disks(BackendSession *session, json_object *args);

/* ---- guest.c ---- */
EngineCommand engine_query_guest, engine_guest_set, engine_guest_verify, engine_guest_plant,
    engine_fault_release;
void engine_guest_clear(Engine *e);
