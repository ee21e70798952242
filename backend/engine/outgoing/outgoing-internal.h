/*
 * The inside of an outgoing migration: its state, and the functions that its phases share. A file
 * calls only files above it in this list:
 *
 *     control.c       requests of other threads, and fault points
 *     watch.c         a destination that makes no progress
 *     main-channel.c  checks, and writes to the main channel
 *     waits.c, gates.c, lane-*.c
 *     precopy.c       passes
 *     switchover.c    stop and hand over
 *     recovery.c      a postcopy whose connection died
 *     postcopy.c, snapshot.c
 *     outgoing.c      life of it all
 *
 * dirty-queue, encoders, mapped-writer, page-requests, return-path, urgent, pace,
 * peer-watch and auto-converge are independent objects and do not include this.
 */
#pragma once

#include "backend/base/lock.h"
#include "backend/base/wait-clock.h"
#include "backend/engine/outgoing/dirty-queue.h"
#include "backend/engine/outgoing/lane.h"
#include "backend/engine/outgoing/outgoing.h"
#include "backend/engine/outgoing/pace.h"
#include "backend/engine/outgoing/peer-watch.h"
#include "backend/engine/outgoing/return-path.h"
#include "backend/engine/outgoing/urgent.h"
#include "backend/stream/writer.h"

/* Whether the guest leaves. Moved by compare-and-swap from open, once. */
typedef enum {
    DECISION_OPEN,
    DECISION_CANCELLED,
    DECISION_GIVEN_UP,  /* the destination does not answer */
    DECISION_COMMITTED, /* the end of the stream is offered to the transport */
} Decision;

/* See waits.c. */
typedef struct {
    /* Started and stopped by the outgoing thread. */
    WaitClock limiter;
    WaitClock answer; /* until the destination has loaded what it received */

    /* Under the lock: the waits that outgoing_account_waits() has counted already. */
    int64_t since_us; /* monotonic, 0 = not counting yet */
    uint64_t link_us, receiver_us, limiter_us;
} Waits;

/* What the destination is watched for, and by which parameter. See watch.c. */
typedef enum {
    WATCH_NOTHING,   /* an operator ends this pause */
    WATCH_RUNNING,   /* the guest runs, here or there: x-stall-timeout */
    WATCH_PAUSED,    /* it is paused for the switchover, before the commit: x-switchover-timeout */
    WATCH_COMMITTED, /* after the commit: x-handover-timeout */
} WatchPhase;

typedef struct {
    GThread *thread;     /* NULL = none */
    _Atomic int gave_up; /* the WatchPhase in which it did; WATCH_NOTHING = it did not */

    /* Under the lock of the migration. */
    WatchPhase phase;
    bool package; /* postcopy: it may be given up after the commit decision too */
    bool quit;

    /* Valid once @gave_up is set. */
    uint64_t silent_ms;
    bool awaited_answer;
} OutgoingWatch;

struct Outgoing {
    /* Constant while the thread runs. */
    OutgoingConfig config;
    Migration *migration;
    GThread *thread;

    /* Any thread. */
    _Atomic int decision;
    atomic_bool keep_stopped;   /* "stop" came during the switchover */
    atomic_bool go_on;          /* migrate_continue: leave pre-switchover */
    atomic_bool left;           /* in postcopy: the package with the guest is sent */
    atomic_bool pause_wanted;   /* migrate_pause came; acts when @left is set */
    atomic_bool start_postcopy; /* switch to postcopy as soon as possible */
    pthread_mutex_t lock;       /* guards @transport, @urgent and @lane (the pointers) and @wake */
    pthread_cond_t wake;        /* cancel, or a setting changed */
    Transport *transport;       /* NULL before it is connected and in postcopy-paused */
    UrgentSender *urgent;       /* capability postcopy-preempt, else NULL */
    Lane *lane;                 /* NULL before the thread has made it; then constant */
    Connector *recovery;        /* under @lock: of an attempt to resume a paused postcopy */
    bool abandoned;             /* under @lock: the wait for the destination's answer ends */
    Waits waits;
    OutgoingWatch watch;

    /* The outgoing thread only. */
    StreamWriter *writer;
    SourceReturnPath *return_path;
    uint32_t attempt;       /* the PING that names this postcopy */
    PageRequests *requests; /* capability postcopy-ram, else NULL; any thread may wake it */
    RamSender *ram;
    AutoConverge converge;
    Pace pace;
    bool ack_missed;       /* the operator was informed that the destination is not ready */
    bool ran;              /* the guest ran before the stop: it resumes when we fail */
    bool stopped;          /* the switchover paused the guest */
    size_t last_bytes;     /* of the write that commits */
    bool confirmed;        /* in postcopy: the guest runs at the destination */
    RunState state_before; /* the run state for globalstate */
};

#define RAM_SECTION_ID 2u

/* Bytes of dirty pages that are not sent yet. */
static inline uint64_t outgoing_remaining(const Outgoing *o)
{
    return ram_sender_remaining(o->ram) * MIG_PAGE_SIZE;
}

static inline bool outgoing_has(const Outgoing *o, MigCapability id)
{
    return capability_is_on(o->config.capabilities, id);
}

