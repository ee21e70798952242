/*
 * The inside of an outgoing migration, for the files of this room only: outgoing.c has its life,
 * precopy.c the passes, switchover.c the pause and the commit.
 */
#pragma once

#include "backend/base/rate-limiter.h"
#include "backend/engine/outgoing/multifd-pool.h"
#include "backend/engine/outgoing/outgoing.h"
#include "backend/engine/attempt/mapped-ram.h"
#include "backend/engine/outgoing/dirty-queue.h"
#include "backend/engine/outgoing/return-path.h"
#include "backend/guest/memory/snapshot.h"
#include "backend/stream/writer.h"

/* Who had the last word on whether the guest leaves. Moved by compare-and-swap from open, once. */
typedef enum {
    DECISION_OPEN,
    DECISION_CANCELLED,
    DECISION_GIVEN_UP,  /* the destination does nothing any more */
    DECISION_COMMITTED, /* the end of the stream is offered to the transport */
} Decision;

/* Rate of the link over the last 100 ms or more. */
typedef struct {
    int64_t start_us;
    uint64_t bytes;
    uint64_t pages;
} RateWindow;

/* watch.c. */
typedef struct {
    GThread *thread; /* NULL = none */
    atomic_bool gave_up;

    /* Under the lock of the migration. */
    bool armed;
    bool package; /* postcopy: it may be given up after the decision too */
    bool quit;

    /* Once @gave_up is set. */
    uint64_t silent_ms;
    bool awaited_answer;
} SwitchoverWatch;

struct UrgentSender; /* urgent.c */

/* What outgoing_account_waits() has counted already. */
typedef struct {
    int64_t since_us; /* monotonic, 0 = does not count yet */
    uint64_t link_us, receiver_us, limiter_us;
} WaitsSeen;

struct Outgoing {
    /* Constant while the thread runs. */
    OutgoingConfig config;
    Migration *migration;
    GThread *thread;

    /* Any thread. */
    _Atomic int decision;
    atomic_bool keep_stopped;    /* "stop" came during the switchover */
    atomic_bool go_on;           /* from pre-switchover */
    atomic_bool left;            /* in postcopy: the package with the guest is out */
    atomic_bool pause_wanted;    /* as soon as it is */
    atomic_bool start_postcopy;  /* as soon as it can */
    pthread_mutex_t lock;        /* guards @transport (the pointer) and @wake */
    pthread_cond_t wake;         /* cancel, or a setting changed */
    Transport *transport;        /* NULL before it is connected and in postcopy-paused */
    struct UrgentSender *urgent; /* likewise guarded; capability postcopy-preempt, else NULL */
    Connector *recovery;         /* under @lock: where a paused postcopy goes on, while it tries */
    bool abandoned;              /* under @lock: nobody waits for the destination any more */
    WaitsSeen waits;             /* under @lock */
    SwitchoverWatch watch;
    WaitClock limiter_wait; /* begun and ended by the migration's thread, like the next */
    WaitClock answer_wait;  /* for the destination to have loaded what it got */

    /* The migration's thread only. */
    StreamWriter *writer;
    SourceReturnPath *return_path;
    uint32_t attempt;       /* the PING that names this postcopy */
    PageRequests *requests; /* capability postcopy-ram, else NULL; woken by anyone */
    RamSender *ram;
    MappedWriter *mapped;  /* mapped-ram; NULL = off */
    PageEncoder *encoder;  /* NULL: pages go as they are */
    RamSnapshot *snapshot; /* in place of @ram, once the moment was taken */
    MultifdSend *multifd;  /* NULL = off; constant */
    bool zero_in_packets;
    bool part_is_open; /* multifd: the PART of this pass was begun */
    struct {
        uint64_t bytes, normal, zero;
    } collected; /* of what the multifd channels sent: is in the figures already */
    RateLimiter limiter;
    AutoConverge converge;
    RateWindow window;
    MigPass pass;
    bool ack_missed;       /* it was waited for and the operator told so */
    bool ran;              /* the guest ran before the stop: it goes on when we fail */
    bool stopped;          /* by us, for the switchover */
    size_t last_bytes;     /* the one that commits, and what came with it */
    bool postcopy;         /* the guest left without the rest of its RAM */
    bool confirmed;        /* and runs there */
    RunState state_before; /* what goes into globalstate */
};

#define RAM_SECTION_ID 2u

/* Acts on the fault point @point; false when the migration shall fail there. */
bool outgoing_fault(Outgoing *o, const char *point, GError **error);

/* The same for another channel than the main one. By the thread that writes to it. */
bool outgoing_fault_on(Outgoing *o, const char *point, Transport *transport, GError **error);

