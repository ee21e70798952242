/*
 * A running QEMU behind its monitor: who it is, what it can do, and what was
 * last known of its guest and its migration, also while it cannot be asked.
 * Everything is rebuilt from queries when the connection comes back. Main thread.
 *
 * Where QEMU does not announce the states of a migration (capability events is
 * off), they are found by looking, and told as hidden MIGRATION events.
 */
#pragma once

#include <glib.h>
#include <json-c/json.h>
#include <stdbool.h>

#include "backend/backend.h"
#include "backend/qmp/link.h"
#include "backend/qmp/peer-schema.h"

typedef struct QmpPeer QmpPeer;

typedef struct {
    const char *side; /* "source" or "destination": how messages call it */
    QmpLinkTimes times;
    bool observe; /* nothing but query- commands is sent */
} QmpPeerOptions;

typedef struct {
    /* Everything is known, at first and whenever it has come back; or, at first only, it could not
     * be reached. The peer may be freed here. */
    void (*ready)(const GError *error, void *data);
    /* Its own events, and those made here. */
    void (*event)(const BackendEvent *event, void *data);
    /* Every reply of query-migrate, whoever asked. */
    void (*seen)(json_object *info, void *data);
    /* A sentence for people: lost, found, silent. */
    void (*notice)(const char *text, void *data);
} QmpPeerCallbacks;

/* Begins to connect; NULL with an error for a text that is no address of a monitor. */
QmpPeer *qmp_peer_new(const char *address, const QmpPeerOptions *options,
                      const QmpPeerCallbacks *callbacks, void *data, GError **error);
/* What is unanswered is answered with an error first. */
void qmp_peer_free(QmpPeer *peer);

/* As qmp_link_send(); refused here: a command that it does not have, or that --observe forbids. */
void qmp_peer_ask(QmpPeer *peer, const char *command, json_object *arguments, int fd,
                  QmpLinkDone done, void *data);

/* A migration was started or is about to change: look now. */
void qmp_peer_look(QmpPeer *peer);

/* "QEMU 7.2.22", "migmon 0.1.0". */
const char *qmp_peer_version(const QmpPeer *peer);
/* Version as one number, 70222 for 7.2.22. */
unsigned qmp_peer_version_number(const QmpPeer *peer);
/* "the source (QEMU 7.2.22 at unix:/run/a.qmp)" */
const char *qmp_peer_title(const QmpPeer *peer);
const char *qmp_peer_address(const QmpPeer *peer);
const char *qmp_peer_name(const QmpPeer *peer); /* of the guest, "" = none */
const char *qmp_peer_uuid(const QmpPeer *peer);
const PeerSchema *qmp_peer_schema(const QmpPeer *peer);
const QmpLink *qmp_peer_link(const QmpPeer *peer);

/* It is connected and answers. */
bool qmp_peer_answers(const QmpPeer *peer);
/* "" when it answers; else why it cannot be asked: "not connected", "has not answered for 3.0 s".
 */
char *qmp_peer_trouble(const QmpPeer *peer);
/* "its process 17 has ended", "... is stopped (SIGSTOP)", "" when nothing is known. Caller frees.
 */
char *qmp_peer_process(const QmpPeer *peer);

/* The last that was known; never NULL. */
const char *qmp_peer_run_state(const QmpPeer *peer);
const char *qmp_peer_status(const QmpPeer *peer); /* of the migration, "none" */
json_object *qmp_peer_info(const QmpPeer *peer);  /* reply of query-migrate, {} at first */
/* Whether a capability is on, and the last reply of query-migrate-parameters ({} at first), with
 * what was set here since. */
bool qmp_peer_capability(const QmpPeer *peer, const char *name);
json_object *qmp_peer_parameters(const QmpPeer *peer);
/* "guest running, migration active, 2.1 s ago". Caller frees. */
char *qmp_peer_knowledge(const QmpPeer *peer);
