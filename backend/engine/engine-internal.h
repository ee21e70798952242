/*
 * The engine behind the backend contract; main thread only. engine.c has its
 * life and the dispatch, migrate.c the source's commands,
 * migrate-incoming.c the destination's, history.c what is asked about both, run-control.c
 * run control and plain queries, descriptors.c descriptors, guest.c what only migmon's guest
 * can do, unsupported.c what this build refuses.
 */
#pragma once

#include "backend/engine/engine.h"
#include "backend/engine/incoming/incoming.h"
#include "backend/engine/outgoing/outgoing.h"
#include "backend/guest/dirty/limit.h"
#include "backend/guest/dirty/rate.h"
#include "backend/tables/capabilities.h"
#include "backend/tables/parameters.h"
#include "backend/tables/rules.h"

/* All threads of migrations have a name that begins so. */
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
    FdSets *fdsets; /* descriptors that add-fd brought */

    Migration *last;           /* the newest attempt of either direction, NULL = none ever */
    Outgoing *outgoing;        /* until its thread was joined */
    Incoming *incoming;        /* likewise */
    Address *incoming_address; /* what migrate-incoming was given, NULL = not waiting */
    Listener *listener;
    BackendReply *incoming_reply; /* migrate-incoming until the listener is ready */
    BackendReply *cont_reply;     /* cont -f until the outgoing thread has let go */
    GPtrArray
        *early_channels; /* of Transport: multifd before their main channel; NULL = none ever */
    guint early_timer;
    guint drain_timer;
    guint sample_timer;
    bool holds_departed; /* in inmigrate: the guest that left is still whole in RAM */
    bool autostart;      /* run the guest when it has arrived */

    DirtyShare *dirty; /* who wants to know which pages are written asks through it */
    DirtyRate *rate;
    DirtyLimit *limit;
    BackendReply *rate_reply; /* calc-dirty-rate until the window has begun */

    GThread *verify_thread;
    VerifyJob *verify_job;
    BackendReply *verify_reply;
} Engine;

/* A row of the dispatch table. */
typedef void (*EngineCommand)(Engine *e, BackendSession *session, json_object *args,
                              BackendReply *reply);

/* True while the newest attempt is neither over nor a mere wait for a source. */
bool engine_migration_runs(const Engine *e);

/* What the rules (backend/tables/rules.h) ask about this side; the caller adds its request. */
Facts engine_facts(Engine *e);

/* A limit changed: tells the threads. */
void engine_apply_settings(Engine *e);

/* Posts STOP or RESUME so that it comes before the reply. */
void engine_announce(Engine *e, EngineEventType type);

/* ---- migrate.c ---- */
void engine_migrate(Engine *e, BackendSession *session, json_object *args, BackendReply *reply);
void engine_migrate_cancel(Engine *e, BackendSession *session, json_object *args,
                           BackendReply *reply);
void engine_query_migrate(Engine *e, BackendSession *session, json_object *args,
                          BackendReply *reply);
/* Called when the thread of @m is about to end. */
void engine_migration_ended(Engine *e, Migration *m);
void engine_migrate_clear(Engine *e);

/* The newest attempt is the one that people ask about. */
void engine_set_last(Engine *e, Migration *m);
/* Who has the guest by the newest attempt. */
Owner engine_last_owner(const Engine *e);
/* The address in "uri" or "channels" of @command. */
Address *engine_address_from_arguments(json_object *args, const char *command, GError **error);
/* A descriptor that getfd gave to this session; untouched for other kinds of address. */
bool engine_take_named_fd(BackendSession *session, const Address *address, int *ret_fd,
                          GError **error);

/* ---- migrate-incoming.c ---- */
void engine_migrate_incoming(Engine *e, BackendSession *session, json_object *args,
                             BackendReply *reply);
/* --incoming of the command line; @reply gets the outcome like migrate-incoming's. */
void engine_listen(Engine *e, const Address *address, int fd, BackendReply *reply);
/* Called when @m has completed: the guest is where it belongs, its thread may still tidy up. */
void engine_migration_completed(Engine *e, Migration *m);
/* Gives up waiting for a source in favour of the guest that stood here before. False when there is
 * none, or a source is at work. */
bool engine_stop_waiting(Engine *e);
void engine_stop_listening(Engine *e);
void engine_reap_incoming(Engine *e);
/* The guest may leave again while its arrival's thread still waits for the source to close. */
void engine_reap_arrived(Engine *e);
/* For query-migrate; NULL when nothing listens. Caller puts. */
json_object *engine_listening_addresses(const Engine *e);

/* ---- history.c ---- */
void engine_query_owner(Engine *e, BackendSession *session, json_object *args, BackendReply *reply);
void engine_query_history(Engine *e, BackendSession *session, json_object *args,
                          BackendReply *reply);
void engine_query_ram_map(Engine *e, BackendSession *session, json_object *args,
                          BackendReply *reply);
/* The status of the newest attempt has changed: while it runs its counters are sampled. */
void engine_watch_course(Engine *e);
void engine_history_clear(Engine *e);

/* ---- postcopy.c ---- */
void engine_start_postcopy(Engine *e, BackendSession *session, json_object *args,
                           BackendReply *reply);
