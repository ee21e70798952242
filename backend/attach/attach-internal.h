/*
 * What the files of attach share. Main thread only.
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
    BackendReply *connecting; /* reply of the x-connect that is connecting this end */
    GQueue early;             /* BackendEvent that came meanwhile, owned */
    json_object *commands;    /* command names of its human monitor, list; NULL = not known */
} End;

/* The values that migrate_to replaced and has to restore. */
typedef struct {
    json_object *capabilities[SIDE__COUNT]; /* list for migrate-set-capabilities; NULL = nothing */
    json_object *parameters[SIDE__COUNT];   /* arguments of migrate-set-parameters */
} Restore;

struct Managed {
    Backend base;
    Backend *engine; /* NULL = this process has no guest */
    BackendSession *engine_session;
    unsigned engine_subscription;
    bool engine_busy; /* its guest is being migrated */
    bool observe;
    QmpLinkTimes times;
    End ends[SIDE__COUNT];
    json_object *target; /* of backend_target(); NULL = has to be made again */

    /* About the migration of the attached source. */
    History *history;
    char *uri;     /* destination of a migration started here, else "" */
    bool starting; /* a migrate was sent, so the migration that begins next is to @uri */
    Restore restore;
    Steps *settling;    /* runs after the end of a migration until the outcome is known */
    guint settle_again; /* timer: asks the destination again whether it has the guest */
    unsigned settle_tries;
    GPtrArray *curious; /* replies of x-query-migrate-history that wait for the outcome */

    Steps *moving;    /* the steps of a running migrate_to */
    bool unwanted;    /* migrate_cancel came while migrate_to was still preparing */
    GPtrArray *steps; /* all running Steps; not owned */
};

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
void managed_peer_command(Managed *m, BackendSession *session, json_object *args,
                          BackendReply *reply);

/* ---- answers.c: requests about an attached QEMU that only migmon can answer ---- */

bool answers_execute(Managed *m, BackendSession *session, const SchemaCommand *command,
                     json_object *args, BackendReply *reply);
/* The owner of the guest. @ret_evidence: the observations behind it; caller frees. */
const char *managed_owner(Managed *m, char **ret_evidence);
/* The last "migration" of @source only saved a snapshot of its guest. */
bool managed_was_snapshot(QmpPeer *source);

/* ---- settle.c: the end of a migration ---- */

void settle_status(Managed *m, const char *status, int64_t time_us);
void settle_clear(Managed *m);
/* True while settings are being restored; @run is then called afterwards, without a session. */
bool settle_first(Managed *m, ManagedCommand run, json_object *args, BackendReply *reply);
/* Call when a migration of the guest of this process has failed or was cancelled. */
void settle_engine(Managed *m);

/* ---- steps.c: requests to both ends, one after another ---- */

typedef void (*StepsDone)(Steps *steps, const GError *error, void *data);

/* @done is called at the end and may add steps and run them. If it does not, the Steps are
 * freed. steps_cancel() frees them too: it passes @data to @abandon (may be NULL) and does not
 * call @done. */
Steps *steps_new(Managed *m, StepsDone done, GDestroyNotify abandon, void *data);
/* @args: taken over, NULL = none. The reply is stored under @name. Unless @required, the other
 * steps run even if this one fails. */
void steps_add(Steps *steps, Side side, const char *command, json_object *args, const char *name,
               bool required);
void steps_add_pause(Steps *steps, unsigned ms);
void steps_run(Steps *steps);
void steps_cancel(Steps *steps);
/* The reply of a successful step. NULL when it failed or did not run; see steps_error(). */
json_object *steps_reply(const Steps *steps, Side side, const char *name);
const char *steps_error(const Steps *steps, Side side, const char *name);
const char *side_name(Side side);
/* The attached source; NULL = requests go to the guest of this process. */
QmpPeer *managed_source(const Managed *m);
QmpPeer *managed_destination(const Managed *m);
/* The destination of the migration that is about to start. @uri: "" = not known. */
void managed_set_uri(Managed *m, const char *uri);
/* The name of a side in messages. Caller frees. */
char *managed_title(const Managed *m, Side side);
bool managed_has(const Managed *m, Side side, const char *command, const char *argument);

/* ---- move.c, settle.c ---- */

void managed_migrate_to(Managed *m, BackendSession *session, json_object *args,
                        BackendReply *reply);
void restore_clear(Restore *restore);
/* Drops what is to be restored at @side. False when there was nothing. */
bool restore_forget(Restore *restore, Side side);
/* Adds the entries of @more that @restore does not have: the older value is the original one. */
void restore_add(Restore *restore, const Restore *more);
/* Adds the steps that restore what was changed. */
void restore_add_steps(Managed *m, Steps *steps);
/* ---- check-rules.c ---- */

void managed_migrate_check(Managed *m, BackendSession *session, json_object *args,
                           BackendReply *reply);