/* Writes what the writer holds; counts it. */
bool outgoing_flush(Outgoing *o, GError **error);

/* waits.c: pages begin to flow, waits count from here. */
void outgoing_begin_waits(Outgoing *o);

bool outgoing_is_cancelled(const Outgoing *o);

/* False with the error when the destination has given up or the operator cancelled. */
bool outgoing_check(Outgoing *o, GError **error);

/* Puts the guest back to what it did before the switchover stopped it, if it did. */
void outgoing_resume_guest(Outgoing *o);

/* precopy.c: what every way of sending RAM needs. The setup section; a wait until the limiter lets
 * more through (false when cancelled meanwhile); how much to put into one part; counting it;
 * writing it and reckoning the rates. */
bool outgoing_put_ram_setup(Outgoing *o, GError **error);
bool outgoing_wait_for_limiter(Outgoing *o, GError **error);
size_t outgoing_batch_size(const Outgoing *o);
void outgoing_count_batch(Outgoing *o, RamBatch batch);
bool outgoing_flush_part(Outgoing *o, GError **error);

/* mapped.c. Once connected; without the capability nothing happens. */
bool outgoing_mapped_init(Outgoing *o, GError **error);
/* With @mapped only: what follows a block's entry; some dirty pages. */
bool outgoing_mapped_place(Outgoing *o, size_t block, GError **error);
bool outgoing_mapped_part(Outgoing *o, GError **error);
/* All pages are written. */
bool outgoing_mapped_end(Outgoing *o, GError **error);

/* snapshot.c: all of it, from the setup section on. True: it is completed. */
bool outgoing_background_snapshot(Outgoing *o, GError **error);

/* multifd.c; without the capability init leaves @multifd NULL and the next two do nothing.
 */
void outgoing_multifd_init(Outgoing *o);
/* With the first bytes on the main channel: what the destination is, by its answer. */
void outgoing_multifd_ask(Outgoing *o);
bool outgoing_multifd_connect(Outgoing *o, GError **error);
/* Hands pages over, about @max_bytes (0 = no limit); *@ret_bytes were sent meanwhile. */
bool outgoing_multifd_pages(Outgoing *o, size_t max_bytes, size_t *ret_bytes, GError **error);
/* The end of a pass, before the end of its ram body. */
bool outgoing_multifd_sync(Outgoing *o, GError **error);

/* precopy.c: setup section, then passes until what is left fits into the downtime limit. */
bool outgoing_precopy(Outgoing *o, GError **error);
/* The rest of the RAM; the guest stands. */
bool outgoing_last_pass(Outgoing *o, GError **error);

/* precopy.c, for postcopy too: a dirty sync ends a pass and begins the next; rates and what is left
 * are brought up to date; the last pass ends. */
bool outgoing_sync(Outgoing *o, GError **error);
void outgoing_update_window(Outgoing *o);
void outgoing_end_pass(Outgoing *o);

/* gates.c: whether all that the guest's stop has to wait for is there. False after waiting a
 * little for it: look at the dirty pages again, then ask again. */
bool outgoing_may_switch_over(Outgoing *o);
/* The guest stands: waits for the operator where the capability pause-before-switchover says so;
 * the status is @next then. */
bool outgoing_pre_switchover(Outgoing *o, MigrationStatus next, GError **error);

/* switchover.c: from the stop of the guest to the verdict. Sets status, owner and outcome when it
 * returns true (whatever they are); false: failed before the commit, the guest belongs here. */
bool outgoing_switchover(Outgoing *o, GError **error);
/* postcopy.c: likewise, with the rest of the RAM behind the guest. */
bool outgoing_postcopy(Outgoing *o, GError **error);

/* watch.c. Before the guest is stopped: the watch can be made. From the pause on until the
 * commit it looks at the destination (@ran is known then); a package that is offered can be taken
 * back. Free is the last. */
bool outgoing_watch_new(Outgoing *o, GError **error);
void outgoing_watch_begin(Outgoing *o);
void outgoing_watch_package(Outgoing *o);
void outgoing_watch_end(Outgoing *o);
void outgoing_watch_free(Outgoing *o);
/* True with the reason when it has ended the attempt. */
bool outgoing_gave_up(Outgoing *o, GError **error);

/* control.c, under the lock: every wait of the migration ends. */
void outgoing_shut_down(Outgoing *o);

/* Parts of it that postcopy has too: stopping the guest; and the ends, with status, owner, outcome:
 * the destination has it; the destination said that it did not take it. */
void outgoing_stop_guest(Outgoing *o);
void outgoing_handed_over(Outgoing *o, Owner owner, const char *evidence);
void outgoing_refused(Outgoing *o, const GError *error);