void engine_pause(Engine *e, BackendSession *session, json_object *args, BackendReply *reply);
void engine_recover(Engine *e, BackendSession *session, json_object *args, BackendReply *reply);
/* migrate with resume, of a paused postcopy. */
void engine_resume(Engine *e, BackendSession *session, json_object *args, BackendReply *reply);
/* A guest arrives in postcopy and is not whole yet. */
bool engine_in_postcopy(const Engine *e);
/* False with the error while part of the RAM must not be read: it is still at the source. */
bool engine_ram_is_whole(const Engine *e, GError **error);
/* A postcopy in that direction waits for the operator. */
bool engine_is_paused(const Engine *e, bool outgoing);
/* A channel that is no main one; taken. */
void engine_take_postcopy_channel(Engine *e, ChannelType type, Transport *transport);
/* Tells the listener what may come beside main channels. */
void engine_want_channels(Engine *e);

/* ---- multifd.c ---- */
/* A connection that began as a multifd channel; @transport is taken. */
void engine_multifd_channel(Engine *e, Transport *transport);
/* The main channel has come: those that were faster belong to it. */
void engine_multifd_hand_over_early(Engine *e);
void engine_multifd_drop_early(Engine *e);

/* ---- run-control.c ---- */
void engine_stop(Engine *e, BackendSession *session, json_object *args, BackendReply *reply);
void engine_cont(Engine *e, BackendSession *session, json_object *args, BackendReply *reply);
void engine_quit(Engine *e, BackendSession *session, json_object *args, BackendReply *reply);
void engine_query_status(Engine *e, BackendSession *session, json_object *args,
                         BackendReply *reply);
void engine_query_name(Engine *e, BackendSession *session, json_object *args, BackendReply *reply);
void engine_query_uuid(Engine *e, BackendSession *session, json_object *args, BackendReply *reply);
void engine_query_version(Engine *e, BackendSession *session, json_object *args,
                          BackendReply *reply);
/* Answers a cont -f that waited for the outgoing thread to let go. */
void engine_settle_cont(Engine *e);

/* ---- dirty-rate.c ---- */
void engine_calc_dirty_rate(Engine *e, BackendSession *session, json_object *args,
                            BackendReply *reply);
void engine_query_dirty_rate(Engine *e, BackendSession *session, json_object *args,
                             BackendReply *reply);
void engine_query_dirty_pages(Engine *e, BackendSession *session, json_object *args,
                              BackendReply *reply);
/* The guest stands and its memory is wanted by somebody else: nobody measures or limits it. */
void engine_dirty_let_go(Engine *e);
void engine_dirty_clear(Engine *e); /* no migration is left */

/* ---- dirty-limit.c ---- */
void engine_set_dirty_limit(Engine *e, BackendSession *session, json_object *args,
                            BackendReply *reply);
void engine_cancel_dirty_limit(Engine *e, BackendSession *session, json_object *args,
                               BackendReply *reply);
void engine_query_dirty_limit(Engine *e, BackendSession *session, json_object *args,
                              BackendReply *reply);
/* For query-migrate: the dirty limit of the migration that runs. */
void engine_fill_dirty_limit(const Engine *e, MigInfo *info);
/* False, with QEMU's text, when the machine cannot do what capability dirty-limit asks for. */
bool engine_can_limit(const Engine *e, GError **error);
void engine_limit_notice(void *engine, const char *text); /* any thread */

/* ---- descriptors.c ---- */
void engine_getfd(Engine *e, BackendSession *session, json_object *args, BackendReply *reply);
void engine_closefd(Engine *e, BackendSession *session, json_object *args, BackendReply *reply);
void engine_add_fd(Engine *e, BackendSession *session, json_object *args, BackendReply *reply);
void engine_remove_fd(Engine *e, BackendSession *session, json_object *args, BackendReply *reply);
void engine_query_fdsets(Engine *e, BackendSession *session, json_object *args,
                         BackendReply *reply);

/* ---- trivial-answers.c ---- */
void engine_announce_self(Engine *e, BackendSession *session, json_object *args,
                          BackendReply *reply);
void engine_delvm(Engine *e, BackendSession *session, json_object *args, BackendReply *reply);
void engine_job_verb(Engine *e, BackendSession *session, json_object *args, BackendReply *reply);
void engine_migrate_continue(Engine *e, BackendSession *session, json_object *args,
                             BackendReply *reply);
void engine_query_colo(Engine *e, BackendSession *session, json_object *args, BackendReply *reply);
void engine_query_jobs(Engine *e, BackendSession *session, json_object *args, BackendReply *reply);
void engine_query_replication(Engine *e, BackendSession *session, json_object *args,
                              BackendReply *reply);
void engine_query_threads(Engine *e, BackendSession *session, json_object *args,
                          BackendReply *reply);
/* The status of the newest attempt when it went that way, else none. */
MigrationStatus engine_status_of(const Engine *e, bool outgoing);

/* ---- unsupported.c ---- */
/* Answers a command that the engine does not have. */
void engine_refuse(Engine *e, const SchemaCommand *command, json_object *args, BackendReply *reply);
/* Warns of blk and inc of migrate; true when one of them is set. */
bool engine_warn_disks(BackendSession *session, json_object *args);

/* ---- guest.c ---- */
void engine_query_guest(Engine *e, BackendSession *session, json_object *args, BackendReply *reply);
void engine_guest_set(Engine *e, BackendSession *session, json_object *args, BackendReply *reply);
void engine_guest_verify(Engine *e, BackendSession *session, json_object *args,
                         BackendReply *reply);
void engine_guest_plant(Engine *e, BackendSession *session, json_object *args, BackendReply *reply);
void engine_fault_release(Engine *e, BackendSession *session, json_object *args,
                          BackendReply *reply);
void engine_guest_clear(Engine *e);
