/*
 * What the files of this room share. Main thread only.
 */
#pragma once

#include "backend/attach/attach.h"
#include "backend/attach/history.h"
#include "backend/backend.h"
#include "backend/qmp/peer.h"

typedef enum { SIDE_SOURCE, SIDE_DESTINATION, SIDE__COUNT } Side;

typedef struct Managed Managed;
typedef struct Steps Steps;

/* One attached monitor. */
typedef struct {
    Managed *managed;
    Side side;
    QmpPeer *peer;            /* NULL = none */
    BackendReply *connecting; /* x-connect that waits for it */
    json_object *commands;    /* names of its human monitor, list; NULL = not known */
} End;

/* What migrate_to has changed and has to put back. */
typedef struct {
    json_object *capabilities[SIDE__COUNT]; /* list for migrate-set-capabilities; NULL = nothing */
    json_object *parameters[SIDE__COUNT];   /* arguments of migrate-set-parameters */
} Restore;

struct Managed {
    Backend base;
    Backend *engine; /* NULL = no guest in this process */
    BackendSession *engine_session;
    unsigned engine_subscription;
    bool engine_busy; /* a migration of its guest is under way */
    bool observe;
    QmpLinkTimes times;
    End ends[SIDE__COUNT];
    json_object *target; /* of backend_target(); NULL = to be made anew */

    /* Of the migration of what is attached. */
    History *history;
    char *uri; /* where it goes, as far as it was started here; "" */
    Restore restore;
    Steps *settling;    /* after the end, until the outcome is known */
    guint settle_again; /* until the destination says that it has the guest, too */
    unsigned settle_tries;
    GPtrArray *curious; /* BackendReply of x-query-migrate-history that wait for it */

    Steps *moving;    /* migrate_to at work */
    bool unwanted;    /* migrate_cancel came while it was being prepared */
    GPtrArray *steps; /* all that run; not owned */
};

const char *side_name(Side side);

/* ---- attach.c ---- */

/* The attached source; NULL = requests go to the guest of this process. */
QmpPeer *managed_source(const Managed *m);
QmpPeer *managed_destination(const Managed *m);
void managed_notice(Managed *m, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* ---- ends.c ---- */

typedef void (*ManagedCommand)(Managed *m, BackendSession *session, json_object *args,
                               BackendReply *reply);

void managed_connect(Managed *m, BackendSession *session, json_object *args, BackendReply *reply);
void managed_disconnect(Managed *m, BackendSession *session, json_object *args,
                        BackendReply *reply);
void managed_drop_end(Managed *m, Side side);

/* ---- target.c ---- */

json_object *managed_target(Managed *m); /* borrowed; NULL = nothing is attached */
void managed_query_target(Managed *m, BackendSession *session, json_object *args,
                          BackendReply *reply);

/* ---- forward.c: requests for the attached source ---- */

bool forward_check(Managed *m, const SchemaCommand *command, json_object *args, GError **error);
void forward_execute(Managed *m, BackendSession *session, const SchemaCommand *command,
                     json_object *args, BackendReply *reply);
/* Sends and lets the answer be that of @reply. @fd as in qmp_peer_ask(). */
void forward_send(QmpPeer *peer, const char *command, json_object *args, int fd,
                  BackendReply *reply);
/* The arguments of migrate or migrate-incoming as @peer has them: channels, or the URI that says
 * the same. Caller puts; NULL with an error that names @peer. */
json_object *forward_address(QmpPeer *peer, const char *command, json_object *args, GError **error);
void managed_peer_command(Managed *m, BackendSession *session, json_object *args,
                          BackendReply *reply);

/* ---- answers.c: what an attached QEMU is asked that only migmon knows ---- */

bool answers_execute(Managed *m, BackendSession *session, const SchemaCommand *command,
                     json_object *args, BackendReply *reply);
/* Owner and evidence from all that is known; @ret_evidence is the caller's. */
const char *managed_owner(Managed *m, char **ret_evidence);

/* ---- settle.c: the end of a migration ---- */

void settle_status(Managed *m, const char *status, int64_t time_us);
void settle_clear(Managed *m);
/* While settings are being put back: true, and @run comes once that is over (without a session). */
bool settle_first(Managed *m, ManagedCommand run, json_object *args, BackendReply *reply);
/* A migration of the guest of this process has failed or was cancelled. */
void settle_engine(Managed *m);

/* ---- steps.c: requests to both ends, one after another ---- */

typedef void (*StepsDone)(Steps *steps, const GError *error, void *data);

/* Freed after @done, which may add more and run them instead; or by steps_cancel(): @abandon (may
 * be NULL) takes @data then, and @done does not come. */
Steps *steps_new(Managed *m, StepsDone done, GDestroyNotify abandon, void *data);
/* @args: taken over, NULL = none. The reply is kept under @name. A step that is not @required may
 * fail. */
void steps_add(Steps *steps, Side side, const char *command, json_object *args, const char *name,
               bool required);
void steps_add_pause(Steps *steps, unsigned ms);
void steps_run(Steps *steps);
void steps_cancel(Steps *steps);
/* Reply of a step that went well; NULL = not, then steps_error() may say why. */
json_object *steps_reply(const Steps *steps, Side side, const char *name);
const char *steps_error(const Steps *steps, Side side, const char *name);
/* How messages call a side. */
char *managed_title(const Managed *m, Side side);
bool managed_has(const Managed *m, Side side, const char *command, const char *argument);

/* ---- move.c, recover.c, settle.c ---- */

void managed_migrate_to(Managed *m, BackendSession *session, json_object *args,
                        BackendReply *reply);
void move_recover(Managed *m, const char *uri, BackendReply *reply);
void restore_clear(Restore *restore);
/* False when there was nothing for that side. */
bool restore_forget(Restore *restore, Side side);
/* Adds what @more has and @restore does not: the older of both is what was there at first. */
void restore_add(Restore *restore, const Restore *more);
/* Adds the steps that put back what was changed. */
void restore_add_steps(Managed *m, Steps *steps);
/* The URI of the destination with the port that the kernel chose, from its socket-address. Caller
 * frees. */
char *move_resolve_uri(const char *uri, json_object *info);

/* ---- check.c ---- */

void managed_migrate_check(Managed *m, BackendSession *session, json_object *args,
                           BackendReply *reply);
