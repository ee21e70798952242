/*
 * A running QEMU behind its monitor: its identity, its features, and the last
 * known state of its guest and its migration, which stays available while it
 * cannot be asked. After a reconnect, queries rebuild everything. Main thread.
 *
 * If QEMU does not announce the states of a migration (capability events is
 * off), polling detects them and reports hidden MIGRATION events.
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
    const char *side; /* "source" or "destination", for messages */
    QmpLinkTimes times;
    bool observe; /* only query- commands are sent */
} QmpPeerOptions;

typedef struct {
    /* Everything is known, initially and after each reconnect; or, initially only, the connection
     * has failed. The peer may be freed here. */
    void (*ready)(const GError *error, void *data);
    /* QEMU's events, and those created here. */
    void (*event)(const BackendEvent *event, void *data);
    /* Every reply of query-migrate, also to other callers. */
    void (*seen)(json_object *info, void *data);
    /* A sentence for people: connection lost, restored, silent. */
    void (*notice)(const char *text, void *data);
} QmpPeerCallbacks;

/* Begins to connect; NULL with an error when @address is not the address of a monitor. */
QmpPeer *qmp_peer_new(const char *address, const QmpPeerOptions *options,
                      const QmpPeerCallbacks *callbacks, void *data, GError **error);
/* Unanswered requests get an error first. */
void qmp_peer_free(QmpPeer *peer);

/* As qmp_link_send(), but refuses a command that the peer does not have or that --observe
 * forbids. */
void qmp_peer_ask(QmpPeer *peer, const char *command, json_object *arguments, int fd,
                  QmpLinkDone done, void *data);

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

/* True when the peer is connected and answers. */
bool qmp_peer_answers(const QmpPeer *peer);
/* "" when the peer answers; else why it cannot be asked: "not connected", "has not answered for 3.0
 * s". Caller frees. */
char *qmp_peer_trouble(const QmpPeer *peer);
/* "its process 17 has ended", "... is stopped (SIGSTOP)", "" when nothing is known. Caller
 * frees. */
char *qmp_peer_process(const QmpPeer *peer);

/* The last known values; never NULL. */
const char *qmp_peer_run_state(const QmpPeer *peer);
const char *qmp_peer_status(const QmpPeer *peer); /* of the migration, "none" */
json_object *qmp_peer_info(const QmpPeer *peer);  /* reply of query-migrate, {} at first */
/* True when a capability is on; the last reply of query-migrate-parameters ({} at first), with the
 * changes made here since. */
bool qmp_peer_capability(const QmpPeer *peer, const char *name);
json_object *qmp_peer_parameters(const QmpPeer *peer);
/* "guest running, migration active, 2.1 s ago". Caller frees. */
char *qmp_peer_knowledge(const QmpPeer *peer);