/* A file, which nobody loads before it is whole. Not a FIFO with a name: its reader may be a
 * destination. */
static inline bool outgoing_to_file(const Outgoing *o)
{
    return o->transport != NULL && transport_file(o->transport) >= 0;
}

/* ---- control.c ---- */

/* Under the lock: all connections are shut down and every wait of the migration ends. */
void outgoing_shut_down(Outgoing *o);

/* Acts on the fault point @point; false with the error when the migration is to fail there. */
bool outgoing_fault(Outgoing *o, const char *point, GError **error);

/* Like outgoing_fault(), for a channel other than the main one, on the thread that writes to it. A
 * callback for objects that do not include Outgoing. */
bool outgoing_fault_on(void *outgoing, const char *point, Transport *transport, GError **error);

/* ---- watch.c ---- */

/* new makes the thread, which watches for WATCH_RUNNING. For a guest that was paused before,
 * WATCH_PAUSED is the same as WATCH_RUNNING. After package, the package of postcopy can be taken
 * back. free comes last. */
bool outgoing_watch_new(Outgoing *o, GError **error);
void outgoing_watch_for(Outgoing *o, WatchPhase phase);
void outgoing_watch_package(Outgoing *o);
void outgoing_watch_free(Outgoing *o);

/* Bytes that all connections have sent and that the destination has not taken yet: in buffers here
 * and on the way. @outgoing: an Outgoing. */
uint64_t outgoing_unread(void *outgoing);

/* True with the reason when the watch has ended the attempt, or a connection of postcopy. */
bool outgoing_gave_up(Outgoing *o, GError **error);

/* Replaces *@error by that reason; false when there is none. */
bool outgoing_prefer_stall(Outgoing *o, GError **error);

/* Postcopy has another connection, or none: forgets what became of the one before. */
void outgoing_watch_again(Outgoing *o, WatchPhase phase);

/* ---- main-channel.c ---- */

bool outgoing_is_cancelled(const Outgoing *o);

/* False with the error when the destination has failed or was given up, or the operator
 * cancelled. */
bool outgoing_check(Outgoing *o, GError **error);

/* Writes and counts the writer's bytes. */
bool outgoing_flush(Outgoing *o, GError **error);

/* A PART of the ram section around the pages that the caller puts in between. end_part writes it
 * and counts it against the limit. */
void outgoing_begin_part(Outgoing *o);
bool outgoing_end_part(Outgoing *o, GError **error);

/* Ends a ram body of any kind and writes it, without a limit. */
bool outgoing_end_body(Outgoing *o, GError **error);

/* ---- waits.c: counts waits from here, at the first page ---- */

void outgoing_begin_waits(Outgoing *o);

/* ---- gates.c ---- */

/* True when the destination is ready for the switchover. False after a short wait: sync the dirty
 * pages, then call again. */
bool outgoing_may_switch_over(Outgoing *o);

/* The guest is paused. With capability pause-before-switchover: waits for the operator, then sets
 * status @next. */
bool outgoing_pre_switchover(Outgoing *o, MigrationStatus next, GError **error);

/* ---- precopy.c ---- */

/* Setup section, then passes until what is left fits into the downtime limit. */
bool outgoing_precopy(Outgoing *o, GError **error);

/* Sends the rest of the RAM; the guest is paused. */
bool outgoing_last_pass(Outgoing *o, GError **error);

/* For the other ways of sending RAM: the setup section; a wait for the bandwidth limit (false when
 * cancelled meanwhile); a dirty sync, which ends a pass and begins the next; the end of the last
 * pass. */
bool outgoing_put_ram_setup(Outgoing *o, GError **error);
bool outgoing_wait_for_limiter(Outgoing *o, GError **error);
bool outgoing_sync(Outgoing *o, GError **error);
void outgoing_end_pass(Outgoing *o);

/* ---- switchover.c ---- */

/* From the stop of the guest to the destination's answer. True: status, owner and outcome are set,
 * whatever they are. False with the error: failed before the commit, the guest belongs here. */
bool outgoing_switchover(Outgoing *o, GError **error);

/* stop pauses the guest; the other one restores its state before that. */
void outgoing_stop_guest(Outgoing *o);
void outgoing_resume_guest(Outgoing *o);

/* Set status, owner and outcome at the end: the destination has the guest; the destination refused
 * it. */
void outgoing_handed_over(Outgoing *o, Owner owner, const char *evidence);
void outgoing_refused(Outgoing *o, const GError *error);

/* ---- postcopy.c: like outgoing_switchover(), but the rest of the RAM follows the guest ---- */

bool outgoing_postcopy(Outgoing *o, GError **error);

/* ---- recovery.c ---- */

/* The connection of a postcopy has failed: waits in postcopy-paused until another one resumes it
 * (true) or the attempt is given up (false; status and outcome are set). */
bool outgoing_recover(Outgoing *o, const GError *reason);

/* ---- snapshot.c: a whole snapshot, from the setup section on. True: completed ---- */

bool outgoing_background_snapshot(Outgoing *o, GError **error);
